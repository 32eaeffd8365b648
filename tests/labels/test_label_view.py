import itertools
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest

from ambiser.config.data_keys import LABELS, LabelPolicy
from ambiser.errors import ConfigError, DataError
from ambiser.labels import vote_table
from ambiser.labels.label_view import smooth_labels, view_labels, view_unlabelled
from ambiser.labels.vote_table import COLUMNS, read_votes

FOUR = {"neutral": ["neu"], "happy": ["hap", "exc"], "angry": ["ang"], "sad": ["sad"]}
POLICIES = {
    "other_votes": ["drop_vote", "drop_utterance", "extra_class"],
    "other_majority": ["drop_utterance", "keep"],
    "no_majority": ["keep", "drop_utterance"],
    "ties": ["exclude", "first"],
    "include_self": [False, True],
    "multi_label": ["split_mass", "one_vote_each"],
    "precise": ["unanimous", "majority", 0.6],
    "ambiguous": ["majority", "any"],
}


def table(tmp_path, rows):
    """Rows are 'utt rater label [source [slot]]'."""
    lines = ["\t".join(COLUMNS)]
    for row in rows:
        utt, rater, label, source, slot = [*row.split(), *["outside", "primary"][len(row.split()) - 3 :]]
        lines.append("\t".join([utt, rater, source, slot, label]))
    path = tmp_path / "votes.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def view(tmp_path, rows, utts=None, **policies):
    return view_labels(read_votes(table(tmp_path, rows)), LabelPolicy(**policies), utts)


def one(tmp_path, labels, **policies):
    """The view of one utterance with a rater for each item; 'a+b' are two labels of one rater."""
    rows = [f"u E{i} {label}" for i, item in enumerate(labels.split()) for label in item.split("+")]
    return view(tmp_path, rows, **policies)


def slow_view(rows, labels):
    """The definitions once more, one utterance and one rater at a time, in exact fractions."""
    classes = {name: list(members) for name, members in labels.classes.items()}
    outside = [label for label in LABELS if not any(label in members for members in classes.values())]
    if labels.other_votes == "extra_class":
        classes["other"], outside = outside, []
    class_of = {label: name for name, members in classes.items() for label in members}
    ballots = defaultdict(lambda: defaultdict(list))
    utts = set()
    for row in rows:
        utt, rater, label, *rest = row.split()
        source, slot = [*rest, *["outside", "primary"][len(rest) :]]
        utts.add(utt)
        if slot == "primary" and (source == "outside" or labels.include_self):
            ballots[utt][rater, source].append(label)
    kept, left_out = {}, {}
    for utt in utts:
        options = defaultdict(Fraction)
        for given in ballots[utt].values():
            for label in given:
                weight = Fraction(1, len(given)) if labels.multi_label == "split_mass" else Fraction(1)
                options[class_of.get(label, f"outside {label}")] += weight
        counts = [options.get(name, Fraction(0)) for name in classes]
        total, inside = sum(options.values()), sum(counts)
        top = [
            name
            for name in [*classes, *(f"outside {x}" for x in outside)]
            if options.get(name) == max(options.values(), default=0)
        ]
        winner = top[0] if len(top) == 1 else None
        wins_in_class = winner in classes
        if (
            total == 0
            or inside == 0
            or (labels.other_votes == "drop_utterance" and inside != total)
            or (labels.other_majority == "drop_utterance" and winner is not None and not wins_in_class)
            or (labels.no_majority == "drop_utterance" and winner is None)
        ):
            left_out[utt] = True
            continue
        tied_classes = [name for name in top if name in classes]
        hard = list(classes).index(winner) if wins_in_class else -1
        if winner is None and labels.ties == "first" and tied_classes:
            hard = list(classes).index(tied_classes[0])
        share = {"unanimous": Fraction(1), "majority": Fraction(0)}.get(labels.precise)
        share = Fraction(str(labels.precise)) if share is None else share
        if wins_in_class and options[winner] / total >= share:
            kind = 0
        elif labels.precise == "majority" or labels.ambiguous == "any":
            kind = 1
        else:
            kind = 1 if wins_in_class else 2
        kept[utt] = (counts, inside, hard, kind)
    return kept, left_out


def random_rows(rng, n_utts):
    rows = []
    for u in range(n_utts):
        raters = [(f"E{i}", "outside") for i in range(rng.integers(0, 5))]
        raters += [("E1", "self")] * int(rng.random() < 0.4)  # one name in two roles is two raters
        few = rng.choice(LABELS, rng.integers(1, 5), replace=False)
        for rater, source in raters:
            for label in rng.choice(few, rng.integers(1, min(3, len(few)) + 1), replace=False):
                rows.append(f"u{u:04d} {rater} {label} {source} {'primary' if rng.random() < 0.9 else 'secondary'}")
    return rows


@pytest.mark.parametrize("multi_label", POLICIES["multi_label"])
@pytest.mark.parametrize("other_votes", POLICIES["other_votes"])
def test_view_agrees_with_the_slow_loop_under_every_policy(tmp_path, other_votes, multi_label):
    rows = random_rows(np.random.default_rng(5), 60)
    votes = read_votes(table(tmp_path, rows))
    rest = {k: v for k, v in POLICIES.items() if k not in ("other_votes", "multi_label")}
    for values in itertools.product(*rest.values()):
        labels = LabelPolicy(other_votes=other_votes, multi_label=multi_label, **dict(zip(rest, values, strict=True)))
        fast = view_labels(votes, labels)
        kept, left_out = slow_view(rows, labels)
        assert fast.utts == sorted(kept), labels
        assert fast.left_out.keys() == left_out.keys(), labels
        for i, utt in enumerate(fast.utts):
            counts, inside, hard, kind = kept[utt]
            np.testing.assert_allclose(fast.counts[i], [float(c) for c in counts], atol=1e-12)
            np.testing.assert_allclose(fast.soft[i], [float(c / inside) for c in counts], atol=1e-12)
            assert (fast.hard[i], fast.kind[i]) == (hard, kind), (labels, utt)


def test_worked_example_of_three_raters(tmp_path):
    got = one(tmp_path, "hap exc ang")
    assert got.classes == ("neutral", "happy", "angry", "sad")
    assert got.counts.tolist() == [[0, 2, 1, 0]]
    np.testing.assert_allclose(got.soft, [[0, 2 / 3, 1 / 3, 0]])
    assert (got.hard.tolist(), got.kind.tolist()) == ([1], [1])
    assert (got.counts.dtype, got.soft.dtype, got.hard.dtype, got.kind.dtype) == ("f8", "f8", "i8", "i1")


def test_one_rater_with_several_labels(tmp_path):
    assert one(tmp_path, "ang+sad ang neu").counts.tolist() == [[1, 0, 1.5, 0.5]]
    assert one(tmp_path, "ang+sad ang neu", multi_label="one_vote_each").counts.tolist() == [[1, 0, 2, 1]]
    thirds = one(tmp_path, "ang+sad+neu ang+sad+neu ang+sad+neu neu+hap+exc")
    np.testing.assert_allclose(thirds.counts, [[4 / 3, 2 / 3, 1, 1]])
    assert thirds.hard.tolist() == [0]


def test_equal_masses_of_thirds_are_a_tie(tmp_path):
    got = one(tmp_path, "ang+sad+neu ang+sad+neu ang+sad+neu sad ang neu")
    assert got.hard.tolist() == [-1]


def test_labels_outside_the_classes_stay_options_of_their_own(tmp_path):
    got = one(tmp_path, "neu neu fru sur")
    assert (got.hard.tolist(), got.soft.tolist(), got.kind.tolist()) == ([0], [[1, 0, 0, 0]], [1])
    assert one(tmp_path, "neu fru").hard.tolist() == [-1]
    assert one(tmp_path, "fru fru neu").left_out == {"u": "majority outside the classes"}
    kept = one(tmp_path, "fru fru neu", other_majority="keep")
    assert (kept.hard.tolist(), kept.soft.tolist(), kept.kind.tolist()) == ([-1], [[1, 0, 0, 0]], [2])


def test_other_votes(tmp_path):
    assert one(tmp_path, "neu neu fru", other_votes="drop_utterance").left_out == {"u": "a vote outside the classes"}
    extra = one(tmp_path, "fru sur neu", other_votes="extra_class")
    assert extra.classes[-1] == "other"
    assert (extra.counts.tolist(), extra.hard.tolist()) == ([[1, 0, 0, 0, 2]], [4])
    assert one(tmp_path, "fru sur dis").left_out == {"u": "no vote inside the classes"}


def test_ties(tmp_path):
    assert one(tmp_path, "sad ang neu").hard.tolist() == [-1]
    assert one(tmp_path, "sad ang neu", ties="first").hard.tolist() == [0]
    assert one(tmp_path, "fru sad", ties="first").hard.tolist() == [3]
    assert one(tmp_path, "sad ang", no_majority="drop_utterance", ties="first").left_out == {"u": "no majority"}


def test_precise_and_ambiguous(tmp_path):
    def kind(labels, **policies):
        return one(tmp_path, labels, **policies).kind.tolist()

    assert kind("sad sad sad") == [0]
    assert kind("sad sad ang") == [1]
    assert kind("sad ang neu") == [2]
    assert kind("sad ang neu", ambiguous="any") == [1]
    assert kind("sad sad fru") == [1], "a vote outside the classes counts in the share"
    assert kind("sad sad ang", precise="majority") == [0]
    assert kind("sad ang neu", precise="majority", ambiguous="majority") == [1]
    assert kind("sad sad sad sad ang", precise=0.8) == [0]
    assert kind("sad sad sad ang", precise=0.8) == [1]
    assert kind("sad ang", precise=0.5) == [2], "a tie is no winner, whatever its share"


def test_self_and_secondary_votes_do_not_count_unless_wanted(tmp_path):
    rows = ["u E1 neu", "u E1 sad outside secondary", "u F1 ang self", "v F1 ang self"]
    got = view(tmp_path, rows)
    assert (got.utts, got.counts.tolist(), got.left_out) == (["u"], [[1, 0, 0, 0]], {"v": "no counted votes"})
    assert view(tmp_path, rows, include_self=True).counts.tolist() == [[1, 0, 1, 0], [0, 0, 1, 0]]


def test_utts_choose_and_unknown_ones_are_left_out(tmp_path):
    got = view(tmp_path, ["b E1 neu", "a E1 sad", "B E1 ang"], utts=["b", "B", "zz", "b"])
    assert (got.utts, got.hard.tolist(), got.left_out) == (["B", "b"], [2, 0], {"zz": "no counted votes"})


def test_smoothing_is_the_formula_and_keeps_the_sum():
    soft = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0]])
    smoothed = smooth_labels(soft, 0.05)
    np.testing.assert_allclose(smoothed[0], [0.95, 0.05 / 3, 0.05 / 3, 0.05 / 3])
    np.testing.assert_allclose(smoothed.sum(axis=1), 1)
    assert (smooth_labels(soft, 0.0) == soft).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("utt\trater\n", "votes.tsv:1: the header must be utt rater source slot label"),
        ("H\nu\tE1\toutside\tprimary\tneu\nu\tE1\n", "votes.tsv:3: 2 fields where the header has 5"),
        ("H\nu\tE1\toutside\tprimary\tneutral\n", "votes.tsv:2: label must be one of neu, hap"),
        ("H\nu\tE1\toutside\tprimary\tneu\nu\tE1\tinside\tprimary\tneu\n", "votes.tsv:3: source must be one of"),
        ("H\nu\tE1\toutside\tprim", "the last line has no end"),
    ],
)
def test_faults_of_the_file_name_the_line(tmp_path, content, message):
    path = tmp_path / "votes.tsv"
    path.write_text(content.replace("H\n", "\t".join(COLUMNS) + "\n"))
    with pytest.raises(DataError, match=message):
        read_votes(path)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_votes(tmp_path / "votes.tsv")


SECOND = ["u A hap", "u A sad outside secondary", "u A neu outside secondary", "u B hap", "u C neu"]


def test_secondary_labels_do_not_count_by_default(tmp_path):
    seen = view(tmp_path, SECOND)
    assert seen.counts.tolist() == [[1, 2, 0, 0]]


def test_secondary_labels_take_their_share_of_a_vote(tmp_path):
    seen = view(tmp_path, SECOND, secondary_weight=0.4)
    np.testing.assert_allclose(seen.counts, [[1 + 0.2, 1 + 0.6, 0, 0.2]])
    seen = view(tmp_path, SECOND, secondary_weight=0.4, multi_label="one_vote_each")
    np.testing.assert_allclose(seen.counts, [[1 + 0.4, 2, 0, 0.4]])
    seen = view(tmp_path, ["u A hap", "u B neu", "u B sad outside secondary"], secondary_weight=0.4)
    np.testing.assert_allclose(seen.counts, [[0.6, 1, 0, 0.4]])


def test_secondary_labels_change_neither_the_hard_label_nor_what_is_precise(tmp_path):
    rows = ["u A hap", "u B hap", "u A sad outside secondary", "u B sad outside secondary"]
    seen = view(tmp_path, rows, secondary_weight=0.9)
    np.testing.assert_allclose(seen.soft, [[0, 0.1, 0, 0.9]])
    assert (seen.hard.tolist(), seen.kind.tolist()) == ([1], [0])


def test_dawid_skene_makes_soft_and_hard_labels_and_leaves_the_votes(tmp_path):
    rng = np.random.default_rng(3)
    rows = []
    for i in range(60):
        truth = ("neu", "hap", "ang", "sad")[i % 4]
        for rater in ("A", "B", "C"):
            rows.append(f"u{i:02d} {rater} {truth if rng.random() < 0.8 else 'neu'}")
        rows += [f"u{i:02d} liar {('hap', 'ang', 'sad', 'neu')[i % 4]}", f"u{i:02d} A fea"]
    votes, weighed = view(tmp_path, rows), view(tmp_path, rows, aggregate="dawid_skene")
    np.testing.assert_allclose(weighed.counts, votes.counts)
    assert weighed.utts == votes.utts
    assert weighed.kind.tolist() == votes.kind.tolist()
    np.testing.assert_allclose(weighed.soft.sum(axis=1), 1)
    truth = np.array([int(utt[1:]) % 4 for utt in weighed.utts])
    assert (weighed.hard == truth).mean() > (votes.hard == truth).mean()
    assert (weighed.hard == weighed.soft.argmax(axis=1)).all()


@pytest.mark.parametrize("model", ["dawid_skene", "glad", "mace"])
def test_models_of_raters_need_to_know_the_raters(tmp_path, model):
    with pytest.raises(ConfigError, match=f"{model} needs named raters, .* are anonymous; use votes"):
        view(tmp_path, ["u anon01 neu", "u anon02 hap"], aggregate=model)


def test_a_table_of_many_blocks_reads_as_one(tmp_path, monkeypatch):
    rows = [f"u{i:03d} R{(i * 7) % 13} {LABELS[i % len(LABELS)]}" for i in range(200)]
    path = table(tmp_path, rows)
    whole = read_votes(path)
    monkeypatch.setattr(vote_table, "_CHUNK_BYTES", 100)
    parts = read_votes(path)
    assert (parts.utts, parts.raters) == (whole.utts, whole.raters)
    for name in ("utt", "rater", "source", "slot", "label"):
        assert (getattr(parts, name) == getattr(whole, name)).all()
    assert [parts.raters[r] for r in parts.rater] == [row.split()[1] for row in rows]
    path.write_text(path.read_text() + "u999\tR1\toutside\tprimary\tbad\n")
    with pytest.raises(DataError, match="votes.tsv:202: label must be one of"):
        read_votes(path)


def test_withheld_votes_are_uniform_and_have_no_hard_label():
    seen = view_unlabelled(LabelPolicy(other_votes="extra_class"), ["b", "a"])
    assert (seen.utts, seen.classes[-1]) == (["a", "b"], "other")
    assert seen.soft.tolist() == [[0.2] * 5] * 2
    assert (seen.hard.tolist(), seen.kind.tolist(), seen.counts.sum()) == ([-1, -1], [2, 2], 0)
