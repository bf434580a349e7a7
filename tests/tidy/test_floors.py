"""Imports go downward: no circle, and no import of a package above."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.tidy.sources import nodes_of

ROOT = Path(__file__).resolve().parents[2]

STREAMS = (
    ("records",),
    ("kafka",),
    ("transport",),
    ("state",),
    ("worker", "telemetry"),
    ("webhook",),
    ("config", "console"),
    ("challenger", "dlq", "policy", "replay"),
    ("compliance", "demo", "explain", "history"),
    ("cli",),
)
"""The floors of `streams`, lowest first. A package imports only from floors below its own."""


def modules(package: str) -> dict[str, Path]:
    """Find the modules of a package by their dotted names."""
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Name the modules that a file imports, including imports for types only and inside functions."""
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("package", ["scoring", "streams", "models", "deploy"])
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    known = modules(package)
    graph = {name: {m for m in imported(path, known) if m in known and m != name} for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"a circle: {' -> '.join(error.args[1])}") from None


def test_every_package_of_streams_has_its_floor() -> None:
    folders = {path.name for path in (ROOT / "streams").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders == {name for floor in STREAMS for name in floor}
    assert [path.name for path in (ROOT / "streams").glob("*.py")] == ["__init__.py"]


def test_no_import_runs_upward() -> None:
    floor_of = {name: number for number, floor in enumerate(STREAMS) for name in floor}
    known = modules("streams")
    for name, path in known.items():
        own = name.split(".")[1] if "." in name else None
        for found in imported(path, known):
            parts = found.split(".")
            if own is None or parts[0] != "streams" or len(parts) == 1 or parts[1] == own:
                continue
            assert floor_of[parts[1]] < floor_of[own], f"{name} imports {found}"


def test_settings_are_in_the_package_that_uses_them() -> None:
    """`streams/config` reads and composes; its only record is the whole configuration."""
    records = {
        node.name
        for path in (ROOT / "streams" / "config").rglob("*.py")
        for node in nodes_of(path)
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Struct") for base in node.bases)
    }
    assert records == {"Settings"}
