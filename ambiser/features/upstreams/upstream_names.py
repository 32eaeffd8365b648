"""Lists the names of speech upstreams without importing torch and s3prl."""

import difflib
import importlib.util
import re
from collections.abc import Collection
from pathlib import Path

BASELINES = ("fbank", "fbank_no_cmvn", "mfcc", "mel", "linear", "spectrogram")
"""Upstreams of s3prl without weights, such as filter banks."""
HUGGING_FACE = "huggingface"
"""A model of Hugging Face; s3prl has its own names for two model types."""
REMOTE = ("_url", "_gdriveid")
"""Suffixes of upstreams that load from a given address; ambiser does not offer them."""


def files_of_s3prl() -> list[Path]:
    """Returns the files in which s3prl defines its upstreams; an empty list if it is not installed."""
    found = importlib.util.find_spec("s3prl")
    if found is None or found.origin is None:
        return []
    return sorted(Path(found.origin).parent.glob("*/*/hubconf.py"))


def names_in_s3prl() -> list[str]:
    """Returns the names that the files of s3prl define, sorted; an empty list if it is not installed."""
    names = {
        name for file in files_of_s3prl() for name in re.findall(r"^def ([a-z]\w*)\(", file.read_text(), re.MULTILINE)
    }
    return sorted(name for name in names if not name.endswith(REMOTE))


def find_fault(name: str) -> str:
    """Returns the error message for a name that s3prl lacks; empty if it has the name or is not installed."""
    names = names_in_s3prl()
    return "" if not names or name in [*names, HUGGING_FACE] else describe_unknown(name, [*names, HUGGING_FACE])


def describe_unknown(name: str, names: Collection[str]) -> str:
    """Returns the error message for an unknown name, with the nearest known ones."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"available: {', '.join(names)}"
    return f"speech_features.upstream: unknown upstream {name!r}; {hint}"
