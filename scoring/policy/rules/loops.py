"""Loops of the instructions that are more than one line: loads, comparisons, logic and arithmetic."""

import numpy as np
from numpy.typing import NDArray

from scoring.jit import helper, plain, whole
from scoring.policy.rules.operations import ERROR, FALSE, INT_MIN, TRUE, Op

_OP = plain(Op)


@helper
def load(
    op: int,
    a: int,
    known_from: int,
    first: int,
    sources: tuple[NDArray[np.int64], ...],
    x: NDArray[np.int64],
    f: NDArray[np.uint8],
) -> None:
    """Gather one column of ints: of events, verdicts, merchants, their rows, scores or standings."""
    events, verdicts, merchants, rows, scores, standings = sources
    for i in range(len(f)):
        at = first + i
        if op == _OP.LOAD_EVENT:
            value = events[at, a]
        elif op == _OP.LOAD_VERDICT:
            value = verdicts[at, a]
        elif op == _OP.LOAD_MERCHANT:
            value = merchants[rows[at], a]
        elif op == _OP.LOAD_ROW:
            value = rows[at]
        elif op == _OP.LOAD_SCORE:
            value = scores[at]
        else:
            value = standings[at]
        x[i] = value
        f[i] = ERROR if value < known_from else FALSE


@helper
def compare_ints(op: int, x: NDArray[np.int64], e: NDArray[np.uint8], k: int, f: NDArray[np.uint8]) -> None:
    """Compare a register with a constant, `op` decided outside of the loops."""
    n = len(f)
    if op == _OP.INT_LT_OF:
        for i in range(n):
            f[i] = ERROR if e[i] != 0 else (TRUE if x[i] < k else FALSE)
    elif op == _OP.INT_LE_OF:
        for i in range(n):
            f[i] = ERROR if e[i] != 0 else (TRUE if x[i] <= k else FALSE)
    elif op == _OP.INT_GT_OF:
        for i in range(n):
            f[i] = ERROR if e[i] != 0 else (TRUE if x[i] > k else FALSE)
    elif op == _OP.INT_GE_OF:
        for i in range(n):
            f[i] = ERROR if e[i] != 0 else (TRUE if x[i] >= k else FALSE)
    else:
        for i in range(n):
            f[i] = ERROR if e[i] != 0 else (TRUE if x[i] == k else FALSE)


@helper
def compare_reals(op: int, x: NDArray[np.float64], e: NDArray[np.uint8], k: float, f: NDArray[np.uint8]) -> None:
    """Compare a register with a constant, `op` decided outside of the loops."""
    n = len(f)
    if op == _OP.REAL_LT_OF:
        for i in range(n):
            f[i] = ERROR if e[i] != 0 else (TRUE if x[i] < k else FALSE)
    elif op == _OP.REAL_LE_OF:
        for i in range(n):
            f[i] = ERROR if e[i] != 0 else (TRUE if x[i] <= k else FALSE)
    elif op == _OP.REAL_GT_OF:
        for i in range(n):
            f[i] = ERROR if e[i] != 0 else (TRUE if x[i] > k else FALSE)
    elif op == _OP.REAL_GE_OF:
        for i in range(n):
            f[i] = ERROR if e[i] != 0 else (TRUE if x[i] >= k else FALSE)
    else:
        for i in range(n):
            f[i] = ERROR if e[i] != 0 else (TRUE if x[i] == k else FALSE)


@helper
def int_holds(op: int, x: int, y: int) -> bool:
    """Say whether a comparison of two ints holds."""
    if op == _OP.INT_LT:
        return x < y
    if op == _OP.INT_LE:
        return x <= y
    return x == y


@helper
def real_holds(op: int, x: float, y: float) -> bool:
    """Say whether a comparison of two doubles holds: none with NaN does."""
    if op == _OP.REAL_LT:
        return x < y
    if op == _OP.REAL_LE:
        return x <= y
    return x == y


@helper
def combine(
    op: int,
    to: int,
    operands: tuple[int, int, int],
    numbers: NDArray[np.int64],
    flags: NDArray[np.uint8],
    f: NDArray[np.uint8],
) -> None:
    """Combine flags, or choose by one: ERROR where the choice is one."""
    a, b, c = operands
    n = len(f)
    if op == _OP.NOT:
        for i in range(n):
            f[i] = TRUE - flags[a, i]
    elif op == _OP.AND:
        for i in range(n):
            f[i] = min(flags[a, i], flags[b, i])
    elif op == _OP.OR:
        for i in range(n):
            f[i] = max(flags[a, i], flags[b, i])
    elif op == _OP.SAME:
        for i in range(n):
            one, other = flags[a, i], flags[b, i]
            f[i] = ERROR if one == ERROR or other == ERROR else (TRUE if one == other else FALSE)
    else:
        for i in range(n):
            chosen = b if flags[a, i] == TRUE else c
            if op == _OP.CHOOSE_NUMBER:
                numbers[to, i] = numbers[chosen, i]
            f[i] = ERROR if flags[a, i] == ERROR else flags[chosen, i]


@helper
def reckon_int(op: int, x: int, y: int) -> tuple[int, bool]:
    """Return the result of an operation on two ints, and whether it has none: it is out of range, or divides by 0.

    Sums and products are of unsigned ints, which wrap: the compiler takes for granted that signed ones do not.
    """
    a, b = np.uint64(x), np.uint64(y)
    if op == _OP.INT_ADD:
        r = whole(a + b)
        return r, ((x ^ r) & (y ^ r)) < 0
    if op == _OP.INT_SUB:
        r = whole(a - b)
        return r, ((x ^ y) & (x ^ r)) < 0
    if op == _OP.INT_NEG:
        return whole(np.uint64(0) - a), x == INT_MIN
    if op == _OP.INT_MUL:
        r = whole(a * b)
        if y == -1 or y == 0:
            return r, y == -1 and x == INT_MIN
        return r, r // y != x
    if y == 0 or (y == -1 and x == INT_MIN):
        return 0, True
    q = x // y
    left = x - q * y
    if left != 0 and (left < 0) != (x < 0):  # rounded towards zero
        q, left = q + 1, left - y
    return (q if op == _OP.INT_DIV else left), False


@helper
def reckon_real(op: int, x: float, y: float) -> float:
    """Return the result of an operation on two doubles, as IEEE 754 has it."""
    if op == _OP.REAL_ADD:
        return x + y
    if op == _OP.REAL_SUB:
        return x - y
    if op == _OP.REAL_MUL:
        return x * y
    if op == _OP.REAL_DIV:
        return x / y
    return -x
