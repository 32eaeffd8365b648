#!/usr/bin/env bash
# Does adaptive guidance pay where words contradict the voice? Trains fusion_jsd (no guidance), amber2_uniform (equal
# weights) and amber2 (adaptive) on five corpora with a growing share of conflict; writes table and figure of the gain
# to conflict.tsv, .md, .svg, .png and .pdf.
#
#   ./conflict.sh                         five shares, five folds, three seeds; resumes where it stopped
#   ./conflict.sh --folds 1 --seeds 1     a quick look; other options go to run.sh too

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")"

data=() results=()
for share in 0 0.25 0.5 0.75 1; do
  ./run.sh --config "fusion_jsd amber2_uniform amber2" --seeds "1 2 3" --stop_stage 7 "$@" \
    --set "data.mini_conflict=$share" --data_dir "data_$share" --dump_dir "dump_$share" --exp_dir "exp_$share"
  data+=("data_$share") results+=("exp_$share"/*-s*)
done

PYTHONPATH=../.. "$(../../tools/setup.sh)" -m ambiser.bin.sweep --key data.mini_conflict --data_dirs "${data[@]}" \
  --results "${results[@]}" --pairs fusion_jsd/amber2 amber2_uniform/amber2 --output conflict
