#!/usr/bin/env bash
# EmoDB (535 clips, 10 actors, listener recognition rates), speaker-disjoint folds; open to everyone, see README.md.
#
#   ./run.sh --corpus_dir /corpora/EmoDB                   three experiments on five folds
#   ./run.sh --config jsd_recognition                      eight classes: votes for other emotions form one
#   ./run.sh --help                                        all stages and options

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"

exec ../../tools/recipe.sh --config "ce ce_precise ipr" \
  --corpus_dir "${EMODB:-downloads/EmoDB}" -- "$@"
