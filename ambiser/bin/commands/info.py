"""Shows classes, features, members and scores of a packed model, after checking its files."""

from ambiser.errors import DataError
from ambiser.io.console import set_up_logging
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the sub-command."""
    parser = Parser(__doc__)
    parser.add_argument("model", metavar="MODEL", help="folder of a packed model, or name of a shipped one")
    args = parser.parse_args()
    set_up_logging()
    from ambiser.inference.card import render_scores, render_sets
    from ambiser.inference.model_folder import CARD, find_model, model_id, read_record
    from ambiser.scoring.results_file import read_results

    folder = find_model(args.model)
    record = read_record(folder)
    encoders = [one for one in (record.speech, record.text) if one is not None]
    lines = {
        "model": model_id(folder, record),
        "folder": str(folder),
        "classes": " ".join(record.classes),
        "members": f"{len(record.members)} ({record.stage})",
        "encoders": ", ".join(f"{one.weights} {one.sha256[:12]}".rstrip() for one in encoders),
        "license": record.license,
        "packed by": record.software,
    }
    print("\n".join(f"{name:<10} {value}" for name, value in lines.items()))
    try:
        results = [read_results(folder / name) for name in record.results]
        print("\n".join(["", render_scores(results), *(f"\n{sentence}" for sentence in render_sets(results[0]))]))
    except DataError:
        print(f"\nscores     in {folder / CARD}; another version of ambiser wrote the results")
    print("\n".join(f"note: {note}" for note in record.notes), end="\n" if record.notes else "")
