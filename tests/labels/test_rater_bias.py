from dataclasses import replace

import numpy as np
import pytest

from ambiser.config.data_keys import LABELS, LabelPolicy
from ambiser.corpora.mini.mini_raters import RATERS, choose_labels, draw_latent
from ambiser.labels.rater_bias import rater_biases
from ambiser.labels.vote_table import VoteTable

POLICY = LabelPolicy()
CLASS_OF = {"neu": 0, "hap": 1, "exc": 1, "ang": 2, "sad": 3}


def make_table(rows):
    utts, raters = sorted({row[0] for row in rows}), sorted({row[1] for row in rows})
    columns = np.array([[utts.index(u), raters.index(r), 0, 0, LABELS.index(code)] for u, r, code in rows]).T
    return VoteTable(utts, raters, *columns.astype(np.int32))


def test_agreement_and_bias_of_a_worked_example():
    rows = [("a", "R1", "hap"), ("a", "R2", "hap"), ("a", "R3", "sad"), ("b", "R1", "hap"), ("b", "R2", "sad")]
    rows += [("c", "R1", "neu"), ("d", "R1", "fru"), ("d", "R2", "ang")]
    one, two, three = rater_biases(make_table(rows), POLICY)
    assert (one.rater, one.utterances, two.utterances, three.utterances) == ("R1", 2, 2, 1)
    # R1: a is hap against half hap, half sad; b is hap against sad; c has no other rater, fru of d is no class
    assert one.agreement == pytest.approx((0.5 + 0) / 2)
    assert one.bias == pytest.approx(np.array([0, (0.5 + 1) / 2, 0, (-0.5 - 1) / 2]))
    assert three.agreement == 0 and three.bias == pytest.approx(np.array([0, -1, 0, 1]))


def test_two_labels_share_one_vote_and_anonymous_raters_are_left_out():
    rows = [("a", "R1", "hap"), ("a", "R1", "sad"), ("a", "R2", "sad"), ("a", "anon03", "sad")]
    one, two = rater_biases(make_table(rows), POLICY)
    assert one.agreement == pytest.approx(0.5) and one.bias == pytest.approx(np.array([0, 0.5, 0, -0.5]))
    assert two.rater == "R2" and two.agreement == pytest.approx((0.5 + 1) / 2)
    assert rater_biases(make_table(rows[3:]), POLICY) == []


def test_labels_that_a_corpus_declares_and_the_class_other_are_counted():
    rows = [("a", "R1", "hap"), ("a", "R2", "fru"), ("b", "R1", "hap"), ("b", "R2", "fru")]
    table = replace(make_table(rows), labels=("awe", *LABELS))
    table = replace(table, label=table.label + 1)
    assert rater_biases(table, POLICY) == [], "fru is in no class"
    one, _ = rater_biases(table, LabelPolicy(other_votes="extra_class"))
    assert one.bias == pytest.approx(np.array([0, 1, 0, 0, -1]))


def test_the_biases_of_the_made_up_raters_are_found():
    rng = np.random.default_rng(0)
    rows = []
    for number in range(1500):
        latent = draw_latent(number / 1500, 0.12, rng)
        for name, rater in RATERS.items():
            rows += [(f"u{number:04d}", name, code) for code in choose_labels(latent, rater, rng)]
    found = {one.rater: one.bias for one in rater_biases(make_table(rows), POLICY)}
    for name, rater in RATERS.items():
        if rater.leans_to in CLASS_OF:
            assert found[name].argmax() == CLASS_OF[rater.leans_to], name
