"""Columns of a verdict."""

from typing import Final

STATUS, ECI, LIABILITY, EXPECTED = 0, 1, 2, 3
"""ThreeDsStatus, EciClass of the request's ECI, Liability, Expectation."""
ECI_RESPONSE, LIABILITY_REASON, EXPECTED_REASON, FLOW = 4, 5, 6, 7
"""EciClass of the response's ECI, LiabilityReason, ExpectationReason, Flow."""
BROKEN, RULES, RAISED = 8, 9, 10
"""Rules of consistency as bits, TDS01 is bit 1: broken by the event; those of them that are active; graver cases."""
CODE: Final = 11
"""The columns that a summary shows, as one number; see `coded`."""
FIRST_USE_MS: Final = 12
"""When the replayed proof of the event was used first; -1 where none was."""
VERDICT_COLUMNS: Final = 13
_SHOWN: Final = ((STATUS, 10), (ECI, 10), (ECI_RESPONSE, 10), (LIABILITY_REASON, 32), (EXPECTED_REASON, 32), (FLOW, 8))


def decoded(code: int) -> dict[int, int]:
    """Take CODE apart: column to value.

    >>> decoded(2 * 819_200 + 6 * 1_024 + 16 * 8 + 2)
    {7: 2, 6: 16, 5: 6, 4: 0, 1: 0, 0: 2}
    """
    found = {}
    for column, radix in reversed(_SHOWN):
        code, found[column] = divmod(code, radix)
    return found
