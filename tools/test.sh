#!/usr/bin/env bash
# Runs all checks: ruff (faults and format), shellcheck, pytest. Options go to pytest: tools/test.sh -k prototypes -x

set -euo pipefail
tools=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")" && pwd)
cd "$tools/.."
python=$("$tools/setup.sh" test)
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

echo "== ruff"
"$python" -m ruff check .
"$python" -m ruff format --check .

echo "== shellcheck"
mapfile -d '' scripts < <(grep -rlZ --include='*.sh' --include=run --exclude-dir={venv,data,dump,exp} '' tools egs tests .ci)
"${python%/*}/shellcheck" --external-sources --severity=info "${scripts[@]}"

echo "== pytest"
command -v sbatch > /dev/null ||
  echo "Slurm is not here: the tests with a real one are skipped (Debian: apt-get install slurm-wlm munge)"
exec "$python" -m pytest -q -rsR --durations=10 --numprocesses logical --maxprocesses 8 --dist loadfile \
  --no-loadscope-reorder "$@"
