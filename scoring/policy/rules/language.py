"""Parse and check the conditions of rules: the CEL library's grammar and types, and what a rule may use of them."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple

from cel_expr_python import cel

from scoring.nearness import nearest
from scoring.policy.rules.variables import KNOWN, Kind, Variable, variables
from scoring.policy.rules.wire import DEPTH_MAX, Node, TooDeepError, expression_of

NODES_MAX: Final = 256
"""Constants, names, calls and lists of one condition."""
TEXT_MAX: Final = 2_000
"""Characters of one condition."""

COMPARISONS: Final = {"_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
EQUALITIES: Final = {"_==_": "==", "_!=_": "!="}
ARITHMETIC: Final = {"_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_%_": "%", "-_": "-"}
LOGIC: Final = {"_&&_": "&&", "_||_": "||", "!_": "!", "_?_:_": "? :"}
OF_TEXTS: Final = ("startsWith", "endsWith", "contains")
_FUNCTIONS: Final = {*COMPARISONS, *EQUALITIES, *ARITHMETIC, *LOGIC, *OF_TEXTS, "@in", "size", "int", "double"}
_NUMBERS: Final = frozenset({"int", "double"})

_FAULT: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']*)'")
_NO_OVERLOAD: Final = re.compile(r"found no matching overload for '([^']*)' applied to '\(([^)]*)\)'")
_WORD: Final = re.compile(r"[A-Za-z_][\w.]*")
_SPELT: Final = COMPARISONS | EQUALITIES | ARITHMETIC | LOGIC | {"@in": "in"}


class Fault(NamedTuple):
    """What is wrong with a condition, and where: line and column from 1."""

    line: int
    column: int
    what: str


class ConditionError(ValueError):
    """Raised when a condition is refused. `fault` has place, cause and way out."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"line {fault.line}, column {fault.column}: {fault.what}")
        self.fault = fault


@cache
def environment() -> cel.Env:
    """Return the library's environment: every variable with its type, and no macro."""
    config = cel.NewEnvConfigFromYaml("name: rules\nstdlib:\n  disable_macros: true\n")
    kinds: dict[Kind, cel.Type] = {
        "bool": cel.Type.BOOL,
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "string": cel.Type.STRING,
        "list": cel.Type.List(cel.Type.STRING),
    }
    declared = {each.name: kinds[each.kind] for each in variables().values()}
    known = {KNOWN + name: cel.Type.BOOL for name in variables()}
    return cel.NewEnv(config=config, variables=declared | known)


@lru_cache(maxsize=4_096)
def checked(text: str) -> Node:
    """Return the tree of a condition whose types are right and that uses only what a rule may.

    Raises:
        ConditionError: it is refused.
    """
    try:
        serialised = environment().compile(text).serialize()
        root = expression_of(serialised)
    except RuntimeError as error:  # the library raises nothing narrower
        raise ConditionError(_of_library(text, str(error))) from None
    except TooDeepError as error:
        raise ConditionError(Fault(1, 1, f"{error}: give it fewer brackets, or divide it into two rules")) from None
    if root.type != "bool":
        raise _at(text, root, f"the condition has the type {root.type}: write a comparison, which is true or false")
    if sum(1 for _ in walk(root)) > NODES_MAX:
        raise ConditionError(Fault(1, 1, f"more than {NODES_MAX} names, constants and operators: divide it"))
    for node in walk(root):
        _refuse_foreign(text, node)
    return root


def variable_of(node: Node) -> Variable:
    """Return the variable of a name; of `known.X` that is X."""
    return variables()[str(node.value).removeprefix(KNOWN)]


def walk(node: Node) -> list[Node]:
    """Return a node and all below it, what is inside first: it is nearer to the cause of a fault."""
    return [*(each for arg in node.args for each in walk(arg)), node]


def _refuse_foreign(text: str, node: Node) -> None:
    """Refuse what the language of rules lacks, and a word that a variable never has."""
    name, kinds = str(node.value), [arg.type for arg in node.args]
    if node.kind == "call" and name not in _FUNCTIONS:
        raise _at(text, node, f"rules have no function {name}")
    if node.kind not in ("constant", "name", "call", "list"):
        raise _at(text, node, f"rules cannot use {node.kind}")
    if node.kind != "call":
        return
    of_two = name in EQUALITIES and kinds[0] in ("bool", "string", *_NUMBERS)
    of_words = name in OF_TEXTS and node.args[0].kind == "name" and node.args[1].kind == "constant"
    is_right = (
        (name in LOGIC and "list" not in kinds)
        or of_two
        or of_words
        or ((name in COMPARISONS or name in ARITHMETIC or name in ("int", "double")) and set(kinds) <= _NUMBERS)
        or (name == "size" and kinds == ["list"] and node.args[0].kind == "name")
        or (name == "@in" and _is_list(node.args))
    )
    if not is_right:
        raise _at(text, node, _WAYS.get(name, f"{_SPELT.get(name, name)} is only for numbers here"))
    if name in (*EQUALITIES, "@in"):
        _refuse_unknown_words(text, node)


_WAYS: Final = {
    **dict.fromkeys(OF_TEXTS, "write a variable before it and a constant in it: payment.mcc.startsWith('59')"),
    **dict.fromkeys(EQUALITIES, "lists cannot be compared: write 'TDS01' in tds.broken_rules"),
    **dict.fromkeys(LOGIC, "a list is neither true nor false"),
    "size": "size is only for a list of the payment: size(tds.broken_rules)",
    "@in": "write a value in a list of constants, or a constant in a list of the payment: 'TDS01' in tds.broken_rules",
}


def _is_list(args: tuple[Node, ...]) -> bool:
    """Say whether `in` has a value and constants, or a constant and a variable."""
    value, inside = args
    if inside.kind == "list":
        return len(inside.args) > 0 and all(each.kind == "constant" and each.type == value.type for each in inside.args)
    return inside.kind == "name" and value.kind == "constant"


def _refuse_unknown_words(text: str, node: Node) -> None:
    """Refuse a constant that a variable never has: the comparison would never be true, without an error."""
    leaves = [*node.args, *(each for arg in node.args if arg.kind == "list" for each in arg.args)]
    named = [each for each in leaves if each.kind == "name" and each.type in ("string", "list")]
    for variable in map(variable_of, named):
        words = set(variable.words.values())
        for each in leaves:
            if each.kind == "constant" and each.value not in words:
                near = nearest(str(each.value), sorted(words), _edits(str(each.value))) if len(words) <= 64 else None
                known = ", ".join(sorted(words)) if len(words) <= 24 else variable.doc
                way = f"did you mean '{near}'?" if near else f"it is one of: {known}"
                raise _at(text, each, f"{variable.name} is never '{each.value}'; {way}")


def _at(text: str, node: Node, what: str) -> ConditionError:
    before = text[: node.at]
    return ConditionError(Fault(before.count("\n") + 1, node.at - (before.rfind("\n") + 1) + 1, what))


def _of_library(text: str, message: str) -> Fault:
    """Say the library's first fault in our words, with its place and the way out."""
    faults = list(_FAULT.finditer(message))
    found = next((each for each in faults if _is_called(text, each)), faults[0] if faults else None)
    if found is None or int(found[1]) < 1:
        if "recursion" in message:
            return Fault(1, 1, f"more than {DEPTH_MAX} levels: give it fewer brackets, or divide it into two rules")
        return Fault(1, 1, message.partition(" [")[0])
    line, column, what = int(found[1]), int(found[2]), found[3].removesuffix("[INVALID_ARGUMENT]").strip()
    if missing := _UNDECLARED.match(what):
        return _of_name(text, line, column, missing[1])
    if wrong := _NO_OVERLOAD.match(what):
        kinds = wrong[2].split(", ")
        operator = _SPELT.get(wrong[1], wrong[1])
        what = f"{operator} does not take {' and '.join(kinds)}"
        if set(kinds) == _NUMBERS:
            what += "; write a double with a decimal point (5.0), and an int without"
    return Fault(line, column, what)


def _is_called(text: str, fault: re.Match[str]) -> bool:
    """Say whether a fault is about an unknown function: its place is that of the bracket behind it."""
    line, column = int(fault[1]), int(fault[2])
    return line > 0 and fault[3].startswith("undeclared") and text.split("\n")[line - 1][column - 1 :].startswith("(")


def _of_name(text: str, line: int, column: int, name: str) -> Fault:
    """Say that a name is unknown, and which one was probably meant. The library's place is that of its last dot."""
    row = text.split("\n")[line - 1]
    if row[column - 1 :].startswith("("):
        start = len(row[: column - 1].rstrip()) - len(name)
        return Fault(line, max(start, 0) + 1, f"rules have no function or macro {name}")
    at = next((m for m in _WORD.finditer(row) if m.start() <= column - 1 < m.end()), None)
    whole, column = (at[0], at.start() + 1) if at is not None else (name, column)
    prefix = KNOWN if whole.startswith(KNOWN) else ""
    bare = whole.removeprefix(prefix)
    tails = {each.rpartition(".")[2]: each for each in variables() if "." in each}
    near = tails.get(bare) or nearest(bare, variables(), _edits(bare)) or tails.get(_nearest_tail(bare, tails))
    way = f"did you mean {prefix}{near}?" if near else "the page of rules lists the variables"
    return Fault(line, column, f"there is no variable {whole}; {way}")


def _nearest_tail(name: str, tails: Mapping[str, str]) -> str:
    tail = name.rpartition(".")[2]
    return nearest(tail, tails, _edits(tail)) or ""


def _edits(name: str) -> int:
    """Most edits between a name and the one that was probably meant."""
    return min(4, len(name) // 3)
