#!/usr/bin/env bash
# MELD (13,708 utterances of 1,432 dialogues, consensus labels) in its released parts, which share speakers; README.md.
#
#   ./run.sh --corpus_dir /corpora/MELD.Raw                four experiments
#   ./run.sh --text bert_base_uncased                      other text features
#   ./run.sh --help                                        all stages and options

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"

exec ../../tools/recipe.sh --config "ce text fusion_ce superb" \
  --corpus_dir "${MELD:-downloads/MELD.Raw}" -- "$@"
