"""Votes, and the labels made from them; agreement between raters, models of raters."""
