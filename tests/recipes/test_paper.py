"""The experiments of the AmbER² paper from a miniature in the layout of the release to the table."""

import json

from corpora.make_msp import make_msp

from ambiser.corpora.mini.mini_corpus import make_mini

PAPER = ("cb_ce_paper", "amber2_paper")
TUNE = "amber.guidance=0.3,0.7"
OFFLINE = ("--ssl", "fbank", "--text", "hashing")


def run_paper(run, root, tmp_path, name, corpus, *settings, last=8):
    """Runs the baseline and AmbER² on the first fold for two epochs up to stage `last`, and returns their stamps.

    Two points of the paper's grid are enough here.
    """
    folders = [f"--{folder}_dir={tmp_path / folder}" for folder in ("data", "dump", "exp")]
    words = [*folders, "--folds", 1, *OFFLINE, "--nj", 2, "--set", "distill.epochs=2", *settings]
    stages = {"cb_ce_paper": ["--stop_stage", 7], "amber2_paper": ["--stage", 6, "--stop_stage", last, "--tune", TUNE]}
    for one in PAPER:
        words_of_one = ("--corpus_dir", corpus, "--config", one, *stages[one], *words)
        done = run(root / f"egs/{name}/run.sh", *words_of_one, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads((tmp_path / f"exp/{one}-fbank-s1/results.json").read_text())["stamp"] for one in PAPER]


def teacher_columns(tmp_path):
    header = (tmp_path / "exp/amber2_paper-fbank-s1/fold1/heads.tsv").read_text().splitlines()[0].split("\t")
    return {name for name in header if name.startswith("weight_")}


def test_iemocap(run, root, tmp_path):
    make_mini(tmp_path / "IEMOCAP_full_release", 120)
    incomplete = "data.allow_incomplete=true"  # the miniature lacks most of the release
    corpus = tmp_path / "IEMOCAP_full_release"
    for stamp in run_paper(run, root, tmp_path, "iemocap", corpus, incomplete, last=7):  # MSP-Podcast's report is read
        assert (stamp["corpus"], stamp["protocol"], stamp["leaks"]) == ("iemocap", "leave_one_session_out", [])
        assert (stamp["all_folds"], stamp["inputs"]) == ([1, 2, 3, 4, 5], "speech + text")
        assert stamp["class_names"] == ["neutral", "happy", "angry", "sad"]
    assert teacher_columns(tmp_path) == {"weight_A", "weight_T"}


def test_msp_podcast(run, root, tmp_path):
    release = tmp_path / "MSP-PODCAST-Publish-2.0"
    make_msp(release, "2.0")
    for stamp in run_paper(run, root, tmp_path, "msp_podcast", release):
        assert (stamp["protocol"], stamp["dev"], stamp["all_folds"]) == (
            "balanced_utterances",
            "next_fold",
            [1, 2, 3, 4, 5],
        )
        assert stamp["leaks"] == ["recording", "speaker"]
        assert stamp["policies"]["least_raters"] == 5
        assert len(stamp["class_names"]) == 8
    page = (tmp_path / "exp/RESULTS.md").read_text()
    assert "The split leaks: " in page
    assert "AmbER² (quoted)" in page and "AmbER² (quoted)" in (tmp_path / "exp/report.html").read_text()
    logs = "".join(path.read_text() for path in (tmp_path / "exp/amber2_paper-fbank-s1").rglob("*.log"))
    assert "1 fewer than 5 outside raters" in logs  # one file of the miniature has four raters, in the training part
    assert teacher_columns(tmp_path) == {"weight_A", "weight_T"}
