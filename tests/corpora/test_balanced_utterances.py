"""Protocol `balanced_utterances`: equal sets that are equally ambiguous and ignore speakers."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from ambiser.config.data_keys import LEAKING, Data
from ambiser.corpora.corpus import Utterance, Vote
from ambiser.corpora.folds import make_folds
from ambiser.corpora.leaks import guard_folds
from ambiser.corpora.rotation import PARTS
from ambiser.errors import DataError
from ambiser.labels.entropy import entropy_bits

DATA = Data(protocol="balanced_utterances", folds=5)


def utterance(utt, labels, more=()):
    votes = (*(Vote(f"E{i}", "outside", label) for i, label in enumerate(labels)), *more)
    return Utterance(utt, Path(utt), f"speaker{utt[-1]}", "f", "s", "neu", "", votes, ())


def entropy_of(labels):
    counts = np.array([[labels.count(label) for label in sorted(set(labels))]], float)
    return float(entropy_bits(counts / counts.sum())[0])


@pytest.fixture(scope="module")
def crowd():
    """103 utterances of three to seven raters each, with their labels."""
    rng = np.random.default_rng(3)
    return {f"u{i:03}": [str(x) for x in rng.choice(["neu", "hap", "sad"], rng.integers(3, 8))] for i in range(103)}


def folds_of(crowd):
    return make_folds([utterance(utt, labels) for utt, labels in crowd.items()], DATA).folds


def test_sets_are_equal_disjoint_and_hold_every_utterance(crowd):
    folds = folds_of(crowd)
    tested = [fold["test"] for fold in folds.values()]
    assert sorted(itertools.chain(*tested)) == sorted(crowd)
    assert sorted(map(len, tested)) == [20, 20, 21, 21, 21]
    for number, fold in folds.items():
        assert sorted(itertools.chain(*(fold[part] for part in PARTS))) == sorted(crowd)
        assert fold["dev"] == folds[number % 5 + 1]["test"]


def test_sets_are_balanced_at_every_entropy(crowd):
    """Numbers of utterances above any bound differ by at most 1, so those in any level by at most 2."""
    entropies = {utt: entropy_of(labels) for utt, labels in crowd.items()}
    assert len(set(entropies.values())) > 10
    for bound in {*entropies.values(), 0.95}:
        above = [sum(entropies[utt] > bound for utt in fold["test"]) for fold in folds_of(crowd).values()]
        assert max(above) - min(above) <= 1, bound


def test_order_votes_and_machine_do_not_matter(crowd):
    """Utterances and votes in reverse order, with other labels, give the same folds."""
    other = {"neu": "ang", "hap": "neu", "sad": "fru"}
    turned = {utt: [other[label] for label in labels[::-1]] for utt, labels in reversed(crowd.items())}
    assert folds_of(turned) == folds_of(crowd)


def test_secondary_labels_and_the_speakers_own_votes_do_not_count(crowd):
    more = (Vote("E0", "outside", "fea", "secondary"), Vote("self", "self", "dis"))
    noisy = make_folds([utterance(utt, labels, more) for utt, labels in crowd.items()], DATA)
    assert noisy.folds == folds_of(crowd)
    assert noisy.dev == "next_fold"


def test_utterances_without_votes_are_in_no_part(crowd):
    utterances = [utterance(utt, labels) for utt, labels in crowd.items()]
    assert make_folds([*utterances, utterance("withheld", [])], DATA).folds == folds_of(crowd)


def test_speakers_in_several_parts_are_counted_as_leaks(crowd):
    utterances, folds = [utterance(utt, labels) for utt, labels in crowd.items()], folds_of(crowd)
    assert DATA.protocol in LEAKING
    assert guard_folds(folds, utterances, {}, allowed=True) == {"speaker": 50}
    with pytest.raises(DataError, match="speakers"):
        guard_folds(folds, utterances, {}, allowed=False)
