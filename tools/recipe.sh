#!/usr/bin/env bash
# Runs the stages of a recipe: egs/NAME/run.sh calls it with its own options, "--", and the options of the user.
#
# ambiser/stages.py lists the stages, ambiser/recipe/options.py the options, ./run.sh --help both. The words are read
# by ambiser/recipe/run_sh.py, which needs no Python package: help, typing errors and a dry run need no environment.

set -euo pipefail
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  echo "run.sh: error: bash 4.4 or newer is needed, this is $BASH_VERSION" >&2
  exit 2
fi
tools=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")" && pwd)
export PYTHONPATH="${tools%/*}${PYTHONPATH:+:$PYTHONPATH}"

# ---- reading the options ---------------------------------------------------------------------------------------------
base=$("$tools/setup.sh" base)
mapfile -d '' -t answer < <("$base" -S -m ambiser.recipe.run_sh "$@")
wait "$!" || exit # a fault; its line is on the screen

# The answer is a list of records: NAME COUNT FIELD... (see ambiser/recipe/run_sh.py).
declare -A first=() count=()
for ((i = 0; i < ${#answer[@]}; i += 2 + answer[i + 1])); do
  first[${answer[i]}]=$((i + 2)) count[${answer[i]}]=${answer[i + 1]}
done
fields_of() { fields=("${answer[@]:${first[$1]}:${count[$1]}}"); } # RECORD: sets the array `fields`
value_of() { printf '%s' "${answer[${first[$1]}]}"; }              # RECORD of one field

if [[ -v first[help] ]]; then
  value_of help
  exit
fi
first_stage=$(value_of stage) last_stage=$(value_of stop_stage) dry_run=$(value_of dry_run)

# ---- running ---------------------------------------------------------------------------------------------------------
child="" current=$first_stage outcome="done"
no_job=3 # status of a stage that no experiment has: SKIPPED of ambiser/bin/launch.py
export AMBISER_FORK_SERVER=${AMBISER_FORK_SERVER:-$$-$RANDOM$RANDOM$RANDOM} # the stages share it: ambiser/launch/warm.py

run() { # PROGRAM ARGUMENTS...
  local status=0
  outcome="done"
  if [[ $dry_run == true ]]; then
    printf '%q ' "$python" -m "ambiser.bin.$1" "${@:2}"
    printf '\n'
    return
  fi
  # In the background: bash answers a signal at once only while it waits, not while a program runs in the foreground.
  "$python" -m "ambiser.bin.$1" "${@:2}" < /dev/null &
  child=$!
  wait "$child" || status=$?
  child=""
  ((status == no_job)) && outcome=skipped
  ((status == 0 || status == no_job)) && return
  echo "run.sh: stage $current failed with status $status; to resume: $(resume_command)" >&2
  exit "$status"
}

stop() {
  trap 'kill -KILL "$child" 2> /dev/null' INT TERM HUP # a second Ctrl-C does not wait
  [[ -z $child ]] || { kill -TERM "$child" 2> /dev/null && wait "$child" || true; }
  echo "run.sh: stopped in stage $current; to resume: $(resume_command)" >&2
  exit 130
}
trap stop INT TERM HUP

resume_command() {
  fields_of kept
  printf '%q ' ./run.sh "${fields[@]}" --stage "$current"
}

stage() { # NAME: runs the stage if it is one of those to run
  fields_of "stage.$1"
  local number=${fields[0]} title=${fields[1]} start=$SECONDS
  ((number >= first_stage && number <= last_stage)) || return 0
  current=$number
  echo "== stage $number: $title"
  run "${fields[@]:2}"
  [[ $dry_run == true ]] || echo "== stage $number: $title: $outcome in $((SECONDS - start)) s"
}

python=python
[[ $dry_run == true ]] || python=$("$tools/setup.sh")

fields_of status
if ((${#fields[@]})); then
  run "${fields[@]}"
  exit
fi
fields_of notes
((${#fields[@]} == 0)) || printf '%s\n' "${fields[@]}"
stage check
stage prepare
stage extract
stage prototypes
stage update
stage contrastive
stage distill
stage score
stage report

fields_of results
((${#fields[@]} == 0)) || printf '%s\n' "${fields[@]}"
