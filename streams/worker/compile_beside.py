"""Compile the kernels of the profiles in a second process, while the first one compiles the others.

numba compiles one function at a time in a process, and half of the work of a first start are the profiles. So
`python -m streams.worker.compile_beside` runs each of their entry points once, and its results go into the cache on
disk, from where the first process loads them. The cache is written file by file, each by renaming: a process that ends
too early leaves whole files.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np

from scoring.profile import PROFILE_FEATURES, Entity, EventColumns, ProfileLimits, Profiles, Reports
from scoring.profile.kernels import entry_points

COMMAND: Final = (sys.executable, "-m", "streams.worker.compile_beside")
PATIENCE_S: Final = 20.0
"""At the end of its own part the first process waits as long as that took, and this much longer."""

_NULL: Final = subprocess.DEVNULL
_TIME_MS: Final = 1_767_225_600_000
_ROWS: Final = ProfileLimits(card=16, merchant=16, merchant_bin=16, bin=16, device=16, ip=16, account=16, address=16)


@contextmanager
def profiles_compiled_beside(command: Sequence[str] = COMMAND, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Compile the kernels of the profiles in a second process during the body, and wait for it at the end of the body.

    Where they are cached, or where there is one core, none is started. What the second process did not compile, because
    it failed or because it took longer than twice the body and `patience_s` seconds, the caller compiles on first use.
    """
    beside = _started(command) if len(os.sched_getaffinity(0)) > 1 and is_cold() else None
    if beside is None:
        yield
        return
    began = time.monotonic()
    try:
        yield
        with suppress(subprocess.TimeoutExpired):
            beside.wait(time.monotonic() - began + patience_s)
    finally:
        beside.kill()
        beside.wait()


def _started(command: Sequence[str]) -> subprocess.Popen[bytes] | None:
    """Start a process; None where the system has no room for one."""
    try:
        return subprocess.Popen(command, stdin=_NULL, stdout=_NULL, stderr=_NULL)  # noqa: S603 - our own command
    except OSError:
        return None


def is_cold() -> bool:
    """Say whether the kernel that takes longest to compile is in no cache; False where nothing is compiled."""
    kernel = entry_points.read_then_update
    stats = getattr(kernel, "stats", None)
    if stats is None or stats.cache_path is None:  # NUMBA_DISABLE_JIT, or no place for a cache
        return False
    name = kernel.__qualname__.rpartition(".")[2]
    return not any(Path(stats.cache_path).glob(f"*.{name}-*.nbi"))


def compile_profiles() -> None:
    """Run the kernels of the profiles once, with arguments of the types that a worker has."""
    profiles = Profiles(_ROWS)
    number, byte, code = np.zeros(1, np.int64), np.zeros(1, np.int8), np.zeros(1, np.int32)
    key, flag, time_ms = np.ones(1, np.uint64), np.zeros(1, np.bool_), np.full(1, _TIME_MS)
    events = EventColumns(
        event_id=key,
        keys=np.ones((1, len(Entity)), np.uint64),
        time_ms=time_ms,
        amount_jpy=number,
        outcome=byte,
        kind=byte,
        mcc=code,
        country=code,
        tds_failed=flag,
        trusted_time=flag,
    )
    profiles.read_then_update(events, np.empty((1, len(PROFILE_FEATURES))), 0)
    for rows in profiles.changelog.flush(0):
        profiles.changelog.restore(0, rows)
        profiles.changelog.rewrite(0, rows.keys)
    profiles.changelog.settle()
    profiles.changelog.forget_cards(0)
    profiles.report(Reports(card=key, merchant=key, received_ms=time_ms, amount_jpy=number))
    profiles.take_outcomes(events)


if __name__ == "__main__":
    compile_profiles()
