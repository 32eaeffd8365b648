import pytest
from make_record import make_record

from ambiser.config import load_config
from ambiser.scoring.results_file import count_reasons
from ambiser.scoring.stamp import config_hash, describe_inputs, describe_test_set, make_stamp, mark_imported

CORPUS = make_record(corpus="iemocap", version="full", made_up=False, folds=[1, 2, 3])


@pytest.fixture
def stamp(tmp_path):
    def make(text):
        path = tmp_path / "x.yaml"
        path.write_text(text)
        config = load_config(path)
        return make_stamp(config, seed=3, corpus=CORPUS, class_names=["a", "b"], folds=[2, 1], test_set="t", kept={})

    return make


def test_the_stamp_holds_folds_labels_and_selection(stamp):
    made = stamp("stages: [distill]\n")
    assert made.selection == {"distill": "calibrated_jsd"} and made.folds == [1, 2] and made.all_folds == [1, 2, 3]
    assert made.classes["happy"] == ["hap", "exc"] and "classes" not in made.policies
    assert made.policies["no_majority"] == "keep" and made.commit


@pytest.mark.parametrize(
    ("text", "inputs", "ssl", "words"),
    [
        ("stages: [distill]\n", "speech + text", "fbank", "hashing"),
        ("amber: {student: A, guidance: 0, teacher: 0}\n", "speech", "fbank", None),
        ("amber: {student: T, guidance: 0, teacher: 0}\n", "text", None, "hashing"),
        ("amber: {student: T}\n", "text", "fbank", "hashing"),
        ("stages: [prototypes, update]\n", "speech", "fbank", None),
    ],
)
def test_inputs_follow_from_stages_and_student(stamp, text, inputs, ssl, words):
    made = stamp(text)
    assert (made.inputs, made.ssl, made.text) == (inputs, ssl, words)


@pytest.mark.parametrize(
    ("inputs", "with_words", "described"),
    [
        ("speech + text", 1.0, "speech + text"),
        ("speech + text", 0.8734, "speech + text (words: 87.3 % of utterances)"),
        ("speech + text", 0.0, "speech (no utterance has words)"),
        ("text", 0.0, "none (no utterance has words)"),
        ("speech", 0.0, "speech"),
    ],
)
def test_inputs_name_only_what_the_corpus_has(inputs, with_words, described):
    assert describe_inputs(inputs, with_words) == described


def test_the_hash_changes_with_any_key(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("stages: [distill]\n")
    hashes = {config_hash(load_config(path, overrides=o)) for o in ([], ["score.ece_bins=5"], ["amber.guidance=0.4"])}
    assert len(hashes) == 3


def test_the_hash_of_the_test_set_depends_on_utterances_folds_and_votes():
    rows = [(1, "a", [1.0, 2.0]), (2, "b", [3.0, 0.0])]
    same = describe_test_set(reversed(rows))
    assert describe_test_set(rows) == same
    assert describe_test_set([(2, "a", [1.0, 2.0]), rows[1]]) != same
    assert describe_test_set([(1, "a", [2.0, 1.0]), rows[1]]) != same
    assert describe_test_set(rows[:1]) != same


def test_reasons_are_counted_and_sorted():
    assert list(count_reasons(["b", "a", "b"]).items()) == [("a", 1), ("b", 2)]


def test_an_oracle_and_a_kept_share_are_policies_and_the_usual_values_leave_no_trace(stamp):
    shares = stamp("stages: [prototypes, update]\nipr: {ambiguous_loss: threshold, class_shares: dev}\n")
    assert shares.value("policies.class_shares") == "dev"
    made = stamp("stages: [prototypes, update]\nipr: {oracle: votes, precise_kept: 0.5}\n")
    assert (made.value("policies.oracle"), made.value("policies.precise_kept")) == ("votes", 0.5)
    usual = stamp("stages: [prototypes, update]\n")
    assert not {"oracle", "precise_kept", "class_shares"} & usual.policies.keys()
    assert "oracle" not in stamp("stages: [distill]\nipr: {oracle: votes}\n").policies, "no stage of IPR uses it"
    imported = mark_imported(made, "0" * 12)
    assert imported.policies == usual.policies, "another toolkit's predictions are no oracle of this one"


def test_the_score_of_a_calibration_is_stamped_only_with_a_calibration(stamp):
    assert stamp("score: {calibration: vector, calibration_by: jsd}\n").value("score.calibration_by") == "jsd"
    assert stamp("score: {calibration: none}\n").value("score.calibration_by") is None
