"""Collects predictions for the page of `ambiser predict`, and finds the sound of each recording."""

import base64
import mimetypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from ambiser.inference.sources import STDIN, Source
from ambiser.io.files import write_text
from ambiser.report.predictions_page import PageRecording, render_predictions

MOST_RECORDINGS = 1000
"""Largest number of recordings on the page, so that a browser can show it and memory stays bounded."""
_MOST_EMBEDDED_BYTES = 64 * 10**6  # of all sounds together


class PageCollector:
    """Holds the output rows of the first MOST_RECORDINGS recordings."""

    def __init__(self) -> None:
        self._windows: dict[str, list[Mapping[str, object]]] = {}
        self._others: set[str] = set()

    def add(self, record: Mapping[str, object]) -> None:
        """Adds an output row as an object."""
        name = record["file"]
        if name in self._windows or len(self._windows) < MOST_RECORDINGS:
            self._windows.setdefault(name, []).append(record)
        else:
            self._others.add(name)

    def write(
        self, page: Path, sources: Sequence[Source], *, model: str, embed_mb: float, faults: Sequence[str] = ()
    ) -> None:
        """Writes the page by rename.

        Args:
            page: the file.
            sources: the recordings with their paths.
            model: id of the model.
            embed_mb: sounds up to this size are embedded while the page has room; others are linked.
            faults: one line per recording that could not be used.

        Raises:
            DataError: the page cannot be written.
        """
        paths, left, shown = {source.name: source.path for source in sources}, _MOST_EMBEDDED_BYTES, []
        for name, windows in self._windows.items():
            audio, size = _audio_address(paths.get(name), page, min(embed_mb * 1e6, left))
            if name == STDIN and size == 0:
                audio = ""  # its file will be gone
            left -= size
            shown.append(PageRecording(audio, sorted(windows, key=lambda one: one["start_s"])))
        total = len(self._windows) + len(self._others)
        write_text(page, render_predictions(shown, model=model, total=total, faults=faults))


def _audio_address(path: Path | None, page: Path, most_bytes: float) -> tuple[str, int]:
    """Returns the address of a sound, embedded or relative to the page, and the number of embedded bytes."""
    if path is None or not path.is_file():
        return "", 0
    size = path.stat().st_size
    if size <= most_bytes:
        kind = mimetypes.guess_type(path.name)[0] or "audio/wav"
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}", size
    relative = os.path.relpath(path.resolve(), page.resolve().parent)
    return quote(Path(relative).as_posix()), 0
