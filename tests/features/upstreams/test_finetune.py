"""Fine-tuned encoders: the features of stage 2, alone and in a batch, with gradients."""

import numpy as np
import pytest
import torch
from features.random_models import save_whisper

from ambiser.config.schema import Finetune, SpeechFeatures, TextFeatures
from ambiser.errors import ConfigError
from ambiser.features.upstreams.finetune import NO_TOKEN, SpeechFront, TextFront
from ambiser.features.upstreams.pooling import reduce_hidden_states
from ambiser.features.upstreams.text_encoders import make_hugging_face, tokenize
from ambiser.features.upstreams.upstream import load_upstream

LENGTHS = (5000, 300, 9000, 8999)


def noises(lengths=LENGTHS):
    rng = np.random.default_rng(1)
    return [torch.from_numpy(rng.standard_normal(n).astype(np.float32) * 0.1) for n in lengths]


@pytest.fixture(scope="module")
def wavlm_file(tmp_path_factory):
    """A tiny random WavLM as s3prl keeps it."""
    load_upstream(SpeechFeatures(upstream="fbank"))  # makes s3prl importable
    from s3prl.upstream.wavlm.WavLM import WavLM, WavLMConfig

    settings = {
        "encoder_layers": 2,
        "encoder_embed_dim": 16,
        "encoder_ffn_embed_dim": 32,
        "encoder_attention_heads": 2,
        "conv_feature_layers": "[(8,10,5)] + [(8,3,2)] * 4 + [(8,2,2)] * 2",
        "conv_pos": 16,
        "conv_pos_groups": 4,
        "extractor_mode": "layer_norm",
        "normalize": True,
        "relative_position_embedding": True,
        "num_buckets": 8,
        "max_distance": 16,
        "gru_rel_pos": True,
    }
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("wavlm_s3prl") / "tiny.pt"
    torch.save({"cfg": settings, "model": WavLM(WavLMConfig(settings)).state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def speech(speech_folders, wavlm_file):
    """Settings of speech features by kind of model."""
    return {
        "hugging_face": {"upstream": "hf_wav2vec2_custom", "checkpoint": str(speech_folders["wav2vec2"])},
        "s3prl": {"upstream": "wavlm_local", "checkpoint": str(wavlm_file)},
    }


def make(settings, **finetune):
    return SpeechFront(SpeechFeatures(**settings), Finetune(**finetune))


FORMS = [
    {},
    {"statistics": "mean_std"},
    {"form": "frames", "layer": 1},
    {"form": "frames", "layer_weights": [1, 2, 3]},
    {"form": "frames_all"},
]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kind", ["hugging_face", "s3prl"])
def test_features_are_those_of_stage_2_in_any_batch(speech, kind, form):
    settings = SpeechFeatures(**speech[kind], **form)
    front, upstream = SpeechFront(settings, Finetune()), load_upstream(settings)
    wavs = noises()
    features, mask = front.train()(wavs)
    rows = list(features) if mask is None else [row[real] for row, real in zip(features, mask, strict=True)]
    for wav, row in zip(wavs, rows, strict=True):
        expected = reduce_hidden_states(upstream.extract(wav.numpy()), settings)
        np.testing.assert_allclose(row.detach().numpy(), expected, atol=2e-5)
        assert front.layers * front.dim == (expected.shape[1] if mask is not None else expected.size)


def test_a_layer_that_the_model_lacks_is_refused(speech):
    with pytest.raises(ConfigError, match="speech_features.layer: must be 0 to 2"):
        make({**speech["s3prl"], "form": "frames", "layer": 3})


@pytest.mark.parametrize("kind", ["hugging_face", "s3prl"])
def test_batches_give_the_gradients_of_utterances_alone(speech, kind):
    """As on a GPU; with checkpointing, which computes the layers again after the batch has been forgotten."""
    results = []
    for settings in ({"batch_s": 0.0}, {"batch_s": 60.0}):
        front = make({**speech[kind], **settings}, freeze_convolutions=False, checkpointing=True)
        assert bool(front._upstream.batch_samples) is bool(settings["batch_s"])
        features = front(noises())[0]
        features.square().sum().backward()
        results.append([features.detach(), *(p.grad for p in front.parameters() if p.grad is not None)])
    largest = max(float(gradient.abs().max()) for gradient in results[0][1:])
    assert torch.allclose(results[0][0], results[1][0], atol=1e-4)
    for alone, together in zip(results[0][1:], results[1][1:], strict=True):
        assert float((alone - together).abs().max()) < 1e-4 * largest


@pytest.mark.parametrize("kind", ["hugging_face", "s3prl"])
def test_layers_learn_and_convolutions_only_when_configured(speech, kind):
    for frozen in (True, False):
        front = make(speech[kind], freeze_convolutions=frozen)
        front(noises())[0].square().sum().backward()
        moved = {name for name, p in front.model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        assert any("feature_extractor" in name for name in moved) is not frozen
        assert any("encoder.layers.0." in name for name in moved)
        assert any("encoder.layers.1." in name for name in moved)


def test_convolutions_of_whisper_learn_only_when_configured_and_sinusoids_never(tmp_path):
    settings = {"upstream": "huggingface", "checkpoint": str(save_whisper(tmp_path))}
    for frozen in (True, False):
        front = make(settings, freeze_convolutions=frozen)
        front(noises((5000,)))[0].square().sum().backward()
        learning = {name for name, p in front.model.named_parameters() if p.grad is not None}
        assert any("conv1" in name for name in learning) is any("conv2" in name for name in learning) is not frozen
        assert any("layers.0." in name for name in learning)
        assert not any("embed_positions" in name for name in learning)


@pytest.mark.parametrize("kind", ["hugging_face", "s3prl"])
def test_checkpointing_changes_no_gradient(speech, kind):
    results = []
    for checkpointing in (False, True):
        front = make(speech[kind], checkpointing=checkpointing)
        front(noises())[0].square().sum().backward()
        results.append([p.grad for p in front.parameters() if p.grad is not None])
    for plain, again in zip(*results, strict=True):
        assert torch.equal(plain, again)


def test_checkpointing_needs_less_memory(speech):
    """Counts the values that autograd keeps for the backward pass."""
    kept = []
    for checkpointing in (False, True):
        front, total = make(speech["hugging_face"], checkpointing=checkpointing), []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, t=total: (t.append(x.numel()), x)[1], lambda x: x):
            front(noises())
        kept.append(sum(total))
    assert kept[1] < kept[0] / 2


def test_training_encoders_draw_no_random_numbers(speech):
    front, wavs = make(speech["hugging_face"]), noises()
    before = torch.get_rng_state()
    first = front.train()(wavs)[0]
    assert torch.equal(first, front.train()(wavs)[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_each_layer_has_its_learning_rate(speech):
    front = make(speech["hugging_face"], learning_rate=1e-4, layer_decay=0.5)
    names = {id(p): name for name, p in front.model.named_parameters()}
    groups = [(rate, {names[id(p)] for p in parameters}) for rate, parameters in front.depth_groups()]
    assert [rate for rate, _ in groups] == pytest.approx([1e-4, 5e-5, 2.5e-5])
    assert all(".layers.1." in name for name in groups[0][1]) and all(".layers.0." in name for name in groups[1][1])
    assert any("feature_projection" in name for name in groups[2][1])
    learning = {names[id(p)] for p in front.parameters() if p.requires_grad}
    assert set.union(*(group for _, group in groups)) == learning
    assert sum(len(group) for _, group in groups) == len(learning)


def test_bfloat16_is_close_and_leaves_the_weights_in_float32(speech):
    exact, near = (make(speech["s3prl"], precision=name)(noises())[0] for name in ("float32", "bfloat16"))
    assert near.dtype == torch.float32
    assert 0 < (exact - near).abs().max() < 0.05 * exact.abs().max()
    front = make(speech["s3prl"], precision="bfloat16")
    front(noises())[0].sum().backward()
    assert {p.grad.dtype for p in front.parameters() if p.grad is not None} == {torch.float32}


def test_an_upstream_without_weights_is_refused():
    with pytest.raises(ConfigError, match="fbank has no weights to train; model.encoder: finetune needs a pre-trained"):
        make({"upstream": "fbank"})


WORDS = ("I am so happy", "", "sad", "I am   sad sad sad sad sad sad sad sad sad sad sad sad")


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_text_features_are_those_of_stage_2(text_folder, pooling):
    settings = TextFeatures(encoder="huggingface", model=str(text_folder), pooling=pooling)
    rows, dim = tokenize(WORDS, settings)
    assert [len(row) for row in rows] == [6, 0, 3, 12] and dim == 16
    tokens = torch.full((4, 14), NO_TOKEN)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = torch.tensor(row)
    front = TextFront(settings, Finetune())
    features = front.train()(tokens)
    encode, _ = make_hugging_face(settings)
    for words, row in zip(WORDS, features.detach().numpy(), strict=True):
        np.testing.assert_allclose(row, encode(words)[0] if words else np.zeros(16), atol=1e-5)
    features.square().sum().backward()
    assert front.model.embeddings.word_embeddings.weight.grad.abs().sum() > 0


def test_text_without_any_words_gives_zeros(text_folder):
    front = TextFront(TextFeatures(encoder="huggingface", model=str(text_folder)), Finetune())
    assert torch.equal(front(torch.full((2, 3), NO_TOKEN)), torch.zeros(2, 16))
