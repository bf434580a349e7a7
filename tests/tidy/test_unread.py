"""Something besides tests reads every definition: doubles live in tests, and unread code is deleted."""

import ast
import re
from collections import Counter
from collections.abc import Iterator

from tests.tidy.sources import tree_of
from tests.tidy.test_floors import ROOT

DEFINED = ("streams", "scoring", "models")
TOOLS = ("deploy", "tests/bench", "tests/chaos")
"""Other programs: those that make pages and rules, and those of `make bench`, `soak` and `chaos`."""

FOR_OTHERS = {
    "_build": "aiokafka's sender calls it for a batch",
    "set_env": "numba's library of code calls it for a helper",
}
"""Names that only code outside of this repository reads."""

REGISTRARS = {"add", "task"}
"""Decorators that register a function: no code calls it by name."""


HAVE_DOCSTRINGS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def without_docstrings(tree: ast.Module) -> Iterator[ast.AST]:
    """Walk over everything but docstrings and lists of exports."""
    nodes = list(ast.walk(tree))
    left_out = set()
    for node in nodes:
        if isinstance(node, HAVE_DOCSTRINGS):
            left_out |= {id(one.value) for one in node.body if isinstance(one, ast.Expr)}
        elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            left_out |= {id(one) for one in ast.walk(node.value)}
    return (node for node in nodes if id(node) not in left_out)


def read_in(tree: ast.Module) -> Iterator[str]:
    """Give every name that is read: as a name, an attribute, an argument, or in a string (`getattr`, a path)."""
    for node in without_docstrings(tree):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword):
            if node.arg is not None:
                yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"\w+", node.value)


def is_registered(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Tell whether a decorator registers a function."""
    return any(
        isinstance(one, ast.Attribute) and one.attr in REGISTRARS
        for decorator in node.decorator_list
        for one in ast.walk(decorator)
    )


def defined_in(tree: ast.Module) -> Iterator[str]:
    """Give the names that a module defines, and the methods of classes that override no other method."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                if not is_registered(node):
                    yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
        if isinstance(node, ast.ClassDef) and not node.bases:
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and not is_registered(inner):
                    yield inner.name


def unread(defining: list[ast.Module], reading: list[ast.Module], words: str = "") -> list[str]:
    """Name every definition that is never read."""
    read = Counter(re.findall(r"\w+", words))
    for tree in reading:
        read.update(read_in(tree))
    return sorted(
        name for tree in defining for name in defined_in(tree) if not read[name] and not name.startswith("__")
    )


def trees(*folders: str) -> list[ast.Module]:
    return [tree_of(path) for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_every_definition_is_read_by_more_than_tests() -> None:
    defining = trees(*DEFINED)
    found = unread(defining, [*defining, *trees(*TOOLS)], (ROOT / "pyproject.toml").read_text())
    assert set(found) == FOR_OTHERS.keys(), "delete it, or move it to the tests that use it"


def test_a_name_only_in_a_docstring_an_export_or_its_own_body_is_unread() -> None:
    tree = ast.parse(
        '"""Do as `documented`."""\n'
        "__all__ = ['exported']\n"
        "LIMIT = 1\n"
        "USED = 2\n"
        "def exported() -> None: ...\n"
        "def documented() -> None: ...\n"
        "def called() -> int: return USED\n"
        "async def by_name() -> None: getattr(called(), 'by_name')\n"
        "@FEATURES.add(1)\n"
        "def registered() -> None: ...\n"
        "class Box:\n"
        "    def method(self) -> None: ...\n"
        "    def taken(self) -> None: self.taken()\n"
        "class Faust(Box):\n"
        "    def overrides(self) -> None: ...\n"
        "Faust()\n"
    )
    assert unread([tree], [tree]) == ["LIMIT", "documented", "exported", "method"]
