#!/usr/bin/env bash
# The one driver of all recipes. Usage: egs/NAME/run.sh [--option value] ...
#
# Stages, and the file that is written last (a stage is done when it is there):
#   0  check configuration, machine and corpus       nothing
#   1  prepare data                                  data/corpus.json
#   2  extract speech and text features              dump/SSL/feats.scp, dump/TEXT/feats.scp
#   3  learn prototypes                              exp/TAG/foldK/prototypes/best.safetensors
#   4  update prototypes                             exp/TAG/foldK/update/best.safetensors
#   5  contrastive fine-tuning                       exp/TAG/foldK/contrastive/best.safetensors
#   6  teacher-student distillation                  exp/TAG/foldK/distill/best.safetensors
#   7  score                                         exp/TAG/results.json
#   8  report                                        exp/RESULTS.md, exp/report.html
# TAG is CONFIG-SSL-sSEED. An experiment without one of the stages 3 to 6 skips it and says so.
#
# Options (dashes are as good as underscores; lists are divided by blanks or commas):
#   --stage N           first stage (default 0)
#   --stop_stage N      last stage (default 8)
#   --config LIST       experiments: names (conf/NAME.yaml, or the shared conf/experiments), or YAML files
#   --ssl NAME          speech features instead of those in the YAML (conf/ssl, or an s3prl upstream)
#   --text NAME         text features instead of those in the YAML (conf/text)
#   --folds LIST        folds, or all (default all)
#   --seeds LIST        seeds (default 1)
#   --tag WORD          added to the names of the experiments, to keep a variant apart
#   --set KEY=VALUE     another value for a key of the YAML; may be given several times
#   --launcher NAME     where jobs run: local (default) or slurm
#   --slurm_config FILE what jobs ask Slurm for (default conf/slurm.yaml of the checkout)
#   --wait BOOL         false, with slurm: submit all stages, each waiting for those before, and return
#   --nj N              jobs at a time on this machine (default: number of cores)
#   --corpus_dir DIR    the corpus as it was released
#   --data_dir DIR      tables and folds (default data)
#   --dump_dir DIR      features (default dump)
#   --exp_dir DIR       models and results (default exp)
#   --predictions LIST  class probabilities by other toolkits (TSV files), to be scored and put in the same table
#   --ensemble BOOL     true: also score the mean over the seeds of each experiment (a deep ensemble)
#   --publish BOOL      true: stage 8 also adds the results to results/ and RESULTS.md of the recipe
#   --dry_run BOOL      true: print the commands and run nothing
#   --status BOOL       true: print what is done and what is missing
#   --help              this text
# Relative paths count from the recipe's folder, wherever run.sh is called from. Ctrl-C stops all jobs; the same
# command goes on where it stopped. Exit status: 0, 1 for a bug, 2 for a fault of the user, 130 for Ctrl-C.

set -euo pipefail
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  echo "run.sh: error: bash 4.4 or newer is needed, this is $BASH_VERSION" >&2
  exit 2
fi
tools=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source=tools/parse_options.sh
. "$tools/parse_options.sh"

print_help() { sed -n '2,/^$/s/^# \{0,1\}//p' "$tools/recipe.sh"; }

# nproc would give OMP_NUM_THREADS, which many sites set to 1: that is the threads of a job and not the jobs.
cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2> /dev/null || getconf _NPROCESSORS_ONLN)
declare_options \
  "stage integer:0:8 0" "stop_stage integer:0:8 8" "config words" "ssl text" "text text" "folds folds all" \
  "seeds integers:0:999999999 1" "tag text" "set settings" \
  "launcher one_of:local,slurm local" "slurm_config text" "wait one_of:true,false true" \
  "nj integer:1:4096 $cores" "corpus_dir text" "data_dir text data" "dump_dir text dump" \
  "exp_dir text exp" "predictions words" "ensemble one_of:true,false false" "publish one_of:true,false false" \
  "dry_run one_of:true,false false" "status one_of:true,false false"
parse_options "$@"

((option[stage] <= option[stop_stage])) || fault "--stage ${option[stage]} comes after --stop_stage ${option[stop_stage]}"
[[ ${option[wait]} == true || ${option[launcher]} == slurm ]] || fault "--wait false needs --launcher slurm"
[[ ${option[wait]} == true || ${option[publish]} == false ]] || fault "--publish true cannot go with --wait false"
[[ -z ${option[predictions]} || ${option[launcher]} == local ]] || fault "--predictions needs --launcher local"
[[ ${option[ensemble]} == false || ${option[launcher]} == local ]] || fault "--ensemble true needs --launcher local"
[[ ${option[tag]} =~ ^[A-Za-z0-9_.]*$ ]] || fault "--tag may hold letters, digits, '_' and '.', not $(quoted "${option[tag]}")"
[[ -n ${option[config]} ]] || fault "--config is needed: the experiments to run"

# ---- what the programs are given -------------------------------------------------------------------------------------
configs=()
while read -r name; do
  [[ $name == */* || -f $name ]] || name=conf/${name%.yaml}.yaml
  configs+=("$name")
done <<< "${option[config]}"

features=()
[[ -z ${option[ssl]} ]] || features+=(--ssl "${option[ssl]}")
[[ -z ${option[text]} ]] || features+=(--text "${option[text]}")
if [[ -n ${option[set]} ]]; then
  mapfile -t settings <<< "${option[set]}"
  features+=(--set "${settings[@]}")
fi
corpus=()
[[ -z ${option[corpus_dir]} ]] || corpus+=(--corpus_dir "${option[corpus_dir]}")
mapfile -t seeds <<< "${option[seeds]}"
experiments=(--configs "${configs[@]}" --seeds "${seeds[@]}" "${features[@]}")
if [[ ${option[folds]} != all ]]; then
  mapfile -t folds <<< "${option[folds]}"
  experiments+=(--folds "${folds[@]}")
fi
[[ -z ${option[tag]} ]] || experiments+=(--tag "${option[tag]}")
experiments+=(--data_dir "${option[data_dir]}" --dump_dir "${option[dump_dir]}" --exp_dir "${option[exp_dir]}")
site=(--launcher "${option[launcher]}")
[[ -z ${option[slurm_config]} ]] || site+=(--slurm_config "${option[slurm_config]}")
jobs=("${site[@]}" --nj "${option[nj]}" --wait "${option[wait]}")
extract=(extract "${experiments[@]}" --nj "${option[nj]}")
imported=()
if [[ -n ${option[predictions]} ]]; then
  mapfile -t files <<< "${option[predictions]}"
  imported=(--predictions "${files[@]}")
fi
[[ ${option[ensemble]} == false ]] || imported+=(--ensemble)
score=(score "${experiments[@]}" "${imported[@]}")
report=(report "${experiments[@]}" "${imported[@]}")
[[ ${option[publish]} == false ]] || report+=(--publish)
if [[ ${option[launcher]} == slurm ]]; then
  extract=(launch --stage extract "${experiments[@]}" "${jobs[@]}")
  score=(launch --stage score "${experiments[@]}" "${jobs[@]}")
  [[ ${option[wait]} == true ]] || report=(launch --stage report "${experiments[@]}" "${jobs[@]}")
fi

# ---- running ---------------------------------------------------------------------------------------------------------
child="" current=${option[stage]}

run() { # PROGRAM ARGUMENTS...
  local status=0
  if [[ ${option[dry_run]} == true ]]; then
    printf '%q ' "$python" -m "ambiser.bin.$1" "${@:2}"
    printf '\n'
    return
  fi
  # In the background, so that a signal is answered at once and not when the program has ended.
  "$python" -m "ambiser.bin.$1" "${@:2}" < /dev/null &
  child=$!
  wait "$child" || status=$?
  child=""
  ((status == 0)) && return
  echo "run.sh: stage $current ended with status $status; to go on from there: $(resume_command)" >&2
  exit "$status"
}

stop() {
  trap 'kill -KILL "$child" 2> /dev/null' INT TERM HUP # a second Ctrl-C does not wait
  [[ -z $child ]] || { kill -TERM "$child" 2> /dev/null && wait "$child" || true; }
  echo "run.sh: stopped in stage $current; to go on from there: $(resume_command)" >&2
  exit 130
}
trap stop INT TERM HUP

resume_command() { printf '%q ' ./run.sh "${kept_words[@]}" --stage "$current"; }

stage() { # NUMBER NAME PROGRAM ARGUMENTS...
  (($1 >= option[stage] && $1 <= option[stop_stage])) || return 0
  current=$1
  local start=$SECONDS
  echo "== stage $1: $2"
  run "${@:3}"
  [[ ${option[dry_run]} == true ]] || echo "== stage $1: $2: done in $((SECONDS - start)) s"
}

python=python
[[ ${option[dry_run]} == true ]] || python=$("$tools/setup.sh")
export PYTHONPATH="${tools%/*}${PYTHONPATH:+:$PYTHONPATH}"

if [[ ${option[status]} == true ]]; then
  run status "${experiments[@]}"
  exit
fi
stage 0 "check configuration, machine and corpus" check "${experiments[@]}" "${corpus[@]}" "${site[@]}"
stage 1 "prepare data" prepare "${experiments[@]}" "${corpus[@]}"
stage 2 "extract speech and text features" "${extract[@]}"
stage 3 "learn prototypes" launch --stage prototypes "${experiments[@]}" "${jobs[@]}"
stage 4 "update prototypes" launch --stage update "${experiments[@]}" "${jobs[@]}"
stage 5 "contrastive fine-tuning" launch --stage contrastive "${experiments[@]}" "${jobs[@]}"
stage 6 "teacher-student distillation" launch --stage distill "${experiments[@]}" "${jobs[@]}"
stage 7 "score" "${score[@]}"
stage 8 "report" "${report[@]}"

if [[ ${option[dry_run]} == false && ${option[wait]} == true && ${option[stop_stage]} == 8 ]]; then
  printf '%s\n' "table:  $(realpath "${option[exp_dir]}/RESULTS.md")" "report: $(realpath "${option[exp_dir]}/report.html")"
fi
