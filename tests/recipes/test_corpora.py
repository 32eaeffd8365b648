"""The recipes of CREMA-D and MSP-Podcast from a miniature in the layout of the release to the table."""

import json
import sys

import pytest
from corpora.make_crema import make_crema
from corpora.make_msp import make_msp

FAST = [f"{stage}.epochs=3" for stage in ("prototypes", "update", "contrastive", "distill")]


def run_recipe(run, root, tmp_path, name, corpus, *options):
    folders = [f"--{folder}_dir={tmp_path / folder}" for folder in ("data", "dump", "exp")]
    done = run(
        root / f"egs/{name}/run.sh", "--corpus_dir", corpus, *folders, *options, "--nj", 2, "--set", *FAST, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def stamp_of(tmp_path, tag):
    return json.loads((tmp_path / f"exp/{tag}/results.json").read_text())["stamp"]


def test_crema_d(run, root, tmp_path):
    make_crema(tmp_path / "CREMA-D")
    options = ("--config", "ce_precise ipr_amber2", "--folds", 1, "--set", "data.folds=3")
    done = run_recipe(run, root, tmp_path, "crema_d", tmp_path / "CREMA-D", *options)
    assert "corpus crema_d: 215 utterances" in done.stdout
    for name in ("ce_precise", "ipr_amber2"):
        stamp = stamp_of(tmp_path, f"{name}-fbank-s1")
        assert (stamp["corpus"], stamp["protocol"], stamp["dev"], stamp["all_folds"], stamp["leaks"]) == (
            "crema_d",
            "speaker_folds",
            "next_fold",
            [1, 2, 3],
            [],
        )
        assert stamp["policies"]["precise"] == 0.8
    assert (tmp_path / "exp/report.html").is_file()


# The report is the same for both versions.
@pytest.mark.parametrize(("version", "names", "last"), [("1.8", ["ce"], 7), ("2.0", ["ce", "ipr_amber2"], 8)])
def test_msp_podcast(run, root, tmp_path, version, names, last):
    release = tmp_path / f"MSP-PODCAST-Publish-{version}"
    make_msp(release, version)
    options = ("--config", " ".join(names), "--ssl", "fbank", "--text", "hashing", "--stop_stage", last)
    done = run_recipe(run, root, tmp_path, "msp_podcast", release, *options)
    assert "corpus msp_podcast: " in done.stdout
    for name in names:
        stamp = stamp_of(tmp_path, f"{name}-fbank-s1")
        assert (stamp["version"], stamp["protocol"], stamp["dev"], stamp["folds"]) == (
            version,
            "as_released",
            "Development",
            [1],
        )
    rows = (tmp_path / "exp/ce-fbank-s1/fold1/predictions.tsv").read_text().splitlines()
    assert len(rows) == 1 + 16
    predict = [
        sys.executable,
        "-m",
        "ambiser.bin.predict_part",
        "--config",
        root / "egs/msp_podcast/conf/ce.yaml",
        "--folds",
        1,
    ]
    words = [
        "--ssl",
        "fbank",
        "--text",
        "hashing",
        "--set",
        *FAST,
        "data.corpus=msp_podcast",
        "data.protocol=as_released",
    ]
    folders = [word for folder in ("data", "dump", "exp") for word in (f"--{folder}_dir", tmp_path / folder)]
    done = run(*predict, *words, *folders, "--part", "test3")
    if version == "1.8":
        assert (done.returncode, done.stdout) == (2, "")
        assert "--part test3: fold 1 has no such part; it has dev, test, test2, train" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        rows = (tmp_path / "exp/ce-fbank-s1/fold1/predictions_test3.tsv").read_text().splitlines()
        assert [row.split("\t")[0] for row in rows] == ["utt", "MSP-PODCAST_test3_0001", "MSP-PODCAST_test3_0002"]


def test_random_folds_are_stamped_in_the_table(run, root, tmp_path):
    make_crema(tmp_path / "CREMA-D")
    options = ("--config", "ce", "--folds", 1, "--set", "data.folds=3", "data.protocol=random")
    done = run_recipe(run, root, tmp_path, "crema_d", tmp_path / "CREMA-D", *options)
    assert stamp_of(tmp_path, "ce-fbank-s1")["leaks"] == ["speaker"]
    assert "The split leaks: speakers are in several parts" in (tmp_path / "exp/RESULTS.md").read_text()
    assert "LEAKS" in done.stdout


def test_a_kaldi_directory_needs_no_code(run, root, tmp_path):
    """What stage 1 made of another corpus is such a directory."""
    make_crema(tmp_path / "CREMA-D")
    options = ("--stop_stage", 1, "--set", "data.folds=3")
    run_recipe(run, root, tmp_path, "crema_d", tmp_path / "CREMA-D", *options)
    own = tmp_path / "own"
    done = run_recipe(run, root, own, "kaldi", tmp_path / "data/all", *options)
    assert "corpus kaldi: 215 utterances" in done.stdout
    for name in ("all/votes.tsv", "all/utt2spk", "all/utt2acted", "fold2/test"):
        assert (own / "data" / name).read_bytes() == (tmp_path / "data" / name).read_bytes()
