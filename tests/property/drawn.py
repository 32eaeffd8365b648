"""Strategies that several tests share; needs hypothesis."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


@st.composite
def votes_and_probs(draw, most=8):
    """Draws counts (N, C) with at least a vote per row, and probabilities (N, C) with exact zeros and ones."""
    n, classes = draw(st.integers(1, most)), draw(st.integers(2, 5))
    counts = draw(hnp.arrays(np.float64, (n, classes), elements=st.integers(0, 3).map(float)))
    counts[counts.sum(axis=1) == 0, 0] = 1
    weights = draw(hnp.arrays(np.float64, (n, classes), elements=st.sampled_from([0.0, 1e-12, 0.1, 0.5, 1.0])))
    weights[weights.sum(axis=1) == 0, 0] = 1
    return counts, weights / weights.sum(axis=1, keepdims=True)
