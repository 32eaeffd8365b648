import numpy as np
import pytest

from ambiser.config.data_keys import LabelPolicy
from ambiser.labels.label_view import view_labels
from ambiser.labels.vote_table import read_votes
from ambiser.scoring import human
from ambiser.scoring.human import leave_one_out_answers
from ambiser.scoring.score_names import METRICS

VOTES = """\
utt\trater\tsource\tslot\tlabel
a\tE1\toutside\tprimary\tneu
a\tE2\toutside\tprimary\tneu
a\tE3\toutside\tprimary\thap
a\tE3\toutside\tprimary\tang
b\tE1\toutside\tprimary\tsad
c\tE1\toutside\tprimary\tsad
c\tE2\toutside\tprimary\tfru
c\tE2\toutside\tsecondary\tang
c\tE4\toutside\tprimary\tsad
c\tF1\tself\tprimary\tang
d\tE1\toutside\tprimary\tang
d\tE2\toutside\tprimary\tang
"""


def _answers(tmp_path, utts, **policies):
    path = tmp_path / "votes.tsv"
    path.write_text(VOTES)
    labels = LabelPolicy(**policies)
    return leave_one_out_answers(read_votes(path), lambda table: view_labels(table, labels), utts)


def test_every_rater_is_taken_out_in_turn(tmp_path):
    answers = _answers(tmp_path, ["a", "b", "c"])
    # a: E1 and E2 against one neutral and a shared vote, E3 against two neutral; b has one rater, so no others;
    # c: E1 against E4, whose rest holds the outside vote of E2 (dropped), E4 likewise; E2 said no class
    assert answers.row.tolist() == [0, 0, 0, 2, 2]
    assert answers.probs.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1], [0, 0, 0, 1]]
    shared = [0.5, 0.25, 0.25, 0]
    assert answers.soft.tolist() == [shared, shared, [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]
    assert answers.hard.tolist() == [0, 0, 0, -1, -1], "sad and frustrated are a tie"
    assert answers.counts.sum(axis=1).tolist() == [2, 2, 2, 1, 1]


def test_only_the_scored_utterances_count_in_their_order(tmp_path):
    assert _answers(tmp_path, ["d", "c"]).row.tolist() == [0, 0, 1, 1]
    assert len(_answers(tmp_path, ["b"]).row) == 0


@pytest.mark.parametrize("block", [1, 2, 3])
def test_answers_do_not_depend_on_the_blocks(tmp_path, monkeypatch, block):
    utts = ["d", "x", "b", "a", "c"]
    whole = _answers(tmp_path, utts)
    monkeypatch.setattr(human, "BLOCK", block)
    for name, column in vars(_answers(tmp_path, utts)).items():
        assert column.tolist() == vars(whole)[name].tolist() and column.dtype == vars(whole)[name].dtype, name


def test_policies_apply_as_to_all_votes(tmp_path):
    with_self = _answers(tmp_path, ["c"], include_self=True)
    assert with_self.probs.argmax(axis=1).tolist() == [3, 3, 2], "the speaker is a rater then"
    extra = _answers(tmp_path, ["c"], other_votes="extra_class", other_majority="keep")
    assert extra.probs.argmax(axis=1).tolist() == [3, 4, 3] and extra.soft[1].tolist() == [0, 0, 0, 1, 0]


def test_scores_of_single_raters(tmp_path):
    answers = _answers(tmp_path, ["a", "d"])
    scores = answers.scores(np.ones(5, dtype=bool), 10)
    assert set(scores) == set(METRICS)
    assert scores["accuracy"] == pytest.approx(4 / 5) and scores["kl_nats"] is None
    assert scores["bc"] == pytest.approx((2 * 0.5**0.5 + 0 + 1 + 1) / 5)
    assert scores["nll_per_vote_nats"] is None
    assert answers.scores(answers.row == 1, 10)["accuracy"] == 1
