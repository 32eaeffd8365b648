"""Holds the colors of figures and pages, apart from matplotlib, which takes long to import."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, made for color-blind readers; lines also differ in dashes."""
