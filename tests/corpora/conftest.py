import shutil
from pathlib import Path

import pytest

from ambiser.config.data_keys import Data
from ambiser.corpora.mini.mini_corpus import make_mini
from ambiser.io.layout import Layout

N_MINI = 60


@pytest.fixture(scope="session")
def mini_corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "mini"
    make_mini(folder, N_MINI)
    return folder


@pytest.fixture
def corpus_copy(mini_corpus, tmp_path) -> Path:
    return shutil.copytree(mini_corpus, tmp_path / "IEMOCAP_full_release")


@pytest.fixture
def data() -> Data:
    return Data(mini_utterances=N_MINI)


@pytest.fixture
def layout(tmp_path) -> Layout:
    return Layout(tmp_path / "data", tmp_path / "dump", tmp_path / "exp")
