"""A random Whisper."""

import pytest
import torch
from features.random_models import save_whisper


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    return save_whisper(tmp_path_factory.mktemp("whisper"))
