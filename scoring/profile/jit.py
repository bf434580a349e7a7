"""Compile kernels so that a cached one is never stale.

numba caches a compiled function under its own file's time stamp and byte code, and does not look at what it calls or at
the constants it read. So only the entry points are cached, and each closes over a revision: a digest of every helper
and constant, which is part of the cache key.
"""

from collections.abc import Callable
from typing import Final, TypeVar, cast
from zlib import crc32

from numba import njit

_F = TypeVar("_F", bound=Callable[..., object])

_HELPERS: Final[list[Callable[..., object]]] = []


def helper(function: _F) -> _F:
    """Compile a function for use by entry points only; it keeps the GIL and is never cached by itself."""
    _HELPERS.append(function)
    return cast("_F", njit(function))


def entry(function: _F) -> _F:
    """Compile an entry point and cache it on disk; it must close over `revision()` and keeps the GIL."""
    assert function.__closure__, "an entry point closes over the revision of its helpers"
    return cast("_F", njit(cache=True)(function))


def revision() -> int:
    """Digest the byte code of all helpers so far and the constants of their modules."""
    parts: list[object] = []
    for function in _HELPERS:
        code = function.__code__
        constants = {name: value for name, value in function.__globals__.items() if name in code.co_names}
        plain = sorted((name, repr(value)) for name, value in constants.items() if isinstance(value, int | float | tuple))
        parts.append((code.co_name, code.co_code, code.co_consts, code.co_names, plain))
    return crc32(repr(parts).encode())
