"""Holds the colors of figures and pages, apart from matplotlib, which takes long to import."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#BF6594", "#B87700", "#7A848E")
"""Okabe and Ito's palette for color-blind readers, with purple and orange darker and gray for the sky blue, so that
each has a contrast of at least 3 with the paper of a page, light or dark."""
