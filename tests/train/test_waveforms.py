"""How waveforms are read and changed."""

import numpy as np
import pytest
import soundfile
import torch

from ambiser.train.waveforms import Change, Waveforms


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def ramp(samples=16000):
    return torch.arange(1, samples + 1) / samples


def test_only_longer_waveforms_are_cropped():
    change = Change(0.5)
    starts = {round(float(change(ramp(), generator(seed))[0]) * 16000) - 1 for seed in range(50)}
    assert len(change(ramp(), generator())) == 8000
    assert len(starts) > 40 and min(starts) >= 0 and max(starts) <= 8000
    short = ramp(8000)
    assert change(short, generator()) is short


def test_the_gain_stays_within_its_limits():
    ratios = [float(Change(10, gain_db=6.0)(ramp(), generator(seed))[7] / ramp()[7]) for seed in range(200)]
    decibels = 20 * np.log10(ratios)
    assert -6 <= decibels.min() < -5 and 5 < decibels.max() <= 6
    assert abs(decibels.mean()) < 0.6


def test_the_noise_level_is_relative_to_the_waveform():
    added = Change(10, noise=0.1)(ramp(), generator()) - ramp()
    assert float(added.std() / ramp().square().mean().sqrt()) == pytest.approx(0.1, rel=0.05)


def test_one_span_is_silenced():
    masked = Change(10, time_mask=0.25)(ramp(), generator())
    silent = torch.nonzero(masked == 0).flatten()
    assert len(silent) == 4000 and int(silent[-1] - silent[0]) == 3999
    kept = masked != 0
    assert torch.equal(masked[kept], ramp()[kept])


@pytest.fixture
def waveforms(tmp_path):
    paths = []
    for number in range(5):
        paths.append(tmp_path / f"{number}.wav")
        soundfile.write(paths[-1], np.full((4000 + number, 2), 0.1 * number), 8000, subtype="FLOAT")
    return Waveforms(paths, cut=Change(0.25), view=Change(0.25, gain_db=3.0, time_mask=0.1))


def test_whole_waveforms_are_decoded_as_in_stage_2(waveforms):
    batch = waveforms.whole(torch.tensor([3, 1]))
    assert [len(wav) for wav in batch] == [8006, 8002]  # resampled to 16 kHz, two channels made one
    assert float(batch[0][4000]) == pytest.approx(0.3, abs=1e-4)


def test_a_slice_of_a_batch_has_the_waveforms_of_the_batch(waveforms):
    batch = waveforms.drawn(torch.arange(5), generator(), views=True)
    whole = list(batch)
    assert len(batch) == 5
    for first, last in ((0, 2), (2, 5)):
        for got, want in zip(batch[first:last], whole[first:last], strict=True):
            assert torch.equal(got, want)
    again = waveforms.drawn(torch.arange(5), generator(), views=True)
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))


def test_views_are_augmented_and_cuts_are_only_cropped(waveforms):
    index = torch.tensor([4])
    cut = waveforms.drawn(index, generator(), views=False)[0]
    view = waveforms.drawn(index, generator(), views=True)[0]
    assert len(cut) == len(view) == 4000
    assert float(cut.min()) > 0.39 and int((view == 0).sum()) == 400
