"""The page of `ambiser demo`: record or drop audio, and see the distribution, expected disagreement and curves."""

import html
from collections.abc import Callable
from pathlib import Path

from ambiser.errors import ConfigError, DataError, UserError
from ambiser.inference.model import PackedModel
from ambiser.inference.output_rows import OutputRow, Shape, record_of
from ambiser.inference.recordings import Cutting, read_windows
from ambiser.io.console import log
from ambiser.report.predictions_page import PageRecording, render_predictions

LONG_S = 15.0
"""A longer recording is predicted in windows, which the page shows as curves."""
WINDOW_S, HOP_S = 5.0, 2.5
_RATERS = 3
_FRAME = "width: 100%; height: 44rem; border: 0"
_LEAD = (
    "Record or drop audio. The model predicts how raters would distribute their votes. It describes what listeners "
    "would say, not what a speaker feels; do not use it for decisions about people."
)


def describe_recording(model: PackedModel, path: str | Path, words: str = "") -> str:
    """Predicts a recording and returns a page: bars, words on disagreement, and curves for a long recording.

    Args:
        model: of the prediction.
        path: of the recording; the page shows the name of the file alone.
        words: spoken in it, for a model that reads text.

    Raises:
        DataError: the file is no usable audio.
    """
    path = Path(path)
    (whole,) = read_windows(path, Cutting())
    is_long = whole.end_s > LONG_S
    windows = list(read_windows(path, Cutting(WINDOW_S, HOP_S))) if is_long else [whole]
    speech = [model.speech_features(window.wav) for window in windows]
    text = model.text_features(words)
    made = model.predict_features(speech, [text] * len(windows))
    shape = Shape(
        model.classes,
        tuple(made[0].head_jsd_bits),
        bool(made[0].prototype_similarity),
        model.uses_text,
        _RATERS,
        "",
        model.id,
    )
    rows = [
        record_of(OutputRow(path.name, window.start_s, window.end_s, one, words), shape)
        for window, one in zip(windows, made, strict=True)
    ]
    for row, window in zip(rows, windows, strict=True):
        row["notes"] = list(model.notes(window.wav))
    return render_predictions([PageRecording("", rows)], model=model.id, total=1, is_bare=True)


def answer(model: PackedModel) -> Callable[[str | None, str], str]:
    """Returns the function behind the page: from the path of a recording and its words to a frame, faults included."""

    def describe(path: str | None, words: str) -> str:
        if not path:
            return ""
        try:
            made = describe_recording(model, path, words)
        except DataError as error:
            fault = str(error).replace(str(path), Path(path).name)
            made = render_predictions([], model=model.id, total=0, faults=[fault], is_bare=True)
        # In a frame without rights, so that the styles of both pages do not mix and nothing can run.
        return f'<iframe sandbox srcdoc="{html.escape(made)}" style="{_FRAME}"></iframe>'

    return describe


def build_demo(model: PackedModel) -> object:
    """Returns the page as `gradio.Blocks`, not yet launched.

    Raises:
        ConfigError: gradio is not installed.
    """
    try:
        import gradio
    except ImportError as error:
        raise ConfigError("ambiser demo needs the package gradio; run pip install 'gradio<6'") from error
    with gradio.Blocks(title=f"ambiser: {model.name}", analytics_enabled=False) as page:
        gradio.Markdown(f"# {model.name}\n\n{_LEAD}")
        audio = gradio.Audio(sources=["upload", "microphone"], type="filepath", label="Audio")
        words = gradio.Textbox(label="Words that are spoken", visible=model.uses_text)
        button = gradio.Button("Predict", variant="primary")
        shown = gradio.HTML()
        button.click(answer(model), [audio, words], shown, api_name="predict")
        audio.change(answer(model), [audio, words], shown, api_name=False)
    return page


def launch(model: PackedModel, *, port: int, share_in_network: bool = False) -> None:
    """Serves the page until Ctrl-C, on this machine only unless `share_in_network`.

    Raises:
        UserError: the port is in use.
        ConfigError: gradio is not installed.
    """
    page = build_demo(model)
    log.info("%s: http://127.0.0.1:%d (Ctrl-C ends it)", model.id, port)
    host = "0.0.0.0" if share_in_network else "127.0.0.1"
    try:
        page.launch(server_name=host, server_port=port, share=False, show_api=False, quiet=True)
    except OSError as error:
        raise UserError(f"--port {port}: {str(error).splitlines()[0]}; choose another port") from error
