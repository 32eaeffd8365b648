#!/usr/bin/env bash
# RAVDESS speech (1,440 clips, 24 actors, acted emotions without votes), actor-disjoint folds; open, see README.md.
#
#   ./run.sh --corpus_dir /corpora/RAVDESS                 three experiments on six folds
#   ./run.sh --ssl wavlm_base                              other features
#   ./run.sh --help                                        all stages and options

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"

exec ../../tools/recipe.sh --config "ce superb smoothing" \
  --corpus_dir "${RAVDESS:-downloads/RAVDESS}" -- "$@"
