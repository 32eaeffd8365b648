#!/usr/bin/env bash
# Synthetic voices and raters in IEMOCAP's layout: the whole recipe on a laptop, no download, no license.
#
#   ./run.sh                              four experiments on five folds, and a table of their results
#   ./run.sh --config ipr --folds 1       one experiment on one fold
#   ./run.sh --stage 7                    score and report again
#   ./run.sh --help                       all stages and options

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"

exec ../../tools/recipe.sh --config "ce ipr amber2 ipr_amber2" -- "$@"
