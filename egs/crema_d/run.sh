#!/usr/bin/env bash
# CREMA-D (7,442 clips, 91 actors, about 9 listeners a clip), actor-disjoint folds; open to everyone, see README.md.
#
#   ./run.sh --corpus_dir /corpora/CREMA-D                   five experiments on five folds
#   ./run.sh --config "soft_ce jsd" --seeds "1 2 3"          others, with three seeds
#   ./run.sh --config "ce_six soft_ce_six"                   six classes instead of four
#   ./run.sh --help                                          all stages and options

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"

exec ../../tools/recipe.sh --config "ce ce_precise ipr amber2 ipr_amber2" \
  --corpus_dir "${CREMA_D:-downloads/CREMA-D}" -- "$@"
