"""Files and folders without read permission: each is one line that names it, and no traceback."""

import codecs
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpora.make_crema import make_crema
from corpora.make_msp import make_msp

from ambiser.config.data_keys import Data
from ambiser.corpora.data_folder import prepare_data
from ambiser.errors import DataError
from ambiser.io.layout import Layout

NOBODY = 65534
DIALOG = "Ses02F_impro01"


def make_tables(folder):
    """Writes a Kaldi data directory of two utterances."""
    (folder / "wavs").mkdir(parents=True)
    for utt in "ab":
        soundfile.write(folder / "wavs" / f"{utt}.wav", np.zeros(800), 16000)
    (folder / "wav.scp").write_text("a wavs/a.wav\nb wavs/b.wav\n")
    (folder / "utt2spk").write_text("a s1\nb s2\n")
    (folder / "votes.tsv").write_text("utt\trater\tlabel\na\tr1\tneu\nb\tr2\tsad\n")


MAKERS = {
    "msp_podcast": lambda folder: make_msp(folder, "2.0"),
    "crema_d": make_crema,
    "kaldi": make_tables,
}
FORBIDDEN = [
    ("mini", ".", "corpus"),
    ("mini", "Session1", "corpus/Session1: cannot"),
    ("mini", f"Session2/dialog/EmoEvaluation/{DIALOG}.txt", f"EmoEvaluation/{DIALOG}.txt"),
    ("mini", f"Session2/sentences/wav/{DIALOG}", f"wav/{DIALOG}"),
    ("msp_podcast", ".", "corpus: cannot"),
    ("msp_podcast", "Labels/labels_detailed.csv", "Labels/labels_detailed.csv"),
    ("msp_podcast", "Audios", "Audios"),
    ("msp_podcast", "Transcripts", "corpus/Transcripts: cannot"),
    ("crema_d", "AudioWAV", "AudioWAV"),
    ("crema_d", "processedResults/tabulatedVotes.csv", "tabulatedVotes.csv"),
    ("kaldi", ".", "corpus: cannot"),
    ("kaldi", "votes.tsv", "votes.tsv"),
    ("kaldi", "wavs", "wavs: its audio"),
    ("kaldi", "wavs/a.wav", "a: its audio"),
]


@pytest.fixture
def base():
    """A folder that everybody may enter and write to, unlike tmp_path."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o777)
    yield path
    for place in (path, *path.rglob("*")):
        if place.is_dir():
            place.chmod(0o755)
    shutil.rmtree(path)


def message_as_nobody(function):
    """Returns the DataError that a function raises in a process without the rights of root."""
    codecs.lookup("utf-8-sig")  # now, because nobody may not be allowed to read the standard library
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.seteuid(NOBODY)
            function()
        except DataError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        message = stream.read()
    os.waitpid(child, 0)
    return message


@pytest.mark.parametrize(("corpus", "name", "named"), FORBIDDEN)
def test_what_cannot_be_read_is_one_line(mini_corpus, base, corpus, name, named):
    if corpus == "mini":
        shutil.copytree(mini_corpus, base / "corpus")
    else:
        MAKERS[corpus](base / "corpus")
    (base / "corpus" / name).chmod(0)
    data = Data(
        corpus=corpus, protocol="as_released" if corpus == "msp_podcast" else "speaker_folds", mini_utterances=60
    )
    layout = Layout(base / "data", base, base)
    message = message_as_nobody(lambda: prepare_data(base / "corpus", data, layout))
    lines = [line for line in message.split("\n") if "cannot be read" in line]
    assert len(lines) == 1 and named in lines[0] and "Permission denied" in lines[0]
