"""Votes and what is made of them: labels, agreement between raters, models of raters."""
