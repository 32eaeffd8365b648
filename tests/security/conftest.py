"""What tests of hostile input share: a bound on memory."""

import contextlib
import re
import resource
from pathlib import Path

import pytest


@pytest.fixture
def bounded_memory():
    """A context manager in which at most this many MB more can be reserved; beyond, MemoryError is raised."""

    @contextlib.contextmanager
    def bounded(most_mb: int = 300):
        before = resource.getrlimit(resource.RLIMIT_AS)
        size = 1024 * int(re.search(r"^VmSize:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)[1])
        resource.setrlimit(resource.RLIMIT_AS, (size + most_mb * 10**6, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)

    return bounded
