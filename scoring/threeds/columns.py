"""Columns of a verdict."""

from math import prod
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
RESULT, DIFFERS, LOWERED = 13, 14, 15
"""ResultState; what of the result differs, as bits of DIFFERENCES; rules in their lighter case, as bits."""
FAILURES, UNMATCHED, UNMATCHED_MS = 16, 17, 18
"""Failed challenges of the card before the authentication; earlier claims of the merchant that have no result, and the
time of the first of them. 0 where the rule of each is not broken."""
RESULT_AMOUNT, RESULT_EXPONENT = 19, 20
"""What the result says was authenticated, plus one; 0 where TDS14 is not broken by it."""
DAY_N, DAY_FEW, BASE_N, BASE_FEW = 21, 22, 23, 24
"""Authentications of the merchant on the day, and those of A or U among them; authentications of its base, and those of
A or U among them plus one. 0 where TDS21 is not broken."""
SEQUENTIAL: Final = 25
"""UUIDs of the merchant that differ from that of the payment only in their last four digits, itself included; 0 where
they do not break TDS11."""
SUM_PAID, SUM_AMOUNT, SUM_EXPONENT = 26, 27, 28
"""Sum of the payments by 3RI that name an authentication, this one included, what was authenticated, and its
exponent; each plus one, 0 where the sum does not break TDS14."""
VERDICT_COLUMNS: Final = 29
DIFFERENCES: Final = ("card", "merchant", "currency")
_SHOWN: Final = (
    (RESULT, 4),
    (STATUS, 10),
    (ECI, 10),
    (ECI_RESPONSE, 10),
    (LIABILITY_REASON, 32),
    (EXPECTED_REASON, 32),
    (FLOW, 8),
)
RESULT_UNIT: Final = prod(radix for column, radix in _SHOWN if column != RESULT)
"""What one step of RESULT adds to CODE: it is found after the verdict was made."""


def decoded(code: int) -> dict[int, int]:
    """Split CODE into its columns: column to value.

    >>> decoded(2 * 819_200 + 6 * 1_024 + 16 * 8 + 2)
    {7: 2, 6: 16, 5: 6, 4: 0, 1: 0, 0: 2, 13: 0}
    """
    found = {}
    for column, radix in reversed(_SHOWN):
        code, found[column] = divmod(code, radix)
    return found
