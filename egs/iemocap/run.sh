#!/usr/bin/env bash
# IEMOCAP (12 hours, 10 speakers, 3 raters per utterance), leave one session out; see README.md for the license.
#
#   ./run.sh --corpus_dir /corpora/IEMOCAP_full_release      four experiments on five folds
#   ./run.sh --config "ipr soft_ce" --seeds "1 2 3"          others, with three seeds
#   ./run.sh --ssl wavlm_large                               other speech features
#   ./run.sh --help                                          all stages and options

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"

exec ../../tools/recipe.sh --config "ce ipr amber2 ipr_amber2" \
  --corpus_dir "${IEMOCAP:-downloads/IEMOCAP_full_release}" -- "$@"
