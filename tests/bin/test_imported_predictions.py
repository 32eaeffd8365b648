"""Calibration and other toolkits' predictions through the programs of stages 7 and 8."""

import os
import time
from pathlib import Path

import pytest

from ambiser.bin import report, score
from ambiser.errors import ConfigError, DataError
from ambiser.io.files import read_json
from ambiser.io.tables import read_table, read_tsv
from ambiser.scoring.stamp import FORMAT

CONF = Path(__file__).resolve().parents[2] / "egs" / "mini" / "conf"


@pytest.fixture
def theirs(fake_recipe):
    """The predictions of ce over all folds in one file, with an utterance that the policies leave out."""
    fake_recipe.train("ce")
    tables = [fake_recipe.layout.predictions("ce-fbank-s1", fold).read_text().splitlines() for fold in range(1, 6)]
    lines = [tables[0][0], *(line for table in tables for line in table[1:])]
    scored = {line.split("\t")[0] for line in lines}
    left_out = next(utt for utt in read_table(fake_recipe.layout.table("utt2spk")) if utt not in scored)
    path = fake_recipe.root / "their_system.tsv"
    path.write_text("\n".join([*lines, f"{left_out}\t0.25\t0.25\t0.25\t0.25"]) + "\n")
    return path


def test_imported_predictions_are_scored_on_the_same_folds_and_stand_in_the_same_table(
    fake_recipe, run_here, theirs, capsys, monkeypatch
):
    words = [*fake_recipe.words("ce"), "--predictions", str(theirs)]
    run_here(score, words)
    ours, other = (read_json(fake_recipe.layout.results(tag)) for tag in ("ce-fbank-s1", "their_system"))
    assert ours["scores"].pop("sets"), "prediction sets need predictions for dev, which an imported system lacks"
    assert other["scores"] == ours["scores"] and other["name"] == "their_system"
    same = ("test_set", "folds", "policies", "corpus", "dev", "score", "commit", "software")
    assert all(other["stamp"][key] == ours["stamp"][key] for key in same)
    assert (other["stamp"]["inputs"], other["stamp"]["ssl"], other["stamp"]["seed"]) == ("imported", None, None)
    assert other["stamp"]["config_hash"] != ours["stamp"]["config_hash"]
    capsys.readouterr()
    run_here(score, words)
    assert "their_system: results.json is up to date" in capsys.readouterr().err
    theirs.write_text(theirs.read_text().replace("0.25\t0.25\t0.25\t0.25", "0.20\t0.30\t0.25\t0.25"))
    run_here(score, words)
    assert "their_system" in capsys.readouterr().out
    run_here(report, words)
    rows = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert rows[2:5] == ["ce-fbank", "their_system", "single raters"]
    assert 'id="their_system"' in (fake_recipe.layout.exp_dir / "report.html").read_text()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Ses02F_00", "Ses99F_00", "'Ses99F_00[0-9]' is not an utterance"),
        ("neutral\thappy", "happy\tneutral", ":1: the columns must be utt neutral happy angry sad, in this order"),
        ("neutral\t", "Neutral\t", ":1: the header lacks neutral"),
        (
            "0.25\t0.25\t0.25\t0.25\n",
            "0.25\t0.25\t0.25\t0.25\nSes01M_000\t0\t0\t0\t1\nSes01M_000\t0\t0\t0\t1\n",
            "'Ses01M_000' appears twice",
        ),
    ],
)
def test_faults_of_imported_predictions_name_file_and_line(fake_recipe, run_here, theirs, old, new, expected):
    theirs.write_text(theirs.read_text().replace(old, new))
    with pytest.raises(DataError, match=expected) as fault:
        run_here(score, [*fake_recipe.words("ce"), "--predictions", str(theirs)])
    assert "their_system.tsv:" in str(fault.value) and "\n" not in str(fault.value)
    assert not fake_recipe.layout.results("their_system").exists()


def test_missing_utterances_missing_files_and_taken_names_are_refused(fake_recipe, run_here, theirs):
    whole = theirs.read_text().splitlines()
    theirs.write_text("\n".join([*whole[:5], *whole[6:]]) + "\n")
    with pytest.raises(DataError, match="1 of .* utterances are missing"):
        run_here(score, [*fake_recipe.words("ce"), "--predictions", str(theirs)])
    with pytest.raises(DataError, match=r"--predictions .*no\.tsv: the file does not exist"):
        run_here(score, [*fake_recipe.words("ce"), "--predictions", str(fake_recipe.root / "no.tsv")])
    taken = theirs.rename(fake_recipe.root / "ce-fbank-s1.tsv")
    with pytest.raises(ConfigError, match="'ce-fbank-s1' is the name of another system; rename the file"):
        run_here(score, [*fake_recipe.words("ce"), "--predictions", str(taken)])


def test_a_fold_named_twice_is_refused(fake_recipe, run_here):
    fake_recipe.train("ce")
    with pytest.raises(ConfigError, match="--folds 1 2 1: fold 1 is named twice") as fault:
        run_here(score, [*fake_recipe.words("ce"), "--folds", "1", "2", "1"])
    assert "\n" not in str(fault.value)


def test_results_of_an_older_version_are_made_anew(fake_recipe, run_here, capsys):
    fake_recipe.train("ce")
    run_here(score, fake_recipe.words("ce"))
    path = fake_recipe.layout.results("ce-fbank-s1")
    whole = path.read_text()
    path.write_text(whole.replace(f'"format": {FORMAT}', '"format": 1'))
    with pytest.raises(DataError, match=f"has format 1, this program writes {FORMAT}"):
        run_here(report, fake_recipe.words("ce"))
    run_here(score, fake_recipe.words("ce"))
    assert path.read_text() == whole


def test_calibration_is_fitted_on_dev_and_scores_before_and_after_are_kept(fake_recipe, run_here):
    fake_recipe.train("ce")
    run_here(score, fake_recipe.words("ce"))
    plain = read_json(fake_recipe.layout.results("ce-fbank-s1"))
    assert "calibration" not in plain
    words = [*fake_recipe.words("ce"), "--set", "score.calibration=vector", "score.calibration_by=nll", "--tag", "cal"]
    (fake_recipe.layout.exp_dir / "ce-fbank-s1").rename(fake_recipe.layout.exp_dir / "ce-fbank-s1-cal")
    for name in ("config.yaml", "run.json", "results.json"):
        (fake_recipe.layout.exp_dir / "ce-fbank-s1-cal" / name).unlink()
    run_here(score, words)
    results = read_json(fake_recipe.layout.results("ce-fbank-s1-cal"))
    assert results["calibration"]["before"] == plain["scores"]["pooled"]["scores"]
    assert results["stamp"]["score"]["calibration"] == "vector" and results["calibration"]["fitted_on"] == "dev"
    assert list(results["calibration"]["folds"]) == ["1", "2", "3", "4", "5"]
    before, after = results["calibration"]["before"], results["scores"]["pooled"]["scores"]
    assert after["nll_per_vote_nats"] < before["nll_per_vote_nats"] - 0.01

    from ambiser.config import load_config
    from ambiser.io.tables import read_list
    from ambiser.labels.label_view import view_labels
    from ambiser.labels.vote_table import read_votes
    from ambiser.scoring.calibration import fit_calibration
    from ambiser.scoring.prediction_table import read_predictions

    layout = fake_recipe.layout
    labels = load_config(CONF / "ce.yaml").labels
    dev = view_labels(read_votes(layout.table("votes.tsv")), labels, read_list(layout.fold_list(2, "dev")))
    probs = read_predictions(layout.predictions("ce-fbank-s1-cal", 2, "dev"), list(dev.classes), dev.utts)
    scale = fit_calibration("vector", probs, dev.soft, "nll").scale
    assert results["calibration"]["folds"]["2"]["scale"] == pytest.approx(scale, abs=1e-6)


def test_an_ensemble_is_the_mean_over_seeds_and_follows_its_members(fake_recipe, run_here, capsys):
    fake_recipe.train("ce").train("ce", seed=2)
    words = [*fake_recipe.words("ce", seeds=(1, 2)), "--ensemble", "true"]
    run_here(score, words)
    layout = fake_recipe.layout
    for fold in (1, 4):
        tables = [read_tsv(layout.predictions(f"ce-fbank-s{seed}", fold), ["utt"]) for seed in ("1", "2", "1+2")]
        for one, other, mean in zip(*tables, strict=True):
            assert one["utt"] == other["utt"] == mean["utt"]
            assert float(mean["angry"]) == pytest.approx((float(one["angry"]) + float(other["angry"])) / 2, abs=2e-8)
    stamp = read_json(layout.results("ce-fbank-s1+2"))["stamp"]
    assert (stamp["seed"], stamp["inputs"], stamp["ssl"]) == (None, "speech", "fbank")
    capsys.readouterr()
    run_here(score, words)
    assert "ce-fbank-s1+2: results.json is up to date" in capsys.readouterr().err
    run_here(report, words)
    rows = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert rows[2:5] == ["ce-fbank", "ce-fbank-ensemble", "single raters"]
    table = layout.predictions("ce-fbank-s1", 1)
    table.write_text(layout.predictions("ce-fbank-s2", 1).read_text())
    os.utime(table, ns=(time.time_ns() + 10**9,) * 2)
    run_here(score, words)
    values = [read_tsv(layout.predictions(f"ce-fbank-s{seed}", 1), ["utt"])[0]["sad"] for seed in ("2", "1+2")]
    assert float(values[0]) == pytest.approx(float(values[1]), abs=2e-8), "a member was replaced"


def test_one_seed_makes_no_ensemble(fake_recipe, run_here):
    fake_recipe.train("ce")
    with pytest.raises(ConfigError, match="--ensemble: ce-fbank has one seed; give two or more"):
        run_here(score, [*fake_recipe.words("ce"), "--ensemble", "true"])
