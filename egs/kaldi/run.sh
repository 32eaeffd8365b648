#!/usr/bin/env bash
# A corpus of your own as a Kaldi data directory with votes.tsv: no code is needed; see README.md for the tables.
#
#   ./run.sh --corpus_dir /my/data                           four experiments on five speaker-disjoint folds
#   ./run.sh --set data.protocol=leave_one_session_out       other folds (utt2session says the sessions)
#   ./run.sh --help                                          all stages and options

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"

exec ../../tools/recipe.sh --config "ce ipr amber2 ipr_amber2" -- "$@"
