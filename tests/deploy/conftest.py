"""Prometheus for the tests that need it; Debian's package has both programs."""

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def promtool() -> str:
    """Find promtool, or skip."""
    return _program("promtool")


@pytest.fixture(scope="session")
def prometheus_program() -> str:
    """Find prometheus, or skip."""
    return _program("prometheus")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        message = f"{name} is not installed (Debian: apt-get install prometheus)"
        if os.environ.get("SEKISHO_REQUIRE_PROMETHEUS"):
            pytest.fail(message)
        pytest.skip(message)
    return found
