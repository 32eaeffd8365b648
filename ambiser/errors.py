"""The errors a user can cause; each is shown as one line and ends the program with exit status 2."""


class UserError(Exception):
    """A fault that the user can mend; the message says what, where, which value and what to do."""


class ConfigError(UserError):
    """One or more faults in a configuration; the message has one line for each."""


class DataError(UserError):
    """A fault in a corpus, a table, an ark or an audio file."""


def first_line(error: BaseException | None) -> str:
    """Returns the first line of what an error says, or its kind when it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
