"""Tiny random pre-trained models, shared with the tests of features."""

from features.conftest import no_workers, one_thread, speech_folders, text_folder  # noqa: F401 - fixtures
