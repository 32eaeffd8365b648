"""Packs trained and scored experiments (exp/TAG, one per seed) into one folder that predicts without data or recipe.

For example, in egs/mini: ambiser pack exp/ce-fbank-s1 exp/ce-fbank-s2 /my/models/ce
"""

from pathlib import Path

from ambiser.io.console import log, set_up_logging
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the sub-command."""
    parser = Parser(__doc__)
    parser.add_argument("experiments", nargs="+", type=Path, metavar="EXP", help="exp/TAG, one per seed; all folds")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to write; must not exist")
    parser.add_argument("--name", help="name of the model (default: the name of OUT)")
    parser.add_argument(
        "--upstream", type=Path, metavar="PATH", help="weights of the speech encoder, for their SHA-256"
    )
    parser.add_argument("--text_upstream", type=Path, metavar="PATH", help="weights of the text encoder")
    parser.add_argument("--license", default="other", metavar="ID", help="license of the packed weights")
    parser.add_argument("--note", action="append", default=[], help="a remark for the card; may be repeated")
    parser.add_argument(
        "--onnx", action="store_true", help="also export the heads to heads.onnx; needs pip install onnx"
    )
    parser.add_argument("--push", metavar="NAME", help="upload to Hugging Face as USER/NAME (private, if it is new)")
    args = parser.parse_args()
    for option in ("upstream", "text_upstream"):
        path = getattr(args, option)
        if path is not None and not path.exists():
            parser.error(f"--{option} {path}: does not exist")
    set_up_logging()
    from ambiser.inference.packing import PackOptions, pack
    from ambiser.inference.push import check_push, push

    if args.push:
        check_push(args.push)
    options = PackOptions(
        name=args.name or args.out.resolve().name,
        upstream=args.upstream,
        text_upstream=args.text_upstream,
        license=args.license,
        notes=tuple(args.note),
        onnx=args.onnx,
    )
    pack(args.experiments, args.out, options)
    size = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file())
    log.info("packed %s, %.2f MB", args.out, size / 1e6)
    if args.push:
        log.info("pushed to %s", push(args.out, args.push))
