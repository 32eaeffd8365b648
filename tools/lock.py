"""Writes tools/requirements.lock: what pip installs on this machine today, with the SHA-256 of every file.

    python tools/lock.py

Run it with the Python and on the platform of CI, without a GPU. pip chooses within the ranges of setup.py from the
sources that it is configured for; the file names no host. Needs pip 23 or newer.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from environment import LOCK, platform_line

TOOLS = Path(__file__).resolve().parent
HEAD = "# Packages with hashes for tools/setup.sh under CI=true; written by `python tools/lock.py`.\n"


def main() -> None:
    """Asks pip what it would install, and writes it."""
    torch = re.search(r"^CPU_TORCH=(\S+)$", (TOOLS / "setup.sh").read_text(encoding="utf-8"), re.MULTILINE)[1]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        wanted = [f"torch=={torch}", f"{TOOLS.parent}[test]"]
        words = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report), *wanted]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)
        lines = lock_lines(json.loads(report.read_text(encoding="utf-8")))
    Path(LOCK).write_text(HEAD + f"# {platform_line()}\n" + "".join(lines), encoding="utf-8")
    print(f"{LOCK}: {len(lines)} packages")


def lock_lines(report: dict) -> list[str]:
    """Returns a line per package of a report of pip, sorted; leaves out this package."""
    lines = []
    for item in report["install"]:
        name, version = item["metadata"]["name"], item["metadata"]["version"]
        if name != "ambiser":
            sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
            lines.append(f"{re.sub('[-_.]+', '-', name).lower()}=={version} --hash=sha256:{sha256}\n")
    return sorted(lines)


if __name__ == "__main__":
    main()
