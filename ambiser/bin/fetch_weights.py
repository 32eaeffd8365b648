"""Downloads pre-trained weights into the caches of all programs, and loads them once as a test."""

from ambiser.config import load_config
from ambiser.config.schema import SpeechFeatures, TextFeatures
from ambiser.config.yaml_reader import CONF
from ambiser.errors import ConfigError
from ambiser.features.upstreams.upstream_names import BASELINES, find_fault
from ambiser.features.upstreams.weights import find_hugging_face, find_weights
from ambiser.io.console import log, run_main, set_up_logging
from ambiser.recipe.program_options import Parser


def main() -> None:
    """Runs the program."""
    parser = Parser(__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help="name in conf/ssl or conf/text, or an s3prl upstream")
    args = parser.parse_args()
    set_up_logging()
    any_experiment = CONF / "experiments" / "ce.yaml"
    texts = {name for name in args.names if (CONF / "text" / f"{name}.yaml").is_file()}
    speech = {name: load_config(any_experiment, ssl=name).speech_features for name in args.names if name not in texts}
    for one in speech.values():  # before the first download, and before PyTorch and s3prl are imported
        if fault := find_fault(one.upstream):
            raise ConfigError(fault)
    for name in args.names:
        if name in texts:
            _fetch_text(name, load_config(any_experiment, text=name).text_features)
        else:
            _fetch_speech(name, speech[name])


def _fetch_speech(name: str, speech: SpeechFeatures) -> None:
    from ambiser.features.upstreams.upstream import load_upstream

    upstream = load_upstream(speech)
    if speech.upstream in BASELINES:
        log.info("%s: needs no weights", name)
        return
    where = find_weights(speech.upstream, speech.checkpoint) or "a cache of its own"
    log.info("%s: %d layers of %d; weights in %s", name, upstream.layers, upstream.dim, where)


def _fetch_text(name: str, text: TextFeatures) -> None:
    from ambiser.features.upstreams.text_encoders import ENCODERS

    _, dim = ENCODERS[text.encoder](text)
    if text.model:
        log.info("%s: %d dimensions; weights in %s", name, dim, find_hugging_face(text.model) or text.model)
    else:
        log.info("%s: needs no weights", name)


if __name__ == "__main__":
    run_main(main)
