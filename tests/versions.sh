#!/usr/bin/env bash
# Installs the package and runs quick tests with every Python that is found, and with the newest and oldest versions
# that setup.py allows; prints a table. Each environment is made in a temporary folder and removed.
#
#   tests/versions.sh                     # python3.10 to python3.13, of the PATH and of pyenv
#   tests/versions.sh /usr/bin/python3.12 # these alone
#
# Takes about five minutes per row and up to 8 GB of disk, since torch comes with its GPU libraries where no folder of
# wheels has a CPU build. The oldest versions of all packages are tried with Python 3.10 only: most of them have no
# build for newer ones.

set -euo pipefail
root=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.." && pwd)
cd "$root"
# What touches torch, s3prl, transformers, pydantic, kaldiio, soundfile, pyarrow, lhotse, onnx and matplotlib.
quick=(tests/config tests/losses tests/models tests/io tests/corpora/exchange tests/scoring/test_metrics.py
  tests/features/upstreams/test_{upstream,huggingface,text_encoders,whisper,finetune}.py tests/test_public_names.py
  tests/features/extraction/test_stored.py tests/train/test_{build,run_stage,loop}.py tests/gpu/test_pretended.py
  tests/inference/test_{onnx_and_push,speech_detector,page}.py tests/report/test_figure_style.py)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

pythons=("$@")
if (($# == 0)); then
  for version in 3.10 3.11 3.12 3.13; do
    for candidate in "$(command -v "python$version" || true)" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
      if [[ -x $candidate ]] && "$candidate" -c '' 2> /dev/null; then
        pythons+=("$candidate")
        break
      fi
    done
  done
fi
"${pythons[0]}" tools/environment.py oldest test > "$place/all.txt"
grep '^torch==' "$place/all.txt" > "$place/torch.txt"
: > "$place/newest.txt"

try() { # PYTHON VERSIONS: prints a row
  local venv=$place/venv log=$place/log outcome started=$SECONDS
  rm -rf "$venv"
  "$1" -m venv "$venv"
  if "$venv/bin/python" -m pip install -c "$place/$2.txt" "${root}[test]" > "$log" 2>&1; then
    outcome=$(OMP_NUM_THREADS=1 PYTHONPATH=$root AMBISER_PYTHON=$venv/bin/python "$venv/bin/python" -m pytest -q \
      -p no:cacheprovider "${quick[@]}" 2>&1 | tee "$log" | tail -n 1) || true
    grep -E '^(FAILED|ERROR)' "$log" >&2 || true
  else
    outcome="cannot be installed: $(grep -m 1 '^ERROR' "$log" || tail -n 1 "$log")"
  fi
  printf '%-8s %-8s %-14s %5d s  %s\n' "$("$1" -c 'import platform; print(platform.python_version())')" "$2" \
    "$("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("torch"))' 2> /dev/null || echo -)" \
    $((SECONDS - started)) "${outcome//=/}"
}

printf '%-8s %-8s %-14s %7s  %s\n' python oldest torch time outcome
for python in "${pythons[@]}"; do
  ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' || try "$python" all
  try "$python" newest
  try "$python" torch
done
