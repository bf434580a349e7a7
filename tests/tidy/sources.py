"""Python sources as syntax trees, each parsed once in a run."""

import ast
from functools import cache
from pathlib import Path


@cache
def tree_of(path: Path) -> ast.Module:
    """Parse a file; the tree is shared, so nobody changes it."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return every node of a file, as `ast.walk` gives them."""
    return tuple(ast.walk(tree_of(path)))
