import json
import random
import re
import shutil
import urllib.error

import numpy as np
import pytest
import torch

from ambiser.config import load_config
from ambiser.config.schema import SpeechFeatures
from ambiser.config.yaml_reader import CONF
from ambiser.errors import ConfigError, DataError
from ambiser.features.upstreams import upstream as module
from ambiser.features.upstreams.checkpoint_safety import check_evaluated_text, checked_loading, is_plain_expression
from ambiser.features.upstreams.pooling import means_are_constant, reduce_hidden_states
from ambiser.features.upstreams.upstream import load_upstream, upstream_names
from ambiser.features.upstreams.upstream_names import HUGGING_FACE, names_in_s3prl

FBANK = SpeechFeatures(upstream="fbank_no_cmvn", statistics="mean_std")


def noise(samples, seed=0):
    return np.random.default_rng(seed).standard_normal(samples).astype(np.float32) * 0.1


@pytest.fixture(scope="module")
def fbank():
    return load_upstream(FBANK)


def test_fbank_is_that_of_torchaudio(fbank):
    from torchaudio.compliance.kaldi import fbank as reference

    wav = noise(16000)
    hidden = fbank.extract(wav)
    assert (fbank.layers, fbank.dim, len(hidden), hidden[0].shape) == (1, 240, 1, (98, 240))
    expected = reference(torch.from_numpy(wav)[None], num_mel_bins=80, sample_frequency=16000)
    np.testing.assert_array_equal(hidden[0][:, :80], expected.numpy())


@pytest.mark.parametrize("samples", [1, 20, 399])
def test_short_audio_is_padded_with_zeros(fbank, samples):
    wav = noise(samples)
    assert fbank.minimum_samples == 400 and fbank.is_short(samples) and not fbank.is_short(400)
    padded = np.pad(wav, (0, 400 - samples))
    np.testing.assert_array_equal(fbank.extract(wav)[0], fbank.extract(padded)[0])
    assert fbank.extract(wav)[0].shape == (1, 240)


def test_audio_that_a_model_rejects_is_an_error():
    with pytest.raises(DataError, match="mel cannot take 400 samples"):
        load_upstream(SpeechFeatures(upstream="mel", form="frames")).extract(np.ones(3, np.float32))


@pytest.mark.parametrize("level", [0.0, 1e-40, 1e-20, 0.5, 1e9])
def test_constant_audio_of_any_level_has_finite_features(fbank, level):
    assert np.isfinite(fbank.extract(np.full(16000, level, np.float32))).all()
    assert np.isfinite(fbank.extract(noise(16000) * np.float32(level))).all()


def test_features_that_are_not_finite_are_an_error(fbank):
    with pytest.raises(DataError, match="not finite"):
        fbank.extract(np.full(16000, 1e30, np.float32))


def test_random_generators_are_left_unchanged(speech_folders):
    for name, checkpoint in (("mel", ""), ("hf_wav2vec2_custom", str(speech_folders["wav2vec2"]))):
        before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
        load_upstream(SpeechFeatures(upstream=name, checkpoint=checkpoint)).extract(noise(8000))
        assert torch.equal(torch.get_rng_state(), before[0])
        np.testing.assert_array_equal(np.random.get_state()[1], before[1])
        assert random.getstate() == before[2]


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert"])
@pytest.mark.parametrize("samples", [400, 961, 1039, 16000, 16079])
def test_hugging_face_folder_gives_the_models_own_hidden_states(speech_folders, kind, samples):
    from transformers import AutoModel

    folder = speech_folders[kind]
    upstream = load_upstream(SpeechFeatures(upstream=f"hf_{kind}_custom", checkpoint=str(folder)))
    wav = noise(samples)
    hidden = upstream.extract(wav)
    assert upstream.layers == 3 and upstream.dim == 16
    assert {state.shape for state in hidden} == {((samples - 400) // 320 + 1, 16)}
    normal = (wav - wav.mean()) / np.sqrt(wav.var() + 1e-7)
    with torch.inference_mode():
        reference = AutoModel.from_pretrained(folder).eval()(torch.from_numpy(normal)[None], output_hidden_states=True)
    for ours, theirs in zip(hidden, reference.hidden_states, strict=True):
        np.testing.assert_allclose(ours, theirs[0].numpy(), atol=1e-5)
    np.testing.assert_array_equal(hidden[-1], upstream.extract(wav)[-1])


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("hf_wav2vec2_custom", "wavlm", "holds a wavlm model, hf_wav2vec2_custom reads wav2vec2"),
        ("hf_wav2vec2_custom", "hubert", "use upstream hf_hubert_custom"),
    ],
)
def test_folder_of_another_model_is_refused(speech_folders, name, kind, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_upstream(SpeechFeatures(upstream=name, checkpoint=str(speech_folders[kind])))
    assert "\n" not in str(caught.value)


def test_folder_without_preprocessor_is_refused_at_once(speech_folders, tmp_path):
    folder = shutil.copytree(speech_folders["wav2vec2"], tmp_path / "model")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ConfigError, match="has no preprocessor_config.json"):
        load_upstream(SpeechFeatures(upstream="hf_wav2vec2_custom", checkpoint=str(folder)))


def lose_a_weight(folder, name):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_folder_that_lacks_weights_is_refused(speech_folders, tmp_path):
    folder = shutil.copytree(speech_folders["wav2vec2"], tmp_path / "model")
    lose_a_weight(folder, "encoder.layers.1.attention.q_proj.weight")
    with pytest.raises(ConfigError, match=r"lacks 1 weights of the model, such as encoder.layers.1.attention.q_proj"):
        load_upstream(SpeechFeatures(upstream="hf_wav2vec2_custom", checkpoint=str(folder)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"upstream": "wavlm_lagre"}, "unknown upstream 'wavlm_lagre'; did you mean wavlm_large"),
        ({"upstream": "Path"}, "unknown upstream 'Path'"),
        ({"upstream": "baseline_local", "checkpoint": __file__}, "unknown upstream 'baseline_local'"),
        ({"upstream": "wavlm_local"}, "needs the file or folder of a checkpoint"),
        ({"upstream": "wavlm_local", "checkpoint": "nowhere.pt"}, "nowhere.pt is missing"),
        ({"upstream": "fbank", "checkpoint": "x.pt"}, "has its own weights"),
        ({"upstream": "hf_hubert_custom", "checkpoint": "/"}, "not a Hugging Face folder"),
    ],
)
def test_faults_of_a_configuration_are_one_line(fields, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_upstream(SpeechFeatures(**fields))
    assert "\n" not in str(caught.value)


def test_weights_that_cannot_be_fetched_are_one_line(monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(module, "_find", lambda name: refuse)
    with pytest.raises(
        ConfigError, match=r"weights of wavlm_large are not in \S*s3prl\S* and cannot be downloaded"
    ) as caught:
        load_upstream(SpeechFeatures(upstream="wavlm_large"))
    assert "\n" not in str(caught.value)


class Evil:
    def __reduce__(self):
        return print, ("run",)


def test_a_pickle_is_not_loaded(tmp_path, capsys):
    torch.save({"cfg": Evil(), "model": {}}, tmp_path / "evil.pt")
    with pytest.raises(ConfigError, match="evil.pt: is damaged, or holds objects other than weights"):
        load_upstream(SpeechFeatures(upstream="wavlm_local", checkpoint=str(tmp_path / "evil.pt")))
    assert "run" not in capsys.readouterr().out


def test_a_broken_download_is_not_loaded(tmp_path):
    torch.save({"cfg": {}, "model": {"w": torch.zeros(1000)}}, tmp_path / "cut.pt")
    whole = (tmp_path / "cut.pt").read_bytes()
    for content in (whole[:900], b"<html>404</html>", b""):
        (tmp_path / "cut.pt").write_bytes(content)
        with pytest.raises(ConfigError, match="cut.pt") as caught:
            load_upstream(SpeechFeatures(upstream="wavlm_local", checkpoint=str(tmp_path / "cut.pt")))
        assert "\n" not in str(caught.value)


def test_text_that_s3prl_would_evaluate_is_checked_first(tmp_path):
    trace = tmp_path / "trace"
    code = f"[(512, 10, 5)] + [open({str(trace)!r}, 'w')]"
    torch.save({"cfg": {"conv_feature_layers": code}, "model": {}}, tmp_path / "evil.pt")
    with pytest.raises(ConfigError, match="'conv_feature_layers' may hold only numbers, lists"):
        load_upstream(SpeechFeatures(upstream="wavlm_local", checkpoint=str(tmp_path / "evil.pt")))
    assert not trace.exists()


def test_a_checkpoint_of_another_kind_is_one_line(tmp_path):
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(ConfigError, match=r"other.pt cannot be loaded as wavlm_local: KeyError: 'cfg'"):
        load_upstream(SpeechFeatures(upstream="wavlm_local", checkpoint=str(tmp_path / "other.pt")))


def test_a_sound_checkpoint_of_s3prl_is_loaded(tmp_path):
    """WavLM's own format, with the text that is evaluated."""
    load_upstream(FBANK)
    from s3prl.upstream.wavlm.WavLM import WavLM, WavLMConfig

    cfg = {
        "extractor_mode": "default",
        "encoder_layers": 2,
        "encoder_embed_dim": 16,
        "encoder_ffn_embed_dim": 32,
        "encoder_attention_heads": 2,
        "conv_feature_layers": "[(8, 10, 5)] + [(8, 3, 2)] * 4 + [(8,2,2)] * 2",
        "conv_pos": 16,
        "conv_pos_groups": 4,
        "relative_position_embedding": True,
        "gru_rel_pos": True,
    }
    torch.manual_seed(0)
    torch.save({"cfg": cfg, "model": WavLM(WavLMConfig(cfg)).state_dict()}, tmp_path / "wavlm.pt")
    upstream = load_upstream(SpeechFeatures(upstream="wavlm_local", checkpoint=str(tmp_path / "wavlm.pt")))
    hidden = upstream.extract(noise(16000))
    assert [state.shape for state in hidden] == [(49, 16)] * 3
    np.testing.assert_array_equal(hidden[1], upstream.extract(noise(16000))[1])


def test_only_plain_expressions_pass():
    assert is_plain_expression("[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] * 2")
    assert is_plain_expression("{'a': -1.5, 'b': None}")
    for text in (
        "__import__('os')",
        "[x for x in (1,)]",
        "(1).__class__",
        "[0] * 10**9",
        "[0] * 9999 * 9999",
        "lambda: 0",
        "[",
    ):
        assert not is_plain_expression(text), text
    check_evaluated_text({"a": [{"conv_feature_layers": "[(1, 2, 3)]"}], "other": "open('x')"}, "x")


def test_torch_load_is_itself_again_after_the_block():
    original = torch.load
    with pytest.raises(KeyError), checked_loading():
        assert torch.load is not original
        raise KeyError
    assert torch.load is original


def test_pooled_statistics_are_mean_and_deviation(fbank):
    wav = noise(20000)
    frames = fbank.extract(wav)[0].astype(np.float64)
    pooled = reduce_hidden_states(fbank.extract(wav), FBANK)
    assert pooled.shape == (1, 480) and pooled.dtype == np.float32
    np.testing.assert_array_equal(pooled[0, :240], frames.mean(0).astype(np.float32))
    np.testing.assert_array_equal(pooled[0, 240:], np.sqrt(((frames - frames.mean(0)) ** 2).mean(0)).astype(np.float32))


def test_one_layer_of_frames_can_be_kept():
    hidden = [np.full((4, 3), float(layer), np.float32) for layer in range(3)]
    for layer, value in ((-1, 2), (0, 0), (1, 1)):
        kept = reduce_hidden_states(hidden, SpeechFeatures(form="frames", layer=layer))
        np.testing.assert_array_equal(kept, np.full((4, 3), value))
    with pytest.raises(ConfigError, match="must be 0 to 2"):
        reduce_hidden_states(hidden, SpeechFeatures(form="frames", layer=3))


@pytest.mark.parametrize("statistics", ["mean", "mean_std"])
@pytest.mark.parametrize(
    ("name", "constant"), [("fbank", True), ("mfcc", True), ("linear", True), ("fbank_no_cmvn", False)]
)
def test_constant_means_of_normalizing_upstreams_are_detected(name, statistics, constant):
    speech = SpeechFeatures(upstream=name, statistics=statistics)
    upstream = load_upstream(speech)
    pooled = [reduce_hidden_states(upstream.extract(noise(n, n) * n / 3e4), speech) for n in (9000, 20000, 31000)]
    assert means_are_constant(pooled, speech) is constant
    assert not means_are_constant(pooled[:1], speech)


def test_every_yaml_of_conf_ssl_names_an_upstream(tmp_path):
    names = upstream_names()
    files = sorted((CONF / "ssl").glob("*.yaml"))
    assert {"fbank", "wavlm_large", "hubert_base", "wav2vec2_base_960"} <= {path.stem for path in files}
    (tmp_path / "x.yaml").write_text("stages: [distill]\n")
    for path in files:
        speech = load_config(tmp_path / "x.yaml", ssl=path.stem).speech_features
        assert speech.upstream in names
        if speech.upstream == HUGGING_FACE:
            assert re.sub("[-.]", "_", speech.checkpoint.rpartition("/")[2]) == path.stem
        else:
            assert speech.upstream.removesuffix("_no_cmvn") == path.stem
        assert speech.form == "pooled"
        assert f"--ssl {path.stem}\n" in path.read_text()


def test_every_name_is_known_from_the_files_alone():
    assert set(upstream_names()) <= {HUGGING_FACE, *names_in_s3prl()}


def test_every_yaml_of_conf_text_is_valid(tmp_path):
    (tmp_path / "x.yaml").write_text("stages: [distill]\n")
    for path in sorted((CONF / "text").glob("*.yaml")):
        text = load_config(tmp_path / "x.yaml", text=path.stem).text_features
        assert (text.encoder == "huggingface") == bool(text.model)


def test_model_type_is_read_as_json(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(["no object"]))
    with pytest.raises(ConfigError, match="holds a None model"):
        load_upstream(SpeechFeatures(upstream="hf_hubert_custom", checkpoint=str(tmp_path)))
