"""Checks the folder of a corpus: recognizes it, parses it as stage 1 does, and prints counts and all faults.

Writes nothing; exit status 2 if there are faults. With --config it is stage 0 of a recipe instead; for its options see
python -m ambiser.bin.check --help.
"""

from pathlib import Path

from ambiser.io.console import set_up_logging
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the sub-command."""
    parser = Parser(__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a corpus, or a Kaldi data directory with votes")
    parser.add_argument("--corpus", metavar="NAME", default="", help="the parser (default: the one that fits)")
    parser.add_argument("--allow_incomplete", action="store_true", help="leave out utterances with a fault")
    args = parser.parse_args()
    from ambiser.corpora.parsers import CORPORA
    from ambiser.corpora.recognize import describe, recognize

    if args.corpus and args.corpus not in CORPORA:
        parser.error(f"--corpus must be one of {', '.join(CORPORA)}, got {args.corpus}")
    if not args.folder.is_dir():
        parser.error(f"{args.folder}: is no folder")
    set_up_logging()
    root = args.folder.resolve()
    corpus = recognize(root, name=args.corpus, allow_incomplete=args.allow_incomplete)
    for name, value in describe(corpus, root):
        print(f"{name:<10} {value}")
    corpus.findings.refuse(root)
