"""`ambiser predict`, `pack` and `info`: output, faults, resuming, Ctrl-C, and what bad input gets."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import torch
from inference.conftest import make_config, make_experiment, make_tone

from ambiser.bin import ambiser as command
from ambiser.errors import ConfigError, DataError, UserError
from ambiser.features.upstreams.recognizer import Recognizer
from ambiser.inference import output
from ambiser.inference.model import load_model
from ambiser.inference.recordings import Cutting, read_windows
from ambiser.io.tables import read_tsv


def test_a_row_has_what_the_model_predicts(ambiser, packed, wavs):
    lines = ambiser("predict", packed, wavs / "b.wav", "--raters", "5").splitlines()
    row = dict(zip(lines[0].split("\t"), lines[1].split("\t"), strict=True))
    made = load_model(packed).predict(*soundfile.read(wavs / "b.wav", dtype="float32"))
    assert row["label"] == made.label
    assert float(row["p_angry"]) == pytest.approx(made.distribution["angry"], abs=1e-5)
    assert float(row["entropy_bits"]) == pytest.approx(made.entropy_bits, abs=1e-4)
    assert float(row["expected_agreement"]) == pytest.approx(made.expected_agreement, abs=1e-5)
    assert float(row["no_majority_5"]) == pytest.approx(made.no_majority(5), abs=1e-5)
    assert (row["start_s"], row["end_s"], row["model"]) == ("0.000", "0.700", load_model(packed).id)


def test_json_lines_hold_the_same(ambiser, packed_ipr, wavs, tmp_path):
    ambiser("predict", packed_ipr, wavs, "--output", tmp_path / "out.jsonl")
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [record["file"] for record in records] == sorted(str(path) for path in wavs.rglob("*.*"))
    table = ambiser("predict", packed_ipr, wavs, "--format", "tsv").splitlines()
    rows = [dict(zip(table[0].split("\t"), line.split("\t"), strict=True)) for line in table[1:]]
    for record, row in zip(records, rows, strict=True):
        assert record["nearest_prototype"] == row["nearest_prototype"]
        assert sum(record["distribution"].values()) == pytest.approx(1, abs=1e-5)
        assert record["distribution"]["sad"] == float(row["p_sad"])
        assert record["prototype_similarity"]["sad"] == float(row["cosine_sad"])


def test_windows_are_rows_with_their_times(ambiser, packed, tmp_path):
    path = make_tone(tmp_path / "long.wav", seconds=20.2)  # 41 windows: more than a batch
    ambiser("predict", packed, path, "--window", "1", "--hop", "0.5", "--output", tmp_path / "out.tsv")
    rows = read_tsv(tmp_path / "out.tsv")
    assert [float(row["start_s"]) for row in rows] == [0.5 * number for number in range(len(rows))]
    assert float(rows[-1]["end_s"]) == 20.2


def test_bad_files_do_not_stop_the_others(ambiser, packed, wavs, tmp_path):
    (tmp_path / "text.wav").write_text("this is no audio\n" * 20)
    (tmp_path / "zero.wav").write_bytes(b"")
    nan = np.full(16000, np.nan, np.float32)
    soundfile.write(tmp_path / "nan.wav", nan, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    make_tone(tmp_path / "short.wav", seconds=0.01)
    make_tone(tmp_path / "eight.wav", rate=96000, channels=8)
    out = tmp_path / "out.tsv"
    with pytest.raises(UserError) as caught:
        ambiser("predict", packed, tmp_path, tmp_path / "gone.wav", wavs / "a.wav", "--output", out)
    first, *faults = str(caught.value).splitlines()
    assert first == "4 inputs cannot be used; all others are done:"
    assert [fault.split(": ")[0].rpartition("/")[2] for fault in faults] == [
        *("nan.wav", "text.wav", "zero.wav", "gone.wav")
    ]
    rows = {row["file"].rpartition("/")[2]: row["notes"] for row in read_tsv(out)}
    assert rows == {
        "a.wav": "",
        "eight.wav": "",
        "short.wav": "too short for the model and padded with zeros",
        "silent.wav": "silent",
    }


def test_a_list_on_standard_input_and_a_scp(ambiser, packed, wavs, tmp_path):
    (tmp_path / "wav.scp").write_text(f"utt1 {wavs}/a.wav\n")
    out = ambiser("predict", packed, tmp_path / "wav.scp", "-", stdin=f"{wavs}/b.wav\r\n".encode()).splitlines()
    assert [line.split("\t")[0] for line in out[1:]] == ["utt1", f"{wavs}/b.wav"]


def test_a_recording_on_standard_input(ambiser, packed, packed_text, wavs, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sound = (wavs / "b.wav").read_bytes()
    page = tmp_path / "page.html"
    piped, named = (
        ambiser("predict", packed, word, "--html", page, "--embed", "0", stdin=sound).splitlines()[1].split("\t")
        for word in ("-", wavs / "b.wav")
    )
    assert piped[0] == "-" and piped[1:] == named[1:]
    (tmp_path / "text").write_text("- so happy\n")
    one, two = (
        ambiser("predict", packed_text, "-", *words, stdin=sound)
        for words in (["--words", "so happy"], ["--text", tmp_path / "text"])
    )
    assert one == two and "so happy" in one
    (tmp_path / "text").write_text("b so happy\n")
    with pytest.raises(UserError, match=r"\n  standard input: has no text in the table of --text; name it '-' there"):
        ambiser("predict", packed_text, "-", "--text", tmp_path / "text", stdin=sound)
    with pytest.raises(UserError, match=r"\n  standard input: "):
        ambiser("predict", packed, "-", stdin=b"no audio \0" * 99)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "text"]


def test_words_are_for_one_recording_of_a_text_model(ambiser, packed, packed_text, wavs, capsys):
    with pytest.raises(ConfigError, match="small reads no text; leave out --words"):
        ambiser("predict", packed, wavs / "b.wav", "--words", "so happy")
    with pytest.raises(UserError, match="--words is for a single recording, got 3; use --text TABLE"):
        ambiser("predict", packed_text, wavs, "--words", "so happy")
    with pytest.raises(SystemExit):
        ambiser("predict", packed_text, wavs / "b.wav", "--text", "so happy")
    assert (
        "--text so happy: does not exist; give the words of a single recording with --words" in capsys.readouterr().err
    )
    with pytest.raises(UserError, match="--resume cannot know a recording on standard input again; name a file"):
        ambiser("predict", packed, "-", "--resume", "--output", wavs / "x.tsv", stdin=(wavs / "b.wav").read_bytes())


def test_texts_reach_a_text_model(ambiser, packed_text, wavs, tmp_path):
    (tmp_path / "text").write_text("a so happy\nb how sad\n")
    with pytest.raises(ConfigError, match="words reads text: give --words TEXT for one recording, --text TABLE"):
        ambiser("predict", packed_text, wavs)
    out = tmp_path / "out.tsv"
    with pytest.raises(UserError, match=r"c.flac: has no text in the table of --text; add a line for it"):
        ambiser("predict", packed_text, wavs, "--text", tmp_path / "text", "--output", out)
    rows = read_tsv(out)
    assert len(rows) == 2 and {"jsd_bits_A_T", "jsd_bits_A_AT", "jsd_bits_T_AT"} <= rows[0].keys()


def test_a_recognizer_hears_each_window_for_a_text_model(ambiser, packed_text, tmp_path):
    from features.random_models import save_recognizer

    torch.manual_seed(0)
    folder, path = save_recognizer(tmp_path / "whisper"), make_tone(tmp_path / "a.wav", seconds=2)
    out = tmp_path / "out.tsv"
    ambiser("predict", packed_text, path, "--recognizer", folder, "--window", "1", "--output", out)
    rows, hears = read_tsv(out), Recognizer(str(folder), 10, "en")
    parts = list(read_windows(path, Cutting(1)))
    assert [row["text"] for row in rows] == [hears.transcribe([part.wav])[0] for part in parts]
    assert all(row["text"] for row in rows)
    assert rows[0]["cutting"].startswith("window 1 s, hop 1 s, recognizer whisper@")
    made = load_model(packed_text).predict(parts[1].wav, 16000, text=rows[1]["text"])
    assert float(rows[1]["p_sad"]) == pytest.approx(made.distribution["sad"], abs=1e-5)


def test_a_recognizer_that_cannot_be_used_is_one_line(ambiser, packed, packed_text, wavs, tmp_path, capsys):
    with pytest.raises(ConfigError, match="small reads no text; leave out --recognizer"):
        ambiser("predict", packed, wavs, "--recognizer", tmp_path)
    with pytest.raises(
        ConfigError, match=f"recognizer {tmp_path}: is not a Hugging Face folder; it has no config.json"
    ):
        ambiser("predict", packed_text, wavs, "--recognizer", tmp_path)
    with pytest.raises(SystemExit):
        ambiser("predict", packed_text, wavs, "--recognizer", tmp_path, "--text", "table")
    assert "--text, --words and --recognizer exclude each other" in capsys.readouterr().err


def test_resume_keeps_rows_and_adds_the_others(ambiser, packed, wavs, tmp_path, monkeypatch):
    out = tmp_path / "out.tsv"
    ambiser("predict", packed, wavs, "--output", out)
    whole = out.read_text()
    lines = whole.splitlines(keepends=True)
    out.unlink()
    out.with_name("out.tsv.partial").write_text("".join(lines[:3]) + lines[3][:20])  # killed while writing the third
    asked = []
    from ambiser.inference import predict_files

    real = predict_files.read_windows
    monkeypatch.setattr(predict_files, "read_windows", lambda path, *rest: asked.append(path.name) or real(path, *rest))
    ambiser("predict", packed, wavs, "--output", out, "--resume")
    assert asked == ["b.wav", "c.flac"]  # the last complete one may lack windows
    assert out.read_text() == whole and not out.with_name("out.tsv.partial").exists()
    asked.clear()
    ambiser("predict", packed, wavs, "--output", out, "--resume")
    assert asked == [] and out.read_text() == whole


def test_resume_refuses_rows_of_another_model_or_form(ambiser, packed, packed_ipr, wavs, tmp_path):
    out = tmp_path / "out.tsv"
    ambiser("predict", packed, wavs / "a.wav", "--output", out)
    message = "out.tsv: was written with whole by small@.*, this run has {} by {}@.*; write to another --output"
    with pytest.raises(UserError, match=message.format("whole", "prototypes")):
        ambiser("predict", packed_ipr, wavs, "--output", out, "--resume")
    with pytest.raises(UserError, match=message.format("window 1 s, hop 0.5 s, channel 1", "small")):
        words = ("--window", "1", "--hop", "0.5", "--channel", "1")
        ambiser("predict", packed, wavs, "--output", out, "--resume", *words)
    with pytest.raises(UserError, match="has other columns than this run"):
        ambiser("predict", packed, wavs, "--output", out, "--resume", "--raters", "7")
    with pytest.raises(UserError, match="is no jsonl output of ambiser predict"):
        ambiser("predict", packed, wavs, "--output", out, "--resume", "--format", "jsonl")
    assert len(read_tsv(out)) == 1


def test_a_full_disk_is_one_line_and_leaves_no_output(ambiser, packed, wavs, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output.Writer, "_open", full)
    with pytest.raises(UserError, match="out.tsv.partial: cannot be written: No space left on device"):
        ambiser("predict", packed, wavs, "--output", tmp_path / "out.tsv")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_keeps_what_is_done(packed, tmp_path, environment):
    for number in range(400):
        make_tone(tmp_path / "wavs" / f"{number:03}.wav", seconds=1, hz=100 + number)
    out = tmp_path / "out.tsv"
    words = [sys.executable, "-m", "ambiser", "predict", packed, tmp_path / "wavs", "--output", out]
    words += ["--window", "0.5", "--hop", "0.02"]  # 26 windows per file: far from done when the first ones are
    started = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
    for _ in range(1200):
        if (tmp_path / "out.tsv.partial").is_file() or started.poll() is not None:
            break
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 130 and "Traceback" not in errors
    assert "--resume continues" in errors and not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--raters", "0"], "--raters must be 1 to 100, got 0"),
        (["--hop", "1"], "--hop needs --window"),
        (["--window", "-1"], "must be at least 0"),
        (["--window", "nan"], "must be at least 0"),
        (["--resume"], "--resume needs --output"),
    ],
)
def test_options_are_checked_in_one_line(ambiser, packed, wavs, words, message, capsys):
    with pytest.raises(SystemExit) as caught:
        ambiser("predict", packed, wavs, *words)
    errors = capsys.readouterr().err
    assert caught.value.code == 2 and message in errors and errors.count("\n") == 1


def test_what_is_no_model_is_refused(ambiser, wavs):
    with pytest.raises(DataError, match="is no model, it has no model.json; name a folder made by `ambiser pack`"):
        ambiser("predict", wavs, wavs)


def test_pack_and_info(ambiser, tmp_path):
    exp = make_experiment(tmp_path, make_config())
    ambiser("pack", exp, tmp_path / "mine", "--license", "cc-by-4.0", "--note", "A remark.")
    shown = ambiser("info", tmp_path / "mine")
    assert "neutral happy angry sad" in shown and "cc-by-4.0" in shown and "note: A remark." in shown
    assert "| JSD (bits) ↓ |" in shown


def test_info_points_to_the_card_when_results_are_of_another_version(ambiser, packed, monkeypatch):
    monkeypatch.setattr("ambiser.scoring.results_file.FORMAT", -1)
    assert f"scores     in {packed}/README.md; another version" in ambiser("info", packed)


def test_the_command_lists_its_sub_commands_without_torch(environment, root):
    code = (
        "import sys, atexit\n"
        "sys.argv = ['ambiser', *sys.argv[1:]]\n"
        "atexit.register(lambda: print('HEAVY', sorted({'torch', 's3prl', 'transformers'} & sys.modules.keys())))\n"
        "from ambiser.bin.ambiser import start\n"
        "start()\n"
    )
    for words in (["--help"], *([name, "--help"] for name in command.COMMANDS)):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True, cwd=root
        )
        assert done.returncode == 0, done.stderr
        assert "usage: " in done.stdout and "HEAVY []" in done.stdout
        assert words == ["--help"] or f"usage: ambiser {words[0]}" in done.stdout


def test_an_unknown_command_is_one_line(ambiser, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ambiser", "predcit"])
    assert command.main() == 2
    expected = f"ambiser: error: no command 'predcit'; there are {', '.join(command.COMMANDS)}; see --help\n"
    assert capsys.readouterr().err == expected


def test_python_m_ambiser_is_the_command(environment, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "ambiser", "predict", "nothing", "x.wav"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("ambiser predict: error: nothing: is no model, it does not exist")
    assert done.stderr.count("\n") == 1 and os.linesep == "\n"
