"""Run the tests of a module against a mutant of it, in a process that has already imported everything else."""

import ast
import gc
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Final

import numba
import numpy as np
import pytest
from _pytest.config import _prepareconfig

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDERS: Final = ("scoring", "models", "streams", "tests")
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"

_OPTIONS: Final = ["--assert=plain", "--capture=no", "-p", "no:cacheprovider"]
_PATIENCE: Final = 10.0  # times the duration of a test without a change, in CPU time: other processes do not count
_PATIENCE_S: Final = 3.0
_ALL_S: Final = 300.0  # for all tests, in wall time: a mutant may wait forever
_FADES: Final = 0.9  # weight of a kill after the next one
_GREEN, _RED, _SLOW, _BROKEN = range(4)
_NJIT: Final = numba.njit
_TOGETHER: Final = ("scoring.features.", "scoring.threeds.")  # functions that call each other: all compiled, or none
_NOWHERE: Final = Path(os.devnull).open("w")  # noqa: SIM115 - of all sessions, which stay open


def module_of(path: Path) -> str:
    """Name the module of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(path: Path) -> str:
    """Name the package of a file; for `__init__.py` the package itself."""
    return ".".join(path.relative_to(ROOT).parent.parts)


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
    together = {name for name in imports if name.startswith(_TOGETHER)}
    new = {name for name in imports if name == package or name.startswith(package + ".")}
    found = set(new)
    while new:
        new = {name for name, used in imports.items() if used & new} - found
        if (new | found) & together:
            new |= together - found
        found |= new
    return found


class Trial:
    """The tests of one package; those with the most kills per second are tried first.

    All is imported and collected once. A mutant of a function is tried in a fork of this process, where the function
    gets other code. A mutant of code that runs at import, or that is called then, is tried in a fork that imports the
    package and all its importers again.
    """

    def __init__(self, package: str, tests: Sequence[str]) -> None:
        self._package = package
        self._arguments = [str(ROOT / test) for test in tests if not test.startswith("--")]
        self._options = [test for test in tests if test.startswith("--")]
        self._again = importers_of(package)
        self._taken_s: dict[str, float] = {}
        self._kills: dict[str, float] = {}
        _collect([*self._options, *self._arguments])
        self._forget()
        self._called: set[tuple[str, str]] = set()
        sys.setprofile(self._note)
        self._items = _collect([*self._options, *self._arguments])
        sys.setprofile(None)
        gc.collect()
        gc.freeze()  # children share these pages
        fate, told = self._try(lambda: self._protocol(self._items))
        if fate != SURVIVED or not self._taken_s:
            raise SystemExit(
                f"{told or 'no test is run'}: fails without a change: {package} runs there without its compiler"
            )

    def run(self, module: str, path: str, tree: ast.Module, function: str) -> tuple[str, str]:
        """Run the tests on this tree of a module; name the test that fails, if one does.

        `function` is the one that alone is changed, or "".
        """
        code = compile(tree, path, "exec")
        if function and module in sys.modules and (module, function) not in self._called:
            return self._try(lambda: self._exchanged(module, code))
        return self._try(lambda: self._imported(module, path, code))

    def _try(self, act: Callable[[], int]) -> tuple[str, str]:
        notes = os.memfd_create("notes")
        pid = os.fork()
        if pid == 0:
            try:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 1)
                os.dup2(nowhere, 2)
                gc.disable()
                _watch.begin(notes, self._taken_s)
                os._exit(act())
            finally:
                os._exit(_BROKEN)
        status = _wait(pid)
        if status == _BROKEN:
            raise RuntimeError("a child ended before its tests did")
        with os.fdopen(notes, "r") as lines:
            lines.seek(0)
            told = [line.rstrip("\n").partition(" ") for line in lines]
        if status == _GREEN:
            self._taken_s = self._taken_s or {test: float(taken) for taken, _, test in told}
            return SURVIVED, ""
        test = told[-1][2] if told else ""
        self._kills = {known: kills * _FADES for known, kills in self._kills.items()}
        self._kills[test] = self._kills.get(test, 0.0) + 1.0
        return (TIMED_OUT if status == _SLOW else KILLED), test

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        """Record the functions that run while modules are imported: changing their code later has no effect."""
        if event == "call":
            self._called.add((frame.f_globals.get("__name__", ""), frame.f_code.co_qualname))

    def _worth(self, test: str) -> float:
        """Estimate how many mutants a test kills per second."""
        return (self._kills.get(test, 0.0) + 0.1) / (self._taken_s.get(test, 0.0) + 0.02)

    def _protocol(self, items: list[pytest.Item]) -> int:
        items = sorted(items, key=lambda item: -self._worth(item.nodeid))
        for item, after in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        return _GREEN

    def _exchanged(self, module: str, code: CodeType) -> int:
        codes = dict(_codes(code))
        for name, function in _functions(sys.modules[module]):
            if name in codes:
                function.__code__ = codes[name]
        return self._protocol(self._items)

    def _imported(self, module: str, path: str, code: CodeType) -> int:
        self._forget()
        sys.meta_path.insert(0, _Finder(module, path, code))
        try:
            items = _collect([*self._options, *self._arguments])
        except Exception:  # noqa: BLE001 - no test can be collected with this mutant
            return _RED
        return self._protocol(items)

    def _forget(self) -> None:
        """Import the package and its importers again, with kernels in plain Python."""
        for name in self._again & set(sys.modules):
            package, _, last = name.rpartition(".")
            if package in sys.modules:
                vars(sys.modules[package]).pop(last, None)  # `from package import module` looks here first
            del sys.modules[name]
        jit = sys.modules.get("scoring.jit")
        if jit is not None:
            for name in ("entry", "borrow"):
                setattr(jit, name, lambda whole: whole)
            for name in ("helper", "inlined", "rare"):
                setattr(jit, name, lambda whole: jit._HELPERS.append(whole) or whole)
            jit.whole = np.int64  # type: ignore[attr-defined]
            jit.trailing_zeros = lambda word: (int(word) & -int(word)).bit_length() - 1  # type: ignore[attr-defined]
            jit.prefetch = lambda *_: None  # type: ignore[attr-defined]
            np.seterr(over="ignore")  # hashes wrap around
        numba.njit = self._njit

    def _njit(self, *given: Any, **options: Any) -> Any:
        """Compile as numba does, except the package: its cache does not notice a changed constant."""
        if str(sys._getframe(1).f_globals.get("__name__")).startswith(self._package + "."):
            return given[0] if given else lambda whole: whole
        return _NJIT(*given, **options)


def _collect(arguments: Sequence[str]) -> list[pytest.Item]:
    """Collect tests as pytest does, and keep its session open."""
    with redirect_stdout(_NOWHERE):
        config = _prepareconfig([*_OPTIONS, *arguments], [_watch])
        config._do_configure()  # pytest has no public way to keep a session
        session = pytest.Session.from_config(config)
        config.hook.pytest_sessionstart(session=session)
        return list(session.perform_collect())


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    """Yield the code of functions and methods of a module by name."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and "<" not in inner.co_qualname:
            yield inner.co_qualname, inner
            yield from _codes(inner)


def _functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """Yield the functions of a module and the methods of its classes by name."""
    spaces = [vars(module), *(vars(cls) for cls in vars(module).values() if isinstance(cls, type))]
    for value in [value for space in spaces for value in space.values()]:
        found = getattr(value, "fget", None) or getattr(value, "__func__", None) or value
        found = getattr(found, "__wrapped__", found)
        if isinstance(found, FunctionType) and found.__module__ == module.__name__:
            yield found.__qualname__, found


class _Watch:
    """In a child: end the process at the first test that fails, or that takes much longer than without a change."""

    def __init__(self) -> None:
        self._notes, self._test, self._began_s = -1, "", 0.0
        self._taken_s: dict[str, float] = {}

    def begin(self, notes: int, taken_s: dict[str, float]) -> None:
        """Start writing to a file; the limits in seconds, by test."""
        self._notes, self._taken_s = notes, taken_s
        signal.signal(signal.SIGPROF, lambda *_: self._end(_SLOW))
        signal.setitimer(signal.ITIMER_PROF, 10.0 * _PATIENCE_S)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """End the process if a test cannot be imported."""
        if report.failed and self._notes >= 0:
            self._test = report.nodeid
            self._end(_RED)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Start counting the CPU time of a test."""
        self._test, self._began_s = nodeid, time.process_time()
        signal.setitimer(signal.ITIMER_PROF, _PATIENCE * self._taken_s.get(nodeid, 60.0) + _PATIENCE_S)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """End the process if a test fails."""
        if report.failed:
            self._end(_RED)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Record the duration of a test."""
        os.write(self._notes, f"{time.process_time() - self._began_s:.3f} {nodeid}\n".encode())

    def _end(self, status: int) -> None:
        os.write(self._notes, f"0 {self._test}\n".encode())
        os._exit(status)


_watch: Final = _Watch()


def _wait(pid: int) -> int:
    """Wait for a process and return its exit status; kill it at its deadline."""
    ends = time.monotonic() + _ALL_S
    while time.monotonic() < ends:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return _SLOW


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module in its mutated form."""

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        self._name, self._path, self._code = name, path, code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=self._path)

    def get_code(self, _: str) -> CodeType:
        """Give the code to `runpy`, which runs a module as a script."""
        return self._code

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self._path
        exec(self._code, module.__dict__)  # noqa: S102 - what it is for
