"""The probe of an encoder: fixed, bounded, and near only to itself."""

import numpy as np
import pytest

from ambiser.inference.probe import TOLERANCE, VALUES, agree, probe_signal, probe_text


def test_the_signal_is_fixed_and_does_not_clip():
    signal = probe_signal()
    assert signal.shape == (32000,) and signal.dtype == np.float32
    assert 0.1 < np.abs(signal).max() < 1
    assert np.array_equal(signal, probe_signal())


def test_a_probe_holds_evenly_spaced_features():
    assert probe_text(lambda words: np.arange(1000.0).reshape(10, 100)) == [
        round(k * 999 / (VALUES - 1)) for k in range(VALUES)
    ]
    assert probe_text(lambda words: np.array([[0.123456789, 2.0]])) == [0.12346, 2.0]


@pytest.mark.parametrize(("share", "same"), [(0, True), (0.9 * TOLERANCE, True), (1.1 * TOLERANCE, False)])
def test_probes_agree_up_to_the_tolerance(share, same):
    expected = np.random.default_rng(0).standard_normal(VALUES)
    change = np.random.default_rng(1).standard_normal(VALUES)
    change *= share * np.linalg.norm(expected) / np.linalg.norm(change)
    assert agree(list(expected + change), list(expected)) is same


def test_nothing_agrees_with_a_missing_probe_or_one_of_another_size():
    assert not agree([], [])
    assert not agree([1.0], [1.0, 2.0])
