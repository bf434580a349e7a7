"""No kernel compiles while payments wait."""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from streams.worker import compile_beside

SEPARATOR = "and now the parts"
IMPORTED = """
import gc, os, re, sys
from numba.core.dispatcher import Dispatcher
from streams.config.settings import Settings
from streams.config.wiring import load_bundle
from streams.worker.compile_beside import cached_kernels, is_cold
from streams.worker.compile_jobs import OF_PROFILES, OTHERS
from streams.worker.warmup import warm_up

bundle = load_bundle(Settings())
"""
WALK = """
from tests.lists.unusual import unusual_policy

warm_up(bundle)
unusual_policy()
kernels = {d.py_func.__qualname__: d.signatures for d in gc.get_objects() if isinstance(d, Dispatcher)}
called = re.compile("_[0-9a-f]{8}$|^(_margins|_contributions|_apply|choose)$")  # by Python; the rest by these
entries = {name: signatures for name, signatures in kernels.items() if called.search(name)}
helpers = [d for d in gc.get_objects() if isinstance(d, Dispatcher) and d.targetoptions.get("_nrt") is False]
returned = {(d.__name__, str(c.signature.return_type)) for d in helpers for c in d.overloads.values()}
print(len(helpers), *sorted(name for name, kind in returned if "rray" in kind))
print(len(entries), *sorted(name for name, signatures in entries.items() if not signatures))
"""


BESIDE = """
for job in OF_PROFILES + OTHERS:
    job()
of_parts = {id(kernel): list(kernel.signatures) for kernel in cached_kernels() if kernel.signatures}
print(len(of_parts))
warm_up(bundle)
OF_MODEL = {"scoring.model.quickscorer", "scoring.model.calibration", "scoring.policy.reasons.choice"}
for kernel in cached_kernels():
    function = kernel.py_func
    if function.__module__ not in OF_MODEL and of_parts.get(id(kernel)) != list(kernel.signatures):
        print("compiled by the walk:", function.__qualname__)
    if is_cold(kernel):
        print("cold after all:", function.__qualname__)
"""
BOTH = f"""{IMPORTED}
walk = os.fork()  # from here on: before any kernel ran in this process
if not walk:
    exec({WALK!r})
    sys.exit()
assert os.waitpid(walk, 0)[1] == 0
print({SEPARATOR!r}, flush=True)
exec({BESIDE!r})
"""


@pytest.fixture(scope="module")
def said() -> list[list[str]]:
    """Run both programs, each in a process of its own that forks after the imports; give the lines of each."""
    run = subprocess.run([sys.executable, "-c", BOTH], capture_output=True, text=True, check=False, timeout=240)
    assert run.returncode == 0, run.stderr
    walk, beside = run.stdout.split(f"{SEPARATOR}\n")
    return [walk.splitlines(), beside.splitlines()]


def test_the_warm_up_runs_every_entry_point(said: list[list[str]]) -> None:
    """Including those for unusual records and reports: the first such record would stop the worker for seconds."""
    helpers, called = said[0]
    count, *cold = called.split()
    assert int(count) >= 14, "most entry points must be found by the digest in their names"
    assert cold == []
    count, *owning = helpers.split()
    assert int(count) > 100
    assert owning == [], "no helper may return an array: its entry point would free it"


def test_the_two_parts_are_all_that_the_walk_runs_but_the_model(said: list[list[str]]) -> None:
    """Other argument types would be compiled in vain, and the right ones later in the walk.

    And no kernel stays cold: otherwise every start would begin a second process.
    """
    count, *differ = said[1]
    assert int(count) >= 14, "the kernels must be found"
    assert differ == []


MADE = """
from numba import njit

@njit(cache=True)
def double(value):
    return 2 * value
"""


def test_a_kernel_is_cold_until_it_is_in_the_cache_as_its_file_is_now(tmp_path: Path) -> None:
    source = tmp_path / "made.py"
    source.write_text(MADE)

    def kernel() -> Any:
        spec = importlib.util.spec_from_file_location("made", source)
        assert spec is not None and spec.loader is not None  # noqa: PT018 - one condition, in two parts for the type checker
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.double

    first = kernel()
    assert compile_beside.is_cold(first)
    first(3)
    assert not compile_beside.is_cold(first)
    assert not compile_beside.is_cold(kernel()), "another process must find it"
    source.write_text(MADE.replace("2 *", "3 *"))
    assert compile_beside.is_cold(kernel()), "its file has changed since then"


@pytest.mark.parametrize("ending", ["raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)"])
def test_a_second_process_that_dies_leaves_the_work_to_the_first(cold: list[str], ending: str) -> None:
    with compile_beside.compiled_in_two([sys.executable, "-c", ending], patience_s=60):
        cold.append("body")
    assert cold == ["body", "others"]


def test_a_second_process_that_cannot_start_leaves_the_work_to_the_first(cold: list[str], tmp_path: Path) -> None:
    with compile_beside.compiled_in_two([str(tmp_path / "no-program")]):
        cold.append("body")
    assert cold == ["body"], "the walk must compile all"


def test_a_second_process_that_is_slow_is_ended(cold: list[str], tmp_path: Path) -> None:
    """The worker starts although the other process hangs; that process does not survive the warm-up."""
    pid = tmp_path / "pid"
    hang = f"import os, pathlib, signal; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); signal.pause()"
    with compile_beside.compiled_in_two([sys.executable, "-c", hang], patience_s=0.1):
        deadline = time.monotonic() + 60
        while not (pid.exists() and pid.read_text()):
            assert time.monotonic() < deadline, "the second process did not start"
    assert cold == ["others"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_an_error_in_the_body_ends_the_second_process_and_is_raised(cold: list[str]) -> None:
    hang = [sys.executable, "-c", "import signal; signal.pause()"]
    with pytest.raises(ZeroDivisionError), compile_beside.compiled_in_two(hang):
        cold.append(str(1 // 0))
    assert cold == []


@pytest.mark.parametrize(("cores", "is_cold"), [({0}, True), ({0, 1}, False)])
def test_no_second_process_is_started_for_one_core_or_for_cached_kernels(
    monkeypatch: pytest.MonkeyPatch, cores: set[int], is_cold: bool
) -> None:
    monkeypatch.setattr(compile_beside, "is_cold", lambda _: is_cold)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    monkeypatch.setattr(subprocess, "Popen", None)
    with compile_beside.compiled_in_two():
        pass


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Set up two cores and an empty cache on any machine, and a list for the calls."""
    happened: list[str] = []
    monkeypatch.setattr(compile_beside, "is_cold", lambda _: True)
    monkeypatch.setattr(compile_beside, "OTHERS", [lambda: happened.append("others")])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    return happened


def test_the_second_process_ends_when_the_first_one_is_killed() -> None:
    child = "from streams.worker.compile_beside import end_with_parent as e; e(); import time; time.sleep(60)"
    parent = f"""
import sys, time
from streams.worker import compile_beside
print(compile_beside._started([sys.executable, "-c", {child!r}]).pid, flush=True)
time.sleep(60)
"""
    first = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    with first.stdout as said:
        second = int(said.readline())
        assert Path(f"/proc/{second}").exists()
        first.kill()
        first.wait()
        deadline = time.monotonic() + 30
        while Path(f"/proc/{second}/exe").exists():  # gone, or a zombie whose parent is dead
            assert time.monotonic() < deadline, "it still runs after the process that started it"
            time.sleep(0.02)
