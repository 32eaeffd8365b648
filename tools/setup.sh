#!/usr/bin/env bash
# Makes the Python environment when there is none, and prints the path of its interpreter; all else goes to stderr.
#
#   tools/setup.sh          what a recipe needs
#   tools/setup.sh test     what the tests need as well
#
# Taken, in this order: $AMBISER_PYTHON; an active virtual or conda environment that has what setup.py asks for;
# tools/venv, which is made when it is missing. tools/venv/.ambiser-ready is written last: an environment without it
# is a broken-off one and is made anew.

set -euo pipefail
tools=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")" && pwd)
venv=$tools/venv
ready=$venv/.ambiser-ready
log=$venv/setup.log
# Without a GPU one exact version, so that everybody has the same build (and a build for CPUs in a folder of wheels
# that pip knows is preferred); with a GPU pip chooses within the range of setup.py.
CPU_TORCH=2.13.0

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: error: %s\n' "$*" >&2; exit 2; }
environment() { "$1" "$tools/environment.py" "${@:2}"; } # PYTHON COMMAND...
use() { printf '%s\n' "$1"; exit 0; }

if [[ -n ${AMBISER_PYTHON:-} ]]; then
  faults=$(environment "$AMBISER_PYTHON" packages "$@" 2>&1) || fail "AMBISER_PYTHON=$AMBISER_PYTHON: ${faults//$'\n'/; }"
  use "$AMBISER_PYTHON"
fi
for active in "${VIRTUAL_ENV:-}" "${CONDA_PREFIX:-}"; do
  if [[ -x $active/bin/python && ! $active -ef $venv ]]; then
    environment "$active/bin/python" packages "$@" > /dev/null 2>&1 && use "$active/bin/python"
  fi
done

is_ready() { [[ -f $ready && $(< "$ready") == "$(environment "$venv/bin/python" digest 2> /dev/null)" ]]; }
is_ready && use "$venv/bin/python"

# One set-up at a time: a second one waits here (also for the pip of one that was killed), and then looks again.
if command -v flock > /dev/null; then
  exec 9< "$tools"
  flock 9
  is_ready && use "$venv/bin/python"
fi

find_python() {
  local name
  for name in python3 python3.13 python3.12 python3.11 python3.10; do
    command -v "$name" > /dev/null && environment "$name" version > /dev/null 2>&1 && { echo "$name"; return; }
  done
  return 1
}

explain() { # turns what pip said into one line
  if grep -q 'No space left' "$log"; then
    fail "the disk is full: $venv needs up to 8 GB with a GPU, 2 GB without"
  elif grep -qE 'Failed to establish|NewConnectionError|ConnectTimeout|ReadTimeout|name resolution|ProxyError' "$log"; then
    fail "the package index cannot be reached; connect to the network and run the same command again (log: $log)"
  fi
  tail -n 15 "$log" >&2
  fail "pip could not install the packages (log: $log)"
}

pip() { # shows the last line of the log while pip works, where someone watches
  "$venv/bin/python" -m pip "$@" >> "$log" 2>&1 &
  local child=$! shown=""
  trap 'kill "$child" 2> /dev/null; say "stopped; run the same command again"; exit 130' INT TERM
  while [[ -t 2 ]] && kill -0 "$child" 2> /dev/null; do
    shown=$(tail -n 1 "$log" | tr -d '\r' | cut -c 1-100)
    printf '\r\e[K%s' "$shown" >&2
    sleep 0.5
  done
  [[ ! -t 2 ]] || printf '\r\e[K' >&2
  wait "$child"
}

started=$SECONDS
base=$(find_python) || fail "Python 3.10 or newer is needed; $(python3 --version 2> /dev/null || echo 'there is none') here"
"$base" -c 'import venv, ensurepip' 2> /dev/null ||
  fail "$base has no module venv; install it (Debian, Ubuntu: apt install python3-venv)"
cd "$tools/.."
# An environment that is not finished, or is of another Python, is not worth repairing: what pip had begun is unknown.
if ! [[ -f $ready ]] || ! "$venv/bin/python" -m pip --version > /dev/null 2>&1; then
  [[ ! -e $venv ]] || say "removing the unfinished $venv"
  rm -rf "$venv"
  say "making $venv with $("$base" --version)"
  "$base" -m venv "$venv" >&2 || fail "$base cannot make an environment in $venv"
fi
rm -f "$ready"
say "installing torch, s3prl and the rest; the first time this takes minutes (log: $log)"
command -v nvidia-smi > /dev/null || pip install "torch==$CPU_TORCH" || true
pip install -e ".[test]" || explain
environment "$venv/bin/python" digest > "$ready.tmp"
mv "$ready.tmp" "$ready"
say "done in $((SECONDS - started)) s"
use "$venv/bin/python"
