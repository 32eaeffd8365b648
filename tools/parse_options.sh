# shellcheck shell=bash
# Strict options for recipe.sh, in bash alone: only declared options are taken, nothing is evaluated or sourced.
#
#   declare_options "NAME KIND DEFAULT" ...     what there is; a list may have several words as its default
#   parse_options [DEFAULTS... --] WORDS...     the recipe's own values, then what the user typed
#
# Afterwards ${option[NAME]} holds a value (of a list: one entry a line) and "${kept_words[@]}" what the user typed
# without --stage, for the line that says how to resume. A fault is one line and exit status 2.
#
# Kinds: text | integer:MIN:MAX | integers:MIN:MAX | folds (all, or numbers) | one_of:A,B | words (split at blanks and
# commas) | settings (KEY=VALUE, repeatable, never split).

declare -A option=() option_kind=()
declare -a option_names=() kept_words=()

fault() { # MESSAGE
  printf 'run.sh: error: %s (see ./run.sh --help)\n' "$1" >&2
  exit 2
}

declare_options() { # "NAME KIND DEFAULT" ...
  local line name kind default
  for line in "$@"; do
    read -r name kind default <<< "$line"
    option_names+=("$name")
    option_kind[$name]=$kind
    option[$name]=${default// /$'\n'}
  done
}

parse_options() { # [DEFAULTS... --] WORDS...
  local -a own=() typed=("$@")
  local i
  for i in "${!typed[@]}"; do
    [[ ${typed[i]} == -- ]] || continue
    own=("${typed[@]:0:i}") typed=("${typed[@]:i+1}")
    break
  done
  take_words "${own[@]}"
  kept_words=()
  take_words "${typed[@]}"
}

take_words() { # WORDS... of one author: none may stand twice
  local -A seen=()
  local -a values
  local word name wanted
  while (($#)); do
    word=$1 wanted=1 values=()
    shift
    [[ $word != --help && $word != -h ]] || { print_help; exit 0; }
    [[ $word == --[a-zA-Z]* ]] || fault "stray word $(quoted "$word"); options look like --name value"
    name=${word%%=*} name=${name#--} name=${name//-/_}
    [[ $name =~ ^[a-zA-Z0-9_]+$ && -v option_kind[$name] ]] ||
      fault "there is no option $(quoted "--$name"); did you mean --$(nearest_option "$name")?"
    [[ ! -v seen[$name] || ${option_kind[$name]} == settings ]] || fault "--$name is given twice"
    [[ ${option_kind[$name]} =~ ^(words|integers|folds|settings) ]] && wanted=1000000
    if [[ $word == *=* ]]; then
      values=("${word#*=}")
    else
      while (($# && ${#values[@]} < wanted)) && [[ $1 != --* ]]; do
        values+=("$1")
        shift
      done
    fi
    ((${#values[@]})) || fault "--$name has no value"
    [[ -v seen[$name] ]] || option[$name]=""
    seen[$name]=1
    add_values "$name" "${values[@]}"
    [[ $name == stage ]] || kept_words+=("--$name" "${values[@]}")
  done
}

add_values() { # NAME VALUES...: checks them by the option's kind and stores them
  local name=$1 kind=${option_kind[$1]} value piece
  local -a pieces
  shift
  for value in "$@"; do
    [[ -n ${value//[[:space:]]/} ]] || fault "--$name has an empty value"
    [[ $value != *$'\n'* ]] || fault "--$name: $(quoted "$value") holds a line end"
    pieces=("$value")
    if [[ $kind =~ ^(words|integers|folds) && ! -f $value ]]; then
      read -r -a pieces <<< "${value//,/ }"
    fi
    for piece in "${pieces[@]}"; do
      check_value "$name" "$kind" "$piece"
      option[$name]+=${option[$name]:+$'\n'}$piece
    done
  done
}

check_value() { # NAME KIND VALUE
  local name=$1 kind=$2 value=$3 low high
  case $kind in
    folds) [[ $value == all ]] || check_value "$name" integer:1:999 "$value" ;;
    integer*)
      IFS=: read -r _ low high <<< "$kind"
      if ! [[ $value =~ ^(0|[1-9][0-9]{0,8})$ ]] || ((value < low || value > high)); then
        fault "--$name must be a whole number from $low to $high, not $(quoted "$value")"
      fi
      ;;
    one_of:*)
      [[ ,${kind#one_of:}, == *",$value,"* ]] || fault "--$name must be one of ${kind#one_of:}, not $(quoted "$value")"
      ;;
    settings) [[ $value == ?*=* ]] || fault "--$name $(quoted "$value") must look like key=value" ;;
  esac
}

quoted() { # WORD, as one line
  printf '%q' "$1"
}

nearest_option() { # NAME: the declared option with the fewest letters to change
  local name best="" distance least=1000
  for name in "${option_names[@]}"; do
    distance=$(edit_distance "${1:0:40}" "$name")
    ((distance >= least)) || { least=$distance best=$name; }
  done
  printf '%s' "$best"
}

edit_distance() { # A B
  local a=$1 b=$2 i j cost
  local -a above row
  for ((j = 0; j <= ${#b}; j++)); do above[j]=$j; done
  for ((i = 1; i <= ${#a}; i++)); do
    row=("$i")
    for ((j = 1; j <= ${#b}; j++)); do
      [[ ${a:i-1:1} == "${b:j-1:1}" ]] && cost=0 || cost=1
      row[j]=$((above[j-1] + cost))
      ((above[j] + 1 < row[j])) && row[j]=$((above[j] + 1))
      ((row[j-1] + 1 < row[j])) && row[j]=$((row[j-1] + 1))
    done
    above=("${row[@]}")
  done
  printf '%s' "${above[${#b}]}"
}
