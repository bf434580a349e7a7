"""Ranges of card numbers by first six digits and length; and the check digit of article numbers.

Sources: ISO/IEC 7812-1 for the form; the ranges that the networks publish. Visa issues 16 and 19 digits, and no longer
13. RuPay (NPCI): 60, 65, 81, 82, 508, and 353 and 356 with JCB, 16 digits, as in Wikipedia, "Payment card number"
(2024-07). Elo: the ranges of its acquirers' documentation, as in Braintree's credit-card-type. Those that begin with 4,
62 or 65 are in the ranges of Visa, UnionPay and Discover here.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.jit import helper

ARTICLE: Final = 13
"""Digits of a GTIN-13 (EAN, JAN)."""


@helper
def is_issued(six: int, size: int) -> bool:
    """Tell whether a network issues numbers of this length that begin with these six digits."""
    two, three, four = six // 10_000, six // 1_000, six // 100
    if two // 10 == 4:  # Visa
        return size == 16 or size == 19
    if 51 <= two <= 55 or 2221 <= four <= 2720 or 2200 <= four <= 2204:  # Mastercard, Mir
        return size == 16
    if two == 34 or two == 37:  # American Express
        return size == 15
    if two == 36 or two == 38 or two == 39 or 300 <= three <= 305 or four == 3095:  # Diners Club
        return size >= 14
    if four == 5018 or four == 5020 or four == 5038 or four == 5893 or four == 6304 or four == 6759:  # Maestro
        return True
    if 6761 <= four <= 6763:
        return True
    if size == 16:
        if two == 60 or two == 82 or three == 508:  # RuPay, without the ranges of Discover, JCB and UnionPay
            return True
        if six == 504175 or 506699 <= six <= 506778 or three == 509 or six == 636297 or six == 636368:  # Elo
            return True
    # JCB, then Discover, then UnionPay
    known = 3528 <= four <= 3589 or four == 6011 or 644 <= three <= 649 or two == 65 or two == 62 or two == 81
    return known and size >= 16


@helper
def is_article(digits: NDArray[np.uint8], first: int) -> bool:
    """Tell whether digits[first : first + 13] have the check digit of a GTIN-13 (GS1 General Specifications, 7.9)."""
    total = 0
    for k in range(ARTICLE):
        total += int(digits[first + k]) * (3 if k & 1 else 1)
    return total % 10 == 0
