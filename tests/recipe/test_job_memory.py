"""The estimate of a job's memory follows the way in which features are read."""

from types import SimpleNamespace

import pytest

from ambiser.config import Config
from ambiser.recipe.job_memory import INDEX_SHARE, MAPPED_BYTES, PROGRAM_BYTES, memory_of_a_job


@pytest.mark.parametrize(
    ("choice", "form", "speech_bytes"),
    [("memory", "pooled", 2000), ("mapped", "pooled", MAPPED_BYTES + 30 * INDEX_SHARE), ("mapped", "frames", 2000)],
)
def test_mapped_features_do_not_count(tmp_path, choice, form, speech_bytes):
    speech, text = tmp_path / "fbank", tmp_path / "hashing"
    for folder, size in ((speech, 1000), (text, 50)):
        folder.mkdir()
        (folder / "feats.ark").write_bytes(bytes(size))
        (folder / "feats.scp").write_bytes(bytes(30))
    config = Config.model_validate({"train": {"pooled_features": choice}, "speech_features": {"form": form}})
    experiment = SimpleNamespace(config=config, feature_folders=lambda: [speech, text], text_dir=lambda: text)
    assert memory_of_a_job(experiment) == PROGRAM_BYTES + speech_bytes + 100
