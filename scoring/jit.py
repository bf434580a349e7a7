"""Compile kernels with a cache on disk that is never stale.

numba's cache key of a function is the time stamp of its file and its byte code. It does not include called functions or
constants. So only entry points are cached, and each closes over a revision: a digest of all helpers and constants of
its package, which is part of the key.
"""

from collections import namedtuple
from collections.abc import Callable
from enum import IntEnum
from types import ModuleType
from typing import Any, Final, SupportsInt, TypeVar, cast
from zlib import crc32

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # what numba emits code with: always beside it
from numba import njit, types
from numba.core import cgutils
from numba.core.dispatcher import Dispatcher
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

from scoring.helper_library import HelperCompiler

_F = TypeVar("_F", bound=Callable[..., object])
_T = TypeVar("_T")
_E = TypeVar("_E", bound=IntEnum)

_OPTIONS: Final[dict[str, Any]] = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "forceinline": True,
    "_nrt": False,  # no code that counts references to arrays: at every use of a tuple of them, for each of them
    "error_model": "numpy",  # no branch for a division by zero: no divisor here can be one
    "pipeline_class": HelperCompiler,
}

_ENTRY_OPTIONS: Final[dict[str, Any]] = {"cache": True, "no_cfunc_wrapper": True}  # none is called from C

_HELPERS: Final[list[Callable[..., object]]] = []


def helper(function: _F) -> _F:
    """Compile a function for use by entry points only. It keeps the GIL and is not cached by itself.

    It may not make an array, and may return one only to another helper: it counts no references. A constant argument
    gets the type of a variable: otherwise numba would compile the function for each value. The helper is copied into
    its caller, where the constant is known nevertheless.
    """
    return _compiled(function, _OPTIONS)


def rare(function: _F) -> _F:
    """Compile a helper that few events need: its callers call it, so it is optimised once and not at every call."""
    return _compiled(function, _OPTIONS | {"forceinline": False})


def _compiled(function: _F, options: dict[str, Any]) -> _F:
    _HELPERS.append(function)
    compiled = njit(**options)(function)
    if isinstance(compiled, Dispatcher):  # NUMBA_DISABLE_JIT gives the function itself
        find = compiled.get_call_template
        kind_of: Callable[[Any], Any] = types.unliteral

        def find_without_constants(args: Any, kws: Any) -> Any:
            return find([kind_of(arg) for arg in args], {name: kind_of(arg) for name, arg in dict(kws).items()})

        compiled.get_call_template = find_without_constants  # type: ignore[method-assign]  # of this dispatcher only
    return cast("_F", compiled)


def inlined(function: _F) -> _F:
    """Inline a small function into the helper that calls it. It compiles in half the time of a helper.

    Unlike a helper it has a wrapper, so a test can call it.
    """
    _HELPERS.append(function)
    return cast("_F", njit(inline="always", error_model="numpy")(function))


def plain(codes: type[_E]) -> type[_E]:
    """Return the members of an enum as plain ints, by name, for kernels: numba would box a member.

    >>> class Shape(IntEnum):
    ...     ROUND = 7
    >>> type(plain(Shape).ROUND), plain(Shape).ROUND
    (<class 'int'>, 7)
    """
    made: Callable[..., tuple[int, ...]] = namedtuple(codes.__name__, codes.__members__)  # type: ignore[misc]
    return cast("type[_E]", made(*map(int, codes)))


def entry(function: _F) -> _F:
    """Compile an entry point and cache it on disk. It must close over its package's `revision`. It keeps the GIL.

    Its name, and so its cache file, contains a digest of revision and signature. Otherwise numba would open the file of
    an older version before it checks whether it is stale. It fails if a class of that signature no longer exists.
    """
    assert function.__closure__, "an entry point closes over the revision of its helpers"
    built_from = [cell.cell_contents for cell in function.__closure__ if isinstance(cell.cell_contents, int)]
    digest = crc32(repr((built_from, function.__annotations__)).encode())
    function.__qualname__ = f"{function.__qualname__}_{digest:08x}"
    return cast("_F", njit(**_ENTRY_OPTIONS)(function))


def revision(*packages: str) -> int:
    """Return a digest of the byte code of all imported helpers of packages, and of the constants that they use."""
    parts: list[object] = [_OPTIONS]
    within = (*(f"{package}." for package in packages), __name__)
    ours = [f for f in _HELPERS if f.__module__ in packages or f.__module__.startswith(within)]
    for function in (*ours, _disown, _count_zeros, _fetch_line):
        code = function.__code__
        used = [(name, function.__globals__[name]) for name in code.co_names if name in function.__globals__]
        modules = [value for _, value in used if isinstance(value, ModuleType)]
        used += [(name, vars(module)[name]) for module in modules for name in code.co_names if name in vars(module)]
        constants = [(name, value.tolist()) for name, value in used if isinstance(value, np.ndarray | np.generic)]
        constants += [(name, value) for name, value in used if isinstance(value, int | float | tuple)]
        parts.append((code.co_name, code.co_code, code.co_consts, code.co_names, constants))
    return crc32(repr(parts).encode())


def constant(value: int) -> int:
    """Make a constant for use as an argument of a helper: of a plain int, numba would compile a copy for each value."""
    return cast("int", np.int64(value))


@helper
def whole(value: SupportsInt) -> int:
    """Widen any integer to int64: numba makes a float of uint64 and int64 together."""
    return np.int64(value)  # type: ignore[return-value]  # an int to its users


def _disown(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Emit a tuple of arrays with the same data and without an owner."""
    result = arguments[0]
    for k, array in enumerate(signature.args[0].types):
        view = make_array(array)(context, builder, value=builder.extract_value(arguments[0], k))  # type: ignore[no-untyped-call]  # numba
        view.meminfo = cgutils.get_null_value(view.meminfo.type)  # type: ignore[no-untyped-call]  # numba
        view.parent = cgutils.get_null_value(view.parent.type)  # type: ignore[no-untyped-call]  # numba
        result = builder.insert_value(result, view._getvalue(), k)
    return result


def _borrow(_: Any, arrays: Any) -> Any:
    """Return a tuple of arrays without reference counts. The caller must keep the arrays alive.

    numba counts references with atomic operations unless it can prove them needless. In these kernels it does so at
    every use of an array, which took a quarter of the time.
    """
    assert all(isinstance(array, types.Array) for array in arrays.types), arrays
    return arrays(arrays), _disown


borrow: Callable[[_T], _T] = cast("Any", intrinsic)(_borrow)


def _count_zeros(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    """Emit the machine instruction that counts trailing zeros."""
    return builder.cttz(arguments[0], cgutils.true_bit)


def _trailing_zeros(_: Any, word: Any) -> Any:
    """Count the zero bits below the lowest set bit of a uint64, which must not be 0."""
    assert word == types.uint64, word
    return types.int64(word), _count_zeros


trailing_zeros: Callable[[Any], int] = cast("Any", intrinsic)(_trailing_zeros)


def _fetch_line(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Emit LLVM's prefetch of an element's cache line: for writing, into all caches, as data."""
    array = make_array(signature.args[0])(context, builder, value=arguments[0])  # type: ignore[no-untyped-call]  # numba
    byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
    address = builder.bitcast(builder.gep(array.data, [arguments[1]]), byte)
    kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")  # type: ignore[no-untyped-call]  # numba
    builder.call(function, [address, flag(1), flag(3), flag(1)])
    return context.get_dummy_value()


def _prefetch(_: Any, array: Any, at: Any) -> Any:
    """Prefetch the cache line of an element of a flat array. The index is not checked, and nothing is read."""
    assert isinstance(array, types.Array) and isinstance(at, types.Integer), (array, at)  # noqa: PT018 -- for mypy
    return types.void(array, types.intp), _fetch_line


prefetch: Callable[[NDArray[Any], int], None] = cast("Any", intrinsic)(_prefetch)
