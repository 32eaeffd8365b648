"""Prints which parts of a recipe are done, begun or missing, by looking at the files."""

from pathlib import Path

from ambiser.io.console import run_main
from ambiser.io.corpus_record import read_record
from ambiser.io.layout import Layout
from ambiser.launch.slurm_status import survey
from ambiser.recipe.experiments import Experiment, layout_of, load_experiments
from ambiser.recipe.jobs import ORDER, jobs_dir
from ambiser.recipe.points import expand
from ambiser.recipe.program_options import Parser
from ambiser.stages import TRAINING_STAGES

DONE, PARTLY, MISSING, NO_STAGE = "#", "~", ".", "-"
COLUMNS = ("experiment", *TRAINING_STAGES, "predictions", "results")


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__, "status")
    args = parser.parse_args()
    experiments, layout = load_experiments(args), layout_of(args)
    record = layout.corpus_record()
    corpus = read_record(record) if record.is_file() else None
    folds = args.folds or (corpus.folds if corpus else [])
    print(f"data      {_word(record)}" + (f": {corpus.utterances} utterances, folds {_list(folds)}" if corpus else ""))
    for folder in dict.fromkeys(folder for experiment in experiments for folder in experiment.feature_folders()):
        print(f"features  {_word(folder / 'feats.scp')}: {folder}")
    print()
    rows = [COLUMNS, *(row for experiment in experiments for row in rows_of(experiment, layout, folds))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(
        f"\none sign per fold: {DONE} done, {PARTLY} begun, {MISSING} missing; {NO_STAGE} not a stage of the experiment"
    )
    show_jobs(args.exp_dir)


def show_jobs(exp_dir: Path) -> None:
    """Prints the number of Slurm jobs per stage and state, and a line per job that is not done."""
    stages, trouble = survey(jobs_dir(exp_dir, stage) for stage in ORDER)
    for stage, rows in stages.items():
        counts = {state: sum(row.state == state for row in rows) for state in sorted({row.state for row in rows})}
        print(f"\nSlurm, {stage}: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
        for row in rows:
            if row.state != "done":
                what = f"{row.state} ({row.reason})" if row.reason else row.state
                print(f"  {row.job:<10} {row.name}  {what}  {row.log}")
    if trouble:
        print(f"\nSlurm does not answer: {trouble}")


def rows_of(experiment: Experiment, layout: Layout, folds: list[int]) -> list[tuple[str, ...]]:
    """Returns the row of an experiment, and one per point of its grid, which has cells for training stages alone."""
    tag, points = experiment.tag, expand([experiment])
    # The folder of a fold exists as soon as a stage begins, so it does not tell that predictions have begun.
    predicted = "".join(DONE if layout.predictions(tag, fold).is_file() else MISSING for fold in folds)
    first = (tag, *_cells(points, layout, folds), predicted or MISSING, _word(layout.results(tag)))
    own = [one for one in points if one.point]
    return [first, *((f"  {one.point}", *_cells([one], layout, folds), "", "") for one in own)]


def _cells(trained: list[Experiment], layout: Layout, folds: list[int]) -> list[str]:
    """Returns a cell per training stage, with a sign per fold for all experiments together."""
    cells = []
    for stage in TRAINING_STAGES:
        signs = [_sign([layout.best(one.tag, fold, stage) for one in trained]) for fold in folds]
        cells.append(("".join(signs) or MISSING) if stage in trained[0].config.stages else NO_STAGE)
    return cells


def _sign(lasts: list[Path]) -> str:
    if all(last.is_file() for last in lasts):
        return DONE
    return PARTLY if any(last.parent.is_dir() for last in lasts) else MISSING


def _word(last: Path) -> str:
    return "done" if last.is_file() else "missing"


def _list(folds: list[int]) -> str:
    return " ".join(map(str, folds))


if __name__ == "__main__":
    run_main(main)
