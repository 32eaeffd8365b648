"""Recipes for speech emotion recognition where raters, and modalities, disagree."""

__version__ = "0.1.0"
