"""Compile the kernels of the profiles in a second process, while this one compiles the others.

numba compiles one function at a time in a process, and the profiles take half of the compile time of a first start.
So if kernels are not cached, the worker starts `python -m streams.worker.compile_beside`. The second process writes to
the cache on disk, and the worker loads its kernels from there. Each cache file is written by a rename, so a process
that ends early leaves only complete files.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any, Final

from numba.core.dispatcher import Dispatcher

from streams.worker.compile_jobs import OF_PROFILES, OTHERS

COMMAND: Final = (sys.executable, "-m", "streams.worker.compile_beside")
PATIENCE_S: Final = 20.0
"""Extra time to wait for the second process, beyond the time that this process took for its own part."""

_NULL: Final = subprocess.DEVNULL
_PACKAGES: Final = ("scoring.", "streams.")
_OF_SOME_POLICIES: Final = ("scoring.lists.", "scoring.policy.rules.")
"""Packages whose kernels compile when a policy with rules or lists is made. Without such a policy they stay cold."""


@contextmanager
def compiled_in_two(command: Sequence[str] = COMMAND, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Compile the profiles in a second process during the body, and all other kernels in this one after the body.

    Nothing is done if all kernels are cached, or on one core. If the second process fails, or takes longer than twice
    this one and `patience_s` seconds, the caller compiles the remaining kernels on first use.
    """
    beside = _started(command) if len(os.sched_getaffinity(0)) > 1 and any(map(is_cold, cached_kernels())) else None
    if beside is None:
        yield
        return
    began = time.monotonic()
    try:
        yield
        for run in OTHERS:
            run()
        with suppress(subprocess.TimeoutExpired):
            beside.wait(time.monotonic() - began + patience_s)
    finally:
        beside.kill()
        beside.wait()
        if beside.stdin is not None:
            beside.stdin.close()


def cached_kernels() -> Iterator[Dispatcher]:
    """Return the imported kernels that every worker runs and numba caches on disk; none if numba compiles nothing."""
    loaded = [(name, module) for name, module in sys.modules.items() if name.startswith(_PACKAGES)]
    ours = [module for name, module in loaded if not name.startswith(_OF_SOME_POLICIES)]
    found = {id(kernel): kernel for module in ours for kernel in _kernels_of(module)}
    return (kernel for kernel in found.values() if kernel.stats.cache_path is not None)


def is_cold(kernel: Dispatcher) -> bool:
    """Tell whether a kernel has no cache entry for the present version of its file."""
    inside: Any = kernel
    return not inside._cache._cache_file._load_index()  # the same check that numba makes before it compiles


def _kernels_of(module: ModuleType) -> list[Dispatcher]:
    return [value for value in vars(module).values() if isinstance(value, Dispatcher)]


def _started(command: Sequence[str]) -> subprocess.Popen[bytes] | None:
    """Start a process whose input is a pipe that closes when this process ends; None if it cannot start."""
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=_NULL, stderr=_NULL)  # noqa: S603 - our own
    except OSError:
        return None


def end_with_parent() -> None:
    """End this process when its parent ends, also by SIGKILL: the pipe on its input is closed then."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    end_with_parent()
    for run_kernels in OF_PROFILES:
        run_kernels()
