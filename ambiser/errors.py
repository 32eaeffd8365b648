"""Defines the errors that a user can fix; a program prints them as one line and ends with exit status 2."""

from collections.abc import Sequence


class UserError(Exception):
    """An error that the user can fix; the message gives the place, the value, the fault and what to do."""


class ConfigError(UserError):
    """Faults in a configuration; the message has one line per fault."""


class DataError(UserError):
    """A fault in a corpus, a table, an ark or an audio file."""


def first_line(error: BaseException | None) -> str:
    """Returns the first line of an error's message, or its type if there is no message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def name_some(names: Sequence[str], most: int) -> str:
    """Returns the first names of a list for a message, as in "a, b and 3 more"."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
