"""What a page of the dashboard costs that stays open."""
