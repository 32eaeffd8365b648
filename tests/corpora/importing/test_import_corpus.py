"""Tables as people keep them, with a folder of audio, become a Kaldi data directory that stage 1 reads."""

import shutil
import subprocess
import zipfile

import numpy as np
import pytest
import soundfile

from ambiser.config.data_keys import Data, LabelPolicy
from ambiser.corpora.data_folder import prepare_data
from ambiser.corpora.importing.import_corpus import import_table
from ambiser.corpora.importing.import_report import describe_import
from ambiser.corpora.importing.label_words import LabelWords
from ambiser.corpora.importing.spreadsheet import find_separator, read_rows
from ambiser.errors import ConfigError, DataError
from ambiser.io.layout import Layout
from ambiser.io.tables import read_table, read_tsv
from ambiser.labels.label_view import view_labels
from ambiser.labels.vote_table import read_votes

LONG = """file,annotator,emotion,speaker,sex,transcript
s1_a.flac,Ann,Neutral,s1,Female,hello there
s1_a.flac,Bob,NEU,s1,Female,hello there
s1_b.flac,Ann,happiness,s1,Female,
s2_a.flac,Bob,Sad ,s2,male,goodbye
"""
RATERS = """name;Ann;Bob;speaker
s1_a;neutral;neu;s1
s1_b;joy;;s1
s2_a;;Sad;s2
"""
COUNTS = "clip\tneutral\thappy\tsad\tspk\ns1_a\t2,0\t0\t0\ts1\ns1_b\t0\t1\t\ts1\ns2_a\t0\t0\t1\ts2\n"
SINGLE = "file,label,actor\nsub/s1_a.FLAC,n,s1\ns1_b,h,s1\ns2_a,sad,s2\n"
TABLES = {"long": LONG, "raters": RATERS, "counts": COUNTS, "single": SINGLE}


@pytest.fixture
def audio(tmp_path):
    for i, name in enumerate(("s1_a", "s1_b", "s2_a", "noise")):
        folder = tmp_path / "audio" / name[:2]
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{name}.flac", np.full(8000 + i, 0.1), 16000)
    return tmp_path / "audio"


def import_text(tmp_path, audio, text, **options):
    path = tmp_path / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    options = {"labels": {}, "columns": {}, **options}
    return import_table(path, audio, tmp_path / "out", **options)


@pytest.mark.parametrize("form", TABLES)
def test_each_form_gives_the_same_labels(tmp_path, audio, form):
    done = import_text(tmp_path, audio, TABLES[form])
    assert done.form == form
    assert list(done.audio) == ["s1_a", "s1_b", "s2_a"]
    votes = read_tsv(tmp_path / "out/votes.tsv")
    labels = {utt: [v["label"] for v in votes if v["utt"] == utt] for utt in done.audio}
    assert labels == {"s1_a": ["neu"] * (1 if form == "single" else 2), "s1_b": ["hap"], "s2_a": ["sad"]}
    assert read_table(tmp_path / "out/utt2spk") == {"s1_a": "s1", "s1_b": "s1", "s2_a": "s2"}
    assert read_table(tmp_path / "out/wav.scp")["s2_a"] == str(audio / "s2/s2_a.flac")
    raters = [v["rater"] for v in votes if v["utt"] == "s1_a"]
    named = ["Ann", "Bob"] if form in ("long", "raters") else ["anon01", "anon02"]
    assert raters == named[: len(raters)]


def test_what_else_the_table_says_is_kept(tmp_path, audio):
    import_text(tmp_path, audio, LONG)
    assert read_table(tmp_path / "out/spk2gender") == {"s1": "f", "s2": "m"}
    texts = read_table(tmp_path / "out/text", allow_empty_value=True)
    assert texts == {"s1_a": "hello there", "s1_b": "", "s2_a": "goodbye"}


@pytest.mark.parametrize(
    "change",
    [
        lambda t: b"\xef\xbb\xbf" + t.encode(),
        lambda t: t.replace("\n", "\r\n").encode(),
        lambda t: t.encode("utf-16"),
        lambda t: t.replace(",", ";").encode(),
        lambda t: t.replace(",", "\t").encode(),
        lambda t: t.replace("hello", "h\xe9llo").encode("cp1252"),
        lambda t: ("\n" + t.replace("\n", "\n\n")).encode(),
        lambda t: t.upper().replace("S1", "s1").replace("S2", "s2").encode(),
    ],
    ids=["BOM", "CRLF", "UTF-16", "semicolon", "tab", "cp1252", "blank lines", "capitals"],
)
def test_separators_encodings_and_case_do_not_matter(tmp_path, audio, change):
    done = import_text(tmp_path, audio, change(LONG))
    assert (done.form, done.votes, len(done.audio)) == ("long", 4, 3)


def make_xlsx(path, rows):
    """Writes the least that a spreadsheet program writes: shared text, numbers, and no empty cells."""
    texts = sorted({cell for row in rows for cell in row if not cell.isdigit()})
    items = "".join(f"<si><t>{text}</t></si>" for text in texts)
    lines = ""
    for r, row in enumerate(rows, start=1):
        cells = ""
        for c, cell in enumerate(row):
            place = f"{chr(65 + c)}{r}"
            if cell.isdigit():
                cells += f'<c r="{place}"><v>{cell}.0</v></c>'
            elif cell:
                cells += f'<c r="{place}" t="s"><v>{texts.index(cell)}</v></c>'
        lines += f'<row r="{r}">{cells}</row>'
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/sharedStrings.xml", f"<sst {space}>{items}</sst>")
        archive.writestr("xl/worksheets/sheet1.xml", f"<worksheet {space}><sheetData>{lines}</sheetData></worksheet>")


def test_an_excel_table(tmp_path, audio):
    rows = [line.replace("2,0", "2").split("\t") for line in COUNTS.splitlines()]
    make_xlsx(tmp_path / "table.xlsx", rows)
    assert [row for _, row in read_rows(tmp_path / "table.xlsx")] == rows
    done = import_table(tmp_path / "table.xlsx", audio, tmp_path / "out", labels={}, columns={})
    assert (done.form, done.votes) == ("counts", 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xd0\xcf\x11\xe0old", "is an old Excel file"),
        (b"PK\x03\x04broken", "is not an Excel table: .*; save it as CSV"),
        (b"a\0b", "is not text; save the table as CSV or XLSX"),
        (b"x,y\n1,2\n", "no column names the audio file; use --columns utt=NAME; the columns are x, y"),
        (b"file,y\n1,2\n", "no column holds labels; name it with --columns label=NAME"),
        (b"file;sad;happy\n1;2;1\n2;0,4;0,6\n", r"csv:3: votes per class \(sad, happy\) must be whole .*got '0,4'"),
        (b"file,label\n", "csv: has no rows below its header"),
        (b"\n", "csv: is empty"),
    ],
)
def test_files_that_are_no_table_of_labels(tmp_path, audio, content, message):
    with pytest.raises(DataError, match=message):
        import_text(tmp_path, audio, content)


def test_all_faults_come_at_once_with_line_and_value(tmp_path, audio):
    text = LONG + "s1_c.flac,Ann,neutral,s1,f,\ns2_a.flac,,sad,s2,m,\ns2_a.flac,Ann,relief,s2,m,\n,Ann,sad,s2,m,\n"
    with pytest.raises(DataError) as error:
        import_text(tmp_path, audio, text)
    message = str(error.value)
    assert message.startswith("6 faults, all listed in ") and "; correct them and run again:" in message
    for fault in (
        "table.csv:6: s1_c.flac: has no audio",
        "table.csv:7: the rater has no name",
        "table.csv:8: unknown label; map it with --labels WORD=CODE, or declare it with --new_labels; got 'relief'",
        "table.csv:9: the row names no file",
        "gender differs from an earlier row of the utterance: 2 times, such as line 7 'm, male'",
    ):
        assert fault in message
    assert len(read_tsv(tmp_path / "out/faults.tsv")) == 6
    assert not (tmp_path / "out/wav.scp").exists()


def test_own_words_and_columns(tmp_path, audio):
    text = SINGLE.replace("label", "what I heard").replace("sad", "boredom").replace("actor", "who")
    done = import_text(
        tmp_path,
        audio,
        text,
        labels={"Boredom": "oth", "h": "-"},
        columns={"label": "what I heard", "speaker": "who"},
        allow_incomplete=True,
    )
    assert dict(done.words.keys()) == {"n": "neu", "boredom": "oth", "h": "-"}
    assert done.skipped == {"s1_b": "has no votes"}
    with pytest.raises(DataError, match=r"no row can be imported: has no audio \(2\)"):
        import_text(tmp_path, audio, "file,label,speaker\nx,sad,s\ny,sad,s\n", allow_incomplete=True)
    with pytest.raises(ConfigError, match="--labels x=bored: the code must be - or one of neu, "):
        LabelWords({"x": "bored"})
    with pytest.raises(DataError, match="no column 'nobody'; the columns are file, what I heard, who"):
        import_text(tmp_path, audio, text, columns={"speaker": "nobody"})


def test_typing_errors_in_options_columns_and_cells_come_at_once(tmp_path, audio):
    text = LONG.replace("NEU", "netural").replace("Sad ", "awe").replace("happiness", "Joyy")
    options = {"labels": {"x": "bored", "y": "xyz"}, "new_labels": ["Relief"]}
    columns = {"speakr": "speaker", "file": "utt", "speaker": "speeker"}
    with pytest.raises(DataError) as error:
        import_text(tmp_path, audio, text, columns=columns, **options)
    lines = str(error.value).split("\n  ")
    assert lines[0].startswith("9 faults, all listed in ")
    assert lines[1] == "--new_labels Relief: must be of small letters, digits and _, a letter first"
    assert [line[:19] for line in lines[2:4]] == ["--labels x=bored: t", "--labels y=xyz: the"]
    assert lines[4].startswith(
        "--columns speakr=speaker: speakr is no meaning of a column; did you mean speaker=speakr?"
    )
    assert "did you mean utt=file?" in lines[5]
    assert lines[6].startswith(
        "--columns speaker=speeker: no column 'speeker'; did you mean 'speaker'?; the columns are"
    )
    assert lines[7].endswith(": 3 times, such as line 3 'netural', line 4 'Joyy', line 5 'awe'")
    assert lines[8:] == [
        "likely typing errors; to map them: --labels netural=neu Joyy=hap",
        "unknown labels (cells): 'awe' (1)",
    ]


def test_the_report_names_columns_and_the_labels_that_are_no_default_class(tmp_path, audio):
    text = RATERS.replace("speaker", "speaker;remark").replace("joy;;s1", "boredom;stress;s1;loud")
    done = import_text(tmp_path, audio, text.replace("neu;s1", "neu;s1;"), new_labels=["stress"])
    report = describe_import(done, tmp_path / "out")
    assert "  columns of votes: Ann, Bob\n" in report
    assert "  columns not read: remark; name a column with --columns MEANING=NAME\n" in report
    assert "(neutral, happy, angry, sad): bor 1, stress 1; to make them classes: --set" in report
    assert "sad: [sad], bor: [bor], stress: [stress]}" in report


@pytest.mark.parametrize("name", ["s1_c (1)", "s1_c(new)", "S1_C - Copy (2)", "s1_c_copy", "s1 c", "S1-c - Kopie"])
def test_a_copy_or_another_spelling_of_the_missing_audio_is_named(tmp_path, audio, name):
    soundfile.write(audio / f"{name}.flac", np.full(100, 0.1), 16000)
    text = SINGLE + "s1_c.flac,sad,s1\n"
    with pytest.raises(DataError) as error:
        import_text(tmp_path, audio, text)
    assert f"s1_c.flac: has no audio, but a file of a similar name exists ({name}.flac); add" in str(error.value)
    assert "skip these rows: --allow_incomplete" in str(error.value)


def test_labels_of_ones_own(tmp_path, audio):
    """Declared labels go through import, stage 1 and the classes."""
    text = LONG.replace("Bob,NEU", "Bob,Relief").replace("happiness", "gestresst")
    import_text(tmp_path, audio, text, new_labels=["stress", "relief"], labels={"gestresst": "stress"})
    assert (tmp_path / "out/own_labels").read_text() == "relief\nstress\n"
    layout = Layout(tmp_path / "data", tmp_path, tmp_path)
    prepare_data(tmp_path / "out", Data(corpus="kaldi", protocol="random", folds=3), layout)
    votes = read_votes(layout.table("votes.tsv"))
    classes = {"neutral": ["neu"], "relieved": ["relief"], "stressed": ["stress"], "sad": ["sad"]}
    view = view_labels(votes, LabelPolicy(classes=classes))
    assert view.counts.tolist() == [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    with pytest.raises(
        ConfigError, match=r"labels.classes: awe is no label of this corpus; its .*cal, relief, stress$"
    ):
        view_labels(votes, LabelPolicy(classes={**classes, "awed": ["awe"]}))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("sad", "--new_labels sad: is built in as sad; remove it"),
        ("boredom", "--new_labels boredom: is built in as bor; remove it"),
        ("Awe", "must be of small letters, digits and _"),
    ],
)
def test_labels_that_cannot_be_declared(code, message):
    with pytest.raises(ConfigError, match=message):
        LabelWords({}, [code])


def test_rows_that_are_parts_of_a_file_or_one_of_its_channels(tmp_path, audio):
    samples = np.stack([np.linspace(-0.5, 0.5, 16000), np.zeros(16000)], axis=1)
    soundfile.write(audio / "talk.wav", samples, 16000)
    text = 'file,begin,end,channel,label,speaker\ntalk,0,0.5,A,sad,s1\ntalk.wav,"0,25",1,B,neutral,s2\ns1_a,,,,joy,s1\n'
    done = import_text(tmp_path, audio, text)
    assert list(done.audio) == ["s1_a", "talk_0000000_0000500", "talk_0000250_0001000"]
    out = tmp_path / "out"
    assert (out / "segments").read_text().splitlines() == [
        "s1_a s1_a 0 -1",
        "talk_0000000_0000500 talk-A 0 0.5",
        "talk_0000250_0001000 talk-B 0.25 1",
    ]
    assert (out / "reco2channel").read_text() == "talk-A A\ntalk-B B\n"
    layout = Layout(tmp_path / "data", tmp_path, tmp_path)
    prepare_data(out, Data(corpus="kaldi", protocol="random", folds=3), layout)
    wavs = read_table(layout.table("wav.scp"))
    first, second = (soundfile.read(wavs[utt])[0] for utt in list(done.audio)[1:])
    assert (len(first), len(second)) == (8000, 12000) and first[0] < -0.49 and not second.any()
    assert set(read_table(layout.table("utt2rec")).values()) == {"s1_a", "talk"}, "both channels are one recording"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,start,label,speaker\ns1_a,0,sad,s1\n", "a column for the start of an utterance and none for its end"),
        (
            "file,start,end,label,speaker\ns1_a,1,0,sad,s1\n",
            "start and end must be seconds, and end after start; got '1 0'",
        ),
        (
            "file,label,speaker,sex\ns1_a,sad,s1,girl\n",
            "gender must be a word such as female, male, f or m; got 'girl'",
        ),
        (
            "file,label,speaker,sex\ns1_a,sad,s1,Female\ns1_b,sad,s1,M\n",
            r"table.csv:3: the speaker has two genders; got 's1: f, m'",
        ),
    ],
)
def test_times_and_genders_that_cannot_be_used(tmp_path, audio, text, message):
    with pytest.raises(DataError, match=message):
        import_text(tmp_path, audio, text)


def test_an_unknown_gender_does_not_replace_a_known_one(tmp_path, audio):
    import_text(tmp_path, audio, "file,label,speaker,sex\ns1_a,sad,s1,f\ns1_b,sad,s1,unknown\ns2_a,sad,s2,u\n")
    assert read_table(tmp_path / "out/spk2gender") == {"s1": "f", "s2": "u"}


def test_tables_of_an_earlier_import_are_removed(tmp_path, audio):
    import_text(tmp_path, audio, LONG)
    import_text(tmp_path, audio, SINGLE)
    assert not (tmp_path / "out/text").exists() and not (tmp_path / "out/spk2gender").exists()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg: the conversion was not tested")
def test_m4a_and_video_are_converted_by_ffmpeg(tmp_path, audio):
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", audio / "s2/s2_a.flac"]
    subprocess.run([*command, "-c:a", "aac", audio / "s3_a.m4a"], check=True)
    (audio / "s1/s1_b.mp4").write_bytes(b"a video beside the flac is not needed")
    done = import_text(tmp_path, audio, SINGLE + "s3_a,sad,s3\n")
    wav = tmp_path / "out/audio/s3_a.wav"
    assert read_table(tmp_path / "out/wav.scp")["s3_a"] == str(wav)
    assert soundfile.info(wav).subtype == "PCM_16" and abs(soundfile.read(wav)[0].mean() - 0.1) < 0.02
    assert done.audio["s3_a"] == audio / "s3_a.m4a"
    (audio / "s4_a.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"s4_a.mp4: s4_a: cannot be converted by ffmpeg \(Invalid data"):
        import_text(tmp_path, audio, SINGLE + "s4_a,sad,s4\n")
    done = import_text(tmp_path, audio, SINGLE + "s4_a,sad,s4\n", allow_incomplete=True)
    assert str(audio / "s4_a.mp4") not in done.left_over  # a row names it


def test_without_ffmpeg_the_line_says_so(tmp_path, audio, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    (audio / "s3_a.m4a").write_bytes(b"")
    with pytest.raises(DataError, match="s3_a.m4a: needs ffmpeg, which is not installed; install it, or convert"):
        import_text(tmp_path, audio, SINGLE + "s3_a,sad,s3\n")


def test_the_speaker_comes_from_the_file_name(tmp_path, audio):
    text = "file,label\ns1_a,neutral\ns2_a,sad\n"
    with pytest.raises(DataError, match="no column names the speaker; folds need it: .*--speaker_pattern"):
        import_text(tmp_path, audio, text)
    with pytest.raises(DataError, match=r"give --columns speaker=NAME \(columns left: who\), or"):
        import_text(tmp_path, audio, "file,label,who\ns1_a,neutral,s1\n")
    import_text(tmp_path, audio, text, speaker_pattern="^([^_]+)_")
    assert read_table(tmp_path / "out/utt2spk") == {"s1_a": "s1", "s2_a": "s2"}
    with pytest.raises(ConfigError, match="needs a group in parentheses"):
        import_text(tmp_path, audio, text, speaker_pattern="^s")


def test_two_audio_files_of_one_name(tmp_path, audio):
    soundfile.write(audio / "s1_A.wav", np.full(100, 0.1), 16000)
    with pytest.raises(DataError, match="s1_a.flac: has several audio files of this name"):
        import_text(tmp_path, audio, LONG)


def test_the_report_says_what_was_matched(tmp_path, audio):
    text = describe_import(import_text(tmp_path, audio, SINGLE), tmp_path / "out").splitlines()
    assert text[0] == f"3 utterances and 3 votes (one label) written to {tmp_path / 'out'}"
    assert "  label 'n' -> neu: 1" in text
    assert "  audio that no row names: 1, such as noise.flac" in text
    assert "  columns: utt='file' label='label' speaker='actor'" in text
    assert text[-2].startswith("  one vote per utterance: hard labels only")
    assert text[-1] == f"next, in egs/kaldi: ./run.sh --corpus_dir {tmp_path / 'out'}"
    rows = read_tsv(tmp_path / "out/import.tsv")
    assert [(row["utt"], row["row"]) for row in rows][0] == ("s1_a", "sub/s1_a.FLAC")


def test_the_separator_is_the_one_that_splits_all_lines_alike():
    assert find_separator(["a;b;c", "1,5;2;3", "1;2,0;3"]) == ";"
    assert find_separator(["a,b", "x,y; z"]) == ","


def test_a_newcomer_is_through_stage_1_after_two_commands(tmp_path, run_program):
    rng = np.random.default_rng(0)
    lines = ["file;rater;emotion;speaker"]
    (tmp_path / "audio").mkdir()
    for i in range(30):
        soundfile.write(tmp_path / f"audio/clip {i}.flac", 0.1 * rng.standard_normal(4000), 22050)
        lines += [f"clip {i}.flac;{r};{rng.choice(['Angry', 'sadness', 'NEU', 'Joy'])};p{i % 6}" for r in "xyz"]
    (tmp_path / "labels.csv").write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    done = run_program(
        "import_table", tmp_path / "labels.csv", "--audio_dir", tmp_path / "audio", "--out_dir", tmp_path / "c"
    )
    assert done.returncode == 0, done.stderr
    assert "30 utterances and 90 votes (one vote per row)" in done.stdout
    layout = Layout(tmp_path / "data", tmp_path, tmp_path)
    record = prepare_data(tmp_path / "c", Data(corpus="kaldi", protocol="speaker_folds", folds=3), layout)
    assert (record.utterances, record.votes, len(record.folds)) == (30, 90, 3)


@pytest.fixture
def run_program(run, root, python):
    return lambda name, *words: run(python, "-m", f"ambiser.bin.{name}", *words, cwd=root)
