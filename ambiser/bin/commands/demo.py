"""Serves a local page where one records or drops audio and sees the prediction of a packed model.

For example: ambiser demo crema_d_whisper_tiny; then open http://127.0.0.1:7860
"""

from pathlib import Path

from ambiser.io.console import set_up_logging
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the sub-command."""
    parser = Parser(__doc__)
    parser.add_argument("model", metavar="MODEL", help="folder of a packed model, or name of a shipped one")
    parser.add_argument("--port", type=int, default=7860, help="port of the page, 1 to 65535")
    parser.add_argument("--network", action="store_true", help="let other machines open the page")
    parser.add_argument("--upstream", type=Path, metavar="PATH", help="weights of the speech encoder (file or folder)")
    parser.add_argument("--text_upstream", type=Path, metavar="PATH", help="weights of the text encoder")
    args = parser.parse_args()
    if not 1 <= args.port <= 65535:
        parser.error(f"--port must be 1 to 65535, got {args.port}")
    set_up_logging()
    from ambiser.inference.demo import launch
    from ambiser.inference.model import load_model

    model = load_model(args.model, upstream=args.upstream, text_upstream=args.text_upstream)
    launch(model, port=args.port, share_in_network=args.network)
