"""The names of speech features, known before torch and s3prl are imported."""

import difflib
import importlib.util
import re
from collections.abc import Collection
from pathlib import Path

BASELINES = ("fbank", "fbank_no_cmvn", "mfcc", "mel", "linear", "spectrogram")
"""Upstreams of s3prl that have no weights: filter banks and the like."""
HUGGING_FACE = "huggingface"
"""Any model of Hugging Face that is known here; s3prl has names of its own for two kinds of folders."""
REMOTE = ("_url", "_gdriveid")
"""Ends of the names that fetch what an address names; they are not used here."""


def files_of_s3prl() -> list[Path]:
    """Returns the files in which s3prl defines its upstreams; none when it is not installed."""
    found = importlib.util.find_spec("s3prl")
    if found is None or found.origin is None:
        return []
    return sorted(Path(found.origin).parent.glob("*/*/hubconf.py"))


def names_in_s3prl() -> list[str]:
    """Returns the names that the files of s3prl define, sorted; empty when it is not installed."""
    names = {
        name for file in files_of_s3prl() for name in re.findall(r"^def ([a-z]\w*)\(", file.read_text(), re.MULTILINE)
    }
    return sorted(name for name in names if not name.endswith(REMOTE))


def describe_unknown(name: str, names: Collection[str]) -> str:
    """Returns the message for a name that is none of `names`, with the nearest ones."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
    return f"speech_features.upstream: s3prl has no upstream {name!r} that is used here; {hint}"
