"""A mutant changes one operator, constant, condition or statement of a module."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum"}
_UNTESTED_KEYWORDS = {"strict", "frozen", "kw_only", "gc", "slots", "dtype"}
"""Arguments that check, compile or store: they change no result of correct code."""


class Mutants:
    """All mutants of a module, by number; `tree` is the module with one of them inside `mutated`."""

    def __init__(self, source: str) -> None:
        self.tree = ast.parse(source)
        classes = [node for node in self.tree.body if isinstance(node, ast.ClassDef)]
        self._spans = {
            f"{prefix}{node.name}": range(node.lineno, (node.end_lineno or 0) + 1)
            for prefix, body in (("", self.tree.body), *((f"{node.name}.", node.body) for node in classes))
            for node in body
            if isinstance(node, ast.FunctionDef)
        }
        self._changes = [(node, *change) for node in list(_code(self.tree)) for change in _changes(node)]

    def __len__(self) -> int:
        return len(self._changes)

    def function_of(self, number: int) -> str:
        """Name the function or method that alone is changed; "" for code that runs at import."""
        line = self._line(number)
        return next((name for name, span in self._spans.items() if line in span), "")

    def _line(self, number: int) -> int:
        node, _, put, _ = self._changes[number]
        return getattr(put.value if isinstance(put.value, ast.Pass) else node, "lineno", 0)

    @contextmanager
    def mutated(self, number: int) -> Iterator[tuple[int, str]]:
        """Change the tree; give the line and the change."""
        node, what, put, back = self._changes[number]
        before = ast.unparse(node).split("\n")[0]
        put()
        ast.fix_missing_locations(self.tree)
        yield self._line(number), what or f"{before}  ->  {ast.unparse(node).splitlines()[0]}"
        back()


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Walk through code with a result: no annotations, decorators, assertions, raised texts, docstrings."""
    if isinstance(node, ast.Assert | ast.Raise | ast.Import | ast.ImportFrom):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.keyword) and node.arg in _UNTESTED_KEYWORDS:
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "args" if isinstance(node, ast.FunctionDef) else ""}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _code(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, "_Act", "_Act"]]:
    """Yield the changes of one node: a description ("" if the code shows it), a function that makes it and one that
    undoes it.
    """
    match node:
        case ast.Compare():
            for k, op in enumerate(node.ops):
                yield "", _set(node.ops, k, _COMPARED[type(op)]()), _set(node.ops, k, op)
        case ast.BinOp() | ast.AugAssign() if type(node.op) in _CALCULATED:
            yield "", _put(node, "op", _CALCULATED[type(node.op)]()), _put(node, "op", node.op)
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "", _put(node, "op", other), _put(node, "op", node.op)
        case ast.UnaryOp(op=ast.Not()):
            yield "", _put(node, "op", ast.UAdd()), _put(node, "op", node.op)
        case ast.UnaryOp(op=ast.USub()):
            yield "", _put(node, "op", ast.UAdd()), _put(node, "op", node.op)
        case ast.If() | ast.IfExp() | ast.While() if not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            turned = ast.UnaryOp(op=ast.Not(), operand=node.test)
            yield "", _put(node, "test", turned), _put(node, "test", node.test)
        case ast.Constant() if (other := _other(node.value)) is not None:
            yield "", _put(node, "value", other), _put(node, "value", node.value)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            yield "", _put(node.func, "id", _CALLED[name]), _put(node.func, "id", name)
        case ast.Call(func=ast.Attribute(attr=name)) if name in _CALLED:
            yield "", _put(node.func, "attr", _CALLED[name]), _put(node.func, "attr", name)
    for block in ("body", "orelse"):
        statements = getattr(node, block, None)
        if isinstance(statements, list):
            for k, statement in enumerate(statements):
                if _is_dispensable(statement):
                    what = f"without: {ast.unparse(statement).splitlines()[0]}"
                    lost = ast.copy_location(ast.Pass(), statement)
                    yield what, _set(statements, k, lost), _set(statements, k, statement)


def _is_dispensable(statement: ast.stmt) -> bool:
    """Tell whether a module may run without a statement: it binds no name."""
    if isinstance(statement, ast.Assign):
        return all(isinstance(target, ast.Subscript | ast.Attribute) for target in statement.targets)
    return isinstance(statement, ast.AugAssign | ast.Continue | ast.Break) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    )


def _other(value: object) -> object:
    """Give another constant of the same kind; None for prose and for constants without one."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value * 2 if value else 1.0
        case str() if " " not in value and value.isascii():
            return value + "~"
        case bytes():
            return value + b"~"
    return None


class _Act:
    """A change, as a function."""

    def __init__(self, owner: object, name: str | int, value: object) -> None:
        self._owner, self._name, self.value = owner, name, value

    def __call__(self) -> None:
        if isinstance(self._owner, list):
            self._owner[self._name] = self.value  # type: ignore[index]  # a list's name is an int
        else:
            setattr(self._owner, str(self._name), self.value)


def _put(owner: ast.AST, name: str, value: object) -> _Act:
    return _Act(owner, name, value)


def _set(owner: object, place: int, value: object) -> _Act:
    return _Act(owner, place, value)
