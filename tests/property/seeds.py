"""Valid contents for every reader of files that others made."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import kaldiio
import numpy as np
import safetensors.numpy
import soundfile
import torch
from scoring.made_results import make_results

from ambiser.io.choice_file import Choice, PointScore
from ambiser.io.corpus_record import CorpusRecord
from ambiser.io.records import to_json
from ambiser.scoring.results_file import write_results


def make_ark() -> list[bytes]:
    values, arks = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3), []
    for method in (None, 1, 2, 3, 5):
        stream = io.BytesIO()
        kaldiio.save_ark(stream, {"u": values}, compression_method=method)
        arks.append(stream.getvalue())
    stream = io.BytesIO()
    kaldiio.save_ark(stream, {"u": np.arange(4.0)})
    return [*arks, stream.getvalue()]


def make_audio() -> list[bytes]:
    made = []
    for form, subtype in (("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("AIFF", None)):
        stream = io.BytesIO()
        soundfile.write(stream, np.sin(np.arange(400) / 9), 16000, format=form, subtype=subtype)
        made.append(stream.getvalue())
    return made


def make_excel() -> list[bytes]:
    stream = io.BytesIO()
    cells = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>label</t></is></c></row>'
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("xl/sharedStrings.xml", "<sst><si><t>file</t></si><si><t>a</t></si></sst>")
        rest = '<row r="2"><c r="A2" t="s"><v>1</v></c><c r="B2" t="str"><v>sad</v></c></row>'
        archive.writestr("xl/worksheets/sheet1.xml", f"<sheet>{cells}{rest}</sheet>")
    return [stream.getvalue()]


def make_parquet() -> list[bytes]:
    """Returns tables with votes, one of them not compressed, and with a sound in the table; [] without pyarrow."""
    try:
        from pyarrow import Table, parquet
    except ImportError:
        return []
    vote = {"rater": "r", "label": "sad", "source": "outside", "slot": "primary"}
    named = {"utt": "u", "audio": __file__, "speaker": "s", "text": "so", "gender": "f", "votes": [vote]}
    inside = {"audio": {"bytes": b"RIFF", "path": "x/b.wav"}, "label": "sad", "speaker": 1}
    made = []
    for row, options in ((named, {}), (named, {"compression": "none", "use_dictionary": False}), (inside, {})):
        stream = io.BytesIO()
        parquet.write_table(Table.from_pylist([row]), stream, **options)
        made.append(stream.getvalue())
    return made


EVALUATION = b"""%\t[START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral;Anger;\t(a; b: c)
C-F1:\tHappiness;\t()
A-E3:\tval 3; act 2; dom  2;\t()
A-F1:\tval :; act 2; dom  2;\t()

"""
PREDICTION = {
    **{"file": "a.wav", "start_s": 0.0, "end_s": 1.0, "label": "a", "cutting": "c", "model": "m", "text": None},
    **{"notes": [], "distribution": {"a": 0.5, "b": 0.5}, "no_majority": {"3": 0.1}, "head_jsd_bits": {}},
    **{"prototype_similarity": {}, "entropy_bits": 1.0, "expected_agreement": 0.5, "member_information_bits": 0.0},
}
OUTPUT_TABLE = (
    b"file\tstart_s\tend_s\tlabel\tp_a\tp_b\tentropy_bits\texpected_agreement\tno_majority_3\tmember_information_bits\t"
    b"notes\tcutting\tmodel\na.wav\t0.000\t1.000\ta\t0.5\t0.5\t1.0\t0.5\t0.1\t0.0\t\tc\tm\n"
)
MODEL = {
    **{"format": 1, "name": "m", "classes": ["a", "b"], "stage": "distill", "results": [], "files": {"c": "0" * 64}},
    **{
        "members": [{"file": "c", "config": "c", "seed": 1, "fold": 1}],
        "speech": {"weights": "", "sha256": "", "probe": []},
    },
    **{"text": None, "license": "other", "notes": [], "software": "x"},
}
EMBEDDINGS = safetensors.numpy.save(
    {"embeddings": np.eye(2, dtype=np.float32), "prototypes": np.eye(2, dtype=np.float32)},
    metadata={"facts": json.dumps({"classes": ["a", "b"], "utts": ["u", "v"]})},
)
CHOICE = Choice("p1", "distill", "jsd", [PointScore("p1", 0.25, 3)])
CORPUS = CorpusRecord(
    **{"corpus_dir": "/x", "data": {"corpus": "kaldi"}, "corpus": "kaldi", "version": "", "protocol": "p", "dev": "d"},
    **{"folds": [1], "parts": {"1": {"test": 1}}, "sessions": ["s"], "speakers": ["a"], "utterances": 1, "votes": 3},
    **{"duration_s": 1.5, "codes": {"neu": 1}, "left_out": 0, "warnings": {}, "made_up": False, "leaks": {}},
)


def as_json(record: object) -> bytes:
    return json.dumps(to_json(record)).encode()


def made_results() -> bytes:
    def draw(n: int, seed: int) -> dict[str, np.ndarray]:
        counts = np.random.default_rng(seed).multinomial(3, [0.4, 0.3, 0.2, 0.1], n).astype(float)
        hard = np.where(counts.max(axis=1) > 1, counts.argmax(axis=1), -1)
        return {"probs": (counts + 1) / 7, "soft": counts / 3, "hard": hard, "counts": counts}

    with tempfile.TemporaryDirectory() as folder:
        write_results(Path(folder) / "results.json", make_results(draw))
        return (Path(folder) / "results.json").read_bytes()


def make_progress() -> bytes:
    stream = io.BytesIO()
    torch.save({"epoch": 1, "weights": {"w": torch.zeros(2)}}, stream)
    return stream.getvalue()


_WHOLE = {"id": "u", "start": 0, "duration": 1.0, "channel": 0}
_SPOKEN = {"recording_id": "r", "text": "so", "speaker": "s", "gender": "F", "custom": {"votes": {"happy": 2}}}
_RECORDING = {
    **{"id": "r", "sources": [{"type": "file", "channels": [0], "source": __file__}]},
    **{"sampling_rate": 16000, "num_samples": 16000, "duration": 1.0},
}
CUT = json.dumps(_WHOLE | {"type": "MonoCut", "supervisions": [_WHOLE | _SPOKEN], "recording": _RECORDING}).encode()
VOTES = b"utt\trater\tsource\tslot\tlabel\nu\tr\toutside\tprimary\tneu\nv\ts\tself\tsecondary\tsad\n"
MSP_JSON = b'{"a.wav": {"EmoClass": "N", "EmoAct": 4.0, "SpkrID": "1", "Gender": "Male", "Split_Set": "Train"}}'


IMPROV = b"""UTD-IMPROV-S01A-F01-T-FM01.avi; A; A:1.500000; V:2.000000; D:3.000000 ; N:4.200000;
WORKER-p1_x; Angry; Neutral,Other (so; "x"); A:1.000000; V:2.000000; D:NaN; N:NaN;
WORKER-p2_x; Neutral; ; A:1.000000; V:2.000000; D:3.0; N:NaN;

"""
MELD = b"""Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime
1,"so, \xc2\x92x",Ross,neutral,neutral,0,0,8,21,"00:16:16,059","00:16:21,731"
"""
NEMO = b'file_id\temotion\traw_text\tspeaker_id\tgender\nA1_anger_1.wav\tanger\tso "x\tA1\tfemale\n'


def make_opinions() -> list[bytes]:
    lines = "MSP-PODCAST_0001_0001.wav; N; A:4.0; V:3.0; D:2.0;\nWORKER1; Neutral; Sad,Other-x; A:4; V:3; D:2;\n\n"
    one = {"a.wav": {"W1": {"EmoClass_Major": "Neutral", "EmoClass_Second": "Sad", "EmoAct": "4"}}}
    return [lines.encode(), json.dumps(one).encode(), b"FileName,Worker,EmoClass\na.wav,W,Neutral\n"]
