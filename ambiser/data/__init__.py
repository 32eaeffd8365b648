"""Corpora, votes and folds."""
