"""Columns of a verdict."""

from typing import Final

STATUS, ECI, LIABILITY, EXPECTED = 0, 1, 2, 3
"""ThreeDsStatus, EciClass of the request's ECI, Liability, Expectation."""
ECI_RESPONSE, LIABILITY_REASON, EXPECTED_REASON, FLOW = 4, 5, 6, 7
"""EciClass of the response's ECI, LiabilityReason, ExpectationReason, Flow."""
BROKEN, RULES, RAISED = 8, 9, 10
"""Rules as bits, TDS01 is bit 1: all that the event breaks; the active ones of these; rules of raised severity."""
CODE: Final = 11
"""All columns that a summary shows, packed into one number; see `decoded`."""
FIRST_USE_MS: Final = 12
"""Event time of the first use of the replayed proof; -1 if no proof was replayed."""
VERDICT_COLUMNS: Final = 13
_SHOWN: Final = ((STATUS, 10), (ECI, 10), (ECI_RESPONSE, 10), (LIABILITY_REASON, 32), (EXPECTED_REASON, 32), (FLOW, 8))


def decoded(code: int) -> dict[int, int]:
    """Split CODE into its columns: column to value.

    >>> decoded(2 * 819_200 + 6 * 1_024 + 16 * 8 + 2)
    {7: 2, 6: 16, 5: 6, 4: 0, 1: 0, 0: 2}
    """
    found = {}
    for column, radix in reversed(_SHOWN):
        code, found[column] = divmod(code, radix)
    return found
