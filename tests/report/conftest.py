from corpora.conftest import *  # noqa: F403 - fixtures
from scoring.conftest import *  # noqa: F403 - fixtures
