import importlib

import numpy as np
import pytest
import torch
from features.random_models import HUGGING_FACE, NORMS, S3PRL, save_hugging_face, save_s3prl

from ambiser.config.schema import SpeechFeatures
from ambiser.features.upstreams.batching import ExactBatches, is_known
from ambiser.features.upstreams.chunks import plan_batches
from ambiser.features.upstreams.upstream import load_upstream

CASES = [
    *[("s3prl", kind, norm) for kind in S3PRL for norm in NORMS],
    *[("huggingface", kind, norm) for kind in HUGGING_FACE for norm in NORMS],
]


def noise(samples, seed=0):
    generator = np.random.default_rng((samples, seed))
    return (generator.standard_normal(samples) * generator.uniform(0.01, 0.3)).astype(np.float32)


def save(source, kind, norm, folder):
    """Writes a random checkpoint; returns the configuration that names it."""
    load_upstream(SpeechFeatures())  # so that s3prl can be imported
    torch.manual_seed(1)
    if source == "s3prl":
        return {"upstream": f"{kind}_local", "checkpoint": str(save_s3prl(kind, norm, folder / "model.pt"))}
    return {"upstream": "huggingface", "checkpoint": str(save_hugging_face(kind, norm, folder))}


@pytest.mark.parametrize(("source", "kind", "norm"), CASES)
def test_batches_equal_single_utterances(source, kind, norm, tmp_path):
    upstream = load_upstream(SpeechFeatures(**save(source, kind, norm, tmp_path), batch_s=10))
    assert upstream.manner.startswith("in batches of 10 s (largest difference ")
    lengths = np.random.default_rng(5).integers(1600, 20000, 40)
    wavs = {f"utt{number:03d}": noise(int(length)) for number, length in enumerate(lengths)}
    batches = list(plan_batches({utt: len(wav) for utt, wav in wavs.items()}, upstream.batch_samples))
    assert sorted(utt for batch in batches for utt in batch) == sorted(wavs) and 1 < len(batches) < 8
    worst = {}
    for batch in batches:
        for utt, hidden in zip(batch, upstream.extract_batch([wavs[utt] for utt in batch]), strict=True):
            alone = upstream.extract(wavs[utt])
            assert len(hidden[0]) == (len(wavs[utt]) - 400) // 320 + 1
            worst[utt] = max(np.abs(one - other).max() for one, other in zip(hidden, alone, strict=True))
    assert sum(difference > 1e-4 for difference in worst.values()) == 0


@pytest.mark.parametrize(("source", "kind", "norm"), [("s3prl", "wavlm", "group"), ("huggingface", "hubert", "group")])
def test_padding_changes_features_of_an_unpatched_model(source, kind, norm, tmp_path, monkeypatch):
    """Shows that the test above can fail; and that such a model takes one utterance at a time."""
    speech = SpeechFeatures(**save(source, kind, norm, tmp_path), batch_s=10)
    monkeypatch.setattr(ExactBatches, "_normalize_alone", lambda self, normalize, convolution: normalize)
    upstream = load_upstream(speech)
    assert upstream.batch_samples == 0
    assert upstream.manner.startswith(f"one utterance at a time, since {speech.upstream} gives other values in batches")


def test_an_unknown_upstream_takes_one_utterance_at_a_time():
    upstream = load_upstream(SpeechFeatures(upstream="mel", form="frames", batch_s=10))
    assert upstream.batch_samples == 0 and "since mel is not known to be exact in batches" in upstream.manner
    assert not is_known(torch.nn.Linear(1, 1)) and not is_known(None)


@pytest.mark.parametrize(("batch_s", "samples"), [("auto", 0), (0, 0), (2.5, 40000)])
def test_batches_on_a_cpu_only_when_configured(batch_s, samples, tmp_path):
    speech = SpeechFeatures(**save("huggingface", "hubert", "layer", tmp_path), batch_s=batch_s)
    assert load_upstream(speech).batch_samples == samples


def test_bfloat16_is_close_to_float32(tmp_path):
    for case in CASES:
        (tmp_path / "-".join(case)).mkdir()
        speech = SpeechFeatures(**save(*case, tmp_path / "-".join(case)), precision="bfloat16")
        upstream = load_upstream(speech)
        wav = noise(20000)
        half = [state.mean(0) for state in upstream.extract(wav)]
        with upstream.in_float32():
            full = [state.mean(0) for state in upstream.extract(wav)]
        for one, other in zip(half, full, strict=True):
            assert one.dtype == np.float32 and np.abs(one - other).max() > 0
            assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) > 0.999, case


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", S3PRL)
def test_states_are_those_of_s3prl(kind, norm, tmp_path):
    options = save("s3prl", kind, norm, tmp_path)
    hub = importlib.import_module(f"s3prl.upstream.{kind}.hubconf")
    theirs = getattr(hub, f"{kind}_local")(options["checkpoint"]).eval()
    upstream = load_upstream(SpeechFeatures(**options, batch_s=10))
    for samples in (400, 1039, 16079):
        with torch.inference_mode():
            states = theirs([torch.from_numpy(noise(samples))])["hidden_states"]
        frames = (samples - 400) // 320 + 1
        for one, other in zip(upstream.extract(noise(samples)), states, strict=True):
            np.testing.assert_allclose(one, other[0, :frames].numpy(), atol=1e-5)
