"""What the weekly report and the dashboard cost on a large store (`python -m benchmarks.report_speed`)."""
