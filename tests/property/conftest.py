"""Profiles of Hypothesis: few and always the same examples here, many by hand with HYPOTHESIS_PROFILE=many."""

import contextlib
import os

with contextlib.suppress(ImportError):
    from hypothesis import HealthCheck, settings

    shared = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    settings.register_profile("few", max_examples=25, derandomize=True, **shared)
    settings.register_profile("many", max_examples=2000, **shared)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "few"))
