#!/usr/bin/env bash
# nEMO (4,481 clips, 9 Polish actors, acted emotions without votes), one fold per actor; open, see README.md.
#
#   ./run.sh --corpus_dir /corpora/nEMO                    three experiments on nine folds
#   ./run.sh --ssl wavlm_base                              other features
#   ./run.sh --help                                        all stages and options

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"

exec ../../tools/recipe.sh --config "ce superb smoothing" \
  --corpus_dir "${NEMO:-downloads/nEMO}" -- "$@"
