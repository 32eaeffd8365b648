"""The command `ambiser`: predictions for recordings, packed models, and the programs of the recipes."""

import importlib
import sys

from ambiser.io.console import run_main

COMMANDS = {
    "predict": "predict recordings with a packed model",
    "pack": "pack trained experiments into one folder",
    "info": "show classes, features and scores of a packed model",
    "export": "write votes, soft labels or features for other programs",
    "import": "read a corpus of Lhotse or Hugging Face's datasets",
    "ask": "rank utterances by the expected gain of one more rater",
    "doubt": "list votes that are probably errors",
    "query": "ask a speech language model, write its predictions",
    "demo": "serve a local page: record or drop audio, see the prediction",
    "score": "stage 7 of a recipe: score experiments",
    "compare": "compare experiments: differences, intervals, p-values",
    "report": "stage 8 of a recipe: tables, figures, a page",
    "check": "check the folder of a corpus; with --config stage 0 of a recipe",
}
"""The sub-commands with their descriptions."""
_MODULES = {"import": "import_corpus", "check": "check_corpus"}
"""The modules of sub-commands with another name: `import` is a keyword, `check` a program of the recipes too."""
PROGRAMS = ("score", "compare", "report")
"""Sub-commands that are programs of the recipes and run in a recipe's folder, such as egs/mini."""


def main() -> int | None:
    """Runs the sub-command that the command line names."""
    name, words = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("--help", [])
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name == "--version":
        import ambiser

        print(f"ambiser {ambiser.__version__}")
        return 0
    if name not in COMMANDS:
        print(f"ambiser: error: no command {name!r}; there are {', '.join(COMMANDS)}; see --help", file=sys.stderr)
        return 2
    sys.argv = [f"ambiser {name}", *words]  # what help and errors of the sub-command show
    if name in PROGRAMS or (name == "check" and any(word.startswith("--config") for word in words)):
        return importlib.import_module(f"ambiser.bin.{name}").main()
    return importlib.import_module(f"ambiser.bin.commands.{_MODULES.get(name, name)}").main()


def start() -> None:
    """Runs `main` as a program: the entry point of the package."""
    run_main(main)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "usage: ambiser COMMAND ...",
            "",
            *lines,
            "",
            "ambiser COMMAND --help shows the options of a command. score, compare and report run in the folder of a",
            "recipe, such as egs/mini. ambiser --version shows the version.",
        ]
    )


if __name__ == "__main__":
    run_main(main)
