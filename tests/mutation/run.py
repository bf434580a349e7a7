"""Run the tests of a module against a mutant of it, in a process that has everything else imported already."""

import ast
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

import numpy as np
import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDERS: Final = ("scoring", "models", "streams", "tests")
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"

_OPTIONS: Final = ["-x", "-q", "--no-header", "--assert=plain", "-p", "no:cacheprovider"]
_PATIENCE: Final = 4.0  # times what the tests take without a change
_PATIENCE_S: Final = 20.0


def module_of(path: Path) -> str:
    """Name the module of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def importers_of(package: str) -> set[str]:
    """Return the modules of a package and all project modules that import one, directly or not."""
    imports: dict[str, set[str]] = {}
    for path in (
        path for folder in ("scoring", "models", "streams", "tests") for path in (ROOT / folder).rglob("*.py")
    ):
        named = imports.setdefault(module_of(path), set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                named |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    new = {name for name in imports if name.startswith(package + ".")}
    found = set(new)
    while new:
        new = {name for name, used in imports.items() if used & new} - found
        found |= new
    return found


class Trial:
    """The tests of one package, in the order in which they are tried, and how long they take without a change."""

    def __init__(self, package: str, tests: Sequence[str]) -> None:
        self._arguments = [*_OPTIONS, *(str(ROOT / test) for test in tests)]
        self._again = importers_of(package)
        if _quietly(lambda: int(pytest.main(self._arguments[: len(_OPTIONS) + 1]))) != 0:  # imports, loads kernels
            raise SystemExit(f"{tests[0]} fails without a change")
        self._limit_s = 1_200.0
        began = time.monotonic()
        if self.run("", "", ast.parse("")) != SURVIVED:
            raise SystemExit(f"{' '.join(tests)} fail without a change: {package} runs there without its compiler")
        self._limit_s = _PATIENCE * (time.monotonic() - began) + _PATIENCE_S

    def run(self, module: str, path: str, tree: ast.Module) -> str:
        """Say whether a test notices that a module is this tree."""
        code = compile(tree, path, "exec")
        pid = os.fork()
        if pid == 0:
            status = 3
            try:
                status = self._child(module, path, code)
            finally:
                os._exit(status)
        ends = time.monotonic() + self._limit_s
        while time.monotonic() < ends:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return SURVIVED if os.waitstatus_to_exitcode(status) == 0 else KILLED
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return TIMED_OUT

    def _child(self, module: str, path: str, code: CodeType) -> int:
        for name in self._again & set(sys.modules):
            package, _, last = name.rpartition(".")
            if package in sys.modules:
                vars(sys.modules[package]).pop(last, None)  # `from package import module` looks there first
            del sys.modules[name]
        _interpret()
        sys.meta_path.insert(0, _Finder(module, path, code))
        return _quietly(lambda: int(pytest.main(list(self._arguments))))


def _interpret() -> None:
    """Let kernels that are imported from here on run as plain Python: compiling takes longer than the tests."""
    jit = sys.modules.get("scoring.jit")
    if jit is not None:
        for name in ("helper", "entry", "borrow"):
            setattr(jit, name, lambda whole: whole)
        jit.whole = np.int64  # type: ignore[attr-defined]


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Find one module in its mutated form."""

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        self._name, self._path, self._code = name, path, code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=self._path)

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self._path
        exec(self._code, module.__dict__)  # noqa: S102 - what it is for


def _quietly(act: object) -> int:
    """Call without output."""
    kept = [os.dup(1), os.dup(2)]
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        return act()  # type: ignore[operator,no-any-return]
    finally:
        sys.stdout.flush()
        for target, source in zip((1, 2), kept, strict=True):
            os.dup2(source, target)
            os.close(source)
