#!/usr/bin/env bash
# MSP-IMPROV (8,438 turns, 6 sessions, at least 5 raters a turn), one fold per session; by license, see README.md.
#
#   ./run.sh --corpus_dir /corpora/MSP-IMPROV              five experiments on six folds
#   ./run.sh --config "soft_ce jsd" --seeds "1 2 3"        others, with three seeds
#   ./run.sh --help                                        all stages and options

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"

exec ../../tools/recipe.sh --config "ce ce_precise ipr amber2 ipr_amber2" \
  --corpus_dir "${MSP_IMPROV:-downloads/MSP-IMPROV}" -- "$@"
