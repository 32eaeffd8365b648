#!/usr/bin/env bash
# MSP-Podcast (releases 1.6 to 2.0, five or more raters per utterance), split as released; see README.md for the license.
#
#   ./run.sh --corpus_dir /corpora/MSP-PODCAST-Publish-1.11  four experiments on Train, Development and Test1
#   ./run.sh --set data.test_part=Test2 --data_dir data2     another test set
#   ./run.sh --help                                          all stages and options

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"

exec ../../tools/recipe.sh --config "ce ipr amber2 ipr_amber2" \
  --corpus_dir "${MSP_PODCAST:-downloads/MSP-Podcast}" -- "$@"
