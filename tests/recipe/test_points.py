"""Points of a grid as experiments, and the choice among them, which reads checkpoints alone."""

import json

import pytest
import torch
from make_record import make_record

from ambiser.errors import ConfigError, DataError
from ambiser.io.choice_file import model_tag, read_choice
from ambiser.recipe.experiments import load_experiments
from ambiser.recipe.points import check_dev_majorities, choose, expand, pick_point
from ambiser.recipe.program_options import Parser
from ambiser.recipe.systems import System, ensure_predictions
from ambiser.train.checkpoint import save_best

GRID = "epochs=5,10,30"


@pytest.fixture
def tuned(tmp_path):
    """Makes a tuned experiment whose folders do not exist."""

    def tuned(select: str = "jsd", grid: str = GRID):
        path = tmp_path / "a.yaml"
        path.write_text(f"stages: [distill]\ndistill: {{select: {select}}}\n")
        words = [f"--{name}_dir={tmp_path / name}" for name in ("data", "dump", "exp")]
        args = Parser("Does it.", "train").parse_args([*words, "--config", str(path), "--tune", grid])
        return load_experiments(args)[0]

    return tuned


def trained(experiment, *scores: float, fold: int = 1) -> None:
    """Writes the checkpoint of each point with its dev score."""
    for epoch, (one, dev) in enumerate(zip(expand([experiment]), scores, strict=True), start=1):
        select = one.config.distill.select
        facts = {"epoch": epoch, "select": select, "dev": dev}
        save_best(one.layout.best(one.tag, fold, "distill"), {"w": torch.ones(1)}, facts)


def test_points_are_experiments_in_the_folder_of_the_tuned_one(tuned):
    points = expand([tuned()])
    assert [one.tag for one in points] == [f"a-fbank-s1/points/epochs={n}" for n in (5, 10, 30)]
    assert [one.config.distill.epochs for one in points] == [5, 10, 30]
    assert {json.dumps(one.config.tune) for one in points} == {"{}"}
    assert expand(points) == points


def test_a_point_is_picked_by_its_name(tuned):
    experiment = tuned()
    assert pick_point(experiment, "epochs=10").config.distill.epochs == 10
    point = expand([experiment])[0]
    assert pick_point(point, "") == point
    with pytest.raises(ConfigError, match="--point epochs=11: a-fbank-s1 has no such point; the nearest is epochs=10"):
        pick_point(experiment, "epochs=11")
    with pytest.raises(ConfigError, match=r"--point \(missing\)"):
        pick_point(experiment, "")


@pytest.mark.parametrize(
    ("select", "scores", "chosen"),
    [
        ("jsd", (0.3, 0.1, 0.2), "epochs=10"),
        ("ua", (0.3, 0.1, 0.4), "epochs=30"),
        ("jsd", (0.1, 0.1, 0.2), "epochs=5"),
        ("accuracy", (0.1, 0.4, 0.4), "epochs=10"),
    ],
)
def test_the_best_dev_score_is_chosen_and_the_first_of_equals(tuned, select, scores, chosen):
    experiment = tuned(select)
    trained(experiment, *scores)
    assert choose(experiment, 1).point == chosen
    choice = read_choice(experiment.layout.choice(experiment.tag, 1))
    assert (choice.chosen, choice.stage, choice.select) == (chosen, "distill", select)
    assert [(one.point, one.dev, one.epoch) for one in choice.points] == [
        (f"epochs={n}", dev, i) for i, (n, dev) in enumerate(zip((5, 10, 30), scores, strict=True), start=1)
    ]


def test_each_fold_chooses_on_its_own_and_reads_no_part_of_the_data(tuned, tmp_path):
    experiment = tuned()
    trained(experiment, 0.3, 0.1, 0.2, fold=1)
    trained(experiment, 0.3, 0.2, 0.1, fold=2)
    assert [choose(experiment, fold).point for fold in (1, 2)] == ["epochs=10", "epochs=30"]
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "dump").exists()


def test_an_experiment_without_a_grid_is_its_own_choice(tuned):
    point = expand([tuned()])[0]
    assert choose(point, 1) is point
    assert model_tag(point.layout, point.tag, 1) == point.tag


def test_a_choice_that_stays_keeps_its_file_and_one_that_changes_makes_predictions_old(tuned, monkeypatch):
    experiment = tuned()
    trained(experiment, 0.3, 0.1, 0.2)
    choose(experiment, 1)
    path = experiment.layout.choice(experiment.tag, 1)
    before = path.stat().st_mtime_ns
    choose(experiment, 1)
    assert path.stat().st_mtime_ns == before
    predictions = experiment.layout.predictions(experiment.tag, 1)
    predictions.write_text("utt\n")
    asked = []
    monkeypatch.setattr("ambiser.train.prediction.predict_fold", lambda config, *_: asked.append(config.distill.epochs))
    system = System(experiment, experiment.tag, "a")
    assert ensure_predictions(system, 1) == predictions
    assert asked == []
    best = experiment.layout.best(f"{experiment.tag}/points/epochs=30", 1, "distill")
    save_best(best, {"w": torch.ones(1)}, {"epoch": 1, "select": "jsd", "dev": 0.05})
    ensure_predictions(system, 1)
    assert asked == [30]


def test_points_may_be_removed_after_the_choice(tuned):
    experiment = tuned()
    trained(experiment, 0.3, 0.1, 0.2)
    choose(experiment, 1)
    experiment.layout.best(f"{experiment.tag}/points/epochs=5", 1, "distill").unlink()
    assert choose(experiment, 1).point == "epochs=10"


def test_a_missing_point_is_named_before_there_is_a_choice(tuned):
    experiment = tuned()
    with pytest.raises(DataError, match=r"points/epochs=5/fold1/distill/best.safetensors is missing; stage 6"):
        choose(experiment, 1)


def test_a_point_chosen_by_another_score_is_refused(tuned):
    experiment = tuned("jsd")
    trained(tuned("ua"), 0.3, 0.1, 0.2)
    with pytest.raises(DataError, match="has no dev jsd; remove it and run stage 6 again"):
        choose(experiment, 1)


@pytest.mark.parametrize("select", ["ua", "accuracy", "jsd"])
def test_dev_needs_a_majority_where_it_selects_by_one(tuned, select):
    experiment = tuned(select)
    layout = experiment.layout
    make_record().write(layout.corpus_record())
    votes = [("u1", "ang"), ("u1", "hap"), ("u2", "ang"), ("u2", "ang"), ("u2", "hap")]
    rows = "".join(f"{utt}\tr{i}\toutside\tprimary\t{code}\n" for i, (utt, code) in enumerate(votes))
    layout.table("votes.tsv").parent.mkdir(parents=True)
    layout.table("votes.tsv").write_text("utt\trater\tsource\tslot\tlabel\n" + rows)
    for fold, utt in ((1, "u2"), (2, "u1")):
        layout.fold_list(fold, "dev").parent.mkdir()
        layout.fold_list(fold, "dev").write_text(f"{utt}\n")
    check_dev_majorities([experiment], [1])
    if select == "jsd":
        check_dev_majorities([experiment], [1, 2])
        return
    message = f"a-fbank-s1, fold 2: no dev utterance has a majority label, so dev {select} has no value"
    with pytest.raises(DataError, match=message):
        check_dev_majorities([experiment], [1, 2])
