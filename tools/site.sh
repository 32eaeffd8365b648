#!/usr/bin/env bash
# Builds the documentation site from the READMEs, docstrings, configuration and results. Options:
#   --output DIR       folder of the site (default: site)
#   --repository URL   address of the files of the repository, for links to sources
#   --recipe DIR       recipe whose report pages are shown (default: egs/mini)

set -euo pipefail
tools=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")" && pwd)
python=$("$tools/setup.sh")
if ! missing=$("$python" "$tools/environment.py" packages docs 2>&1); then
  echo "site.sh: error: ${missing//$'\n'/; }; run: $python -m pip install -e \"${tools%/*}[docs]\"" >&2
  exit 2
fi
export PYTHONPATH="${tools%/*}${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m tools.docs.build "$@"
