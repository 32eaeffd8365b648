import json

import numpy as np
import pytest

from ambiser.errors import DataError
from ambiser.io.files import write_text
from ambiser.io.layout import Layout
from ambiser.report.learning_curves import (
    StageCurves,
    best_epoch,
    fold_lines,
    has,
    kept_epochs,
    last_matrix,
    mean_line,
    read_curves,
)
from ambiser.report.training_figures import draw_agreement, draw_cosines, draw_learning


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "data", tmp_path / "dump", tmp_path / "exp")


def _write(layout, fold, stage, epochs):
    text = "".join(json.dumps({"epoch": i + 1, **epoch}) + "\n" for i, epoch in enumerate(epochs))
    write_text(layout.training("x", fold, stage) / "metrics.jsonl", text)


def test_stages_follow_each_other_on_one_axis_after_the_longest_fold(layout):
    _write(layout, 1, "prototypes", [{"dev_ua": 0.25}, {"dev_ua": 0.5}])
    _write(layout, 2, "prototypes", [{"dev_ua": 0.75}, {"dev_ua": 1.0}, {"dev_ua": 0.0}])
    _write(layout, 1, "contrastive", [{"dev_ua": 1.0}])
    first, second = read_curves(layout, "x", ["prototypes", "update", "contrastive"], [1, 2, 3])
    assert (first.name, first.start, first.epochs) == ("prototypes", 0, 3)
    assert (second.name, second.start, list(second.folds)) == ("contrastive", 3, [1])
    lines = fold_lines(first, lambda epoch: epoch["dev_ua"])
    assert [line.values.tolist() for line in lines] == [[0.25, 0.5], [0.75, 1.0, 0.0]]
    mean = mean_line(first, lambda epoch: epoch["dev_ua"])
    assert mean.epochs.tolist() == [1, 2] and mean.values.tolist() == [0.5, 0.75], "as far as all folds go"
    assert fold_lines(second, lambda epoch: epoch["dev_ua"])[0].epochs.tolist() == [4]


def test_missing_values_are_gaps_and_missing_files_no_stages(layout):
    _write(layout, 1, "update", [{"agreement_classifier": None}, {"agreement_classifier": 0.5}, {}])
    stages = read_curves(layout, "x", ["update"], [1])
    values = fold_lines(stages[0], lambda epoch: epoch.get("agreement_classifier"))[0].values
    assert np.isnan(values[[0, 2]]).all() and values[1] == 0.5
    assert has(stages, "agreement_classifier") and not has(stages, "prototype_cosine")
    assert read_curves(layout, "y", ["update"], [1]) == []


def test_the_final_matrix_is_the_mean_over_folds_of_the_epochs_that_were_kept(layout):
    _write(layout, 1, "prototypes", [{"prototype_cosine": [[9.0]], "best": True}])
    _write(
        layout, 1, "update", [{"prototype_cosine": [[1.0]], "best": True}, {"prototype_cosine": [[7.0]], "best": False}]
    )
    _write(
        layout, 2, "update", [{"prototype_cosine": [[2.0]], "best": True}, {"prototype_cosine": [[4.0]], "best": True}]
    )
    _write(layout, 1, "distill", [{"best": True}])
    stages = read_curves(layout, "x", ["prototypes", "update", "distill"], [1, 2])
    assert last_matrix(stages, "prototype_cosine").tolist() == [[2.5]]
    assert last_matrix(stages[2:], "prototype_cosine") is None
    assert best_epoch([{"epoch": 1}, {"epoch": 2}]) == {"epoch": 2}


def test_a_broken_line_is_named(layout):
    path = layout.training("x", 1, "update") / "metrics.jsonl"
    write_text(path, '{"epoch": 1}\n{"epo\n')
    with pytest.raises(DataError, match=r"metrics\.jsonl:2: is not a JSON object"):
        read_curves(layout, "x", ["update"], [1])


def test_kept_epochs_by_stage_and_fold():
    lines = [{"epoch": n, "best": best} for n, best in ((1, True), (2, True), (3, False))]
    stages = [
        StageCurves("update", 0, {1: lines, 2: lines[:1]}),
        StageCurves("contrastive", 3, {1: [{"epoch": 1}, {"epoch": 2}]}),
    ]
    assert kept_epochs(stages) == {"update": {1: 2, 2: 1}, "contrastive": {1: 2}}


@pytest.mark.parametrize("kind", ["learning", "cosines", "agreement"])
def test_the_legend_of_a_training_figure_is_not_cut(layout, kind):
    keys = ("classifier", "prototypes", "aligned", "both")
    epoch = {"train_loss": 1.0, "dev_accuracy": 0.5, "dev_ua": 0.5, "dev_jsd": 0.2, "best": True}
    epoch |= {f"agreement_{key}": 0.5 for key in keys} | {"prototype_cosine": np.eye(4).tolist()}
    _write(layout, 1, "update", [epoch, epoch])
    stages = read_curves(layout, "x", ["update"], [1])
    draw = {
        "learning": lambda: draw_learning(stages),
        "cosines": lambda: draw_cosines(stages, ("neutral", "surprised", "frustrated", "disgusted")),
        "agreement": lambda: draw_agreement(stages),
    }
    figure = draw[kind]()
    figure.canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0, "texts beyond the figure are lost"
