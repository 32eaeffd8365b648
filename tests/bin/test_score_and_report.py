"""Stages 7 and 8 on a fake recipe, as programs."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report.accessible import faults

from ambiser.bin import report, score
from ambiser.errors import ConfigError, DataError
from ambiser.io.files import read_json
from ambiser.io.tables import read_tsv
from ambiser.report.figure_style import Picture
from ambiser.report.published_tables import read_summaries
from ambiser.scoring.results_file import read_results
from ambiser.scoring.sweep_rows import SweepRow, write_sweep

ROOT = Path(__file__).resolve().parents[2]


def test_results_are_complete_stamped_and_the_same_every_time(fake_recipe, run_here, capsys):
    fake_recipe.train("ce").train("ipr_amber2")
    words = fake_recipe.words("ce", "ipr_amber2")
    run_here(score, words)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * 6 and len({line.index("accuracy") for line in lines}) == 1
    path = fake_recipe.layout.results("ipr_amber2-fbank-s1")
    results, first = read_json(path), path.read_bytes()
    assert results["stamp"]["folds"] == [1, 2, 3, 4, 5] and results["stamp"]["made_up"] is True
    assert results["stamp"]["inputs"] == "speech + text" and results["name"] == "ipr_amber2-fbank"
    assert results["left_out"]["by stage 1"] == {"its audio is empty": 1}
    scored = results["scores"]["pooled"]["utterances"]
    assert scored + sum(results["left_out"]["by the policies"].values()) == 120
    assert sum(fold["utterances"] for fold in results["scores"]["folds"].values()) == scored
    assert "NaN" not in path.read_text() and str(fake_recipe.root) not in path.read_text()
    path.unlink()
    run_here(score, words)
    assert path.read_bytes() == first


def test_inputs_name_the_share_of_utterances_with_words(fake_recipe, run_here):
    fake_recipe.train("ipr_amber2")
    path, table = fake_recipe.layout.results("ipr_amber2-fbank-s1"), fake_recipe.layout.table("text")
    lines = table.read_text().splitlines()
    tables = [fake_recipe.layout.predictions("ipr_amber2-fbank-s1", fold) for fold in range(1, 6)]
    scored = {row["utt"] for path_of_fold in tables for row in read_tsv(path_of_fold, ["utt"])}
    silent = set(sorted(scored)[::4])
    for without, inputs in (
        (scored, "speech (no utterance has words)"),
        (silent, f"speech + text (words: {100 * (1 - len(silent) / len(scored)):.1f} % of utterances)"),
    ):
        table.write_text("".join(f"{line.split()[0] if line.split()[0] in without else line}\n" for line in lines))
        path.unlink(missing_ok=True)
        run_here(score, fake_recipe.words("ipr_amber2"))
        assert read_json(path)["stamp"]["inputs"] == inputs


def test_what_is_up_to_date_is_skipped_and_what_is_not_is_scored_again(fake_recipe, run_here, capsys):
    fake_recipe.train("ce")
    path = fake_recipe.layout.results("ce-fbank-s1")
    run_here(score, fake_recipe.words("ce"))
    capsys.readouterr()
    run_here(score, fake_recipe.words("ce"))
    taken = capsys.readouterr()
    assert taken.out == "" and "ce-fbank-s1: results.json is up to date" in taken.err
    newer = path.stat().st_mtime + 5
    os.utime(fake_recipe.layout.predictions("ce-fbank-s1", 2), (newer, newer))
    run_here(score, fake_recipe.words("ce"))
    assert "ce-fbank-s1" in capsys.readouterr().out
    run_here(score, [*fake_recipe.words("ce"), "--folds", "3", "1"])
    assert read_json(path)["stamp"]["folds"] == [1, 3] and list(read_json(path)["scores"]["folds"]) == ["1", "3"]


def test_floors_come_from_the_training_part(fake_recipe, run_here):
    fake_recipe.train("ce", folds=1)
    run_here(score, [*fake_recipe.words("ce"), "--folds", "1"])
    from ambiser.config import load_config
    from ambiser.io.tables import read_list
    from ambiser.labels.label_view import view_labels
    from ambiser.labels.vote_table import read_votes

    layout, labels = fake_recipe.layout, load_config(ROOT / "egs/mini/conf/ce.yaml").labels
    votes = read_votes(layout.table("votes.tsv"))
    test, train = (view_labels(votes, labels, read_list(layout.fold_list(1, part))) for part in ("test", "train"))
    by_hand = (test.soft * train.soft.mean(axis=0)) ** 0.5
    results = read_json(layout.results("ce-fbank-s1"))
    assert results["scores"]["pooled"]["floors"]["prior"]["bc"] == pytest.approx(by_hand.sum(axis=1).mean(), abs=1e-6)


def test_missing_inputs_name_file_stage_and_command(fake_recipe, run_here):
    with pytest.raises(DataError, match=r"distill/best\.safetensors is missing; stage 6 \(distill\) .* --stage 6"):
        run_here(score, fake_recipe.words("ce"))
    assert not fake_recipe.layout.experiment("ce-fbank-s1").exists(), (
        "nothing is claimed for an experiment that is not there"
    )
    with pytest.raises(DataError, match=r"contrastive/best\.safetensors is missing; stage 5 \(contrastive\)"):
        run_here(score, fake_recipe.words("ipr"))
    with pytest.raises(DataError, match=r"results\.json is missing; stage 7 \(score\)"):
        run_here(report, fake_recipe.words("ce"))
    fake_recipe.layout.corpus_record().unlink()
    with pytest.raises(DataError, match=r"corpus\.json is missing; stage 1 \(prepare\)"):
        run_here(score, fake_recipe.words("ce"))


def test_other_folds_and_other_configurations_are_refused(fake_recipe, run_here):
    fake_recipe.train("ce")
    with pytest.raises(ConfigError, match=r"--folds 6: there is no such fold; .*corpus\.json has 1 2 3 4 5"):
        run_here(score, [*fake_recipe.words("ce"), "--folds", "6"])
    with pytest.raises(ConfigError, match=r"data\.dev: next_session -> previous_session"):
        run_here(score, [*fake_recipe.words("ce"), "--set", "data.dev=previous_session"])
    run_here(score, fake_recipe.words("ce"))
    with pytest.raises(ConfigError, match=r"score\.ece_bins: 10 -> 5"):
        run_here(score, [*fake_recipe.words("ce"), "--set", "score.ece_bins=5"])


def test_a_fault_in_predictions_leaves_no_results(fake_recipe, run_here):
    fake_recipe.train("ce")
    path = fake_recipe.layout.predictions("ce-fbank-s1", 3)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    with pytest.raises(DataError, match=r"fold3/predictions\.tsv:\d+: 1 of \d+ utterances are missing"):
        run_here(score, fake_recipe.words("ce"))
    assert not fake_recipe.layout.results("ce-fbank-s1").exists()


class _Page(HTMLParser):
    """Collects what the page links to, its open elements and its ids."""

    VOID = {"meta", "br", "img", "link", "input", "hr"}

    def __init__(self):
        super().__init__()
        self.links, self.ids, self.open, self.svgs = [], [], [], 0

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.links += [v for k, v in attributes if k in ("href", "src", "xlink:href") and not v.startswith("#")]
        self.links += [tag] if tag in ("link", "iframe") else []
        self.svgs += tag == "svg"
        self.ids += [values["id"]] if "id" in values and "svg" not in self.open else []
        self.open += [tag] if tag not in self.VOID else []

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop() if tag not in self.VOID else None

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_is_one_whole_page_with_all_figures(fake_recipe, run_here, capsys, tmp_path, monkeypatch):
    fake_recipe.train("ipr", epochs=1)
    run_here(score, fake_recipe.words("ipr"))
    capsys.readouterr()
    (tmp_path / "egs").mkdir()
    monkeypatch.chdir(tmp_path / "egs")
    run_here(report, [*fake_recipe.words("ipr"), "--publish", "true", "--figures", "png pdf"])
    assert "class prior" in capsys.readouterr().out
    exp = fake_recipe.layout.exp_dir
    names = {path.name for path in (exp / "figures").iterdir()}
    every = ("confusion", "reliability", "levels", "entropy", "sets", "learning")
    assert not (exp / "COMPARE.md").exists(), "one experiment is not compared"
    expected = {"overview", "utterances", *(f"ipr-fbank-s1-{n}" for n in every)}
    expected |= {f"ipr-fbank-s1-{n}" for n in ("prototypes", "prototype_matrix", "agreement")}
    assert names == {f"{name}.{ending}" for name in expected for ending in ("png", "pdf", "svg")}
    run_here(report, fake_recipe.words("ipr"))
    assert {path.name for path in (exp / "figures").iterdir()} == names, "PNG and PDF of the same drawings are kept"

    text = (exp / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert faults(text) == []
    assert page.links == [] and page.open == [] and page.svgs == len(expected)
    assert not re.findall(r"url\((?!#)|@import", text), "nothing is fetched"
    assert len(page.ids) == len(set(page.ids)) and "currentColor" in text and "#1f2328;" not in text.lower()[5000:]
    assert "prefers-color-scheme: dark" in text and "@media print" in text and 'name="viewport"' in text
    assert "This corpus is synthetic" in text and "its audio is empty" in text and str(fake_recipe.root) not in text
    bc = read_json(fake_recipe.layout.results("ipr-fbank-s1"))["scores"]["pooled"]["scores"]["bc"]
    assert f"<td>{bc:.3f}<small>" in text
    scores = read_json(fake_recipe.layout.results("ipr-fbank-s1"))["scores"]
    assert text.count("By gender of the speaker") == 1 and f"<td>{scores['per_class']['recall'][0]:.3f}</td>" in text
    worst = min(scores["per_speaker"].items(), key=lambda item: item[1]["bc"])
    assert f">{worst[0]} ({worst[1]['utterances']})</th><td>{worst[1]['accuracy']:.3f}" in text
    held = scores["sets"]["by"]["votes"]["pooled"]["coverage"]
    assert f">all ({scores['pooled']['utterances']})</th><td>{held:.3f}<small>" in text and "cover 90 % of" in text
    human = scores["pooled"]["human"]["scores"]["accuracy"]
    assert f"single raters</th><td>{human:.3f}</td>" in text and human < 1

    markdown = (exp / "RESULTS.md").read_text()
    assert str(fake_recipe.root) not in markdown and not re.search(r"20\d\d-\d\d", markdown)
    assert "| ipr-fbank " in (tmp_path / "egs" / "RESULTS.md").read_text()
    (published,) = read_summaries(tmp_path / "egs" / "results")
    assert published.stamp == read_results(fake_recipe.layout.results("ipr-fbank-s1")).stamp


@pytest.fixture
def taken(monkeypatch):
    """The names of the figures that a report draws; none is drawn."""
    names = []

    def take_picture(draw, *, name, caption, folder, formats, inputs=""):
        names.append(name)
        return Picture(name, caption, "<svg></svg>")

    for module in ("results_page", "experiment_section"):
        monkeypatch.setattr(f"ambiser.report.{module}.take_picture", take_picture)
    return names


def test_an_experiment_without_learning_curves_and_with_one_fold_still_has_a_page(fake_recipe, run_here, taken):
    fake_recipe.train("ce", folds=1)
    (fake_recipe.layout.training("ce-fbank-s1", 1, "distill") / "metrics.jsonl").unlink()
    words = [*fake_recipe.words("ce"), "--folds", "1"]
    run_here(score, words)
    row = SweepRow("bc", "ce", "jsd", "", None, 0.7, 0.8, 0.1, 0.05, 0.15, 0.01, 0.01, 3, 10, "mini (made up)")
    write_sweep(fake_recipe.layout.exp_dir / "sweeps" / "gain.tsv", [row])
    run_here(report, words)
    text = (fake_recipe.layout.exp_dir / "report.html").read_text()
    assert "Differences between experiments (gain)" in text and "[+0.050, +0.150]" in text
    assert "Pooled over only fold 1 of 1 2 3 4 5" in text
    assert "overview" in taken and "ce-fbank-s1-confusion" in taken and "ce-fbank-s1-learning" not in taken


def test_stage_8_keeps_all_results_of_the_folder_and_names_those_it_cannot_use(fake_recipe, run_here, taken, capsys):
    fake_recipe.train("ce").train("jsd").train("ipr", epochs=1)
    run_here(score, fake_recipe.words("ce", "jsd", "ipr"))
    layout = fake_recipe.layout
    old, torn, copied = (layout.experiment(name) for name in ("old-s1", "torn-s1", "copy-of-ce"))
    for folder in (old, torn, copied):
        folder.mkdir()
        (folder / "results.json").write_text(layout.results("ce-fbank-s1").read_text())
    (old / "results.json").write_text('{"format": 1}')
    (torn / "results.json").write_text('{"format": 4, "tag"')
    run_here(report, fake_recipe.words("ce", "jsd"))
    compared = (layout.exp_dir / "COMPARE.md").read_text()
    capsys.readouterr()

    run_here(report, fake_recipe.words("jsd"))
    told = capsys.readouterr()
    assert "jsd-fbank " in told.out and "ce-fbank" not in told.out, "the terminal shows the call alone"
    assert told.err.count("results left out") == 1
    for part in ("1 of another format (old-s1)", "1 not readable (torn-s1)", "1 in a renamed folder (copy-of-ce)"):
        assert part in told.err
    markdown, page = ((layout.exp_dir / name).read_text() for name in ("RESULTS.md", "report.html"))
    scores = markdown[markdown.index("| Class") :]
    rows = [scores.index(f"| {name} ") for name in ("jsd-fbank", "ce-fbank", "ipr-fbank")]
    assert rows == sorted(rows) and rows[0] < rows[1], "the experiments of the call come first"
    ids = [f'id="{name}-fbank-s1"' for name in ("jsd", "ce", "ipr")]
    assert [page.count(one) for one in ids] == [1, 1, 1] and page.index(ids[0]) < page.index(ids[1])
    assert (layout.exp_dir / "COMPARE.md").read_text() == compared and "of an earlier call" in told.err

    run_here(report, [*fake_recipe.words("jsd"), "--only", "true"])
    assert "ce-fbank" not in (layout.exp_dir / "RESULTS.md").read_text() and "left out" not in capsys.readouterr().err


@pytest.mark.parametrize("program", ["score", "report"])
def test_help_loads_nothing_heavy_and_a_fault_is_one_line(program):
    command = [sys.executable, "-m", f"ambiser.bin.{program}"]
    helped = subprocess.run([*command, "--help"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert helped.returncode == 0 and "--config" in helped.stdout
    missing = [*command, "--config", "egs/mini/conf/ce.yaml", "--data_dir", "no/such", "--exp_dir", "no/such"]
    failed = subprocess.run(missing, capture_output=True, text=True, cwd=ROOT, check=False)
    assert failed.returncode == 2 and failed.stderr.count("\n") == 1 and "is missing; stage" in failed.stderr
    loaded = (
        f"import ambiser.bin.{program}, sys; print(json.dumps('torch' in sys.modules or 'matplotlib' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import json; {loaded}"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert json.loads(done.stdout) is False
