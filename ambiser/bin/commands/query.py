"""Asks a speech language model for the emotion of each utterance, and writes predictions that stage 7 imports.

For example, in egs/mini, with a server such as vLLM's: ambiser query data --url http://127.0.0.1:8000/v1 --model NAME
--prompt ../../conf/prompts/audio.txt --out qwen.tsv; then ./run.sh --stage 7 --predictions qwen.tsv
"""

from pathlib import Path

from ambiser.bin.commands.shared_options import add_policy, read_policy
from ambiser.io.console import log, progress, set_up_logging
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the sub-command."""
    args = _parse()
    set_up_logging()
    from ambiser.corpora.importing.label_words import class_words
    from ambiser.inference.chat.client import Endpoint
    from ambiser.inference.chat.prompts import read_prompt
    from ambiser.inference.chat.run import ask_all, write_predictions
    from ambiser.recipe.query_items import query_items

    labels = read_policy(args.config)
    prompt = read_prompt(args.prompt)
    items, classes = query_items(args.data, labels, audio=not args.no_audio)
    if prompt.needs_words and not any(item.words.strip() for item in items):
        log.warning(f"{args.data} has no transcripts, and {args.prompt} shows them")
    tokens = args.by == "tokens"
    endpoint = Endpoint(args.url, args.model, args.samples, args.temperature, tokens, args.timeout)
    answers = ask_all(
        endpoint,
        prompt,
        items,
        classes,
        Path(f"{args.out}.answers.jsonl"),
        parallel=args.parallel,
        each=lambda pairs, total: progress(pairs, "utterances", total),
    )
    words = class_words(labels.classes, classes)
    utts = [item.utt for item in items]
    totals = write_predictions(args.out, utts, answers, classes=classes, words=words, smoothing=args.smoothing)
    log.info(
        f"{args.out}: {len(utts)} utterances, {totals.answers} answers: {totals.refusals} refusals, "
        f"{totals.unparsable} unparsable; {totals.silent} utterances without an answer have equal probabilities"
    )


def _parse() -> object:
    parser = Parser(__doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="data folder of stage 1")
    parser.add_argument("--url", required=True, help="endpoint up to /v1; its key is read from AMBISER_API_KEY")
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--prompt", type=Path, required=True, metavar="FILE", help="prompt; see conf/prompts")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.tsv", help="predictions to write")
    parser.add_argument(
        "--by", choices=("answers", "tokens"), default="answers",
        help="shares of sampled answers, or probabilities of the answer's first token",
    )  # fmt: skip
    parser.add_argument("--samples", type=int, default=10, metavar="N", help="answers per utterance")
    parser.add_argument("--temperature", type=float, default=1.0, help="of the sampling")
    parser.add_argument("--smoothing", type=float, default=0.5, help="answers added to each class, with --by answers")
    parser.add_argument("--no_audio", action="store_true", help="send the prompt alone")
    parser.add_argument("--parallel", type=int, default=4, metavar="N", help="requests at the same time")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="S", help="longest wait for an answer")
    add_policy(parser)
    args = parser.parse_args()
    for name, least in {"samples": 1, "parallel": 1, "temperature": 0, "smoothing": 0}.items():
        if getattr(args, name) < least:
            parser.error(f"--{name} {getattr(args, name)}: must be {least} or more")
    return args
