"""Compile kernels so that a cached one is never stale.

numba caches a compiled function under its own file's time stamp and its own byte code; it does not look at what the
function calls or at the constants it read, and a cached caller holds them compiled in. So helpers are never cached by
themselves, and an entry point closes over a revision, which is part of the key it is cached under.
"""

from collections.abc import Callable
from typing import Final, TypeVar, cast
from zlib import crc32

from numba import njit

_F = TypeVar("_F", bound=Callable[..., object])

_HELPERS: Final[list[Callable[..., object]]] = []


def helper(function: _F) -> _F:
    """Compile a function for use by other compiled ones of its package; it keeps the GIL."""
    _HELPERS.append(function)
    return cast("_F", njit(function))


def entry(function: _F) -> _F:
    """Compile an entry point and cache it on disk; it must close over its package's `revision` and keeps the GIL."""
    assert function.__closure__, "an entry point closes over the revision of its helpers"
    return cast("_F", njit(cache=True)(function))


def revision(package: str) -> int:
    """Digest the byte code of a package's helpers, as far as imported, and the constants they read."""
    parts: list[object] = []
    for function in _HELPERS:
        if function.__module__.startswith(package + "."):
            code = function.__code__
            known = function.__globals__
            constants = [
                (name, known[name]) for name in code.co_names if isinstance(known.get(name), int | float | tuple)
            ]
            parts.append((code.co_name, code.co_code, code.co_consts, constants))
    return crc32(repr(parts).encode())
