"""No kernel compiles while payments wait."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from streams.worker import compile_beside

PROGRAM = """
import gc, re
from numba.core.dispatcher import Dispatcher
from streams.config.settings import Settings
from streams.worker.warmup import warm_up
from streams.config.wiring import load_bundle

warm_up(load_bundle(Settings()))
kernels = {d.py_func.__qualname__: d.signatures for d in gc.get_objects() if isinstance(d, Dispatcher)}
called = re.compile("_[0-9a-f]{8}$|^(_margins|_contributions|_apply|choose)$")  # by Python; the rest by these
entries = {name: signatures for name, signatures in kernels.items() if called.search(name)}
print(len(entries), *sorted(name for name, signatures in entries.items() if not signatures))
"""


def test_the_warm_up_runs_every_entry_point() -> None:
    """Also those that only an odd record or a report needs: the first of them would stop the worker for seconds."""
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=240)
    count, *cold = run.stdout.split()
    assert int(count) >= 14, "most entry points are found by the digest in their names"
    assert cold == []


BESIDE = """
from scoring.profile.kernels import entry_points
from streams.config.settings import Settings
from streams.config.wiring import load_bundle
from streams.worker.compile_beside import compile_profiles
from streams.worker.warmup import warm_up

compile_profiles()
names = "read_then_update take_outcomes report pack restore leave mark collect".split()
before = {name: list(getattr(entry_points, name).signatures) for name in names}
warm_up(load_bundle(Settings()))
print(*(name for name in names if not before[name] or before[name] != list(getattr(entry_points, name).signatures)))
"""


def test_what_the_second_process_compiles_is_what_the_walk_runs() -> None:
    """Other types of arguments would be compiled for nothing, and the right ones by the walk after all."""
    run = subprocess.run([sys.executable, "-c", BESIDE], capture_output=True, text=True, check=True, timeout=240)
    assert run.stdout.split() == []


def test_a_kernel_is_cold_until_it_is_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel = SimpleNamespace(__qualname__="made.<locals>.kernel_1", stats=SimpleNamespace(cache_path=str(tmp_path)))
    monkeypatch.setattr(compile_beside.entry_points, "read_then_update", kernel)
    assert compile_beside.is_cold()
    (tmp_path / "entry_points.made.locals.kernel_2-1.py311.nbi").touch()
    assert compile_beside.is_cold(), "another version of the kernel is there"
    (tmp_path / "entry_points.made.locals.kernel_1-1.py311.nbi").touch()
    assert not compile_beside.is_cold()


@pytest.mark.parametrize("ending", ["raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"])
def test_a_second_process_that_dies_leaves_the_work_to_the_first(cold: list[str], ending: str) -> None:
    with compile_beside.profiles_compiled_beside([sys.executable, "-c", ending], patience_s=60):
        cold.append("walked")
    assert cold == ["walked"]


def test_a_second_process_that_cannot_start_leaves_the_work_to_the_first(cold: list[str], tmp_path: Path) -> None:
    with compile_beside.profiles_compiled_beside([str(tmp_path / "no-program")]):
        cold.append("walked")
    assert cold == ["walked"]


def test_a_second_process_that_is_slow_is_ended(cold: list[str], tmp_path: Path) -> None:
    """The worker starts although the other process hangs; that process does not outlive the warm-up."""
    pid = tmp_path / "pid"
    hang = f"import os, pathlib, signal; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); signal.pause()"
    with compile_beside.profiles_compiled_beside([sys.executable, "-c", hang], patience_s=0.1):
        deadline = time.monotonic() + 60
        while not (pid.exists() and pid.read_text()):
            assert time.monotonic() < deadline, "the second process did not start"
        cold.append("walked")
    assert cold == ["walked"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_an_error_of_the_walk_ends_the_second_process_and_is_raised(cold: list[str]) -> None:
    hang = [sys.executable, "-c", "import signal; signal.pause()"]
    with pytest.raises(ZeroDivisionError), compile_beside.profiles_compiled_beside(hang):
        cold.append(str(1 // 0))


@pytest.mark.parametrize(("cores", "is_cold"), [({0}, True), ({0, 1}, False)])
def test_no_second_process_is_started_for_one_core_or_for_cached_kernels(
    monkeypatch: pytest.MonkeyPatch, cores: set[int], is_cold: bool
) -> None:
    monkeypatch.setattr(compile_beside, "is_cold", lambda: is_cold)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    monkeypatch.setattr(subprocess, "Popen", None)
    with compile_beside.profiles_compiled_beside():
        pass


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two cores and an empty cache, whatever this machine has; a list to note what happened in."""
    monkeypatch.setattr(compile_beside, "is_cold", lambda: True)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    return []
