"""Lists the utterances of a data folder that a language model is asked about."""

from pathlib import Path

from ambiser.config.data_keys import LabelPolicy
from ambiser.inference.chat.run import Item
from ambiser.io.layout import Layout, require
from ambiser.io.tables import read_table
from ambiser.labels.label_view import view_labels
from ambiser.labels.vote_table import read_votes


def query_items(data_dir: Path, policy: LabelPolicy, *, audio: bool) -> tuple[list[Item], tuple[str, ...]]:
    """Returns the utterances that have a soft label, and the classes.

    Args:
        data_dir: data folder of stage 1.
        policy: how votes become labels.
        audio: whether the sound is sent.
    """
    layout = Layout.of_data(data_dir)
    view = view_labels(read_votes(require(layout.table("votes.tsv"), "prepare")), policy)
    wavs = read_table(require(layout.table("wav.scp"), "prepare"))
    words = read_table(require(layout.table("text"), "prepare"), allow_empty_value=True)
    items = [Item(utt, Path(wavs[utt]) if audio else None, words.get(utt, "")) for utt in view.utts]
    return items, view.classes
