"""Packed models, and predictions for new recordings."""
