"""Grids and choices by dev in the tables, in the published tables and in results.json."""

from ambiser.config import load_config
from ambiser.io.choice_file import Tuning
from ambiser.report.comparable import make_tables
from ambiser.report.published_tables import read_summaries, write_summaries
from ambiser.report.table_facts import STAMP_HEADER, stamp_rows
from ambiser.scoring.results_file import read_results, write_results
from ambiser.scoring.stamp import config_hash

GRID = {"distill.epochs": [5, 10], "amber.guidance": [0.3]}
FIVE, TEN = "epochs=5,guidance=0.3", "epochs=10,guidance=0.3"


def tuned(make_results):
    """Results of two seeds of a tuned experiment, and of an ordinary one."""
    made = [make_results("jsd-fbank", seed, tuning=Tuning(GRID, {1: TEN, 2: c})) for seed, c in ((1, TEN), (2, FIVE))]
    return [*made, make_results("ce-fbank", 1)]


def test_the_column_chosen_by_dev_names_grid_and_points(make_results):
    (table,) = make_tables(tuned(make_results))
    column = STAMP_HEADER.index("chosen by dev")
    cells = {row[0]: row[column] for row in stamp_rows(table)}
    stages = "ua (prototypes), jsd (distill)"
    grid = "distill.epochs 5 10, amber.guidance 0.3"
    assert cells["jsd-fbank"] == f"{stages}; {grid}: {TEN} (3 of 4 folds), {FIVE} (1 of 4 folds)"
    assert cells["ce-fbank"] == stages


def test_results_json_and_published_tables_keep_the_choices(make_results, tmp_path):
    results = tuned(make_results)
    write_summaries(tmp_path, results)
    kept = {one.tag: one.stamp.tuning for one in read_summaries(tmp_path)}
    assert kept == {one.tag: one.stamp.tuning for one in results}
    write_summaries(tmp_path / "two", [results[0], results[-1]])
    settings = {line.split("\t")[0] for line in (tmp_path / "two/settings.tsv").read_text().splitlines()[1:]}
    assert len(settings) == 1, "a grid makes no setting of its own"
    write_results(tmp_path / "results.json", results[0])
    assert read_results(tmp_path / "results.json") == results[0]


def test_published_tables_without_the_column_are_read(make_results, tmp_path):
    write_summaries(tmp_path, [make_results("ce-fbank", 1)])
    path = tmp_path / "experiments.tsv"
    lines = [line.rpartition("\t")[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")
    assert [one.stamp.tuning for one in read_summaries(tmp_path)] == [None]


def test_another_grid_is_another_configuration_in_the_stamp(root):
    path = root / "egs/mini/conf/ce.yaml"
    hashes = {config_hash(load_config(path, tune=words)) for words in ([], ["epochs=5"], ["epochs=5,10"])}
    assert len(hashes) == 3
