"""A grid of two points on mini, run as a user runs it: whole, killed and resumed, and with other votes on test."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from recipes.test_mini import Recipe, contents, good, wait_for

TAG = "jsd-fbank-s1"
GRID = ["--config", "jsd", "--folds", "1", "--tune", "epochs=2,10"]


@pytest.fixture(scope="module")
def make(root, environment, tmp_path_factory):
    """A function that makes a recipe in fresh folders, with the data and features of another one."""

    def make(like: Recipe | None = None) -> Recipe:
        recipe = Recipe(root / "egs/mini/run.sh", tmp_path_factory.mktemp("recipe"), environment)
        if like is not None:
            recipe.data, recipe.dump = like.data, like.dump
        return recipe

    return make


@pytest.fixture(scope="module")
def whole(make):
    """A finished run, from stage 1 to the report."""
    recipe = make()
    good(recipe.run(*GRID, "--stop_stage", 8))
    return recipe


def choice(recipe: Recipe) -> dict:
    return json.loads((recipe.exp / TAG / "fold1/choice.json").read_text())


def test_the_chosen_point_predicts_and_is_named_in_results_tables_and_page(whole):
    chosen = choice(whole)
    best = min(chosen["points"], key=lambda point: point["dev"])
    assert [point["point"] for point in chosen["points"]] == ["epochs=2", "epochs=10"]
    assert chosen["chosen"] == best["point"]
    results = json.loads((whole.exp / TAG / "results.json").read_text())
    assert results["stamp"]["tuning"] == {"grid": {"distill.epochs": [2, 10]}, "chosen": {"1": chosen["chosen"]}}
    assert results["stamp"]["kept"] == {"distill": {"1": best["epoch"]}}
    shown = f"jsd; distill.epochs 2 10: {chosen['chosen']} (1 of 1 folds)"
    assert shown in (whole.exp / "RESULTS.md").read_text()
    assert shown in (whole.exp / "report.html").read_text()


def test_a_point_has_the_bytes_of_an_experiment_with_its_values(whole, make):
    alone, name = make(whole), choice(whole)["chosen"]
    epochs = name.partition("=")[2]
    options = ["--config", "jsd", "--folds", "1", "--set", f"distill.epochs={epochs}", "--stop_stage", "7"]
    good(alone.run("--stage", 3, *options))
    fold, points = alone.exp / TAG / "fold1", whole.exp / TAG / "points"
    for path in ("distill/best.safetensors", "distill/metrics.jsonl"):
        assert (points / name / "fold1" / path).read_bytes() == (fold / path).read_bytes()
    assert (whole.exp / TAG / "fold1/predictions.tsv").read_bytes() == (fold / "predictions.tsv").read_bytes()


def test_a_killed_grid_resumes_to_the_same_bytes(whole, make):
    killed = make(whole)
    process = killed.start(*GRID, "--stage", 6, "--stop_stage", 6)
    last = killed.exp / TAG / "points/epochs=10/fold1/distill/last.pt"
    wait_for(last.is_file, process, 120)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not last.with_name("best.safetensors").exists()
    done = good(killed.run(*GRID, "--stage", 6, "--stop_stage", 8))
    assert "distill: 2 of 2 jobs are done already" not in done.stderr
    assert "resumes after epoch" in (killed.exp / TAG / "points/epochs=10/logs/distill.fold1.log").read_text()
    assert contents(killed.exp) == contents(whole.exp)
    assert (killed.exp / TAG / "fold1/choice.json").read_bytes() == (whole.exp / TAG / "fold1/choice.json").read_bytes()


def test_the_votes_of_the_test_part_change_no_choice(whole, make):
    other = make(whole)
    other.data = other.exp.with_name("data")
    shutil.copytree(whole.data, other.data)
    assert reverse_labels(other.data / "all/votes.tsv", set((other.data / "fold1/test").read_text().split())) > 10
    good(other.run(*GRID, "--stage", 6, "--stop_stage", 7))
    kept = {
        path.relative_to(whole.exp): path.read_bytes()
        for name in ("choice.json", "best.safetensors")
        for path in whole.exp.rglob(name)
    }
    assert len(kept) == 3
    assert [path for path, content in kept.items() if (other.exp / path).read_bytes() != content] == []
    # Other votes put other utterances outside the classes, so the tables share some lines only.
    lines = [read_table((one.exp / TAG / "fold1/predictions.tsv").read_text()) for one in (whole, other)]
    shared = lines[0].keys() & lines[1].keys()
    assert len(shared) > 10
    assert [lines[0][utt] for utt in shared] == [lines[1][utt] for utt in shared]
    scores = [json.loads((one.exp / TAG / "results.json").read_text())["scores"] for one in (whole, other)]
    assert scores[0]["pooled"]["scores"] != scores[1]["pooled"]["scores"]


def read_table(text: str) -> dict[str, str]:
    """Returns the lines of a table by their first field."""
    return {line.partition("\t")[0]: line for line in text.splitlines()}


def reverse_labels(path: Path, utts: set[str]) -> int:
    """Gives the utterances the labels of one another, in reverse order; returns how many lines change."""
    header, *rows = (line.split("\t") for line in path.read_text().splitlines())
    chosen = [row for row in rows if row[0] in utts]
    labels = [row[-1] for row in reversed(chosen)]
    changed = 0
    for row, label in zip(chosen, labels, strict=True):
        changed += row[-1] != label
        row[-1] = label
    path.write_text("".join("\t".join(row) + "\n" for row in (header, *rows)))
    return changed
