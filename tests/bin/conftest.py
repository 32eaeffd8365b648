from corpora.conftest import *  # noqa: F403 - fixtures
from features.conftest import no_workers  # noqa: F401 - fixture
from scoring.conftest import *  # noqa: F403 - fixtures
