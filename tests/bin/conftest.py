"""Fixtures of other rooms, and running a program inside the test."""

import sys

import pytest
from corpora.conftest import *  # noqa: F403 - fixtures
from features.conftest import no_workers  # noqa: F401 - fixture
from scoring.conftest import *  # noqa: F403 - fixtures


@pytest.fixture
def run_here(monkeypatch):
    """Runs a program in this process."""

    def run(program, words):
        monkeypatch.setattr(sys, "argv", [program.__name__, *words])
        program.main()

    return run
