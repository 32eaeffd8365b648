#!/usr/bin/env bash
# Downloads pre-trained weights, for machines that have no network themselves (compute nodes of most clusters):
#
#   tools/fetch_weights.sh wavlm_large bert_base_uncased     # names of conf/ssl and conf/text, or of s3prl's upstreams
#
# They go to the caches in the home folder (~/.cache/s3prl, ~/.cache/huggingface), which the other machines must share.
# What is there already is not downloaded again; each model is loaded once, to see that its weights are whole.

set -euo pipefail
tools=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")" && pwd)
python=$("$tools/setup.sh")
export PYTHONPATH="${tools%/*}${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m ambiser.bin.fetch_weights "$@"
