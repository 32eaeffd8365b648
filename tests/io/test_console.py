"""Progress without a terminal, and the end of a program that gets a signal."""

import errno
import os
import re
import subprocess
import sys
import time

import pytest

from ambiser.io import console

SELF = "os.kill(os.getpid(), signal.SIGTERM)"
SERIALIZED = f"""
class Model(pydantic.BaseModel):
    x: int = 1
    serialize_x = pydantic.field_serializer("x")(lambda x: {SELF})

run_main(lambda: Model().model_dump())"""


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        (f"run_main(lambda: {SELF})", 130, "stopped; run the same command again to continue"),
        (f"import pydantic{SERIALIZED}", 130, "stopped; run the same command again to continue"),
        (
            f"import pydantic{SERIALIZED.replace('SIGTERM', 'SIGINT')}",
            130,
            "stopped; run the same command again to continue",
        ),
        (f"atexit.register(lambda: {SELF}); run_main(lambda: 3)", 3, ""),
    ],
    ids=["while it works", "while pydantic serializes", "Ctrl-C while pydantic serializes", "while Python shuts down"],
)
def test_a_signal_causes_no_traceback(environment, code, status, text):
    code = f"import atexit, os, signal; from ambiser.io.console import run_main; {code}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.strip().removeprefix("-c: ")) == (status, text)


def test_a_program_ends_after_its_threads_and_exit_handlers(environment):
    work = "print('main') or threading.Timer(0.1, print, ['thread']).start() or 3"
    code = "import atexit, threading; from ambiser.io.console import run_main; atexit.register(print, 'handler');"
    program = [sys.executable, "-c", f"{code} run_main(lambda: {work})"]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (3, "main\nthread\nhandler\n", "")


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.EACCES, errno.ENOSPC, errno.EBADF])
def test_an_error_of_the_system_is_one_line_and_a_bug_keeps_its_traceback(monkeypatch, capsys, number):
    def main():
        raise OSError(number, os.strerror(number), "x/a")

    monkeypatch.setattr(console.signal, "signal", lambda *words: None)
    monkeypatch.setattr(sys, "argv", ["/x/prog.py"])
    with pytest.raises(OSError if number == errno.EBADF else SystemExit) as ended:
        console.run_main(main)
    if number != errno.EBADF:
        assert ended.value.code == 2
        assert capsys.readouterr().err == f"prog: error: x/a: {os.strerror(number)}\n"


class _Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lines(caplog, monkeypatch):
    """The log lines so far."""
    monkeypatch.setattr(console.log, "propagate", True)
    caplog.set_level("INFO", logger="ambiser")
    return lambda: [record.getMessage() for record in caplog.records]


def _work(items, seconds, **options):
    """Spends these seconds on each item."""
    clock = _Clock()
    for item in console.progress(items, "work", clock=clock, **options):
        yield item
        clock.now += seconds


def test_an_item_that_takes_long_does_not_silence_progress(lines, monkeypatch):
    monkeypatch.setattr(console, "PROGRESS_EVERY_S", 0.02)
    for number in console.progress(range(2), "train"):
        until = time.monotonic() + 20
        while not any(line.startswith(f"train: {number}/2") for line in lines()) and time.monotonic() < until:
            time.sleep(0.01)
    assert re.fullmatch(r"train: 0/2 after 0 s", lines()[0])
    assert any(re.fullmatch(r"train: 1/2, .* left", line) for line in lines())
    told = len(lines())
    time.sleep(0.06)
    assert len(lines()) == told, "the thread has ended"


def test_progress_without_a_terminal_is_at_most_a_line_per_minute(lines):
    assert list(_work(range(10), 25.0)) == list(range(10))
    assert lines() == [
        "work: 3/10, 2.4 per min, about 2.9 min left",
        "work: 6/10, 2.4 per min, about 1.7 min left",
        "work: 9/10, 2.4 per min, about 25 s left",
    ]


def test_short_work_logs_no_progress(lines):
    list(_work(range(100), 0.5))
    assert lines() == []


@pytest.mark.parametrize(
    ("total", "seconds", "line"),
    [
        (None, 60.0, "work: 1, 1.0 per min"),
        (3, 7200.0, "work: 1/3, 0.5 per h, about 4.0 h left"),
    ],
)
def test_progress_of_a_stream_needs_no_total(lines, total, seconds, line):
    list(_work(iter("abc"), seconds, total=total))
    assert lines()[0] == line


def test_progress_on_a_terminal_is_a_bar(lines, monkeypatch, capsys):
    monkeypatch.setattr(console.sys.stderr, "isatty", lambda: True, raising=False)
    assert list(console.progress([1, 2], "work", clock=_Clock())) == [1, 2]
    assert "work" in capsys.readouterr().err
    assert lines() == []


def test_a_message_marked_once_is_logged_once_per_set_up(capsys):
    for _ in range(2):
        console.set_up_logging()
        for number in (1, 1, 2):
            console.log.info(f"fold {number}", extra=console.ONCE)
            console.log.info("each time")
    said = [line.partition(" I ")[2] for line in capsys.readouterr().err.splitlines()]
    assert said == 2 * ["fold 1", "each time", "each time", "fold 2", "each time"]
