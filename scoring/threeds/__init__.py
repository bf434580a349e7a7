"""EMV 3-D Secure of one authorization: its verdict, and the rules of consistency that it breaks."""

from scoring.threeds.columns import (
    BROKEN,
    CODE,
    ECI,
    ECI_RESPONSE,
    EXPECTED,
    EXPECTED_REASON,
    FIRST_USE_MS,
    FLOW,
    LIABILITY,
    LIABILITY_REASON,
    RAISED,
    RULES,
    STATUS,
    VERDICT_COLUMNS,
    decoded,
)
from scoring.threeds.replays import find_replays
from scoring.threeds.tables import Tables, tables_of
from scoring.threeds.verdict import normalise

__all__ = [
    "BROKEN",
    "CODE",
    "ECI",
    "ECI_RESPONSE",
    "EXPECTED",
    "EXPECTED_REASON",
    "FIRST_USE_MS",
    "FLOW",
    "LIABILITY",
    "LIABILITY_REASON",
    "RAISED",
    "RULES",
    "STATUS",
    "VERDICT_COLUMNS",
    "Tables",
    "decoded",
    "find_replays",
    "normalise",
    "tables_of",
]
