#!/usr/bin/env bash
# Makes the Python environment if there is none, and prints the path of its interpreter; all else goes to stderr.
#
#   tools/setup.sh          an environment with what a recipe needs
#   tools/setup.sh test     and with what the tests need
#   tools/setup.sh base     any Python that is new enough; makes no environment, so packages may be missing
#
# The environment is the first of: $AMBISER_PYTHON; an active virtual or conda environment with the packages that
# setup.py lists; tools/venv, which is made if missing. With CI=true or AMBISER_LOCK=true tools/venv gets exactly the
# files of tools/requirements.lock if they are for this Python and platform; AMBISER_LOCK=false prevents it.
# tools/venv/.ambiser-ready is written last: an environment without this file is incomplete and is made again.

set -euo pipefail
tools=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")" && pwd)
venv=$tools/venv
ready=$venv/.ambiser-ready
log=$venv/setup.log
# Without a GPU one exact version, so that everybody has the same build (pip prefers a CPU build if a folder of wheels
# offers one); with a GPU pip chooses within the range of setup.py.
CPU_TORCH=2.13.0

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: error: %s\n' "$*" >&2; exit 2; }
environment() { "$1" "$tools/environment.py" "${@:2}"; } # PYTHON COMMAND...
use() { printf '%s\n' "$1"; exit 0; }
use_foreign() { # PYTHON, which this script did not set up: warns if it imports another ambiser
  local fault
  fault=$(environment "$1" package) || say "warning: $fault"
  use "$1"
}

find_python() { # CANDIDATES...: prints the first Python that is new enough
  local name
  for name in "$@" python3 python3.13 python3.12 python3.11 python3.10; do
    command -v "$name" > /dev/null && "$name" -S "$tools/environment.py" version > /dev/null 2>&1 && { echo "$name"; return; }
  done
  fail "Python 3.10 or newer is needed; $(python3 --version 2> /dev/null || echo 'there is none') here"
}

if [[ ${1:-} == base ]]; then
  base=$(find_python "${AMBISER_PYTHON:-python3}" "$venv/bin/python")
  use "$base"
fi

if [[ -n ${AMBISER_PYTHON:-} ]]; then
  faults=$(environment "$AMBISER_PYTHON" packages "$@" 2>&1) || fail "AMBISER_PYTHON=$AMBISER_PYTHON: ${faults//$'\n'/; }"
  use_foreign "$AMBISER_PYTHON"
fi
for active in "${VIRTUAL_ENV:-}" "${CONDA_PREFIX:-}"; do
  if [[ -x $active/bin/python && ! $active -ef $venv ]]; then
    environment "$active/bin/python" packages "$@" > /dev/null 2>&1 && use_foreign "$active/bin/python"
  fi
done

locked=${AMBISER_LOCK:-${CI:-false}}
digest() { # of the files that the environment must have been made from
  if [[ $locked == true ]] && environment "$venv/bin/python" lock > /dev/null 2>&1; then
    environment "$venv/bin/python" digest lock
  else
    environment "$venv/bin/python" digest 2> /dev/null
  fi
}
is_ready() { [[ -f $ready ]] && grep -qxF "$(digest)" "$ready"; }
is_ready && use "$venv/bin/python"

# One set-up at a time: a second one waits here (also for the pip of a killed one), and then checks again.
if command -v flock > /dev/null; then
  exec 9< "$tools"
  flock 9
  is_ready && use "$venv/bin/python"
fi

explain() { # turns the messages of pip into one line
  if grep -q 'No space left' "$log"; then
    fail "the disk is full: $venv needs up to 8 GB, or 2 GB with a CPU build of torch"
  elif grep -qE 'Failed to establish|NewConnectionError|ConnectTimeout|ReadTimeout|name resolution|ProxyError' "$log"; then
    fail "the package index cannot be reached; connect to the network and run the same command again (log: $log)"
  fi
  tail -n 15 "$log" >&2
  fail "pip could not install the packages (log: $log)"
}

pip() { # shows the last line of the log on a terminal while pip works
  "$venv/bin/python" -m pip "$@" >> "$log" 2>&1 &
  local child=$! shown=""
  trap 'kill "$child" 2> /dev/null; say "stopped; run the same command again"; exit 130' INT TERM
  while [[ -t 2 ]] && kill -0 "$child" 2> /dev/null; do
    shown=$(tail -n 1 "$log" | tr -d '\r' | cut -c 1-70)
    printf '\r\e[K%4d s  %s' "$((SECONDS - started))" "$shown" >&2
    sleep 0.5
  done
  [[ ! -t 2 ]] || printf '\r\e[K' >&2
  wait "$child"
}

from_lock() { # installs exactly the locked files; fails where they are not wanted or not available
  local fault
  [[ $locked == true ]] || return
  if ! fault=$(environment "$venv/bin/python" lock); then
    say "$fault: installing the newest packages that setup.py allows"
    return 1
  fi
  pip install --require-hashes -r tools/requirements.lock && pip install --no-deps -e . && return
  ! grep -q 'DO NOT MATCH THE HASHES' "$log" || fail "a package has another hash than in tools/requirements.lock (log: $log)"
  say "some packages of requirements.lock are not available here: installing the newest that setup.py allows (log: $log)"
  return 1
}

from_ranges() {
  command -v nvidia-smi > /dev/null || pip install "torch==$CPU_TORCH" || true
  pip install -e ".[test]" || explain
}

started=$SECONDS
base=$(find_python)
"$base" -c 'import venv, ensurepip' 2> /dev/null ||
  fail "$base has no module venv; install it (Debian, Ubuntu: apt install python3-venv)"
cd "$tools/.."
# An incomplete environment, or one of another Python, is made again: nobody knows what pip has left there.
if ! [[ -f $ready ]] || ! "$venv/bin/python" -m pip --version > /dev/null 2>&1; then
  [[ ! -e $venv ]] || say "removing the unfinished $venv"
  rm -rf "$venv"
  say "making $venv with $("$base" --version)"
  "$base" -m venv "$venv" >&2 || fail "$base cannot make an environment in $venv"
fi
rm -f "$ready"
say "installing torch, s3prl and the rest; the first time this takes minutes (log: $log)"
from_lock || from_ranges
{ environment "$venv/bin/python" digest && digest; } > "$ready.tmp"
mv "$ready.tmp" "$ready"
say "done in $((SECONDS - started)) s"
use "$venv/bin/python"
