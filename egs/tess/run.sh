#!/usr/bin/env bash
# TESS (2,800 clips, 2 actresses, acted emotions without votes), one fold per speaker; open, see README.md.
#
#   ./run.sh --corpus_dir /corpora/TESS                    three experiments on two folds
#   ./run.sh --ssl wavlm_base                              other features
#   ./run.sh --help                                        all stages and options

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"

exec ../../tools/recipe.sh --config "ce superb smoothing" \
  --corpus_dir "${TESS:-downloads/TESS}" -- "$@"
