import copy
import re
from dataclasses import replace

import pytest

from ambiser.errors import DataError
from ambiser.report.comparable import Cell, describe_folds, make_tables, named, pooled
from ambiser.report.markdown import render_markdown
from ambiser.report.page_tables import calibration_block
from ambiser.report.results_page import MOST_SECTIONS, render_report, with_sections
from ambiser.report.table_facts import STAMP_HEADER, stamp_rows
from ambiser.report.terminal import render_terminal
from ambiser.report.text_table import markdown_table
from ambiser.scoring.results import FittedCalibration, Human


@pytest.fixture
def results(make_results):
    return make_results


def test_a_row_is_the_mean_over_seeds_with_their_deviation(results):
    one, two = results(seed=1), results(seed=2)
    (table,) = make_tables([two, one])
    (row,) = table.rows
    a, b = (r.scores.pooled.scores["accuracy"] for r in (one, two))
    cell = row.cell("accuracy", pooled)
    assert cell.value == pytest.approx((a + b) / 2) and cell.deviation == pytest.approx(abs(a - b) / 2**0.5)
    lows = [r.scores.pooled.intervals["accuracy"][0] for r in (one, two)]
    assert cell.interval[0] == pytest.approx(sum(lows) / 2)
    assert row.seeds() == "1 2"
    assert make_tables([one])[0].rows[0].cell("accuracy", pooled).deviation is None


def test_a_score_that_one_seed_lacks_is_undefined(results):
    one, two = results(seed=1), results(seed=2)
    two.scores.pooled.scores["ua"] = None
    row = make_tables([one, two])[0].rows[0]
    assert row.cell("ua", pooled).text() == "-"
    assert row.cell("bc", named("levels", "no such level")).text() == "-"


def test_cells_as_text():
    assert Cell(0.5, 0.0126, (0.25, 0.75)).text() == "0.500 ± 0.013 [0.250, 0.750]"
    assert Cell(0.5, None, (0.25, 0.75)).text(interval=False) == "0.500"
    assert Cell(None).text() == "-"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("corpus", "mini"),
        ("version", "2"),
        ("dev", "previous_session"),
        ("folds", [1]),
        ("test_set", "u"),
        ("class_names", list("abdc")),
        ("leaks", ["wav"]),
        ("made_up", True),
        ("software", "ambiser 0.1.0, format 4"),
    ],
)
def test_results_that_cannot_be_compared_stand_in_tables_of_their_own(results, key, value):
    named = "format" if key == "software" else key
    first, second = make_tables([results(), results("ipr-fbank"), results("jsd-fbank", **{key: value})])
    assert [row.label for row in first.rows] == ["ce-fbank", "ipr-fbank"]
    assert [row.label for row in second.rows] == ["jsd-fbank"]
    assert len(second.apart) == 1 and second.apart[0].startswith(f"{named}: ")
    assert second.apart[0] in render_markdown([results(), results("ipr-fbank"), results("jsd-fbank", **{key: value})])


def test_other_policies_part_tables_and_training_policies_are_noted(results):
    first = results()
    apart = copy.deepcopy(results("ipr-fbank"))
    apart.stamp.policies["ties"] = "first"
    assert len(make_tables([first, apart])) == 2
    noted = copy.deepcopy(results("ipr-fbank", commit="def"))
    noted.stamp.policies["precise"] = 0.8
    (table,) = make_tables([first, noted])
    assert table.notes == (
        "policies.precise differs: unanimous (ce-fbank); 0.8 (ipr-fbank)",
        "commit differs: abc (ce-fbank); def (ipr-fbank)",
    )
    text = render_markdown([first, noted])
    assert table.notes[0] in text
    assert "Not shown, because other utterances are precise there: ipr-fbank (0.8)." in text
    by_kind = text.partition("### By kind")[2].partition("###")[0]
    assert "| ce-fbank " in by_kind and "| ipr-fbank " not in by_kind


def test_a_note_names_the_few_and_tells_seeds_apart_where_they_differ(results):
    several = [results(f"e{number}", commit="abc") for number in range(8)]
    (table,) = make_tables([*several, results("odd", commit="def"), results("odd", seed=2, commit="abc")])
    assert table.notes == ("commit differs: abc (all others); def (odd-s1)",)


def test_results_of_two_versions_with_one_format_share_a_table_with_a_note(results):
    versions = ("ambiser 0.1.0, format 5", "ambiser 0.2.0, format 5")
    (table,) = make_tables([results(software=versions[0]), results("ipr-fbank", software=versions[1])])
    assert table.notes == (f"software differs: {versions[0]} (ce-fbank); {versions[1]} (ipr-fbank)",)


def test_one_name_with_two_configurations_makes_two_rows(results):
    (table,) = make_tables([results(seed=1), results(seed=2, config_hash="d" * 12)])
    assert [row.label for row in table.rows] == ["ce-fbank (cccccccccccc)", "ce-fbank (dddddddddddd)"]


def test_a_run_over_some_folds_says_so(results):
    assert describe_folds(results().stamp) == "2 folds"
    text = render_markdown([results(folds=[2])])
    assert (
        "only fold 2 of 1 2" in text and "**Pooled over only fold 2 of 1 2: not comparable with a full run.**" in text
    )


def test_markdown_shows_floors_intervals_levels_stamp_and_what_was_left_out(results):
    one = results(made_up=True)
    text = render_markdown([one])
    scores = one.scores.pooled
    low, high = scores.intervals["bc"]
    assert f"{scores.scores['bc']:.3f} [{low:.3f}, {high:.3f}]" in text
    assert "| class prior " in text and "| uniform " in text and "| majority class " in text
    assert "**This corpus is synthetic" in text and "4 no vote inside the classes (by the policies)" in text
    for word in ("accuracy, low", "BC, high", "JSD (bits), no majority", "leave_one_session_out", "test set", "cccccc"):
        assert word in text
    assert "ua (prototypes), jsd (distill)" in text, "in the order of the stages"
    assert "made up" not in render_markdown([results()])


def test_the_same_results_give_the_same_bytes(results):
    both = [results(), results("ipr-fbank")]
    assert render_markdown(both) == render_markdown(copy.deepcopy(both))
    assert render_markdown([]).endswith("There are no results yet.\n")


def test_tables_are_aligned_and_escape_bars():
    text = markdown_table(["a", "b"], [["x|y", "1"], ["ü", "100"]])
    assert text == "| a    |   b |\n| ---- | --: |\n| x\\|y |   1 |\n| ü    | 100 |\n"


def test_the_terminal_s_table_has_a_row_for_each_experiment_and_floor(results):
    lines = render_terminal([results(), results("ipr-fbank")]).splitlines()
    assert [line.split("  ")[0] for line in lines[2:]] == [
        "ce-fbank",
        "ipr-fbank",
        "uniform",
        "class prior",
        "majority class",
    ]
    assert "[" not in lines[2]


def test_what_stands_in_several_parts_is_named(results):
    assert "shared between training, dev and test: nothing" in render_markdown([results()])
    text = render_markdown([results(leaks=["recording", "wav"])])
    assert "The split leaks: recordings and byte-identical audio files are in several parts" in text
    assert "shared between training, dev and test: recordings and byte-identical audio files" in text


def test_an_oracle_is_named_as_no_result_in_every_table_and_on_the_page(results, tmp_path):
    one = results()
    oracle = results("oracle_votes-fbank", policies={**one.stamp.policies, "oracle": "votes"})
    line = "Oracles, trained with withheld references and therefore no results: oracle_votes-fbank."
    page = render_report([oracle], tmp_path, details={})
    for text in (render_terminal([one, oracle]), render_markdown([oracle]), page):
        assert line in text
    assert "policies.oracle differs" in render_terminal([one, oracle])
    assert "Oracles" not in render_terminal([one]) + render_markdown([one])


def test_the_same_results_twice_are_refused(results):
    with pytest.raises(DataError, match="the results of ce-fbank-s1 appear twice; keep one"):
        make_tables([results(), results("ipr-fbank"), results()])


def test_single_raters_stand_between_systems_and_floors(results):
    one = results()
    assert "single raters" not in render_terminal([one])
    pooled = replace(one.scores.pooled, human=Human(9, dict.fromkeys(one.scores.pooled.scores, 0.123)))
    one = replace(one, scores=replace(one.scores, pooled=pooled))
    rows = [line.split("  ")[0] for line in render_terminal([one]).splitlines()]
    assert rows[-4:] == ["single raters", "uniform", "class prior", "majority class"]
    assert "| single raters " in render_markdown([one]) and "0.123" in render_markdown([one])


def test_scores_before_and_after_calibration_stand_in_the_table_and_on_the_page(results, tmp_path):
    one = results()
    assert "calibration" not in render_markdown([one]).lower().split("## words")[0]
    before = dict.fromkeys(one.scores.pooled.scores, 0.987)
    one = results(calibration=FittedCalibration(kind="temperature", before=before, fitted_on="dev", folds={}))
    text = render_markdown([one])
    assert "| ce-fbank-s1, before" in text and "| ce-fbank-s1, temperature fitted on dev" in text and "0.987" in text
    page = render_report([one], tmp_path, details={})
    rows = re.findall(r"<th scope=\"row\">ce-fbank-s1, (.*?)</th><td>(.*?)</td>", page)
    assert [label for label, _ in rows] == ["before", "temperature fitted on dev"] and rows[0][1] == "0.987"
    assert calibration_block(make_tables([results()])[0]) is None


def test_the_epochs_that_were_kept_stand_beside_what_chose_them(results):
    rows = stamp_rows(make_tables([results(seed=1), results(seed=2), results("imported", seed=None)])[0])
    place = STAMP_HEADER.index("epochs kept")
    assert {row[0]: row[place] for row in rows} == {"ce-fbank": "5 of 5, 4\N{EN DASH}9 of 30", "imported": "-"}


def test_experiments_of_the_call_come_first_in_tables_and_sections(results):
    named = results("named-fbank", test_set="other")
    everything = [named, *(results(f"e{i}-fbank", seed=seed) for i in range(MOST_SECTIONS + 3) for seed in (2, 1))]
    assert [table.rows[0].label for table in make_tables(everything)] == ["e0-fbank", "named-fbank"]
    assert [table.rows[0].label for table in make_tables(everything, {named.tag})] == ["named-fbank", "e0-fbank"]
    tags = [one.tag for one in with_sections(everything[::-1], {named.tag})]
    assert tags[0] == named.tag and len(tags) == MOST_SECTIONS == len(set(tags))
    every = {one.tag for one in everything}
    assert len(with_sections(everything, every)) == MOST_SECTIONS + 4, "named experiments always have a section"
