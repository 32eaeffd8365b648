from dataclasses import replace

import pytest

from ambiser.report.comparable import make_tables
from ambiser.report.overview import MOST_ROWS, render_overview
from ambiser.scoring.comparison import Difference


@pytest.fixture
def made(make_results):
    """A function that makes results with one accuracy and one JSD."""

    def made(name, accuracy, jsd, **stamp):
        one = make_results(name, **stamp)
        one.scores.pooled.scores.update(accuracy=accuracy, jsd_bits=jsd)
        return one

    return made


def _overview(results, differences=()):
    (table,) = make_tables(results)
    return "\n".join(render_overview(table, differences))


def test_the_best_experiments_are_named_with_their_difference_to_the_baseline(made):
    results = [made("ce-fbank", 0.5, 0.3), made("ipr-fbank", 0.75, 0.4), made("jsd-fbank", 0.6, 0.1)]
    found = Difference("ce-fbank", "ipr-fbank", "accuracy", 0.5, 0.75, [0.1, 0.4], 0.01, 0.02, 0.03, 5)
    text = _overview(results, [found, replace(found, other="jsd-fbank", metric="jsd_bits", interval=None, p_holm=None)])
    assert "Highest accuracy: **ipr-fbank** with 0.750 [" in text and "baseline ce-fbank 0.500 [" in text
    assert "difference +0.250 [+0.100, +0.400], p = 0.0200 over speakers (bootstrap, Holm), p = 0.0300 over" in text
    assert "Lowest JSD (bits): **jsd-fbank** with 0.100" in text
    assert text.count("difference +0.250, p = 0.0300 over seeds and folds") == 1


def test_without_comparisons_the_class_prior_is_the_baseline(made):
    text = _overview([made("ce-fbank", 0.5, 0.3), made("ipr-fbank", 0.75, 0.4)])
    assert "Lowest JSD (bits): **ce-fbank** with 0.300" in text and "; class prior 0." in text


def test_at_most_ten_rows_with_the_baseline_among_them_and_the_command_that_makes_them(made):
    results = [made(f"e{i:02d}-fbank", 0.5 + i / 100, 0.3 - i / 100) for i in range(20)]
    results += [made("ipr-fbank-tag", 0.9, 0.1), made("theirs", 0.8, 0.2, seed=None, inputs="imported")]
    base = Difference("e00-fbank", "e01-fbank", "accuracy", 0.5, 0.51, None, None, None, None, 5)
    text = _overview(results, [base])
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) <= MOST_ROWS and any(line.startswith("| e00-fbank ") for line in rows)
    command = next(line for line in text.splitlines() if "./run.sh" in line)
    assert "e00 " in command and '--seeds "1" --publish true' in command
    assert "theirs" not in command and "ipr" not in command
    assert "ipr-fbank-tag" in text.split("Made with other options, ")[1]


def test_each_upstream_has_its_command(made):
    text = _overview([made("ce-fbank", 0.5, 0.3), made("ce-whisper", 0.6, 0.2), made("jsd-whisper", 0.7, 0.1)])
    commands = [line.strip() for line in text.splitlines() if "./run.sh" in line]
    assert ['--ssl fbank --config "ce"' in commands[0], '--ssl whisper --config "ce jsd"' in commands[1]] == [
        True,
        True,
    ]


def test_an_oracle_is_never_named_as_the_best(made):
    oracle = made("oracle_votes-fbank", 0.9, 0.1)
    oracle.stamp.policies["oracle"] = "votes"
    text = _overview([made("ce-fbank", 0.5, 0.3), oracle])
    assert "Highest accuracy: **ce-fbank**" in text and "oracle_votes" not in text
