"""How a program ends when it is told to stop."""

import subprocess
import sys

import pytest

SELF = "os.kill(os.getpid(), signal.SIGTERM)"


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        (f"run_main(lambda: {SELF})", 130, "stopped; run the same command again to continue"),
        (f"atexit.register(lambda: {SELF}); run_main(lambda: 3)", 3, ""),
    ],
    ids=["at work", "while Python shuts down"],
)
def test_a_signal_is_no_traceback(environment, code, status, text):
    code = f"import atexit, os, signal; from ambiser.io.console import run_main; {code}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.strip().removeprefix("-c: ")) == (status, text)
