"""Names of files, words of options and answers of language models give a result or one line, whatever they hold."""

import os
import shutil

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed (extra test)")
from hypothesis import example, given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from ambiser.config.data_keys import Data  # noqa: E402
from ambiser.corpora.emodb import read_emodb  # noqa: E402
from ambiser.corpora.ravdess import read_ravdess  # noqa: E402
from ambiser.corpora.tess import read_tess  # noqa: E402
from ambiser.errors import DataError  # noqa: E402
from ambiser.inference.chat.answers import REFUSAL, UNPARSABLE, parse_answer, read_answers  # noqa: E402
from ambiser.io.tables import read_table, write_table  # noqa: E402
from ambiser.recipe.options import OPTIONS  # noqa: E402
from ambiser.recipe.run_sh import HelpWanted, check_together, read_words  # noqa: E402

CLIPS = {"ravdess": "03-01-05-01-01-01-02", "emodb": "03a01Fa", "tess": "OAF_back_angry"}
READ = {"ravdess": read_ravdess, "emodb": read_emodb, "tess": read_tess}
NAME = st.binary(min_size=1, max_size=12).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"_"))


@pytest.mark.parametrize("corpus", CLIPS)
def test_a_corpus_with_any_names_of_folders_and_files_is_read_or_refused_in_one_line(corpus, tmp_path):
    root = tmp_path / "corpus"

    @given(NAME.filter(lambda name: name not in (b".", b"..")), NAME, st.booleans())
    @example(b"M\xfcller", b"x", True)  # Latin-1
    @example(b"a\nb", b"x", True)
    def run(folder, stem, renamed):
        shutil.rmtree(root, ignore_errors=True)
        inside = bytes(root) + b"/" + folder
        os.makedirs(inside)
        clip = stem if renamed else CLIPS[corpus].encode()
        for name in {clip, CLIPS[corpus].encode()}:
            with open(inside + b"/" + name + b".wav", "wb") as stream:
                stream.write(b"RIFF")
        try:
            found = READ[corpus](root, Data(corpus=corpus, protocol="speaker_folds", allow_incomplete=True))
            table = {one.utt: one.wav for one in found.utterances}
            write_table(tmp_path / "wav.scp", table)
        except DataError as error:
            assert "\n" not in str(error), error
            return
        assert read_table(tmp_path / "wav.scp") == {utt: str(wav) for utt, wav in table.items()}

    run()


WORDS = st.one_of(
    st.sampled_from([f"--{name}" for name in OPTIONS]),
    st.sampled_from([f"--{name}=" for name in OPTIONS]),
    st.sampled_from(["1", "0", "true", "ce ipr", "data.seed=1", "a=1,2", "-1", "--", "--=", "1e9", "\n", "  "]),
    st.text(max_size=6),
)


@given(st.lists(WORDS, max_size=5))
def test_any_words_are_options_or_one_line(words):
    try:
        values, _ = read_words(words)
        check_together({name: option.default for name, option in OPTIONS.items()} | values)
    except HelpWanted:
        assert any("help" in word or word == "-h" for word in words)
    except ValueError as error:
        assert str(error) and "\n" not in str(error), error


@given(st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["angry", "Not sure, sad.", "I cannot say"]))))
def test_any_answers_are_counted_once(answers):
    words = {"angry": 0, "sad": 1}
    reading = read_answers(answers, words, 2, 0.5)
    named = [one for one in (parse_answer(answer, words) for answer in answers) if one not in (REFUSAL, UNPARSABLE)]
    assert reading.refusals + reading.unparsable + len(named) == len(answers)
    assert (reading.probs is None) == (not named)
    assert reading.probs is None or reading.probs.sum() == pytest.approx(1)
