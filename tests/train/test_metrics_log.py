"""What TensorBoard shows of a training, read back with its own reader."""

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ambiser.train.metrics_log import Curves

LINES = [
    {
        "epoch": epoch,
        "dev_jsd": 0.5 / epoch,
        "best": True,
        "agreement_prototypes": None,
        "prototype_cosine": [[1.0, -0.5, 0.1 * epoch], [-0.5, 1.0, 0.0], [0.1 * epoch, 0.0, 1.0]],
    }
    for epoch in (1, 2, 3)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curves")
    (folder / "tensorboard").mkdir()
    (folder / "tensorboard" / "events.out.tfevents.0.killed").write_text("of a run that was killed")
    curves = Curves(folder, LINES[:2], True, ["neutral", "happy", "sad"])
    curves.add(LINES[2])
    curves.close()
    return folder


def test_the_log_has_one_line_per_epoch(folder):
    assert [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()] == LINES


def test_tensorboard_has_scores_and_the_cosine_of_every_pair_of_prototypes(folder):
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    pairs = ["neutral-happy", "neutral-sad", "happy-sad"]
    assert set(events.Tags()["scalars"]) == {"dev_jsd", *(f"prototype_cosine/{pair}" for pair in pairs)}
    assert [(e.step, e.value) for e in events.Scalars("dev_jsd")] == [
        (epoch, pytest.approx(0.5 / epoch)) for epoch in (1, 2, 3)
    ]
    assert [e.value for e in events.Scalars("prototype_cosine/neutral-sad")] == pytest.approx([0.1, 0.2, 0.3])


def test_tensorboard_shows_the_cosines_as_a_picture(folder):
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    last = events.Images("prototype_cosine/matrix")[-1]
    pixels = np.asarray(Image.open(BytesIO(last.encoded_image_string)).convert("L"))
    cell = len(pixels) // 3
    seen = pixels[cell // 2 :: cell, cell // 2 :: cell]
    assert last.step == 3
    assert seen == pytest.approx((1 + np.array(LINES[-1]["prototype_cosine"])) / 2 * 255, abs=1)
