"""All readers of files that others made, with valid files as seeds; for the property tests and for fuzzing."""

import importlib.util
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from property.seeds import (
    CHOICE,
    CORPUS,
    CUT,
    EMBEDDINGS,
    EVALUATION,
    IMPROV,
    MELD,
    MODEL,
    MSP_JSON,
    NEMO,
    OUTPUT_TABLE,
    PREDICTION,
    VOTES,
    as_json,
    made_results,
    make_ark,
    make_audio,
    make_excel,
    make_opinions,
    make_parquet,
    make_progress,
)

from ambiser.config.loader import load_config
from ambiser.config.site import load_slurm_config
from ambiser.corpora.audio_headers import _look
from ambiser.corpora.crema_d_tables import read_responses, read_table_of_votes
from ambiser.corpora.emodb import _read_rates
from ambiser.corpora.exchange.hugging_face import import_dataset
from ambiser.corpora.exchange.lhotse_cuts import import_cuts
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
from ambiser.train.checkpoint import load_best, load_progress
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
        is_list = lines[0].endswith("has faults:") or " faults, all listed in " in lines[0]
        assert is_list or len(lines) == 1, lines
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


def _import_cuts(path: Path) -> object:
    return import_cuts(path, path.parent / "out", labels={})


def _import_parquet(path: Path) -> object:
    return import_dataset(path, path.parent / "out", labels={})


def _look_and_read(path: Path) -> object:
    _look(path)
    return read_audio(path)


def _model(path: Path) -> object:
    return read_record(path.parent)


READERS = [
    Reader("x.txt", _with_findings(read_evaluation), [EVALUATION]),
    Reader(
        "x.txt",
        _with_findings(read_transcription),
        [b"Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\nM: Yeah.\nSes01F_impro01_FXX0 [1-2]: x\n"],
    ),
    Reader("labels.txt", _with_findings(read_opinions), make_opinions()),
    Reader("labels.json", _with_findings(read_opinions), make_opinions()),
    Reader("x.json", _with_findings(lambda p, f: _consensus_rows(p, read_text(p, f), f)), [MSP_JSON, b"FileName\n"]),
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
    Reader("x.txt", _with_findings(read_improv), [IMPROV]),
    Reader("x.csv", _with_findings(lambda p, f: read_meld("train", p, f)), [MELD]),
    Reader("x.tsv", _with_findings(read_nemo), [NEMO]),
    Reader("erkannt.txt", _with_findings(_read_rates), [b"Satz\terkannt\n03a01Fa\t90,5\n03a01Nc\t100\n"]),
    Reader("segments", _with_findings(lambda p, f: read_segments(p.parent, f)), [b"u r 0.5 1.25\nv r 2 -1\n"]),
    Reader("reco2channel", _with_findings(lambda p, f: read_channels(p.parent, f)), [b"r A\ns 2\n"]),
    Reader("metrics.jsonl", _read_lines, [b'{"epoch": 1, "dev_jsd": 0.5}\n{"epoch": 2}\n']),
    Reader("text", _with_findings(lambda p, f: read_pairs(p, f, empty=True)), [b"a hello there\nb\nc \xc3\xa4\n"]),
    Reader("votes.tsv", _with_findings(read_votes_of_raters), [VOTES]),
    Reader("votes.tsv", read_votes, [VOTES]),
    Reader(
        "attributes.tsv",
        _with_findings(read_ratings),
        [b"utt\trater\tvalence\tarousal\tdominance\nu\tr\t1\t2.5\tnan\n"],
    ),
    Reader("t.csv", lambda p: read_label_table(p, LabelWords({}), Findings(False)), [b"file,rater,label\na,r,sad\n"]),
    Reader("t.xlsx", lambda p: read_label_table(p, LabelWords({}), Findings(False)), make_excel()),
    *([Reader("cuts.jsonl", _import_cuts, [CUT])] if importlib.util.find_spec("lhotse") else []),
    *([Reader("x.parquet", _import_parquet, make_parquet())] if make_parquet() else []),
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
    Reader("feats.ark", lambda p: map_matrices({"u": f"{p}:2"}, ["u"]), make_ark()),
    Reader("feats.scp", read_scp, [b"u a.ark:2\nv a.ark:50\n"]),
    Reader("a.wav", _look_and_read, make_audio()),
    Reader("choice.json", read_choice, [as_json(CHOICE), b'{"chosen": "p1"}']),
    Reader("corpus.json", read_corpus_record, [as_json(CORPUS)]),
    Reader("results.json", read_results, [made_results()]),
    Reader("best.safetensors", load_best, [EMBEDDINGS, struct.pack("<Q", 2) + b"{}"]),
    Reader("last.pt", load_progress, [make_progress()]),
    Reader(RECORD, _model, [json.dumps(MODEL).encode()]),
    Reader("e.safetensors", read_embeddings, [EMBEDDINGS, struct.pack("<Q", 2) + b"{}"]),
    Reader("o.jsonl", lambda p: Writer(p, "jsonl", ("c", "m"), resume=True), [json.dumps(PREDICTION).encode() + b"\n"]),
    Reader("o.tsv", lambda p: Writer(p, "tsv", ("c", "m"), resume=True), [OUTPUT_TABLE]),
]
