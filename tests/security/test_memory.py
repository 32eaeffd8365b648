"""A few bytes that stand for terabytes, endless files and deep nesting: one line, in bounded memory."""

import gzip
import json
import os
import struct
import tracemalloc
import zipfile

import kaldiio
import numpy as np
import pytest
import soundfile
import torch

from ambiser.config.yaml_reader import parse_yaml, read_yaml
from ambiser.corpora import sound
from ambiser.corpora.audio_headers import _look
from ambiser.corpora.exchange import hugging_face, lhotse_cuts
from ambiser.corpora.findings import Findings
from ambiser.corpora.importing import spreadsheet
from ambiser.corpora.near_misses import explain_content
from ambiser.corpora.own_tables import read_pairs
from ambiser.corpora.text_files import parse_json, read_text
from ambiser.errors import ConfigError, DataError
from ambiser.features.upstreams.checkpoint_safety import checked_loading
from ambiser.inference.recordings import Cutting, read_windows
from ambiser.io import audio, packed
from ambiser.io.ark import read_matrix
from ambiser.io.files import read_json
from ambiser.io.tables import read_table
from ambiser.train.checkpoint import load_best, load_facts, load_progress, save_progress

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def one_line(error) -> str:
    text = str(error.value)
    assert "\n" not in text and len(text) < 400
    return text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (BOMB, r"x:2: is not valid YAML: the alias \*a; write the value again in its place"),
        ("a: &a {<<: *a}", r"x:1: is not valid YAML: the alias \*a"),
        ("a: " + "[" * 10**4, "x:1: is not valid YAML: more than 50 levels"),
        ("a: " + "{a: " * 10**4, "x:1: is not valid YAML: more than 50 levels"),
        ("\n".join(f"{' ' * n}a:" for n in range(400)), "x:50: is not valid YAML: more than 50 levels"),
    ],
    ids=["nine levels of nine aliases", "an alias of itself", "lists", "mappings", "blocks"],
)
def test_yaml_that_expands_or_nests_is_refused(text, fault, bounded_memory):
    with bounded_memory(), pytest.raises(ConfigError, match=f"^{fault}") as error:
        parse_yaml(text, "x")
    one_line(error)


def test_a_large_yaml_is_refused(tmp_path, bounded_memory):
    (tmp_path / "x.yaml").write_text("- 1\n" * 2**19)
    with bounded_memory(), pytest.raises(ConfigError, match=r"x.yaml: has more than 1048576 bytes; is it a YAML"):
        read_yaml(tmp_path / "x.yaml")


@pytest.mark.parametrize("deep", ["[" * 10**4, '{"a":' * 10**4])
def test_json_that_nests_is_refused(tmp_path, deep):
    (tmp_path / "x.json").write_text(deep)
    with pytest.raises(DataError, match="x.json: is not valid JSON: too many levels"):
        read_json(tmp_path / "x.json")
    with pytest.raises(DataError, match="x.json: is not valid JSON: too many levels"):
        parse_json(tmp_path / "x.json", deep)


@pytest.mark.parametrize("method", [1, 2, 3, 5, None])
def test_an_ark_that_claims_terabytes_is_refused(tmp_path, method, bounded_memory):
    path = tmp_path / "a.ark"
    kaldiio.save_ark(str(path), {"u": np.eye(3, dtype=np.float32)}, compression_method=method)
    content = bytearray(path.read_bytes())
    sizes = content.index(struct.pack("<i", 3))
    step = 5 if method is None else 4
    for place in (sizes, sizes + step):
        content[place : place + 4] = struct.pack("<i", 2**31 - 1)
    path.write_bytes(content)
    with bounded_memory(), pytest.raises(DataError, match=r"a.ark:2 \(u\): the ark is truncated") as error:
        read_matrix(f"{path}:2", "u")
    one_line(error)
    content[sizes : sizes + 4] = struct.pack("<i", -3)
    path.write_bytes(content)
    with pytest.raises(DataError, match="the sizes in the header are invalid"):
        read_matrix(f"{path}:2")


def test_an_offset_of_thousands_of_digits_is_refused(tmp_path):
    with pytest.raises(DataError, match="must have the form path:offset"):
        read_matrix(f"{tmp_path}:{'9' * 5000}")


def wav_header(path, **fields):
    """Writes 1 s of 16 kHz PCM whose header claims other sizes."""
    values = {"channels": 1, "rate": 16000, "block": 2, "data": 32000, **fields}
    head = struct.pack(
        "<4sI8sIHHII", b"RIFF", min(values["data"] + 36, 2**32 - 1), b"WAVEfmt ", 16, 1, values["channels"], 0, 0
    )
    head = head[:24] + struct.pack("<IIHH", values["rate"], values["rate"] * 2, values["block"], 16)
    path.write_bytes(head + struct.pack("<4sI", b"data", values["data"]) + bytes(32000))
    return path


@pytest.mark.parametrize("data", [2**31 - 100, 2**32 - 2, 2**32 - 1, 0])
def test_a_wav_that_claims_gigabytes_takes_no_memory(tmp_path, data, bounded_memory):
    path = wav_header(tmp_path / "a.wav", data=data)
    with bounded_memory():
        try:
            assert len(audio.read_audio(path)) == 16000  # unknown length, as programs that stream write it
        except DataError as error:
            assert "a.wav: " in str(error) and "\n" not in str(error)
    with bounded_memory():
        assert _look(path)[0] is None or _look(path)[0].samples == 16000


def test_a_thousand_channels_are_read_in_small_blocks(tmp_path, bounded_memory):
    soundfile.write(tmp_path / "a.wav", np.zeros((2000, 1000), np.int16), 16000)
    with bounded_memory():
        assert audio.read_audio(tmp_path / "a.wav").shape == (2000,)


@pytest.mark.parametrize("rate", [1, 999, 10**9])
def test_a_rate_that_would_multiply_the_samples_is_refused(tmp_path, rate, bounded_memory):
    path = wav_header(tmp_path / "a.wav", rate=rate)
    with bounded_memory(), pytest.raises(DataError, match=rf"a.wav: has a sample rate of {rate} Hz; it must be"):
        audio.read_audio(path)
    assert _look(path)[2].startswith("has a sample rate")


def test_a_recording_longer_than_memory_is_refused(tmp_path, monkeypatch, bounded_memory):
    monkeypatch.setattr(audio, "MOST_SAMPLES", 10**6)
    soundfile.write(tmp_path / "a.flac", np.zeros(2 * 10**6, np.int16), 16000)  # 400 bytes per second
    fault = r"a.flac: 2000000 samples at once are more than 1000000; cut the recording \(predict: --window\)"
    for cutting in (Cutting(), Cutting(window_s=1000), Cutting(channel=1)):
        with bounded_memory(), pytest.raises(DataError, match=fault):
            list(read_windows(tmp_path / "a.flac", cutting))
    assert sum(len(window.wav) for window in read_windows(tmp_path / "a.flac", Cutting(window_s=1))) == 2 * 10**6


def excel(path, sheet, strings=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
        if strings is not None:
            archive.writestr("xl/sharedStrings.xml", strings)
    return path


LAUGHS = '<!DOCTYPE w [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("sheet", "fault"),
    [
        ('<w><row><c r="ZZZ1"><v>1</v></c></row></w>', "'ZZZ1' is no cell"),
        ('<w><row><c r="AAAAAAAAAA1"><v>1</v></c></row></w>', "'AAAAAAAAAA1' is no cell"),
        ("<w><row>" + "<c/>" * 20_000 + "</row></w>", "row 1 has more than 16384 cells"),
        ("<w>" + "<a>" * 10**4, "no element found"),
        (LAUGHS + "]><w><row><c><v>&j;</v></c></row></w>", "it declares a document type"),
        (
            '<!DOCTYPE w [<!ENTITY a SYSTEM "file:///etc/passwd">]><w><row><c><v>&a;</v></c></row></w>',
            "it declares a document type",
        ),
        ('<w><row><c r="A1" t="s"><v>7</v></c></row></w>', "a cell names text 7 of 0"),
        ('<w><row r="x"><c r="A1"><v>7</v></c></row></w>', "invalid literal for int"),
        ("<w><row>", "no element found"),
    ],
)
def test_a_hostile_sheet_is_refused(tmp_path, sheet, fault, bounded_memory):
    path = excel(tmp_path / "t.xlsx", sheet)
    with bounded_memory(), pytest.raises(DataError, match=f"t.xlsx: is not an Excel table: .*{fault}") as error:
        list(spreadsheet.read_rows(path))
    one_line(error)


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch, bounded_memory):
    monkeypatch.setattr(spreadsheet, "_MOST_BYTES", 10**6)
    for sheet, strings in (("<w>" + " " * 10**7, None), ("<w/>", "<s>" + " " * 10**7)):
        path = excel(tmp_path / "t.xlsx", sheet, strings)
        assert path.stat().st_size < 20_000
        with bounded_memory(), pytest.raises(DataError, match="unpacks to more than 1000000 bytes; save it as CSV"):
            list(spreadsheet.read_rows(path))


def test_rows_of_a_sheet_are_not_kept(tmp_path, bounded_memory):
    row = "<row><c><v>{}</v></c></row>"
    path = excel(tmp_path / "t.xlsx", "<w>" + "".join(row.format(n) for n in range(5000)) + "</w>")
    tracemalloc.start()
    assert sum(int(cells[0]) for _, cells in spreadsheet.read_rows(path)) == sum(range(5000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6


def test_parquet_that_unpacks_a_hundredfold_is_refused_and_few_large_rows_are_read_at_once(tmp_path, monkeypatch):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: Parquet was not tested")
    from pyarrow import parquet

    path = tmp_path / "x.parquet"
    parquet.write_table(arrow.Table.from_pylist([{"utt": "x" * 2**18}] * 64), path, compression="zstd")
    metadata = parquet.ParquetFile(path).metadata
    assert hugging_face._batch_rows(metadata) == 64
    monkeypatch.setattr(hugging_face, "_BATCH_BYTES", 2**20)
    assert hugging_face._batch_rows(metadata) == 3
    monkeypatch.setattr(packed, "_SMALL_BYTES", 2**16)
    with pytest.raises(
        DataError, match=r"x.parquet: is no readable .*: column utt unpacks from \d+ to 2\d+ bytes"
    ) as error:
        hugging_face.import_dataset(path, tmp_path / "out", labels={})
    one_line(error)


@pytest.mark.parametrize("rows", [{"utt": None}, {"votes": [{"rater": "r", "label": "sad"}] * 100}])
def test_parquet_of_equal_rows_or_votes_without_end_is_refused(tmp_path, rows, monkeypatch):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: Parquet was not tested")
    from pyarrow import parquet

    monkeypatch.setattr(hugging_face, "_FEW_VALUES", 2**12)
    path = tmp_path / "x.parquet"
    parquet.write_table(arrow.Table.from_pylist([rows]).take([0] * 2**14), path)
    with pytest.raises(DataError, match=r"x.parquet: is no readable Parquet file: \d+ bytes hold \d+ values") as error:
        hugging_face.import_dataset(path, tmp_path / "out", labels={})
    one_line(error)


def test_metadata_of_parquet_that_nest_name_no_classes():
    assert hugging_face._class_names({b"huggingface": b"[" * 10**4}) == []


def gzip_of_zeros(path, megabytes):
    """Writes a gzip file of one line of many zeros in parts, as gzip allows."""
    path.write_bytes(gzip.compress(bytes(2**20), 9) * megabytes)
    return path


def test_a_gzip_bomb_in_place_of_cuts_is_refused(tmp_path, monkeypatch, bounded_memory):
    pytest.importorskip("lhotse", reason="lhotse is not installed: its cuts were not tested")
    path = gzip_of_zeros(tmp_path / "cuts.jsonl.gz", 200)
    monkeypatch.setattr(packed, "_SMALL_BYTES", 2**22)
    most = packed.most_unpacked(path.stat().st_size)
    assert most < 200 * 2**20 / 5
    fault = rf"cuts.jsonl.gz: is no manifest .*: it unpacks from \d+ to more than {most} bytes"
    with bounded_memory(100), pytest.raises(DataError, match=fault) as error:
        lhotse_cuts.import_cuts(path, tmp_path / "out", labels={})
    one_line(error)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (gzip.compress(b"[1]\n")[:12], "its compressed data are damaged"),
        (b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 9, "its compressed data are damaged"),
        (b"{}\n", "Not a gzipped file"),
        (gzip.compress(b"[" * 10**4), "too many levels"),
    ],
    ids=["cut off", "damaged", "no gzip", "nested"],
)
def test_damaged_packed_cuts_are_refused_in_one_line(tmp_path, content, fault):
    pytest.importorskip("lhotse", reason="lhotse is not installed: its cuts were not tested")
    (tmp_path / "cuts.jsonl.gz").write_bytes(content)
    with pytest.raises(DataError, match=f"cuts.jsonl.gz: is no manifest of Lhotse cuts: {fault}") as error:
        lhotse_cuts.import_cuts(tmp_path / "cuts.jsonl.gz", tmp_path / "out", labels={})
    one_line(error)


def test_a_checkpoint_that_unpacks_to_more_than_its_size_is_refused(tmp_path, bounded_memory):
    path, bomb = tmp_path / "last.pt", tmp_path / "bomb.pt"
    save_progress(path, {"model": torch.zeros(2**21)})
    assert load_progress(path)["model"].shape == (2**21,)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert bomb.stat().st_size < 10**5
    with bounded_memory(), pytest.raises(DataError, match="bomb.pt: cannot be read"):
        load_progress(bomb)
    with checked_loading(), pytest.raises(ConfigError, match=r"bomb.pt: is damaged: it unpacks from \d+ to 8\d+ bytes"):
        torch.load(bomb)


def test_the_sound_of_silent_channels_is_measured_in_bounded_memory(tmp_path, monkeypatch, bounded_memory):
    monkeypatch.setattr(sound, "_MOST_SAMPLES", 2**18)
    soundfile.write(tmp_path / "a.flac", np.zeros((2**20, 8), np.int16), 655_350)  # 60 s of it would be 1.2 GiB
    with bounded_memory(25):
        assert sound._measure_file(tmp_path / "a.flac").level_db == -120


@pytest.mark.parametrize("length", [2**63, 10**12, 10**8, 4])
def test_a_safetensors_header_that_claims_terabytes_is_refused(tmp_path, length, bounded_memory):
    path = tmp_path / "best.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}}')
    for read in (load_best, load_facts):
        with bounded_memory(), pytest.raises(DataError, match="best.safetensors: not a checkpoint") as error:
            read(path)
        one_line(error)


def test_facts_that_nest_are_refused(tmp_path):
    path = tmp_path / "best.safetensors"
    header = json.dumps({"__metadata__": {"facts": "[" * 10**4}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    for read in (load_best, load_facts):
        with pytest.raises(DataError, match="best.safetensors: not a checkpoint"):
            read(path)


@pytest.mark.parametrize("kind", ["a pipe", "a device"])
@pytest.mark.timeout(20)
def test_a_file_without_end_is_not_opened(tmp_path, kind):
    path = tmp_path / "endless"
    if kind == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    findings = Findings(False)
    for read in (read_table, lambda path: read_text(path, findings), read_json, read_yaml):
        with pytest.raises((DataError, ConfigError), match="(?i)endless: .*not a regular file"):
            read(path)
    read_pairs(path, findings)
    assert "Not a regular file" in findings.faults[0].reason
    assert _look(path)[2] == "is missing" and explain_content(path) == ""
