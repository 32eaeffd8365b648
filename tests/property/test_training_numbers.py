"""Training on data at the edge ends in finite weights and predictions, or in a line that names what is missing."""

import dataclasses
from collections.abc import Callable

import pytest
import torch
from gpu.kinds import KINDS, run_kind

from ambiser.errors import DataError
from ambiser.train.part import Part


def taken(part: Part, rows: slice) -> Part:
    names = ("utts", "speech", "text", "soft", "counts", "hard", "kind")
    return dataclasses.replace(part, **{name: getattr(part, name)[rows] for name in names})


def heard(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Part, Part], tuple[Part, Part]]:
    """Returns a function that changes the speech features of both parts."""

    def changed(part: Part) -> Part:
        if isinstance(part.speech, torch.Tensor):
            return dataclasses.replace(part, speech=change(part.speech))
        return dataclasses.replace(part, speech=[change(torch.from_numpy(rows)).numpy() for rows in part.speech])

    return lambda train, dev: (changed(train), changed(dev))


IPR, FRAMES = "ipr, threshold and gaussian, then amber", "ipr on frames"
CASES = {
    "one training utterance": lambda train, dev: (taken(train, slice(0, 1)), dev),
    "one dev utterance, without a majority": lambda train, dev: (train, taken(dev, slice(19, 20))),
    "one class in training": lambda train, dev: (taken(train, slice(0, None, 4)), dev),
    "one class in dev": lambda train, dev: (train, taken(dev, slice(0, None, 4))),
    "constant features": heard(lambda x: torch.full_like(x, 0.1)),
    "denormal features": heard(lambda x: x * 1e-42),
    "features of 1e30": heard(lambda x: x * 1e30),
    "features of 1e38": heard(lambda x: torch.full_like(x, 3e38)),
}
FAULTS = {
    ("one training utterance", IPR): "no precise training utterance for happy, angry, sad",
    ("one training utterance", FRAMES): "no precise training utterance for happy, angry, sad",
    ("one training utterance", "attributes"): "fewer than two training utterances have ratings",
    ("one dev utterance, without a majority", IPR): "no ambiguous dev utterance",
    ("one dev utterance, without a majority", "attributes"): "fewer than two dev utterances have ratings",
    ("one class in training", IPR): "no precise training utterance for happy, angry, sad",
    ("one class in training", FRAMES): "no precise training utterance for happy, angry, sad",
    ("features of 1e38", IPR): "mean or deviation of the speech features in the training part is not finite",
    ("features of 1e38", FRAMES): "the loss is nan in epoch 1, step 1",
    ("features of 1e38", "attributes"): "mean or deviation of the speech features in the training part is not finite",
}


@pytest.mark.parametrize("kind", [IPR, FRAMES, "attributes"])
@pytest.mark.parametrize("case", CASES)
def test_weights_and_predictions_are_finite_or_a_line_says_why(case, kind, tmp_path):
    if fault := FAULTS.get((case, kind)):
        with pytest.raises(DataError, match=fault):
            run_kind(KINDS[kind], tmp_path, "cpu", CASES[case])
        return
    numbers = run_kind(KINDS[kind], tmp_path, "cpu", CASES[case])
    assert [name for name, value in numbers.items() if not value.double().isfinite().all()] == []
