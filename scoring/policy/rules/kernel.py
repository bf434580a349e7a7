"""The kernel of rules: run a program over a batch, chunk by chunk."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.jit import borrow, entry, helper, plain, revision
from scoring.policy.rules.loops import (
    combine,
    compare_ints,
    compare_reals,
    int_holds,
    load,
    real_holds,
    reckon_int,
    reckon_real,
)
from scoring.policy.rules.operations import CHUNK, ERROR, FALSE, TRUE, Op

_OP = plain(Op)
_TOP: Final = 9223372036854775807.0
"""2^63: the least double above every int."""


@helper
def _ask_code(
    op: int,
    to: int,
    operands: tuple[int, int, int],
    tables: tuple[NDArray[np.uint8], NDArray[np.int64]],
    numbers: NDArray[np.int64],
    flags: NDArray[np.uint8],
    f: NDArray[np.uint8],
) -> None:
    """Ask something of a code or of bits: a table, a bit, how many bits are set, or whether there is a value."""
    a, b, c = operands
    flags_by_code, words_by_code = tables
    n = len(f)
    if op == _OP.LOOK_UP:
        for i in range(n):
            code = numbers[a, i]
            f[i] = flags_by_code[b + code] if 0 <= code < c else ERROR
    elif op == _OP.TRANSLATE:
        for i in range(n):
            code = numbers[a, i]
            word = words_by_code[b + code] if 0 <= code < c else -1
            numbers[to, i] = word
            f[i] = ERROR if word < 0 else FALSE
    elif op == _OP.BIT:
        for i in range(n):
            f[i] = ERROR if flags[a, i] != 0 else (TRUE if numbers[a, i] >> b & 1 else FALSE)
    elif op == _OP.BITS:
        for i in range(n):
            left, count = numbers[a, i], 0
            while left != 0:
                left &= left - 1
                count += 1
            numbers[to, i] = count
            f[i] = flags[a, i]
    else:
        for i in range(n):
            f[i] = FALSE if flags[a, i] == ERROR else TRUE


@helper
def _reckon(
    op: int,
    to: int,
    a: int,
    b: int,
    registers: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]],
    f: NDArray[np.uint8],
) -> None:
    """Do arithmetic, or convert between int and double. An int that is out of range is an ERROR."""
    numbers, reals, flags = registers
    n = len(f)
    if op <= _OP.INT_NEG:
        for i in range(n):
            value, fails = reckon_int(op, numbers[a, i], numbers[b, i])
            numbers[to, i] = value
            f[i] = ERROR if fails or (flags[a, i] | flags[b, i]) != 0 else FALSE
    elif op <= _OP.REAL_NEG:
        for i in range(n):
            reals[to, i] = reckon_real(op, reals[a, i], reals[b, i])
            f[i] = flags[a, i] | flags[b, i]
    elif op == _OP.TO_REAL:
        for i in range(n):
            reals[to, i] = float(numbers[a, i])
            f[i] = flags[a, i]
    else:
        for i in range(n):
            value = reals[a, i]
            fits = -_TOP < value < _TOP
            numbers[to, i] = int(value) if fits else 0
            f[i] = flags[a, i] if fits else ERROR


@helper
def _step(
    step: NDArray[np.int64],
    first: int,
    n: int,
    constants: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8], NDArray[np.int64]],
    features: NDArray[np.float64],
    sources: tuple[NDArray[np.int64], ...],
    asked: tuple[NDArray[np.int64], NDArray[np.int64]],
    registers: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]],
) -> None:
    """Run one instruction for `n` events from `first` on."""
    ints, doubles = constants[0], constants[1]
    numbers, reals, flags = registers
    op, to, a, b, c = step[0], step[1], step[2], step[3], step[4]
    f = flags[to, :n]
    if op == _OP.LOAD_REAL:
        for i in range(n):
            value = features[first + i, a]
            reals[to, i] = value
            f[i] = ERROR if np.isnan(value) else FALSE
    elif op <= _OP.LOAD_STANDING:
        load(op, a, ints[b], first, sources, numbers[to], f)
    elif op == _OP.FILL_FLAG:
        f[:] = a
    elif op == _OP.FILL_INT:
        f[:] = FALSE
        numbers[to, :n] = ints[a]
    elif op == _OP.FILL_REAL:
        f[:] = FALSE
        reals[to, :n] = doubles[a]
    elif op <= _OP.IS_KNOWN:
        _ask_code(op, to, (a, b, c), constants[2:], numbers, flags, f)
    elif op <= _OP.CHOOSE_NUMBER:
        combine(op, to, (a, b, c), numbers, flags, f)
    elif op <= _OP.INT_EQ:
        for i in range(n):
            holds = int_holds(op, numbers[a, i], numbers[b, i])
            f[i] = ERROR if (flags[a, i] | flags[b, i]) != 0 else (TRUE if holds else FALSE)
    elif op <= _OP.REAL_EQ:
        for i in range(n):
            holds = real_holds(op, reals[a, i], reals[b, i])
            f[i] = ERROR if (flags[a, i] | flags[b, i]) != 0 else (TRUE if holds else FALSE)
    elif op <= _OP.INT_EQ_OF:
        compare_ints(op, numbers[a], flags[a], ints[b], f)
    elif op <= _OP.REAL_EQ_OF:
        compare_reals(op, reals[a], flags[a], doubles[b], f)
    elif op <= _OP.TO_INT:
        _reckon(op, to, a, b, registers, f)
    elif op == _OP.IN_SCOPE:
        keys, _ = asked
        for i in range(n):
            f[i] = TRUE if keys[a, first + i] == ints[b] else FALSE
    else:
        _, at_ms = asked
        for i in range(n):
            f[i] = TRUE if ints[a] <= at_ms[first + i] < ints[b] else FALSE


@helper
def _give(
    step: NDArray[np.int64],
    first: int,
    n: int,
    flags: NDArray[np.uint8],
    counted: NDArray[np.bool_],
    out: NDArray[np.uint8],
    errors: NDArray[np.int64],
) -> None:
    """Write what a rule says of each event, FALSE outside of its scope and period, and count its errors."""
    rule, value, gate = step[2], step[3], step[4]
    failed = 0
    for i in range(n):
        flag = flags[value, i] if flags[gate, i] == TRUE else FALSE
        out[rule, first + i] = flag
        failed += 1 if flag == ERROR and counted[first + i] else 0
    errors[rule] += failed


def _compile(key: int) -> Callable[..., int]:
    """Compile the entry point; `key` is part of the key of numba's cache."""

    @entry
    def run(
        program: NDArray[np.int64],
        ints: NDArray[np.int64],
        doubles: NDArray[np.float64],
        flags_by_code: NDArray[np.uint8],
        words_by_code: NDArray[np.int64],
        features: NDArray[np.float64],
        events: NDArray[np.int64],
        verdicts: NDArray[np.int64],
        merchants: NDArray[np.int64],
        rows: NDArray[np.int64],
        scores: NDArray[np.int64],
        standings: NDArray[np.int64],
        keys: NDArray[np.int64],
        at_ms: NDArray[np.int64],
        counted: NDArray[np.bool_],
        numbers: NDArray[np.int64],
        reals: NDArray[np.float64],
        flags: NDArray[np.uint8],
        out: NDArray[np.uint8],
        errors: NDArray[np.int64],
    ) -> int:
        """Run a program over a batch, chunk by chunk. `reals` and `numbers` are one memory."""
        program, out, errors, counted = borrow((program, out, errors, counted))
        constants = borrow((ints, doubles, flags_by_code, words_by_code))
        sources = borrow((events, verdicts, merchants, rows, scores, standings))
        asked, registers = borrow((keys, at_ms)), borrow((numbers, reals, flags))
        (features,) = borrow((features,))
        for first in range(0, len(rows), CHUNK):
            n = min(CHUNK, len(rows) - first)
            for k in range(len(program)):
                if program[k, 0] == _OP.GIVE:
                    _give(program[k], first, n, registers[2], counted, out, errors)
                else:
                    _step(program[k], first, n, constants, features, sources, asked, registers)
        return key

    return run


run = _compile(revision("scoring.policy.rules"))
"""Fill `out` uint8[rules, n] with the flag of each rule and event, and add to `errors` int64[rules]."""
