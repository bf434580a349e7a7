"""EMV 3-D Secure of one authorization: its verdict, and where it contradicts itself."""

from scoring.threeds.columns import (
    BROKEN,
    CODE,
    ECI,
    ECI_RESPONSE,
    EXPECTED,
    EXPECTED_REASON,
    FLOW,
    LIABILITY,
    LIABILITY_REASON,
    RAISED,
    RULES,
    STATUS,
    VERDICT_COLUMNS,
    decoded,
)
from scoring.threeds.tables import Tables, tables_of
from scoring.threeds.verdict import normalise

__all__ = [
    "BROKEN",
    "CODE",
    "ECI",
    "ECI_RESPONSE",
    "EXPECTED",
    "EXPECTED_REASON",
    "FLOW",
    "LIABILITY",
    "LIABILITY_REASON",
    "RAISED",
    "RULES",
    "STATUS",
    "VERDICT_COLUMNS",
    "Tables",
    "decoded",
    "normalise",
    "tables_of",
]
