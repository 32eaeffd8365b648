"""The committed results of a corpus: egs/X/results/TAG.json, and RESULTS.md made from them."""

from collections.abc import Iterable
from pathlib import Path

from ambiser.errors import DataError
from ambiser.io.files import write_text
from ambiser.report.markdown import render_markdown
from ambiser.scoring.results import Results
from ambiser.scoring.results_file import read_results, write_results


def read_folder(folder: Path) -> list[Results]:
    """Reads all published results of a folder, sorted by name.

    Raises:
        DataError: a file is no results file, or is not named by its tag.
    """
    found = []
    for path in sorted(Path(folder).glob("*.json")):
        results = read_results(path)
        if results.tag != path.stem:
            raise DataError(f"{path}: holds the results of {results.tag}; name it {results.tag}.json")
        found.append(results)
    return found


def publish(folder: Path, results: Iterable[Results]) -> Path:
    """Writes results/TAG.json into a corpus' folder and makes its RESULTS.md anew from all that are there.

    Args:
        folder: egs/X.
        results: of the experiments to publish.

    Returns:
        The path of RESULTS.md.
    """
    folder = Path(folder)
    for one in results:
        write_results(folder / "results" / f"{one.tag}.json", one)
    path = folder / "RESULTS.md"
    write_text(path, render_markdown(read_folder(folder / "results")))
    return path
