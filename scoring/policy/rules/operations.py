"""The instructions of a compiled set of rules.

A register holds one value of each event of a chunk. A flag is FALSE, ERROR or TRUE: ERROR is a missing value or a
failed operation, and in this order `&&` is the lesser of two flags and `||` the greater, as CEL has it. A number has a
flag beside it: FALSE, or ERROR where it has no value.
"""

from enum import IntEnum
from typing import Final

FALSE: Final = 0
ERROR: Final = 1
TRUE: Final = 2

CHUNK: Final = 256
"""Events that are evaluated together: a register of this many numbers is 2 KiB."""
WIDTH: Final = 5
"""Words of an instruction: operation, target, and up to three operands."""
INT_MIN: Final = -(1 << 63)


class Op(IntEnum):
    """Operations. `a` to `c` are operands: registers, columns or places in the lists of constants."""

    LOAD_REAL = 0  # a: column of the features
    LOAD_EVENT = 1  # a: column, b: the least known value, in the list of ints
    LOAD_VERDICT = 2
    LOAD_MERCHANT = 3
    LOAD_ROW = 4
    LOAD_SCORE = 5
    LOAD_STANDING = 6
    FILL_FLAG = 7  # a: the flag
    FILL_INT = 8  # a: place of the constant
    FILL_REAL = 9
    LOOK_UP = 10  # a: codes; b, c: begin and size of a table of flags by code
    TRANSLATE = 11  # the same of a table of numbers of words
    BIT = 12  # a: number, b: bit
    BITS = 13  # a: number; how many bits are set
    IS_KNOWN = 14
    NOT = 15
    AND = 16
    OR = 17
    SAME = 18  # of two flags
    CHOOSE_FLAG = 19  # a: flag, b where it is true, c where it is false
    CHOOSE_NUMBER = 20
    INT_LT = 21  # a, b: registers
    INT_LE = 22
    INT_EQ = 23
    REAL_LT = 24
    REAL_LE = 25
    REAL_EQ = 26
    INT_LT_OF = 27  # a: register, b: place of the constant
    INT_LE_OF = 28
    INT_GT_OF = 29
    INT_GE_OF = 30
    INT_EQ_OF = 31
    REAL_LT_OF = 32
    REAL_LE_OF = 33
    REAL_GT_OF = 34
    REAL_GE_OF = 35
    REAL_EQ_OF = 36
    INT_ADD = 37
    INT_SUB = 38
    INT_MUL = 39
    INT_DIV = 40
    INT_MOD = 41
    INT_NEG = 42
    REAL_ADD = 43
    REAL_SUB = 44
    REAL_MUL = 45
    REAL_DIV = 46
    REAL_NEG = 47
    TO_REAL = 48
    TO_INT = 49
    IN_SCOPE = 50  # a: row of the keys, b: place of the key
    IN_PERIOD = 51  # a, b: places of begin and end
    GIVE = 52  # a: number of the rule, b: its flag, c: flag of its scope and period
