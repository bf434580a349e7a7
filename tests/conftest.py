"""Settings of the whole suite: property tests without deadlines, reproducible in CI."""

import os

from hypothesis import HealthCheck, settings

# A shared machine pauses at random: a deadline would fail a right test.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("SEKISHO_HYPOTHESIS", "default"))
