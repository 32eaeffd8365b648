"""Replaces itself by a program that dies with its launcher: `guard.py LAUNCHER_PID PROGRAM ARGUMENTS...`.

It runs without the package, between fork and the program. A launcher killed by SIGKILL cannot stop its jobs; on Linux
the kernel kills them (PR_SET_PDEATHSIG, which survives exec).
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Sets the parent-death signal and executes the program."""
    launcher, argv = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != launcher:  # the launcher died before the signal was set
            sys.exit(1)
    # A shell makes its background programs ignore Ctrl-C, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        print(f"{argv[0]}: cannot be run: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main()
