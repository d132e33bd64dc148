"""Quarters of an hour, counted by when exchanges happened: what reports are made of (docs/rollups.md). Pure."""
