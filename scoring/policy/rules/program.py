"""Compile checked conditions into one program for all rules: equal parts are evaluated once.

All comparisons of a column with constants come right after it is loaded, so its register is free again. Registers are
given by the last use of a value.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.policy.rules.language import (
    ARITHMETIC,
    COMPARISONS,
    EQUALITIES,
    OF_TEXTS,
    variable_of,
)
from scoring.policy.rules.operations import CHUNK, ERROR, FALSE, INT_MIN, TRUE, WIDTH, Op
from scoring.policy.rules.variables import KNOWN, Source, Variable
from scoring.policy.rules.wire import Constant, Node

TABLES_MAX: Final = 4 << 20
"""Bytes of the tables of all rules: each list of categories takes 10,000."""

_LOADS: Final = {
    Source.EVENT: Op.LOAD_EVENT,
    Source.VERDICT: Op.LOAD_VERDICT,
    Source.MERCHANT: Op.LOAD_MERCHANT,
    Source.MERCHANT_ROW: Op.LOAD_ROW,
    Source.SCORE: Op.LOAD_SCORE,
    Source.STANDING: Op.LOAD_STANDING,
}
_NUMBERS: Final = frozenset(
    (*range(Op.LOAD_REAL, Op.FILL_FLAG), Op.FILL_INT, Op.FILL_REAL, Op.TRANSLATE, Op.BITS, Op.CHOOSE_NUMBER)
) | frozenset(range(Op.INT_ADD, Op.IN_SCOPE))
"""Operations whose result is a number."""
_OPERANDS: Final[dict[Op, int]] = {
    **dict.fromkeys((Op.LOOK_UP, Op.TRANSLATE, Op.BIT, Op.BITS, Op.IS_KNOWN, Op.NOT, Op.TO_REAL, Op.TO_INT), 1),
    **dict.fromkeys(map(Op, range(Op.INT_LT_OF, Op.INT_ADD)), 1),
    **dict.fromkeys((Op.AND, Op.OR, Op.SAME, *map(Op, range(Op.INT_LT, Op.INT_LT_OF))), 2),
    **dict.fromkeys(map(Op, range(Op.INT_ADD, Op.TO_REAL)), 2),
    **dict.fromkeys((Op.CHOOSE_FLAG, Op.CHOOSE_NUMBER), 3),
}
"""How many of an operation's operands are values, from the first on. A negation reads its value twice."""
_TURNED: Final = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_", "_==_": "_==_"}
_WITH_CONSTANT: Final = {"_<_": "LT_OF", "_<=_": "LE_OF", "_>_": "GT_OF", "_>=_": "GE_OF", "_==_": "EQ_OF"}
_BETWEEN: Final = {"_<_": "LT", "_<=_": "LE", "_>_": "LT", "_>=_": "LE", "_==_": "EQ"}
_RECKONED: Final = {"_+_": "ADD", "_-_": "SUB", "_*_": "MUL", "_/_": "DIV", "_%_": "MOD", "-_": "NEG"}


class Program(NamedTuple):
    """A program with its constants. `steps` int64[k, WIDTH]; `numbers` and `registers` are counts of registers."""

    steps: NDArray[np.int64]
    ints: NDArray[np.int64]
    doubles: NDArray[np.float64]
    flags_by_code: NDArray[np.uint8]
    words_by_code: NDArray[np.int64]
    numbers: int
    registers: int
    has_standings: bool

    def memory(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
        """Return registers for it: numbers, the same memory as doubles, and flags."""
        numbers = np.zeros((max(self.numbers, 1), CHUNK), dtype=np.int64)
        return numbers, numbers.view(np.float64), np.zeros((max(self.registers, 1), CHUNK), dtype=np.uint8)


class Gate(NamedTuple):
    """When a rule is asked: the key of its scope in a row of keys, None for all events, and its period in ms."""

    key: tuple[int, int] | None
    from_ms: int
    to_ms: int


class Step(NamedTuple):
    """An instruction before registers are given: operands are numbers of values, or constants."""

    op: Op
    a: int = 0
    b: int = 0
    c: int = 0


class Compiler:
    """Collect the instructions of many conditions. A value is the number of the instruction that makes it."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._known: dict[Step, int] = {}
        self._ints: dict[int, int] = {}
        self._doubles: dict[bytes, int] = {}
        self._flag_tables, self._word_tables = _Tables(), _Tables()
        self._words: dict[str, int] = {}

    def add(self, rule: int, root: Node, gate: Gate) -> None:
        """Add the condition of a rule; `rule` is its row in the output.

        Raises:
            ValueError: the tables of all rules together are too large.
        """
        value = self._value(root)
        gated = self._step(Op.FILL_FLAG, TRUE)
        if gate.key is not None:
            gated = self._step(Op.IN_SCOPE, gate.key[0], self._int(gate.key[1]))
        if gate.from_ms > -(1 << 62) or gate.to_ms < 1 << 62:
            period = self._step(Op.IN_PERIOD, self._int(gate.from_ms), self._int(gate.to_ms))
            gated = period if gate.key is None else self._step(Op.AND, gated, period)
        self._step(Op.GIVE, rule, value, gated)

    def program(self) -> Program:
        """Put the instructions in order, and give registers."""
        order = self._in_order()
        last = {value: at for at, k in enumerate(order) for value in _uses(self._steps[k])}
        number_of, flag_of = _Pool(), _Pool()
        given: dict[int, tuple[bool, int]] = {}
        rows = []
        for at, k in enumerate(order):
            step, uses = self._steps[k], _uses(self._steps[k])
            target = (False, 0)
            if step.op != Op.GIVE:
                is_number = step.op in _NUMBERS
                target = given[k] = (is_number, (number_of if is_number else flag_of).take())
            rows.append((step, target, [given[value] for value in uses]))
            for value in {each for each in uses if last[each] == at}:
                is_number, register = given[value]
                (number_of if is_number else flag_of).free(register)
        return Program(
            np.array([self._row(*row, number_of.size) for row in rows], dtype=np.int64).reshape(-1, WIDTH),
            np.array([*self._ints, 0], dtype=np.int64),
            np.frombuffer(b"".join([*self._doubles, bytes(8)]), dtype=np.float64).copy(),
            np.frombuffer(self._flag_tables.all + bytes(1), dtype=np.uint8).copy(),
            np.frombuffer(self._word_tables.all + bytes(8), dtype=np.int64).copy(),
            number_of.size,
            number_of.size + flag_of.size,
            any(step.op == Op.LOAD_STANDING for step in self._steps),
        )

    def _in_order(self) -> list[int]:
        """Put what needs one column alone first, column by column. Each instruction stays behind those that it uses."""
        column: dict[int, int] = {}
        for k, step in enumerate(self._steps):
            uses = _uses(step)
            if Op.LOAD_REAL <= step.op <= Op.LOAD_STANDING:
                column[k] = k
            elif len(uses) == 1 and uses[0] in column and step.op != Op.GIVE:
                column[k] = column[uses[0]]
        return sorted(range(len(self._steps)), key=lambda k: (column.get(k, len(self._steps)), k))

    def _row(self, step: Step, target: tuple[bool, int], uses: list[tuple[bool, int]], numbers: int) -> list[int]:
        registers = [at if is_number else numbers + at for is_number, at in (target, *uses)]
        operands = [step.a, step.b, step.c]
        first = 1 if step.op == Op.GIVE else 0
        operands[first : first + len(uses)] = registers[1:]
        return [int(step.op), registers[0], *operands]

    def _step(self, op: Op, a: int = 0, b: int = 0, c: int = 0) -> int:
        step = Step(op, a, b, c)
        if step not in self._known:
            self._known[step] = len(self._steps)
            self._steps.append(step)
        return self._known[step]

    def _int(self, value: int) -> int:
        return self._ints.setdefault(value, len(self._ints))

    def _double(self, value: float) -> int:
        return self._doubles.setdefault(np.float64(value).tobytes(), len(self._doubles))

    def _value(self, node: Node) -> int:
        if node.kind == "constant":
            return self._constant(node.value)
        if node.kind == "name":
            return self._name(str(node.value), variable_of(node))
        name, args = str(node.value), node.args
        if name in EQUALITIES or name in COMPARISONS:
            equal = self._compared("_==_" if name in EQUALITIES else name, *args)
            return self._step(Op.NOT, equal) if name == "_!=_" else equal
        if name == "@in":
            return self._within(*args)
        if name in OF_TEXTS:
            return self._of_words(args[0], _TESTS[name](str(args[1].value)))
        values = [self._value(arg) for arg in args]
        if name in ARITHMETIC:
            kind = "REAL" if node.type == "double" else "INT"
            return self._step(Op[f"{kind}_{_RECKONED[name]}"], values[0], values[-1])
        if name == "_?_:_":
            return self._step(Op.CHOOSE_FLAG if node.type == "bool" else Op.CHOOSE_NUMBER, *values)
        if name in ("int", "double"):
            same = args[0].type == name
            return values[0] if same else self._step(Op.TO_INT if name == "int" else Op.TO_REAL, *values)
        return self._step({"_&&_": Op.AND, "_||_": Op.OR, "!_": Op.NOT, "size": Op.BITS}[name], *values)

    def _constant(self, value: Constant) -> int:
        if isinstance(value, bool):
            return self._step(Op.FILL_FLAG, TRUE if value else FALSE)
        if isinstance(value, float):
            return self._step(Op.FILL_REAL, self._double(value))
        return self._step(Op.FILL_INT, self._int(value if isinstance(value, int) else self._word(value)))

    def _word(self, text: str) -> int:
        return self._words.setdefault(text, len(self._words))

    def _loaded(self, variable: Variable) -> int:
        """Load the column of a variable: a number, or the code of a word."""
        if variable.source == Source.FEATURES:
            return self._step(Op.LOAD_REAL, variable.column)
        least = variable.least if variable.kind == "int" else INT_MIN
        return self._step(_LOADS[variable.source], variable.column, self._int(least))

    def _name(self, name: str, variable: Variable) -> int:
        if name.startswith(KNOWN):
            return self._step(Op.IS_KNOWN, self._name(variable.name, variable))
        code = self._loaded(variable)
        if variable.source == Source.MERCHANT_ROW:
            return self._step(Op.INT_GT_OF, code, self._int(0))
        if variable.kind == "bool":
            return self._step(Op.LOOK_UP, code, *self._flag_tables.place(bytes((FALSE, TRUE))))
        if variable.kind == "string":
            words = np.full(max(variable.words) + 1, -1, dtype=np.int64)
            for each, text in variable.words.items():
                words[each] = self._word(text)
            begin, size = self._word_tables.place(words.tobytes())
            return self._step(Op.TRANSLATE, code, begin // 8, size // 8)
        return code

    def _compared(self, name: str, one: Node, other: Node) -> int:
        if other.kind != "constant" and one.kind == "constant":
            one, other, name = other, one, _TURNED[name]
        if one.type == "string" and one.kind == "name" and other.kind == "constant":
            return self._of_words(one, lambda word: word == other.value)
        if one.type == "bool":
            return self._step(Op.SAME, self._value(one), self._value(other))
        kind = "REAL" if one.type == "double" else "INT"
        if other.kind == "constant" and one.type != "string":
            constant = other.value
            assert isinstance(constant, int | float), "checked"
            place = self._double(float(constant)) if kind == "REAL" else self._int(int(constant))
            return self._step(Op[f"{kind}_{_WITH_CONSTANT[name]}"], self._value(one), place)
        pair = [self._value(one), self._value(other)]
        if name in ("_>_", "_>=_"):
            pair.reverse()
        return self._step(Op[f"{kind}_{_BETWEEN[name]}"], *pair)

    def _within(self, value: Node, inside: Node) -> int:
        if inside.kind == "name":
            variable = variable_of(inside)
            bit = next(bit for bit, word in variable.words.items() if word == value.value)
            return self._step(Op.BIT, self._loaded(variable), bit)
        if value.kind == "name" and value.type == "string":
            words = {each.value for each in inside.args}
            return self._of_words(value, lambda word: word in words)
        found = [self._compared("_==_", value, each) for each in inside.args]
        while len(found) > 1:
            found = [self._step(Op.OR, found[0], found[1]), *found[2:]]
        return found[0]

    def _of_words(self, name: Node, holds: Callable[[str], bool]) -> int:
        """Ask something of the word of a variable: by a table with the answer for each of its codes."""
        variable = variable_of(name)
        table = bytearray([ERROR]) * (max(variable.words) + 1)
        for code, word in variable.words.items():
            table[code] = TRUE if holds(word) else FALSE
        return self._step(Op.LOOK_UP, self._loaded(variable), *self._flag_tables.place(bytes(table)))


class _Tables:
    """Tables one after the other, equal ones once."""

    def __init__(self) -> None:
        self.all = b""
        self._places: dict[bytes, tuple[int, int]] = {}

    def place(self, table: bytes) -> tuple[int, int]:
        """Return begin and size of a table in bytes."""
        if table not in self._places:
            if len(self.all) + len(table) > TABLES_MAX:
                raise ValueError("the rules have too many different lists of categories: let some share a list")
            self._places[table] = len(self.all), len(table)
            self.all += table
        return self._places[table]


class _Pool:
    """Registers that are free, the lowest first, and how many there are in all."""

    def __init__(self) -> None:
        self._free: list[int] = []
        self.size = 0

    def take(self) -> int:
        if self._free:
            return self._free.pop()
        self.size += 1
        return self.size - 1

    def free(self, register: int) -> None:
        self._free.append(register)


def _uses(step: Step) -> tuple[int, ...]:
    """Return the values that an instruction reads."""
    if step.op == Op.GIVE:
        return step.b, step.c
    return step[1 : 1 + _OPERANDS.get(step.op, 0)]


_TESTS: Final[dict[str, Callable[[str], Callable[[str], bool]]]] = {
    "startsWith": lambda part: lambda word: word.startswith(part),
    "endsWith": lambda part: lambda word: word.endswith(part),
    "contains": lambda part: lambda word: part in word,
}


def program_of(conditions: Sequence[tuple[Node, Gate]]) -> Program:
    """Compile conditions; the place of each is its row in the output."""
    compiler = Compiler()
    for rule, (root, gate) in enumerate(conditions):
        compiler.add(rule, root, gate)
    return compiler.program()
