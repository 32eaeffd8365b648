"""Packed models: parity with stage 2 and with training's predictions, ensembles, heads, prototypes, faults."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from inference.conftest import CLASSES, SHAPES, make_config, make_experiment, make_tone, sharpened

from ambiser.config import Config
from ambiser.errors import ConfigError, DataError
from ambiser.features.extraction.speech import extract_speech
from ambiser.features.extraction.stored import load_pooled
from ambiser.inference.model import load_model
from ambiser.inference.model_folder import find_model, read_record
from ambiser.inference.packing import PackOptions, pack
from ambiser.inference.recordings import Cutting, read_windows
from ambiser.io.audio import load_audio
from ambiser.io.choice_file import Choice, write_choice
from ambiser.scoring.results_file import read_results, write_results
from ambiser.scoring.set_results import CalibratedSets, PredictionSets, SetGroup
from ambiser.train.build import TASKS
from ambiser.train.checkpoint import load_best
from ambiser.train.part import Part


def features_of(model, path):
    (window,) = read_windows(path, Cutting())
    return model.speech_features(window.wav)


def test_features_are_those_of_stage_2(packed, wavs, tmp_path, no_workers):
    model = load_model(packed)
    paths = {path.stem: str(path) for path in sorted(wavs.rglob("*.*"))}
    extract_speech(paths, dict.fromkeys(paths, 0.6), make_config().speech_features, folder=tmp_path)
    stored = load_pooled(tmp_path / "feats.scp", list(paths))
    ours = np.stack([features_of(model, path) for path in paths.values()])
    np.testing.assert_allclose(ours, stored, atol=1e-5, rtol=0)


def test_predict_takes_arrays_as_files_are_read(packed, wavs):
    import soundfile

    model = load_model(packed)
    samples, rate = soundfile.read(wavs / "b.wav", dtype="float32")  # (samples, 2) at 44.1 kHz
    made = model.predict(samples, rate)
    (expected,) = model.predict_features([features_of(model, wavs / "b.wav")], [None])
    assert made.distribution == pytest.approx(expected.distribution, abs=1e-6)
    integers = (samples * 32768).round().astype(np.int16)
    assert model.predict(integers, rate).distribution == pytest.approx(expected.distribution, abs=1e-2)


def test_the_prediction_is_the_mean_of_the_members(packed, wavs):
    model, record = load_model(packed), read_record(packed)
    features = features_of(model, wavs / "a.wav")
    part = Part(["u"], torch.from_numpy(features)[None], None, *[torch.full((1, 4), 0.25)] * 2, *[torch.zeros(1)] * 2)
    each = []
    for member in record.members:
        tensors, _ = load_best(packed / member.file)
        shapes = type(SHAPES)(1, 480, 0, CLASSES)
        each.append(TASKS["distill"].predict(make_config(), tensors, part, shapes, 0).probs[0].double().numpy())
    (made,) = model.predict_features([features], [None])
    np.testing.assert_allclose(list(made.distribution.values()), np.mean(each, axis=0), atol=1e-6)
    entropy = [-(p * np.log2(p)).sum() for p in [np.mean(each, axis=0), *each]]
    assert made.member_information_bits == pytest.approx(entropy[0] - np.mean(entropy[1:]), abs=1e-6)
    assert made.head_jsd_bits == {} and made.nearest_prototype is None


def test_a_prediction_does_not_depend_on_the_others_of_its_batch(packed, wavs):
    model = load_model(packed)
    features = [features_of(model, wavs / name) for name in ("a.wav", "b.wav")]
    together = model.predict_features(features, [None, None])
    alone = [model.predict_features([one], [None])[0] for one in features]
    for one, other in zip(together, alone, strict=True):
        assert one.distribution == pytest.approx(other.distribution, abs=1e-6)


def test_prediction_leaves_the_random_generators_alone(packed, wavs):
    model = load_model(packed)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model.predict_features([features_of(model, wavs / "a.wav")], [None])
    assert torch.equal(torch.rand(3), expected)


def test_calibration_is_applied_to_each_member(tmp_path, wavs):
    config = make_config(score={"calibration": "temperature"})
    exp = make_experiment(tmp_path, config, folds=(1,), calibration=sharpened((1,)))
    pack([exp], tmp_path / "sharp", PackOptions(name="sharp"))
    plain = make_experiment(tmp_path / "plain", make_config(), folds=(1,))
    pack([plain], tmp_path / "flat", PackOptions(name="flat"))
    flat, sharp = load_model(tmp_path / "flat"), load_model(tmp_path / "sharp")
    features = features_of(flat, wavs / "a.wav")
    before = np.array(list(flat.predict_features([features], [None])[0].distribution.values()))
    after = list(sharp.predict_features([features], [None])[0].distribution.values())
    np.testing.assert_allclose(after, before**2 / (before**2).sum(), atol=1e-6)


def test_prediction_sets_hold_the_classes_that_most_networks_hold(tmp_path, wavs):
    def packed_with(*thresholds):
        name = f"m{len(list(tmp_path.iterdir()))}"
        exp = make_experiment(tmp_path / f"{name}_exp", make_config(), folds=(1, 2, 3))
        results = read_results(exp / "results.json")
        group = SetGroup("all", 1, 0.9, None, 2.0)
        by_fold = {fold: [value] * 4 for fold, value in enumerate(thresholds, start=1)}
        votes = CalibratedSets(pooled=group, levels=[], speakers=[], sizes=[0, 1, 0, 0], thresholds=by_fold)
        sets = PredictionSets(
            form="aps", coverage=0.9, per_class=False, penalty=0.1, free_ranks=1, used="votes", by={"votes": votes}
        )
        write_results(exp / "results.json", replace(results, scores=replace(results.scores, sets=sets)))
        pack([exp], tmp_path / name, PackOptions(name=name))
        return load_model(tmp_path / name)

    model = packed_with(0.0, None, None)
    (made,) = model.predict_features([features_of(model, wavs / "a.wav")], [None])
    assert made.prediction_set == tuple(sorted(CLASSES, key=lambda name: -made.distribution[name]))
    model = packed_with(0.0, 0.0, None)
    (made,) = model.predict_features([features_of(model, wavs / "a.wav")], [None])
    assert made.prediction_set[0] == made.label and len(made.prediction_set) <= 2


def test_seeds_and_folds_form_one_ensemble(tmp_path):
    exps = [make_experiment(tmp_path, make_config(), seed=seed) for seed in (1, 2)]
    pack(exps, tmp_path / "both", PackOptions(name="both"))
    members = read_record(tmp_path / "both").members
    assert [(one.seed, one.fold) for one in members] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert "| seed 1 | seed 2 |" in (tmp_path / "both" / "README.md").read_text()


def test_a_text_model_tells_how_far_its_heads_disagree(packed_text):
    model = load_model(packed_text)
    wav = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1
    made = model.predict(wav, 16000, text="so happy")
    assert model.reads_text
    assert made.head_jsd_bits.keys() == {"A_T", "A_AT", "T_AT"}
    assert all(0 <= value <= 1 for value in made.head_jsd_bits.values())
    assert made.distribution != pytest.approx(model.predict(wav, 16000, text="how sad").distribution, abs=1e-9)
    without = model.predict(wav, 16000, text="")  # head A replaces text and fusion
    assert max(without.head_jsd_bits.values()) == pytest.approx(0, abs=1e-9)
    with pytest.raises(DataError, match="words reads text: give the words"):
        model.predict(wav, 16000)


def test_a_model_on_frames_and_tokens_predicts_as_in_training(tmp_path, wavs):
    config = make_config(
        speech_features={"upstream": "fbank", "form": "frames"},
        text_features={"form": "tokens"},
        amber={"student": "AT", "fusion": "cross_attention"},
    )
    exp = make_experiment(tmp_path, config, folds=(1,), dim=240)
    pack([exp], tmp_path / "model", PackOptions(name="model"))
    model = load_model(tmp_path / "model")
    speech, words = features_of(model, wavs / "a.wav"), model.text_features("so very happy")
    assert speech.shape[1] == 240 and words.shape == (3, 256)
    tensors, _ = load_best(tmp_path / "model" / "members" / "s1_fold1.safetensors")
    text, votes = torch.from_numpy(words.mean(axis=0))[None], torch.full((1, 4), 0.25)
    part = Part(["u"], [speech], text, votes, votes, torch.zeros(1), torch.zeros(1), tokens=[words])
    shapes = type(SHAPES)(1, 240, 256, CLASSES)
    expected = TASKS["distill"].predict(config, tensors, part, shapes, 0).probs[0].tolist()
    (made,) = model.predict_features([speech], [words])
    assert list(made.distribution.values()) == pytest.approx(expected, abs=1e-6)


def test_a_model_with_prototypes_names_the_nearest(packed_ipr):
    model = load_model(packed_ipr)
    made = model.predict(np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1, 16000)
    cosines = made.prototype_similarity
    assert set(cosines) == set(CLASSES) and list(cosines.values()) == sorted(cosines.values(), reverse=True)
    assert all(-1 <= value <= 1 for value in cosines.values())
    assert made.nearest_prototype == next(iter(cosines))


def test_packed_weights_hold_no_labels_of_training_utterances(packed_ipr):
    tensors, _ = load_best(packed_ipr / "members" / "s1_fold1.safetensors")
    assert "memory.prototypes" in tensors
    assert not [name for name in tensors if name.startswith(("memory.targets", "queue.", "key."))]


@pytest.mark.parametrize(
    ("wav", "rate", "message"),
    [
        (np.zeros(0), 16000, r"wav: must be \(samples,\) or"),
        (np.zeros((2, 2, 2)), 16000, "got shape"),
        (np.array([0.1, np.nan]), 16000, "wav: holds samples that are not finite"),
        (np.zeros(10), 0, "sample_rate_hz: must be at least 1, got 0"),
    ],
)
def test_an_unusable_waveform_is_refused(packed, wav, rate, message):
    with pytest.raises(DataError, match=message):
        load_model(packed).predict(wav, rate)


def test_silence_and_ten_milliseconds_are_predicted_with_a_note(packed):
    model = load_model(packed)
    assert model.predict(np.zeros(16000), 16000).notes == ("silent",)
    notes = model.predict(np.random.default_rng(1).standard_normal(160) * 0.1, 16000).notes
    assert notes == ("too short for the model and padded with zeros",)


def test_probabilities_that_are_not_finite_are_an_error(packed, tmp_path):
    from safetensors import safe_open
    from safetensors.torch import save_file

    folder = damaged(packed, tmp_path)
    path, record = folder / "members/s1_fold2.safetensors", json.loads((folder / "model.json").read_text())
    with safe_open(str(path), framework="pt") as stream:
        facts, tensors = stream.metadata(), {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    save_file({name: tensor * float("nan") for name, tensor in tensors.items()}, str(path), facts)
    record["files"]["members/s1_fold2.safetensors"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match="s1_fold2.safetensors: predicts probabilities that are not finite; pack the"):
        load_model(folder).predict(np.zeros(16000), 16000)


def damaged(packed, tmp_path):
    return shutil.copytree(packed, tmp_path / "copy")


def test_a_missing_file_is_named(packed, tmp_path):
    folder = damaged(packed, tmp_path)
    (folder / "members" / "s1_fold2.safetensors").unlink()
    with pytest.raises(DataError, match="lacks members/s1_fold2.safetensors; pack or download the model again"):
        load_model(folder)


@pytest.mark.parametrize("name", ["members/s1_fold1.safetensors", "config.yaml", "results_1.json"])
def test_a_changed_file_is_noticed(packed, tmp_path, name):
    folder = damaged(packed, tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: was changed: its SHA-256"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "has format 2, this program reads up to 1; update ambiser"),
        ({"format": "x"}, "is not the record of a model"),
        ({"members": []}, "names no members"),
        ({"colour": "red"}, "has unknown colour; pack or download the model again"),
        ({"files": {"../secret": "0"}}, "without a SHA-256"),
    ],
)
def test_a_record_of_another_kind_is_refused_in_one_line(packed, tmp_path, change, message):
    folder = damaged(packed, tmp_path)
    record = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(record | change))
    with pytest.raises(DataError, match=message) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "change", "fault"),
    [
        ("packed", "hidden: 9", r"heads.A.0.bias is \(8,\), and \(9,\) in the network of the configuration"),
        ("packed", f"hidden: {10**13}", rf"heads.A.0.bias is \(8,\), and \({10**13},\) in the network"),
        ("packed", f"hidden: {10**17}", "Storage size calculation overflowed"),
        ("packed_ipr", f"hidden: {10**6}", r"is \(4, 8\), and \(4, 1000000\) in the network"),
    ],
)
def test_weights_that_do_not_fit_the_configuration_are_refused(kind, change, fault, request, tmp_path):
    folder = damaged(request.getfixturevalue(kind), tmp_path)
    config = (folder / "config.yaml").read_text().replace("hidden: 8", change, 1)
    (folder / "config.yaml").write_text(config)
    record = json.loads((folder / "model.json").read_text())
    record["files"]["config.yaml"] = hashlib.sha256(config.encode()).hexdigest()
    (folder / "model.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=f"s1_fold1.safetensors: does not fit config.yaml: .*{fault}") as caught:
        load_model(folder).predict(np.zeros(16000), 16000)
    assert "\n" not in str(caught.value)


def test_a_file_outside_the_folder_is_refused(packed, tmp_path):
    folder = damaged(packed, tmp_path)
    record = json.loads((folder / "model.json").read_text())
    record["files"]["../secret"] = "0"
    (folder / "model.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match="names a file outside the folder"):
        load_model(folder)


def test_a_folder_that_is_no_model_and_an_unknown_name_are_refused(tmp_path):
    with pytest.raises(DataError, match="is no model, it has no model.json"):
        find_model(tmp_path)
    with pytest.raises(DataError, match="nothing_here: is no model, it does not exist; name a folder made by"):
        find_model("nothing_here")


def test_classes_that_do_not_fit_are_refused(packed, tmp_path):
    folder = damaged(packed, tmp_path)
    record = json.loads((folder / "model.json").read_text())
    record["classes"] = ["neutral", "happy", "angry", "bored"]
    (folder / "model.json").write_text(json.dumps(record))
    with pytest.raises(
        DataError, match="has the classes neutral, happy, angry, sad, the model neutral, happy, angry, bored"
    ):
        load_model(folder).predict(np.zeros(16000), 16000)


def test_other_weights_of_the_upstream_are_refused(tmp_path):
    from features.random_models import save_whisper

    folder = save_whisper(tmp_path / "whisper")
    speech = {"upstream": "huggingface", "checkpoint": str(folder), "window": 5}
    config = Config.model_validate({"speech_features": speech, "amber": {"student": "A", "guidance": 0, "teacher": 0}})
    exp = make_experiment(tmp_path, config, folds=(1,))
    pack([exp], tmp_path / "model", PackOptions(name="model"))
    assert read_record(tmp_path / "model").speech.weights == "whisper"  # no path of this machine
    assert str(tmp_path) not in (tmp_path / "model" / "config.yaml").read_text()
    other = save_whisper(tmp_path / "other")
    wav = np.random.default_rng(0).standard_normal(8000) * 0.1
    with pytest.raises(ConfigError, match="other: holds other weights than whisper of the training"):
        load_model(tmp_path / "model", upstream=other).predict(wav, 16000)
    with pytest.raises(ConfigError, match="features of another size than in training"):  # made for filter banks
        load_model(tmp_path / "model", upstream=folder).predict(wav, 16000)


def test_the_same_weights_in_another_precision_are_accepted(tmp_path):
    from features.random_models import save_whisper
    from safetensors.torch import load_file, save_file

    folder, half = save_whisper(tmp_path / "whisper"), tmp_path / "half"
    shutil.copytree(folder, half)
    weights = load_file(folder / "model.safetensors")
    save_file({name: t.half().float() for name, t in weights.items()}, half / "model.safetensors", {"format": "pt"})
    config = make_config(speech_features={"upstream": "huggingface", "checkpoint": str(folder), "window": 5})
    exp = make_experiment(tmp_path, config, folds=(1,))
    pack([exp], tmp_path / "model", PackOptions(name="model"))
    assert len(read_record(tmp_path / "model").speech.probe) == 3 * 16  # hidden states times their size
    wav = np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1
    ours, theirs = (load_model(tmp_path / "model", upstream=one).speech_features(wav) for one in (folder, half))
    np.testing.assert_allclose(theirs, ours, atol=0.05)
    assert (theirs != ours).any()


def test_pack_refuses_what_it_cannot_pack(tmp_path):
    exp = make_experiment(tmp_path, make_config())
    with pytest.raises(ConfigError, match="exists; name a new folder"):
        pack([exp], tmp_path, PackOptions(name="x"))
    with pytest.raises(ConfigError, match="seed 1, fold 1 is given twice"):
        pack([exp, exp], tmp_path / "x", PackOptions(name="x"))
    other = make_experiment(tmp_path / "other", make_config(labels={"precise": 0.8}), seed=2)
    with pytest.raises(ConfigError, match="differs from .* in 'labels'; pack them separately"):
        pack([exp, other], tmp_path / "x", PackOptions(name="x"))
    (exp / "fold2" / "distill" / "best.safetensors").unlink()
    with pytest.raises(DataError, match=r"fold2/distill/best.safetensors is missing; stage 6 \(distill\) writes it"):
        pack([exp], tmp_path / "x", PackOptions(name="x"))
    (exp / "results.json").unlink()
    with pytest.raises(DataError, match=r"results.json is missing; stage 7 \(score\) writes it"):
        pack([exp], tmp_path / "x", PackOptions(name="x"))
    assert not (tmp_path / "x").exists() and not list(tmp_path.glob(".x*"))


def test_the_card_has_the_header_of_hubs_and_the_scores(packed):
    import yaml

    text = (packed / "README.md").read_text()
    _, header, body = text.split("---\n", 2)
    metadata = yaml.safe_load(header)
    assert metadata["pipeline_tag"] == "audio-classification" and metadata["library_name"] == "ambiser"
    metrics = {one["type"]: one["value"] for one in metadata["model-index"][0]["results"][0]["metrics"]}
    scores = json.loads((packed / "results_1.json").read_text())["scores"]["pooled"]["scores"]
    assert metrics["accuracy"] == scores["accuracy"]
    for heading in ("## Use", "## Data and raters", "## Scores", "## Limits", "## Files", "## License"):
        assert heading in body
    assert f"{scores['jsd_bits']:.3f} [" in body


def test_a_tone_is_read_as_stage_2_reads_it(tmp_path):
    path = make_tone(tmp_path / "t.wav", rate=96000, channels=8)
    (window,) = read_windows(path, Cutting())
    np.testing.assert_array_equal(window.wav, load_audio(path)[0])


def test_pack_takes_the_point_that_dev_chose_for_each_fold(tmp_path):
    exp = make_experiment(tmp_path, make_config(tune={"model.hidden": [8, 10]}))
    for number, hidden in enumerate((8, 10), start=1):
        point = f"hidden={hidden}"
        config = make_config(model={"hidden": hidden, "projection": 6})
        made = make_experiment(tmp_path / point, config)
        shutil.copytree(made, exp / "points" / point)
        write_choice(exp / f"fold{number}" / "choice.json", Choice(point, "distill", "jsd", []))
    pack([exp], tmp_path / "model", PackOptions(name="tuned"))
    record = read_record(tmp_path / "model")
    assert [member.config for member in record.members] == ["config.yaml", "config_2.yaml"]
    widths = [len(load_best(tmp_path / "model" / member.file)[0]["heads.A.0.bias"]) for member in record.members]
    assert widths == [8, 10]
    made = load_model(tmp_path / "model").predict(np.random.default_rng(0).standard_normal(8000) * 0.1, 16000)
    assert sum(made.distribution.values()) == pytest.approx(1)
