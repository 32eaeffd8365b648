"""All readers of files that others made, with valid files as seeds; for the property tests and for fuzzing."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import kaldiio
import numpy as np
import safetensors.numpy
import soundfile

from ambiser.config.loader import load_config
from ambiser.config.site import load_slurm_config
from ambiser.corpora.audio_headers import _look
from ambiser.corpora.crema_d_tables import read_responses, read_table_of_votes
from ambiser.corpora.emodb import _read_rates
from ambiser.corpora.findings import Findings
from ambiser.corpora.iemocap_grammar import read_evaluation, read_transcription
from ambiser.corpora.importing.label_table import read_label_table
from ambiser.corpora.importing.label_words import LabelWords
from ambiser.corpora.improv_grammar import read_evaluation as read_improv
from ambiser.corpora.meld import _read_table as read_meld
from ambiser.corpora.msp_grammar import read_opinions
from ambiser.corpora.msp_labels import _consensus_rows
from ambiser.corpora.nemo import _read_table as read_nemo
from ambiser.corpora.own_tables import read_pairs, read_ratings, read_votes_of_raters
from ambiser.corpora.segment_tables import read_channels, read_segments
from ambiser.corpora.text_files import read_text
from ambiser.errors import UserError
from ambiser.inference.model_folder import RECORD, read_record
from ambiser.inference.output import Writer
from ambiser.inference.sources import list_sources, read_texts
from ambiser.io.ark import map_matrices, read_scp
from ambiser.io.audio import read_audio
from ambiser.io.choice_file import read_choice
from ambiser.io.corpus_record import read_record as read_corpus_record
from ambiser.io.tables import read_table, read_tsv
from ambiser.labels.vote_table import read_votes
from ambiser.report.learning_curves import _read_lines
from ambiser.report.quoted_scores import read_quoted
from ambiser.report.system_details import read_heads
from ambiser.scoring.prediction_table import read_predictions
from ambiser.scoring.results_file import read_results
from ambiser.train.embeddings_file import read_embeddings


@dataclass(frozen=True)
class Reader:
    """A function that reads a file, the name of the file, and valid contents."""

    name: str
    read: Callable[[Path], object]
    seeds: list[bytes]


def check(reader: Reader, path: Path, content: bytes) -> object:
    """Reads a file with any content: returns the result, or the error if it is one line that names the file.

    Raises:
        AssertionError: the message has several lines, or does not name the file.
    """
    path.write_bytes(content)
    try:
        return reader.read(path)
    except UserError as error:
        lines = str(error).split("\n")
        assert lines[0].endswith("has faults:") or len(lines) == 1, lines
        assert path.name in str(error) or path.parent.name in str(error), lines
        return error


def _with_findings(read: Callable) -> Callable[[Path], object]:
    def run(path: Path) -> object:
        findings = Findings(False)
        found = read(path, findings)
        for fault in findings.faults:
            assert "\n" not in fault.reason and str(path) in fault.where, fault
        return found

    return run


def _ark() -> list[bytes]:
    values, arks = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3), []
    for method in (None, 1, 2, 3, 5):
        stream = io.BytesIO()
        kaldiio.save_ark(stream, {"u": values}, compression_method=method)
        arks.append(stream.getvalue())
    stream = io.BytesIO()
    kaldiio.save_ark(stream, {"u": np.arange(4.0)})
    return [*arks, stream.getvalue()]


def _audio() -> list[bytes]:
    made = []
    for form, subtype in (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("AIFF", None)):
        stream = io.BytesIO()
        soundfile.write(stream, np.sin(np.arange(400) / 9), 16000, format=form, subtype=subtype)
        made.append(stream.getvalue())
    return made


def _excel() -> list[bytes]:
    stream = io.BytesIO()
    cells = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>label</t></is></c></row>'
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("xl/sharedStrings.xml", "<sst><si><t>file</t></si><si><t>a</t></si></sst>")
        rest = '<row r="2"><c r="A2" t="s"><v>1</v></c><c r="B2" t="str"><v>sad</v></c></row>'
        archive.writestr("xl/worksheets/sheet1.xml", f"<sheet>{cells}{rest}</sheet>")
    return [stream.getvalue()]


def _look_and_read(path: Path) -> object:
    _look(path)
    return read_audio(path)


def _model(path: Path) -> object:
    return read_record(path.parent)


_EVALUATION = b"""%\t[START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral;Anger;\t(a; b: c)
C-F1:\tHappiness;\t()
A-E3:\tval 3; act 2; dom  2;\t()
A-F1:\tval :; act 2; dom  2;\t()

"""
_OUTPUT = {
    **{"file": "a.wav", "start_s": 0.0, "end_s": 1.0, "label": "a", "cutting": "c", "model": "m", "text": None},
    **{"notes": [], "distribution": {"a": 0.5, "b": 0.5}, "no_majority": {"3": 0.1}, "head_jsd_bits": {}},
    **{"prototype_similarity": {}, "entropy_bits": 1.0, "expected_agreement": 0.5, "member_information_bits": 0.0},
}
_RECORD = {
    **{"format": 1, "name": "m", "classes": ["a", "b"], "stage": "distill", "results": [], "files": {"c": "0" * 64}},
    **{"members": [{"file": "c", "config": "c", "seed": 1, "fold": 1}], "speech": {"weights": "", "sha256": ""}},
    **{"text": None, "license": "other", "notes": [], "software": "x"},
}
_EMBEDDINGS = safetensors.numpy.save(
    {"embeddings": np.eye(2, dtype=np.float32), "prototypes": np.eye(2, dtype=np.float32)},
    metadata={"facts": json.dumps({"classes": ["a", "b"], "utts": ["u", "v"]})},
)
_VOTES = b"utt\trater\tsource\tslot\tlabel\nu\tr\toutside\tprimary\tneu\nv\ts\tself\tsecondary\tsad\n"
_MSP_JSON = b'{"a.wav": {"EmoClass": "N", "EmoAct": 4.0, "SpkrID": "1", "Gender": "Male", "Split_Set": "Train"}}'


_IMPROV = b"""UTD-IMPROV-S01A-F01-T-FM01.avi; A; A:1.500000; V:2.000000; D:3.000000 ; N:4.200000;
WORKER-p1_x; Angry; Neutral,Other (so; "x"); A:1.000000; V:2.000000; D:NaN; N:NaN;
WORKER-p2_x; Neutral; ; A:1.000000; V:2.000000; D:3.0; N:NaN;

"""
_MELD = b"""Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime
1,"so, \xc2\x92x",Ross,neutral,neutral,0,0,8,21,"00:16:16,059","00:16:21,731"
"""
_NEMO = b'file_id\temotion\traw_text\tspeaker_id\tgender\nA1_anger_1.wav\tanger\tso "x\tA1\tfemale\n'


def _opinions() -> list[bytes]:
    lines = "MSP-PODCAST_0001_0001.wav; N; A:4.0; V:3.0; D:2.0;\nWORKER1; Neutral; Sad,Other-x; A:4; V:3; D:2;\n\n"
    one = {"a.wav": {"W1": {"EmoClass_Major": "Neutral", "EmoClass_Second": "Sad", "EmoAct": "4"}}}
    return [lines.encode(), json.dumps(one).encode(), b"FileName,Worker,EmoClass\na.wav,W,Neutral\n"]


READERS = [
    Reader("x.txt", _with_findings(read_evaluation), [_EVALUATION]),
    Reader(
        "x.txt",
        _with_findings(read_transcription),
        [b"Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\nM: Yeah.\nSes01F_impro01_FXX0 [1-2]: x\n"],
    ),
    Reader("labels.txt", _with_findings(read_opinions), _opinions()),
    Reader("labels.json", _with_findings(read_opinions), _opinions()),
    Reader("x.json", _with_findings(lambda p, f: _consensus_rows(p, read_text(p, f), f)), [_MSP_JSON, b"FileName\n"]),
    Reader("x.csv", _with_findings(lambda p, f: _consensus_rows(p, read_text(p, f), f)), [b"FileName,EmoClass\na,N\n"]),
    Reader(
        "votes.csv",
        _with_findings(read_table_of_votes),
        [b'"","A","D","F","H","N","S","fileName"\n"100001",1,0,0,0,6,0,"1001_IEO_NEU_XX"\n'],
    ),
    Reader(
        "r.csv",
        _with_findings(read_responses),
        [
            b'"","localid","pos","ans","ttr","queryType","numTries","clipNum","questNum","subType","clipName","sessionNums",'
            b'"respEmo","respLevel","dispEmo","dispVal","dispLevel"\n"1","1","1","N_50",1,1,1,1,1,4,"1001_IEO_NEU_XX",1,"N",'
            b'"50","N",1,"X"\n'
        ],
    ),
    Reader("x.txt", _with_findings(read_improv), [_IMPROV]),
    Reader("x.csv", _with_findings(lambda p, f: read_meld("train", p, f)), [_MELD]),
    Reader("x.tsv", _with_findings(read_nemo), [_NEMO]),
    Reader("erkannt.txt", _with_findings(_read_rates), [b"Satz\terkannt\n03a01Fa\t90,5\n03a01Nc\t100\n"]),
    Reader("segments", _with_findings(lambda p, f: read_segments(p.parent, f)), [b"u r 0.5 1.25\nv r 2 -1\n"]),
    Reader("reco2channel", _with_findings(lambda p, f: read_channels(p.parent, f)), [b"r A\ns 2\n"]),
    Reader("metrics.jsonl", _read_lines, [b'{"epoch": 1, "dev_jsd": 0.5}\n{"epoch": 2}\n']),
    Reader("text", _with_findings(lambda p, f: read_pairs(p, f, empty=True)), [b"a hello there\nb\nc \xc3\xa4\n"]),
    Reader("votes.tsv", _with_findings(read_votes_of_raters), [_VOTES]),
    Reader("votes.tsv", read_votes, [_VOTES]),
    Reader(
        "attributes.tsv",
        _with_findings(read_ratings),
        [b"utt\trater\tvalence\tarousal\tdominance\nu\tr\t1\t2.5\tnan\n"],
    ),
    Reader("t.csv", lambda p: read_label_table(p, LabelWords({}), Findings(False)), [b"file,rater,label\na,r,sad\n"]),
    Reader("t.xlsx", lambda p: read_label_table(p, LabelWords({}), Findings(False)), _excel()),
    Reader("wav.scp", lambda p: list_sources([str(p)]), [b"a /x/a.wav\nb touch x |\n"]),
    Reader("texts.tsv", read_texts, [b"file\ttext\na.wav\tso\n", b"a so\n"]),
    Reader("utt2spk", read_table, [b"a s\nb s\n"]),
    Reader("x.tsv", read_tsv, [b"a\tb\n1\t2\n"]),
    Reader(
        "predictions.tsv",
        lambda p: read_predictions(p, ["x", "y"], ["u", "v"]),
        [b"utt\tx\ty\nu\t0.25\t0.75\nv\t1\t0\n"],
    ),
    Reader("heads.tsv", lambda p: read_heads(p, ["u"]), [b"utt\tA_x\tA_y\tweight_A\nu\t0.5\t0.5\t1\n"]),
    Reader("quoted.tsv", read_quoted, [b"system\tsource\tscore\tvalue\nx\ty\tua\t0.5\n"]),
    Reader(
        "x.yaml",
        load_config,
        [b"ssl: fbank_no_cmvn\nlabels:\n  classes: {a: [neu], b: [sad]}\ntune: {amber.guidance: [0, 1]}\n"],
    ),
    Reader("slurm.yaml", load_slurm_config, [b"cpu:\n  cpus: 2\n  memory: 4G\n  time: '1:00:00'\n"]),
    Reader("feats.ark", lambda p: map_matrices({"u": f"{p}:2"}, ["u"]), _ark()),
    Reader("feats.scp", read_scp, [b"u a.ark:2\nv a.ark:50\n"]),
    Reader("a.wav", _look_and_read, _audio()),
    Reader("choice.json", read_choice, [b'{"chosen": "p1"}']),
    Reader("corpus.json", read_corpus_record, [b'{"corpus": "x", "folds": [1]}']),
    Reader("results.json", read_results, [b'{"format": 9, "tag": "x"}']),
    Reader(RECORD, _model, [json.dumps(_RECORD).encode()]),
    Reader("e.safetensors", read_embeddings, [_EMBEDDINGS, struct.pack("<Q", 2) + b"{}"]),
    Reader("o.jsonl", lambda p: Writer(p, "jsonl", ("c", "m"), resume=True), [json.dumps(_OUTPUT).encode() + b"\n"]),
    Reader("o.tsv", lambda p: Writer(p, "tsv", ("c", "m"), resume=True), [b"file\tstart_s\tend_s\nx\t0\t1\n"]),
]
MOST_BYTES = 2**16  # of a damaged file, which copies of its own parts would let grow without end
TOKENS = [
    *(
        b"\0",
        b"\n",
        b"\r\n",
        b"\t",
        b" ",
        b",",
        b";",
        b":",
        b'"',
        b"'",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *(b"-1", b"0", b"1e999", b"nan", b"-inf", b"9" * 40, b"9" * 5000, b"null", b"true", b"\xc2\x85", b"\xe2\x80\xa8"),
    *(b" " * 5000, b";" * 5000),
    *(b"&a", b"*a", b"<<: ", b"!!python/object:x", b"---\n", b"../", b"|", b"\\", b"\xf0\x9f\x98\x80", b"\x1b[2J"),
    *(
        b"\xff\xff\xff\x7f",
        b"\x00\x00\x00\x80",
        b"\xff\xff\xff\xff",
        b"\x80",
        b"\x7f",
        b"FM ",
        b"CM ",
        b"CM2 ",
        b"CM3 ",
    ),
]


def damage(seed: bytes, changes: list[tuple[int, int, int]]) -> bytes:
    """Returns a seed after changes: numbers that choose what is done, where and with what."""
    content = bytearray(seed)
    for kind, place, what in changes:
        at = place % (len(content) + 1)
        token = TOKENS[what % len(TOKENS)]
        if kind % 6 == 0:
            content[at:at] = token
        elif kind % 6 == 1:
            content[at : at + len(token)] = token
        elif kind % 6 == 2:
            del content[at : at + 1 + what % 20]
        elif kind % 6 == 3:
            del content[at:]
        elif kind % 6 == 4:
            content[at:at] = content[what % (at + 1) : at] * (1 + what % 3)
        elif at < len(content):
            content[at] ^= 1 << what % 8
    return bytes(content[:MOST_BYTES])
