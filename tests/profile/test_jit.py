"""The key of a cached kernel is a digest of everything it was built from, so it is never stale."""

import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from scoring import jit
from scoring.profile import EventColumns, Reports
from scoring.profile.kernels import card, entry_points, rings, store
from tests.profile.events import Stream, reports


def test_an_entry_point_returns_the_revision_of_the_helpers_that_are_loaded() -> None:
    none = reports([])
    profiles = Stream().profiles
    journal = profiles.changelog.journal(0, 0)
    assert entry_points.report(none, 0, profiles._arena, journal) == jit.revision("scoring.profile.kernels")


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [(store, "SWEEP", 16), (rings, "RING", 6), (card, "_AMOUNTS_MEMORY", 64), (rings, "_SUB_S", (1,))],
)
def test_a_changed_constant_changes_the_revision(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, value: object
) -> None:
    before = jit.revision("scoring.profile.kernels")
    monkeypatch.setattr(module, name, value)
    assert jit.revision("scoring.profile.kernels") != before


def test_another_helper_changes_the_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    before = jit.revision("scoring.profile.kernels")
    monkeypatch.setattr(_plain, "__module__", store.__name__)
    monkeypatch.setattr(jit, "_HELPERS", [*jit._HELPERS, _plain])
    assert jit.revision("scoring.profile.kernels") != before


def test_the_revision_is_the_same_in_every_process() -> None:
    """A digest of addresses or of randomly seeded hashes would recompile at every start."""
    code = "from scoring import jit, profile; print(jit.revision('scoring.profile.kernels'))"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert int(run.stdout) == jit.revision("scoring.profile.kernels")


def test_only_a_function_that_closes_over_the_revision_is_an_entry_point() -> None:
    with pytest.raises(AssertionError, match="closes over"):
        jit.entry(_plain)


def test_a_cached_version_with_another_signature_is_not_even_opened() -> None:
    """numba unpickles the signatures of a cache file before it compares stamps; a class that no longer exists would
    fail.
    """

    def made(key: int, kind: type) -> str:
        def kernel(argument: Any) -> int:
            return key

        kernel.__annotations__["argument"] = kind
        return jit.entry(kernel).__qualname__

    names = {made(1, Reports), made(2, Reports), made(1, EventColumns)}
    assert len(names) == 3
    assert made(1, Reports) in names


def _plain() -> int:
    return 0
