"""Settings of the whole suite: property tests without deadlines, reproducible in CI; and which tests are `unit`."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A shared machine pauses at random: a deadline would fail a correct test.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("SEKISHO_HYPOTHESIS", "default"))

BROKER_FOLDERS = frozenset({"integration"})
"""Folders whose tests all need a broker, with any marks: none is `unit`."""

UNIT_FOLDERS = frozenset(
    {
        "chaos",
        "cli",
        "compliance",
        "config",
        "contract",
        "decide",
        "decode",
        "demo",
        "deploy",
        "dlq",
        "docs",
        "engine",
        "features",
        "incidents",
        "kafka",
        "merchants",
        "model",
        "mutation",
        "policy",
        "profile",
        "records",
        "reference",
        "replay",
        "simulator",
        "state",
        "telemetry",
        "threeds",
        "tidy",
        "training",
        "transport",
        "worker",
    }
)
"""Marks of tests that are not `unit`, although their folder is."""

NEEDS = frozenset({"browser", "embedded", "kafka", "monitoring", "wheel"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `unit` every test that needs no broker, no Prometheus, no browser and no clean environment."""
    here = Path(__file__).parent
    for item in items:
        if not item.path.is_relative_to(here):
            continue
        folder = item.path.relative_to(here).parts[0]
        if folder in UNIT_FOLDERS and not any(mark.name in NEEDS for mark in item.iter_markers()):
            item.add_marker("unit")
