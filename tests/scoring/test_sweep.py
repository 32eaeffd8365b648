"""Differences over the values of a key, and as a ladder: rows, table, figure and program."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from ambiser.bin import score
from ambiser.bin import sweep as program
from ambiser.errors import ConfigError, DataError
from ambiser.report.sweep_report import draw_ladder, draw_sweep
from ambiser.scoring.results_file import read_results
from ambiser.scoring.sweep_rows import SweepRow, read_sweep, write_sweep

KEY = "distill.learning_rate"
RATES = {"low": 0.001, "high": 0.003}
SKILLS = {("ce", "low"): 0.3, ("ce", "high"): 0.5, ("jsd", "low"): 0.8, ("jsd", "high"): 0.5}


def _run(program, *words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [program.__name__, *map(str, words)])
        program.main()


@pytest.fixture(scope="module")
def scored(make_recipe, tmp_path_factory):
    """Two experiments at two values of a key, the second better at the lower value only."""
    recipe = make_recipe(tmp_path_factory.mktemp("sweep")).prepare(per_speaker=4)
    for (name, tag), skill in SKILLS.items():
        recipe.train(name, skill=skill, suffix=tag)
    for tag, rate in RATES.items():
        settings = [f"{KEY}={rate}", "score.paired_resamples=200", "score.resamples=100"]
        words = ["--folds", 1, "--tag", tag, *(word for setting in settings for word in ("--set", setting))]
        _run(score, *recipe.words("ce", "jsd"), *words)
    return recipe


def _words(recipe, *words):
    folders = sorted(recipe.layout.exp_dir.glob("*"))  # folders without results, such as sweeps, are skipped
    return [*words, "--results", *folders, "--data_dirs", recipe.layout.data_dir]


def _score(recipe, tag, metric):
    return read_results(recipe.layout.results(tag)).scores.pooled.scores[metric]


def test_a_sweep_gives_the_difference_at_every_value_with_its_interval(scored):
    _run(program, *_words(scored, "--pairs", "ce/jsd", "--key", KEY, "--metrics", "bc", "accuracy"))
    output = scored.layout.exp_dir / "sweeps"
    rows = read_sweep(output / f"{KEY}.tsv")
    assert [(row.score, row.value) for row in rows] == [(s, v) for s in ("accuracy", "bc") for v in RATES.values()]
    low, high = (row for row in rows if row.score == "bc")
    gaps = [_score(scored, f"jsd-fbank-s1-{tag}", "bc") - _score(scored, f"ce-fbank-s1-{tag}", "bc") for tag in RATES]
    assert [low.difference, high.difference] == pytest.approx(gaps, abs=1e-5)
    assert 0 < low.low < low.difference < low.high and high.low < 0 < high.high
    assert low.p_holm >= low.p and (low.base, low.other, low.seeds, low.speakers) == ("ce", "jsd", 1, 2)
    text = (output / f"{KEY}.md").read_text()
    assert f"{low.difference:+.3f} | [{low.low:+.3f}, {low.high:+.3f}]" in text and "made up" in text
    assert (output / f"{KEY}.png").read_bytes().startswith(b"\x89PNG") and (output / f"{KEY}.pdf").is_file()


def test_without_a_key_it_is_a_ladder(scored, tmp_path):
    words = ["--pairs", "ce-fbank-low/jsd-fbank-low", "--metrics", "bc", "--output", tmp_path / "x"]
    _run(program, *_words(scored, *words))
    (row,) = read_sweep(tmp_path / "x.tsv")
    assert (row.key, row.value, row.base, row.other) == ("", None, "ce-fbank-low", "jsd-fbank-low")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.md", "x.pdf", "x.png", "x.svg", "x.tsv"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pairs", "ce"], "--pairs ce: must be two experiments, as in ce/jsd"),
        (["--pairs", "ce/jsd", "ce/jsd"], "--pairs ce/jsd: is given twice"),
        (["--pairs", "kl/ce"], "kl is none of the experiments of --results; there are ce jsd"),
        (["--pairs", "ce/jsd"], r"are both ce with seed 1; name one of them in --results"),
        (["--pairs", "ce/jsd", "--key", "distill.rate"], "--key distill.rate: there is no such key"),
        (["--pairs", "ce/jsd", "--key", "distill.select"], "--key distill.select: must be a number, is "),
        (["--pairs", "ce/jsd", "--key", KEY, "--metrics", "bx"], "--metrics bx: there is no such score"),
        (["--pairs", "ce-fbank-low/jsd-fbank-low", "--key", KEY], "is 0.001 in all experiments; give two or more"),
        (["--pairs", "ce-fbank-low/jsd-fbank-high", "--key", KEY], f"no value of {KEY} has both experiments"),
    ],
)
def test_faulty_options_are_refused(scored, words, message):
    with pytest.raises(ConfigError, match=message):
        _run(program, *_words(scored, *words))


def test_every_folder_of_experiments_needs_its_data(scored):
    with pytest.raises(ConfigError, match="--data_dirs: give one, or one for each of .*exp; got 2"):
        _run(program, *_words(scored, "--pairs", "ce/jsd"), scored.root)


def _row(score, other, value, difference):
    ends = (None, None) if difference is None else (difference - 0.1, difference + 0.1)
    return SweepRow(
        score,
        "ce",
        other,
        "a.b" if value is not None else "",
        value,
        0.5,
        0.6,
        difference,
        *ends,
        0.01,
        None,
        3,
        10,
        "x",
    )


def test_a_table_is_sorted_corrected_and_read_back(tmp_path):
    rows = [_row("bc", "jsd", 1.0, 0.1), _row("bc", "jsd", 0.5, None), _row("accuracy", "kl", 0.5, 0.2)]
    write_sweep(tmp_path / "x.tsv", rows)
    read = read_sweep(tmp_path / "x.tsv")
    assert [(row.score, row.value, row.difference) for row in read] == [
        ("accuracy", 0.5, 0.2),
        ("bc", 0.5, None),
        ("bc", 1.0, 0.1),
    ]
    assert [row.p_holm for row in read] == pytest.approx([0.03] * 3)
    text = (tmp_path / "x.tsv").read_text()
    for old, new, message in (
        ("\tjsd\ta.b\t1\t", "\tjsd\ta.b\tone\t", "x.tsv:4: "),
        ("accuracy", "speed", "x.tsv:2: "),
    ):
        (tmp_path / "y.tsv").write_text(text.replace(old, new))
        with pytest.raises(DataError, match=message.replace("x", "y")):
            read_sweep(tmp_path / "y.tsv")


def test_figures_draw_every_difference_with_its_interval():
    rows = [_row("bc", other, value, value / 10) for other in ("jsd", "kl") for value in (0.0, 0.5, 1.0)]
    (axis,) = draw_sweep(rows).axes
    drawn = {line.get_label(): line.get_ydata() for line in axis.lines if len(line.get_xdata()) == 3}
    assert all(np.allclose(y, [0, 0.05, 0.1]) for y in drawn.values())
    assert list(drawn) == ["jsd \N{MINUS SIGN} ce", "kl \N{MINUS SIGN} ce"]
    assert sum(np.allclose(np.ptp(line.get_ydata()), 0.2) for line in axis.lines if len(line.get_xdata()) == 2) == 6
    (axis,) = draw_ladder([_row("bc", other, None, 0.3) for other in ("jsd", "kl")]).axes
    assert [round(bar.get_width(), 6) for bar in axis.patches] == [0.3, 0.3]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["jsd", "kl"]
    assert sum(np.allclose(line.get_xdata(), [0.2, 0.4]) for line in axis.lines) == 2


def test_ticks_and_titles_of_a_ladder_with_long_names_do_not_overlap():
    scores, names = ("accuracy", "ua", "macro_auroc", "bc", "jsd_bits", "r2_pearson"), ("ipr_plus_no_gaussian", "jsd")
    rows = [
        replace(_row(score, name, None, 0.03), base="ipr_plus_amber2_precise") for score in scores for name in names
    ]
    rows += [replace(row, base="ce", difference=-0.04, low=-0.14, high=0.06) for row in rows]
    figure = draw_ladder(rows)
    figure.canvas.draw()
    for axis in figure.axes:
        low, high = axis.get_xlim()
        labels = [
            label for at, label in zip(axis.get_xticks(), axis.get_xticklabels(), strict=True) if low <= at <= high
        ]
        boxes = [label.get_window_extent() for label in labels]
        assert len(boxes) > 1 and all(one.x1 < other.x0 for one, other in zip(boxes, boxes[1:], strict=False))
        title = axis._left_title.get_window_extent()
        assert title.x1 < min(axis.bbox.x1 + 10, figure.bbox.x1), "it would cover the next title, or be cut"
