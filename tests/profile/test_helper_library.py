"""A helper has no machine code of its own, and its callers compute the same as plain Python."""

import hashlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from numba.core import codegen, compiler, cpu, typed_passes
from numba.core.compiler import Flags
from numba.core.errors import NumbaError
from numba.core.targetconfig import TargetConfig

from scoring import helper_library, jit
from scoring.helper_library import HelperLibrary

PINNED: dict[str, tuple[Callable[..., Any], str]] = {
    "CPUCodeLibrary._get_module_for_linking": (codegen.CPUCodeLibrary._get_module_for_linking, "56dde0e0555b"),
    "CPUCodeLibrary.add_linking_library": (codegen.CPUCodeLibrary.add_linking_library, "b7c82a3a3a8d"),
    "CPUCodeLibrary.finalize": (codegen.CPUCodeLibrary.finalize, "4b4c34b83488"),
    "JITCodeLibrary.get_pointer_to_function": (codegen.JITCodeLibrary.get_pointer_to_function, "1bce3f385d25"),
    "CPUContext.get_executable": (cpu.CPUContext.get_executable, "3892c8a654a2"),
    "CompilerBase.__init__": (compiler.CompilerBase.__init__, "394d87ab2f36"),
    "TargetConfig.__eq__": (helper_library._compare_all_options, "6d8774572d07"),
    "TargetConfig, for its __hash__": (TargetConfig, "5296215326fb"),
    "TargetConfig.values": (TargetConfig.values, "12a29dc810f6"),
    "BaseNativeLowering.run_pass": (typed_passes.BaseNativeLowering.run_pass, "0b482df48654"),
}


@jit.helper
def _lowest(value: int) -> int:
    return value * 3 + 1


@jit.helper
def _left(value: int) -> int:
    return _lowest(value) + max(value, 5)


@jit.helper
def _right(value: int) -> int:
    return _lowest(value + 2) * 7


@jit.helper
def _top(value: int) -> int:
    return _left(value) - _right(value) + _lowest(4)


def _plain(value: int) -> int:
    return (value * 3 + 1 + max(value, 5)) - ((value + 2) * 3 + 1) * 7 + 13


def test_helpers_that_share_a_helper_compute_what_plain_python_does() -> None:
    """Also where two callers link the same helpers, and where a caller is itself a helper."""

    @numba.njit
    def one(value: int) -> int:
        return _top(value)

    @numba.njit
    def both(value: int) -> int:
        return _top(value) + _right(value) * one(value)

    for value in range(-3, 12):
        assert one(value) == _plain(value)
        assert both(value) == _plain(value) + ((value + 2) * 3 + 1) * 7 * _plain(value)


def test_a_helper_has_no_machine_code_and_its_caller_has_it_inside() -> None:
    @numba.njit
    def call(value: int) -> int:
        return _top(value)

    call(1)
    for helper in (_lowest, _left, _right, _top):
        for compiled in helper.overloads.values():  # type: ignore[attr-defined]
            assert isinstance(compiled.library, HelperLibrary)
            assert not compiled.codegen._engine.is_symbol_defined(compiled.fndesc.llvm_func_name)
    (caller,) = call.overloads.values()
    ours = [f.name for f in caller.library._final_module.functions if "test_helper_library" in f.name]
    assert len([name for name in ours if "_lowest" in name or "_top" in name]) == 0, "every helper must be inlined"


def test_a_helper_is_compiled_once_for_all_constants_in_its_calls() -> None:
    @jit.helper
    def shifted(value: int, by: int, twice: bool) -> int:
        return value + 2 * by if twice else value + by

    @numba.njit
    def call(values: Any) -> int:
        total = 0
        for value in values:
            total = shifted(total, 3, True) + shifted(value, 4, twice=False) + shifted(0, value, value > 1)
        return total

    assert call((1, 2, 3)) == 47
    assert len(shifted.signatures) == 1  # type: ignore[attr-defined]


def test_a_rare_helper_need_not_be_copied_into_its_callers() -> None:
    @jit.rare
    def seldom(value: int) -> int:
        total = 0
        for k in range(value):
            total += (total ^ k) % 7 + _lowest(k)
        return total

    @numba.njit
    def call(value: int) -> int:
        return seldom(value) + seldom(value + 1) * seldom(value + 2)

    def plain(value: int) -> int:
        total = 0
        for k in range(value):
            total += (total ^ k) % 7 + k * 3 + 1
        return total

    assert call(3) == plain(3) + plain(4) * plain(5)
    assert _is_copied(_lowest)
    assert not _is_copied(seldom)


def _is_copied(helper: Any) -> bool:
    """Tell whether LLVM must copy a helper into its callers."""
    (compiled,) = helper.overloads.values()
    function = compiled.library._final_module.get_function(compiled.fndesc.llvm_func_name)
    return any(b"alwaysinline" in attributes for attributes in function.attributes)


def test_a_helper_counts_no_references_and_its_caller_keeps_its_arrays() -> None:
    @jit.helper
    def add_up(arrays: Any) -> float:
        total = 0.0
        for k in range(len(arrays[0])):
            total += arrays[0][k] * arrays[1][k]
        return total

    @numba.njit
    def call(n: int) -> tuple[float, Any]:
        made = np.arange(n) * 1.0
        total = 0.0
        for _ in range(3):
            total += add_up((made, made[::-1]))
        return total, made

    total, made = call(5)
    assert (total, made.tolist()) == (30.0, [0.0, 1.0, 2.0, 3.0, 4.0])
    assert sys.getrefcount(made) == 2
    (compiled,) = add_up.overloads.values()  # type: ignore[attr-defined]
    text = str(compiled.library._final_module)
    assert "NRT_incref" not in text
    assert "NRT_decref" not in text


def test_a_helper_that_makes_an_array_is_refused() -> None:
    @jit.helper
    def makes(n: int) -> Any:
        return np.zeros(n)

    @numba.njit
    def call(n: int) -> float:
        return float(makes(n)[0])

    with pytest.raises(NumbaError):
        call(1)


def test_a_helper_that_needs_a_python_object_raises() -> None:
    """A helper has no environment to hold a Python object. No kernel needs one."""

    @jit.helper
    def says(value: int) -> int:
        print(value, "is no number")
        return value

    @numba.njit
    def call(value: int) -> int:
        return says(value)

    with pytest.raises(RuntimeError, match="missing Environment"):
        call(1)


def test_flags_are_equal_if_all_options_are_set_or_not() -> None:
    """An option that is set to its default value is equal to one that is not set."""
    plain, default, other = Flags(), Flags(), Flags()
    default.nrt = Flags.options["nrt"].default
    other.nrt = not default.nrt
    assert plain == default == Flags()
    assert other == other.copy() != plain
    assert plain != other
    assert plain != "flags"
    assert len({plain: 1, default: 2, other: 3}) == 2


@pytest.mark.parametrize("name", PINNED)
def test_the_sources_that_the_library_relies_on_are_those_that_were_read(name: str) -> None:
    """After an upgrade of numba, read the new source, adapt `scoring.helper_library`, and record the new digest."""
    function, known = PINNED[name]
    assert _digest(function) == known


def _digest(function: Callable[..., Any]) -> str:
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]
