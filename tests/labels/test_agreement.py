import numpy as np
import pytest

from ambiser.labels.agreement import fleiss_kappa, krippendorff_alpha

# Krippendorff (2011), section D: four observers, twelve units, labels 1 to 5, missing values; nominal alpha 0.743.
OBSERVERS = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
# Fleiss (1971), as in the common worked example: fourteen raters, ten units, five labels; kappa 0.210.
FLEISS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def test_alpha_of_the_worked_example():
    counts = [[sum(row[u] == str(v) for row in OBSERVERS) for v in range(1, 6)] for u in range(12)]
    assert krippendorff_alpha(counts) == pytest.approx(0.743, abs=5e-4)


def test_kappa_of_the_worked_example():
    assert fleiss_kappa(FLEISS) == pytest.approx(0.210, abs=5e-4)


@pytest.mark.parametrize("score", [krippendorff_alpha, fleiss_kappa])
def test_the_ends_of_the_scale(score):
    assert score([[3, 0], [0, 3], [3, 0]]) == pytest.approx(1)
    rng = np.random.default_rng(0)
    assert abs(score(rng.multinomial(5, [0.5, 0.3, 0.2], 20000))) < 0.01
    assert score([[1, 1], [1, 1]]) < 0
    assert np.isnan(score([[3, 0], [2, 0]]))
    assert np.isnan(score([[1, 0], [0, 1]]))
    assert score([[3, 0], [0, 3], [1, 0]]) == pytest.approx(1)


def test_alpha_is_the_disagreement_of_pairs():
    """Against a loop over all pairs of labels."""
    counts = np.random.default_rng(1).integers(0, 4, (12, 3))
    units = [[c for c, n in enumerate(row) for _ in range(n)] for row in counts.tolist()]
    units = [unit for unit in units if len(unit) > 1]
    everything = [label for unit in units for label in unit]
    observed = sum(sum(a != b for a in unit for b in unit) / (len(unit) - 1) for unit in units) / len(everything)
    differ = sum(a != b for a in everything for b in everything)
    expected = differ / (len(everything) * (len(everything) - 1))
    assert krippendorff_alpha(counts) == pytest.approx(1 - observed / expected)
