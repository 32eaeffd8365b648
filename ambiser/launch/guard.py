"""Becomes another program that the system kills when its launcher dies: `guard.py LAUNCHER_PID PROGRAM ARGUMENTS...`.

It runs as a file of its own, without the package, between fork and the real program. A launcher that is killed
outright cannot stop its jobs; on Linux the system does it (PR_SET_PDEATHSIG, which survives exec).
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Arms the death signal and becomes the program."""
    launcher, argv = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != launcher:  # it died before the signal was armed
            sys.exit(1)
    # A shell that starts a program in the background makes it ignore Ctrl-C, which Python would not undo.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        print(f"{argv[0]}: cannot be run: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main()
