"""Settings of the whole suite: property tests without deadlines, reproducible in CI; and which tests are `unit`."""

import ctypes
import gc
import importlib
import logging
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.examples import FULL, examples, is_quick

gc.disable()  # until the tests are collected: nearly all that imports and collection make stays

# A shared machine pauses at random: a deadline would fail a correct test.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.register_profile("quick", parent=settings.get_profile("default"), max_examples=examples(FULL))
settings.load_profile(os.environ.get("SEKISHO_HYPOTHESIS", "default"))

# NumPy asks for huge pages of 2 MB when it is imported. A test touches few rows of a table, at random: each touch would
# clear 2 MB. Workers that a test starts are as in production.
assert "numpy" not in sys.modules, "numpy was imported before tests/conftest.py, and has huge pages now"
with pytest.MonkeyPatch.context() as environment:
    environment.setenv("NUMPY_MADVISE_HUGEPAGE", "0")
    importlib.import_module("numpy")

if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
    # Every engine reserves tables that a test hardly touches. By default glibc soon takes them from its heap and clears
    # them; mapped, their pages cost nothing until they are used.
    M_MMAP_THRESHOLD, MAPPED_FROM = -3, 1 << 20
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, MAPPED_FROM)

BROKER_FOLDERS = frozenset({"integration"})
"""Folders whose tests all need a broker, with any marks: none is `unit`."""

collect_ignore = sorted(BROKER_FOLDERS) if is_quick() else []
"""Folders that pytest does not import: the inner loop runs no test of theirs."""

UNIT_FOLDERS = frozenset(
    {
        "backtest",
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
        "experiment",
        "explain",
        "features",
        "history",
        "incidents",
        "kafka",
        "lists",
        "promotion",
        "shadow",
        "merchants",
        "model",
        "mutation",
        "policy",
        "profile",
        "records",
        "reference",
        "reload",
        "replay",
        "simulator",
        "state",
        "telemetry",
        "threeds",
        "tidy",
        "training",
        "transport",
        "watching",
        "webhook",
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


@pytest.fixture(scope="session", autouse=is_quick())
def forests_parsed_once() -> Iterator[None]:
    """Parse the text of each model once: that of the demonstration takes a tenth of a second, in many tests."""
    trees = importlib.import_module("scoring.model.quickscorer").CompiledTrees
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees, "parse", lru_cache(16)(trees.parse))
        yield


def pytest_runtest_setup() -> None:
    """Remove log handlers of closed streams: a command in the process of a test logs to what that test captured."""
    for handler in logging.getLogger().handlers[:]:
        if getattr(getattr(handler, "stream", None), "closed", False):
            logging.getLogger().removeHandler(handler)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over modules and test items, which stay: else each full collection visits them."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    gc.enable()
