"""Laws that hold for all inputs: round trips, bounds and invariance of scores, mass of labels, folds."""

from pathlib import Path

import kaldiio
import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed (extra test)")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.extra import numpy as hnp  # noqa: E402
from make_arks import write_ark  # noqa: E402
from property.drawn import votes_and_probs  # noqa: E402

from ambiser.config.data_keys import Data, LabelPolicy  # noqa: E402
from ambiser.corpora.corpus import Utterance, Vote  # noqa: E402
from ambiser.corpora.folds import make_folds  # noqa: E402
from ambiser.errors import DataError  # noqa: E402
from ambiser.io.ark import read_matrices  # noqa: E402
from ambiser.io.tables import read_table, read_tsv, write_table, write_tsv  # noqa: E402
from ambiser.labels.label_view import view_labels  # noqa: E402
from ambiser.labels.vote_table import read_votes  # noqa: E402
from ambiser.scoring.metrics import score_all  # noqa: E402

WORD = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=6)
LINE = st.text(st.characters(blacklist_characters="\n\r\t", blacklist_categories=("Cs",)), max_size=12)


def scores_of(counts, probs):
    top = counts.max(axis=1, keepdims=True)
    hard = np.where((counts == top).sum(axis=1) == 1, counts.argmax(axis=1), -1)
    soft = counts / counts.sum(axis=1, keepdims=True)
    return score_all(probs=probs, soft=soft, hard=hard, counts=counts, bins=10)


def same(one, other, but=()):
    for name, value in one.items():
        if name not in but:
            assert value == pytest.approx(other[name], abs=1e-9), name


@given(votes_and_probs())
def test_scores_are_numbers_in_their_bounds_or_none(drawn):
    scores = scores_of(*drawn)
    for name, value in scores.items():
        assert value is None or np.isfinite(value), name
    for name in ("bc", "jsd_bits", "sqrt_jsd_bits", "total_variation", "accuracy", "ua", "macro_f1", "ece"):
        assert scores[name] is None or -1e-12 <= scores[name] <= 1 + 1e-12, name


@given(votes_and_probs(), st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_the_order_of_utterances(drawn, rng):
    counts, probs = drawn
    order = list(range(len(counts)))
    rng.shuffle(order)
    same(scores_of(counts, probs), scores_of(counts[order], probs[order]))


@given(votes_and_probs(), st.randoms(use_true_random=False))
def test_scores_of_distributions_do_not_depend_on_the_names_of_classes(drawn, rng):
    counts, probs = drawn
    order = list(range(counts.shape[1]))
    rng.shuffle(order)
    ours, theirs = scores_of(counts, probs), scores_of(counts[:, order], probs[:, order])
    for name in ("bc", "jsd_bits", "kl_nats", "total_variation", "brier", "nll_per_vote_nats"):
        assert ours[name] == pytest.approx(theirs[name], abs=1e-9), name


@given(votes_and_probs())
def test_the_votes_themselves_score_best(drawn):
    counts, probs = drawn
    soft = counts / counts.sum(axis=1, keepdims=True)
    best, ours = scores_of(counts, soft), scores_of(counts, probs)
    assert best["jsd_bits"] == pytest.approx(0, abs=1e-9) and best["bc"] == pytest.approx(1)
    assert ours["jsd_bits"] >= -1e-12 and ours["bc"] <= 1 + 1e-12
    assert ours["kl_nats"] >= best["kl_nats"] - 1e-9


@given(table=st.dictionaries(WORD, LINE, max_size=6))
def test_kaldi_tables_come_back_as_they_were_written(tmp_path_factory, table):
    path = tmp_path_factory.getbasetemp() / "table"
    write_table(path, table)
    assert read_table(path, allow_empty_value=True) == {key: value.strip() for key, value in table.items()}


@given(rows=st.lists(st.tuples(LINE, LINE), max_size=5))
def test_tsv_tables_come_back_as_they_were_written(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "rows.tsv"
    write_tsv(path, ["a", "b"], rows)
    assert [tuple(row.values()) for row in read_tsv(path, ["a", "b"])] == rows


@given(
    matrices=st.dictionaries(
        WORD,
        hnp.arrays(
            np.float32,
            st.tuples(st.integers(1, 4), st.integers(1, 4)),
            elements=st.floats(-(2.0**99), 2.0**99, width=32),
        ),
        min_size=1,
        max_size=3,
    ),
    method=st.sampled_from([None, 1, 2, 3]),
)
def test_arks_of_kaldiio_and_ours_give_the_same_values(tmp_path_factory, matrices, method):
    folder: Path = tmp_path_factory.getbasetemp()
    ours = write_ark(folder / "ours.ark", iter(matrices.items()))
    read = read_matrices({key: f"{folder}/{entry}" for key, entry in ours.items()}, matrices)
    assert all((one == matrices[key]).all() for one, key in zip(read, matrices, strict=True))
    kaldiio.save_ark(str(folder / "k.ark"), matrices, scp=str(folder / "k.scp"), compression_method=method)
    entries = dict(line.split(" ", 1) for line in (folder / "k.scp").read_text(encoding="utf-8").splitlines())
    for key, matrix in zip(matrices, read_matrices(entries, matrices), strict=True):
        step = float(np.ptp(matrices[key])) / 65535  # rounding near zero differs by far less than a step of CM2
        np.testing.assert_allclose(matrix, kaldiio.load_mat(entries[key]), rtol=1e-5, atol=step / 10)


@st.composite
def utterances(draw):
    speakers = draw(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 3)), min_size=1, max_size=12))
    codes = st.sampled_from(["neu", "hap", "ang", "sad", "fru"])
    made = []
    for number, (speaker, session) in enumerate(speakers):
        votes = tuple(Vote(f"r{i}", "outside", draw(codes)) for i in range(draw(st.integers(1, 3))))
        about = (f"u{number:02d}", Path("x"), f"{speaker}{session}", "u", f"s{session}", "-", "", votes)
        made.append(Utterance(*about, ratings=()))
    return made


@pytest.mark.parametrize("protocol", ["leave_one_session_out", "leave_one_speaker_out", "speaker_folds"])
def test_no_speaker_is_on_two_sides_of_a_fold_and_every_utterance_is_tested_once(protocol):
    @given(utterances())
    def run(made):
        try:
            split = make_folds(made, Data(corpus="kaldi", protocol=protocol, folds=3))
        except DataError as error:
            assert "\n" not in str(error)
            return
        speaker_of = {one.utt: one.speaker for one in made}
        for fold in split.guarded().values():
            sides = [{speaker_of[utt] for utt in utts} for utts in fold.values()]
            assert sum(map(len, sides)) == len(set().union(*sides))
        tested = [utt for fold in split.folds.values() for utt in fold["test"]]
        assert sorted(tested) == sorted(speaker_of)

    run()


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from(["neu", "hap", "ang", "sad", "oth"])))
)
def test_labels_conserve_the_mass_of_the_votes(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "votes.tsv"
    given = sorted({(f"u{utt}", f"r{rater}", "outside", "primary", code) for utt, rater, code in rows})
    write_tsv(path, ["utt", "rater", "source", "slot", "label"], given)
    if not given:
        return
    view = view_labels(read_votes(path), LabelPolicy())
    assert np.isfinite(view.soft).all() and (view.soft >= 0).all()
    np.testing.assert_allclose(view.soft.sum(axis=1), 1, atol=1e-12)
    assert view.counts.sum() <= len(given) + 1e-9
