"""The example parser of "How to add a corpus" in ambiser/README.md reads a corpus and reports its faults."""

import importlib.util
import re
import textwrap

import pytest

from ambiser.config.data_keys import Data
from ambiser.corpora.corpus import Vote
from ambiser.errors import DataError


@pytest.fixture
def read(root, tmp_path):
    text = (root / "ambiser/README.md").read_text(encoding="utf-8")
    section = text[text.index("## How to add a corpus") :].split("\n## ")[0]
    block = re.search(r"^ *```python\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)[1]
    path = tmp_path / "example.py"
    path.write_text(textwrap.dedent(block), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.read_name


def test_the_example_parser_reads_votes_and_reports_faults(read, tmp_path):
    (tmp_path / "ann_1.wav").touch()
    rows = ("ann_1.wav,r1,hap", "ann_1.wav,r2,neu", "ann_1.wav,r2,glad", "bob_1.wav,r1,sad")
    (tmp_path / "votes.csv").write_text("\n".join(rows))
    corpus = read(tmp_path, Data(allow_incomplete=True))
    assert [(u.utt, u.speaker) for u in corpus.utterances] == [("ann_1", "ann")]
    assert corpus.utterances[0].votes == (Vote("r1", "outside", "hap"), Vote("r2", "outside", "neu"))
    assert [fault.text().rpartition("/")[2] for fault in corpus.findings.faults] == [
        "votes.csv:3: is not a label; got 'glad'"
    ]
    assert corpus.findings.left_out == {"bob_1": "has no audio"}


def test_the_example_parser_refuses_another_folder(read, tmp_path):
    with pytest.raises(DataError, match="votes.csv not found"):
        read(tmp_path, Data())
