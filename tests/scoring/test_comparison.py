"""Comparisons: their statistics, their forms and their program."""

import csv
import io
import shutil
import sys

import numpy as np
import pytest
from scipy.stats import t as student_t
from scipy.stats import ttest_1samp

from ambiser.bin import compare as program
from ambiser.bin import report, score
from ambiser.errors import ConfigError, DataError
from ambiser.io.files import read_json, write_json
from ambiser.scoring.results_file import read_results
from ambiser.scoring.seed_scores import SeedScores, paired_folds
from ambiser.scoring.significance import bootstrap_p, corrected_t_test, holm


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a program in this process and returns what it printed."""

    def run(program, words):
        monkeypatch.setattr(sys, "argv", [program.__name__, *words])
        program.main()
        return capsys.readouterr().out

    return run


def test_holm_on_a_worked_example():
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []


def test_the_t_test_without_correction_is_scipy_s_and_with_it_a_worked_example():
    gaps = [0.02, 0.01, 0.03, 0.015, 0.0]
    assert corrected_t_test(gaps, 0.0) == pytest.approx(ttest_1samp(gaps, 0).pvalue)
    t = np.mean(gaps) / np.sqrt((1 / 5 + 1 / 3) * np.var(gaps, ddof=1))
    assert corrected_t_test(gaps, 1 / 3) == pytest.approx(2 * student_t.sf(t, 4))
    assert corrected_t_test([0.1], 0.3) is None
    assert corrected_t_test([0.0, 0.0], 0.3) == 1 and corrected_t_test([0.1, 0.1], 0.3) == 0


def test_the_bootstrap_s_p_value_counts_the_resamples_on_the_other_side():
    gaps = np.concatenate([np.full(95, 0.1), np.full(4, -0.1), [np.nan]])
    assert bootstrap_p(gaps) == pytest.approx(2 * 5 / 100)
    assert bootstrap_p(-gaps) == bootstrap_p(gaps)
    assert bootstrap_p(np.zeros(50)) == 1 and bootstrap_p(np.full(999, 1.0)) == pytest.approx(0.002)


def test_the_p_value_of_systems_that_are_alike_is_below_a_twentieth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        by_speaker = rng.normal(size=40)
        drawn = rng.multinomial(40, np.full(40, 1 / 40), size=500)
        found.append(bootstrap_p(drawn @ by_speaker / 40))
    assert 0.01 < np.mean(np.array(found) < 0.05) < 0.12


def _seed_scores(seed, **folds):
    values = {int(name[1:]): {("", "bc"): value} for name, value in folds.items()}
    return SeedScores(seed, {}, values, dict.fromkeys(values, 1 / 3))


def test_runs_are_paired_by_seed_and_fold():
    key = ("", "bc")
    base = [_seed_scores(1, f1=0.5, f2=0.6), _seed_scores(2, f1=0.7, f2=np.nan)]
    other = [_seed_scores(2, f1=0.8, f2=0.9), _seed_scores(1, f1=0.6, f2=0.5)]
    pairs, ratio = paired_folds(base, other, key)
    assert pairs == pytest.approx([0.1, -0.1, 0.1]) and ratio == pytest.approx(1 / 3)
    imported = [_seed_scores(None, f1=0.9, f2=0.9)]
    assert paired_folds(base, imported, key)[0] == pytest.approx([0.4, 0.3, 0.2])
    assert paired_folds(base[:1], other[:1], key) == ([], 0.0)


@pytest.fixture(scope="module")
def scored_once(make_recipe, tmp_path_factory):
    """Two experiments with two seeds each; the second is better."""
    recipe = make_recipe(tmp_path_factory.mktemp("scored")).prepare()
    for seed in (1, 2):
        recipe.train("ce", seed=seed, skill=0.3).train("jsd", seed=seed, skill=0.8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["score", *recipe.words("ce", "jsd", seeds=(1, 2))])
        patch.setattr(score, "set_up_logging", lambda: None)  # only fixtures of a test restore the log
        score.main()
    return recipe


@pytest.fixture
def scored(scored_once, make_recipe, tmp_path):
    """A copy of these experiments, with the times of the files."""
    shutil.copytree(scored_once.root, tmp_path / "copy")
    return make_recipe(tmp_path / "copy")


def test_a_better_system_is_found_and_every_form_says_the_same(scored, run):
    words = scored.words("ce", "jsd", seeds=(1, 2))
    text = run(program, words)
    assert "jsd-fbank against ce-fbank" in text and "amber.target: majority -> votes" in text
    rows = {row["score"]: row for row in csv.DictReader(io.StringIO(run(program, [*words, "--format", "csv"])))}
    bc = rows["bc"]
    both = [
        np.mean(
            [read_results(scored.layout.results(f"{name}-fbank-s{seed}")).scores.pooled.scores["bc"] for seed in (1, 2)]
        )
        for name in ("ce", "jsd")
    ]
    assert [float(bc["first_score"]), float(bc["system_score"])] == pytest.approx(both, abs=1e-6)
    assert float(bc["difference"]) == pytest.approx(both[1] - both[0], abs=1e-6)
    assert 0 < float(bc["low"]) < float(bc["difference"]) < float(bc["high"])
    assert float(bc["p"]) == pytest.approx(2 / 10001, rel=1e-4) and float(bc["p_holm"]) >= float(bc["p"])
    assert float(bc["p_t"]) < 0.01 and bc["runs"] == "10"
    line = next(line for line in text.splitlines() if line.startswith("BC"))
    assert f"{float(bc['difference']):+.3f}" in line and f"{float(bc['p_holm']):.4f}" in line
    assert " ".join(line.split()) in " ".join(run(program, [*words, "--format", "markdown"]).replace("|", "").split())
    latex = run(program, [*words, "--format", "latex", "--metrics", "bc", "r2_pearson"])
    assert f"ce-fbank & {both[0]:.3f} &" in latex and f"jsd-fbank & {both[1]:.3f}$^{{*}}$ &" in latex
    assert latex.count("\\toprule") == 2 and f"& $+${float(bc['difference']):.3f} &" in latex
    assert "%   amber.target: majority -> votes" in latex
    assert "\\toprule" in latex and "R$^2$" in latex and latex.count("{") == latex.count("}")


def test_a_system_against_itself_differs_in_nothing(scored, run):
    tables = [scored.layout.predictions("ce-fbank-s1", fold).read_text().splitlines() for fold in range(1, 6)]
    copy = scored.root / "copy_of_ce.tsv"
    copy.write_text("\n".join([tables[0][0], *(line for table in tables for line in table[1:])]) + "\n")
    words = [*scored.words("ce"), "--predictions", str(copy)]
    run(score, words)
    output = scored.root / "out" / "compare.csv"
    assert run(program, [*words, "--format", "csv", "--output", str(output)]) == ""
    for row in csv.DictReader(io.StringIO(output.read_text())):
        assert [float(row[name]) for name in ("difference", "low", "high", "p", "p_t")] == [0, 0, 0, 1, 1]
    assert "copy_of_ce: imported predictions, no configuration" in run(program, words)


def test_stage_8_writes_the_comparison_when_there_are_two_experiments(scored, run):
    run(report, scored.words("ce"))
    path = scored.layout.exp_dir / "COMPARE.md"
    assert not path.exists()
    words = scored.words("ce", "jsd", seeds=(1, 2))
    run(report, words)
    assert path.read_text() == run(program, [*words, "--format", "markdown"]).rstrip("\n") + "\n"
    figures = {p.name.split("-")[2] for p in (scored.layout.exp_dir / "figures").iterdir() if p.name.count("-") > 2}
    assert figures == {"s1"} and "everything else is of the first seed" in (path.parent / "report.html").read_text()


def _retag(recipe, tag, new):
    """Renames a scored experiment as if it had been made with `--tag`."""
    folder = recipe.layout.experiment(tag)
    folder.rename(recipe.layout.experiment(new))
    path = recipe.layout.results(new)
    results = read_json(path)
    seed = f"-s{results['stamp']['seed']}"
    write_json(path, results | {"tag": new, "name": new.replace(seed, "")})


def test_experiments_with_and_without_a_tag_are_compared_by_their_folders(scored, run):
    for seed in (1, 2):
        _retag(scored, f"jsd-fbank-s{seed}", f"jsd-fbank-s{seed}-new")
    folders = [f"--{name}_dir={scored.root / name}" for name in ("data", "dump")]
    tags = ["ce-fbank-s1", "ce-fbank-s2", "jsd-fbank-s1-new", "jsd-fbank-s2-new"]
    words = ["--results", *(str(scored.layout.experiment(tag)) for tag in tags), *folders]
    text = run(program, words)
    assert "jsd-fbank-new against ce-fbank" in text and "amber.target: majority -> votes" in text
    rows = csv.DictReader(io.StringIO(run(program, [*words, "--format", "csv", "--metrics", "bc"])))
    assert [(row["first"], row["system"], row["runs"]) for row in rows] == [("ce-fbank", "jsd-fbank-new", "10")]
    mixed = [*scored.words("ce", seeds=(1, 2)), "--results", *words[3:5]]
    assert run(program, mixed).splitlines()[1:] == text.splitlines()[1:]
    with pytest.raises(ConfigError, match="ce-fbank-s1 is given twice"):
        run(program, [*scored.words("ce"), "--results", words[1]])
    with pytest.raises(ConfigError, match="nothing: is not a folder"):
        run(program, ["--results", str(scored.root / "nothing"), *folders])
    (scored.layout.experiment("ce-fbank-s1") / "config.yaml").unlink()
    with pytest.raises(ConfigError, match="ce-fbank-s1: has no config.yaml"):
        run(program, words)


def test_seeds_with_different_configurations_are_no_system(scored, run):
    path = scored.layout.results("ce-fbank-s2")
    write_json(path, read_json(path) | {"stamp": read_json(path)["stamp"] | {"config_hash": "0" * 12}})
    with pytest.raises(ConfigError, match="ce-fbank-s1 and ce-fbank-s2 have different configurations"):
        run(program, scored.words("ce", "jsd", seeds=(1, 2)))


def test_the_program_compares_by_class_and_in_families(scored, run):
    words = [*scored.words("ce", "jsd"), "--by", "class", "--family", "recall f1", "--family", "auroc"]
    text = run(program, words)
    assert "family of p (Holm): recall, F1; 8 comparisons and 10,000 resamples" in text
    assert "family of p (Holm): AUROC; 4 comparisons" in text and "family of p (Holm): precision, BC" in text
    shares = list(csv.DictReader(io.StringIO(run(program, [*words, "--format", "csv"]))))
    recall = read_results(scored.layout.results("jsd-fbank-s1")).scores.per_class.recall
    found = [float(row["system_score"]) for row in shares if row["score"] == "recall"]
    assert found == pytest.approx(recall, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--family", "bc wa"], "--family wa: there is no such score; there are accuracy ua"),
        (["--family", "bc", "--family", "ua bc"], "--family bc: is given twice"),
        (["--metrics", "ua", "--family", "bc"], "--family bc: is not compared; add it to --metrics"),
        (
            ["--by", "class", "--metrics", "ua"],
            "--metrics ua: there is no such score with --by class; there are recall",
        ),
    ],
)
def test_faulty_families_and_scores_are_refused(fake_recipe, run, words, message):
    with pytest.raises(ConfigError, match=message):
        run(program, [*fake_recipe.words("ce", "jsd"), *words])


def test_one_of_config_and_results_is_needed(run, capsys):
    with pytest.raises(SystemExit, match="2"):
        run(program, ["--by", "class"])
    assert "--config or --results is needed" in capsys.readouterr().err


def test_what_cannot_be_compared_is_refused_in_one_line(scored, run):
    with pytest.raises(ConfigError, match="ce-fbank alone cannot be compared"):
        run(program, scored.words("ce", seeds=(1, 2)))
    with pytest.raises(ConfigError, match="--metrics wa: there is no such score"):
        run(program, [*scored.words("ce", "jsd"), "--metrics", "wa"])
    path = scored.layout.results("jsd-fbank-s1")
    results = read_json(path)
    results["stamp"]["dev"] = "previous_session"
    write_json(path, results)
    with pytest.raises(DataError, match="they differ in dev: next_session / previous_session") as fault:
        run(program, scored.words("ce", "jsd"))
    assert "\n" not in str(fault.value)
