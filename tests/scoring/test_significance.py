"""P-values that a bootstrap can give."""

import numpy as np
import pytest

from ambiser.scoring.significance import bootstrap_p, smallest_p


def test_the_smallest_p_value_is_that_of_gaps_on_one_side_times_the_comparisons():
    assert smallest_p(999, 1) == pytest.approx(bootstrap_p(np.ones(999))) == pytest.approx(0.002)
    assert smallest_p(999, 6) == pytest.approx(0.012) and smallest_p(9, 6) == 1
