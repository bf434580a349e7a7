"""Compile a helper to LLVM's intermediate representation and no further: only entry points become machine code.

numba optimises each compiled function and makes machine code of it, with all functions that it calls. A helper is never
called as such: it is copied into entry points, and into other helpers, level above level. So most of the time of a
first start went into machine code that nothing runs. Here a helper keeps its own functions as they are. Its caller gets
them with those of all helpers below, each once, and optimises the whole.

This overrides internals of numba: `tests/profile/test_helper_library.py` pins the sources that it relies on.
"""

from collections.abc import Iterator
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.targetconfig import TargetConfig


class HelperLibrary(JITCodeLibrary):
    """Hold the functions of one helper, to be linked into the library of an entry point."""

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)  # type: ignore[no-untyped-call]  # numba
        self._with_called: Any = None

    @property
    def codegen(self) -> "_NoEnvironments":
        """Called by numba for the address of an environment, which only machine code has."""
        return _NoEnvironments()

    def finalize(self) -> None:
        """Leave the functions as they are."""
        for library in self._linking_libraries:
            self._reload_init.update(library._reload_init)
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0: there is no machine code."""
        self._ensure_finalized()  # type: ignore[no-untyped-call]  # numba
        return 0

    def _get_module_for_linking(self) -> Any:
        """Return a module with the functions of this helper and of all that it calls, directly or not."""
        if self._with_called is None:
            module = self._own_module().clone()
            for library in _callers_first(self):
                # A function is taken only where the module already refers to it: so callers come before the called.
                of_helper = isinstance(library, HelperLibrary)
                linked: Any = library._own_module() if of_helper else library._get_module_for_linking()
                module.link_in(linked, preserve=True)
            self._with_called = module
        return self._with_called

    def _own_module(self) -> Any:
        return super()._get_module_for_linking()  # type: ignore[no-untyped-call]  # numba


class HelperCompiler(Compiler):
    """Compile as numba does, into a `HelperLibrary`."""

    def __init__(
        self, typingctx: Any, targetctx: Any, library: Any, args: Any, return_type: Any, flags: Any, locals: Any
    ) -> None:
        assert library is None, "numba makes a library for each function"
        into = HelperLibrary(targetctx.codegen(), "helper")
        arguments = (typingctx, targetctx, into, args, return_type, flags, locals)
        super().__init__(*arguments)  # type: ignore[no-untyped-call]  # numba


def _has_same_flags(self: Any, other: object) -> bool:
    """Compare the options that are set. The original reads all options of both, a tenth of the time of a first start.

    Two with the same options set are equal. Others are compared as the original does: an option may be set to its
    default value.
    """
    if isinstance(other, TargetConfig) and type(self) is type(other) and self._values == other._values:
        return True
    answer: bool = _compare_all_options(self, other)
    return answer


_compare_all_options: Any = TargetConfig.__eq__
TargetConfig.__eq__ = _has_same_flags  # type: ignore[method-assign]  # for all that numba compiles


def _hash_of_names(self: TargetConfig) -> int:
    """Return one hash for all flags of a class. The original sorts the names of the options first, never the values."""
    return hash(type(self).__qualname__)


TargetConfig.__hash__ = _hash_of_names  # type: ignore[method-assign]  # for all that numba compiles


class _NoEnvironments:
    """Take no environment: it holds Python objects for machine code. A helper that needs one raises RuntimeError."""

    def set_env(self, name: str, environment: Any) -> None:
        """Do nothing."""


def _callers_first(helper: HelperLibrary) -> Iterator[Any]:
    """Return all libraries below a helper, once each, every one before those that it calls itself."""
    left: dict[Any, None] = {}

    def visit(library: Any) -> None:
        if library not in left:
            if isinstance(library, HelperLibrary):
                for called in library._linking_libraries:
                    visit(called)
            left[library] = None

    visit(helper)
    return (library for library in reversed(left) if library is not helper)
