"""Scores of predictions against votes, their intervals, and comparisons between systems."""
