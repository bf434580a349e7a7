"""What must never arrive, by the name of its field: card numbers, security codes, tracks, PINs.

Source: PCI DSS 4.0.1, 3.3.1 (sensitive authentication data) and 3.5.1 (card numbers). A name alone is no hit: the
result of a security-code check sits under `cvv2` in an honest event, and a token may well be called `pan`.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

from scoring.contract.dead_letter import DeadLetterReason

_NAMES: Final[dict[DeadLetterReason, str]] = {
    "SENSITIVE_PAN": "pan cardnumber cardno cardnum ccnumber ccnum creditcardnumber primaryaccountnumber fpan dpan",
    "SENSITIVE_CVV": "cvv cvv1 cvv2 cvc cvc1 cvc2 cvn cvn2 cav2 cid csc securitycode cardsecuritycode cvvcode cvccode "
    "cardverificationvalue cardverificationcode verificationvalue cvvvalue cvv2value",
    "SENSITIVE_TRACK": "track track1 track2 track3 trackdata track1data track2data trackone tracktwo magstripe "
    "magstripedata track2equivalentdata iccdata emvdata chipdata",
    "SENSITIVE_PIN": "pin pinblock pindata pinvalue encryptedpin encryptedpinblock epb",
}

KIND_OF_NAME: Final[dict[str, DeadLetterReason]] = {
    name: kind for kind, names in _NAMES.items() for name in names.split()
}
"""Names in lower case without underscores, dashes, dots and spaces."""

NAME_MAX: Final = 40
"""Longer keys are nobody's name for such data: the longest here has 20 letters."""

_HEX_BLOCK: Final = re.compile(r"(?:[0-9A-Fa-f]{16}){1,2}\Z")
_SEPARATORS: Final = str.maketrans("", "", "_-. ")


def fold_name(name: str) -> str:
    """Fold the spellings of a field name: case, width, underscores, dashes, dots and spaces."""
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name)
    return name.translate(_SEPARATORS).lower()


def kind_of(name: str) -> DeadLetterReason | None:
    """Tell what a field of this name would hold, or None."""
    return KIND_OF_NAME.get(fold_name(name)) if len(name) <= NAME_MAX else None


def _digits(text: str) -> str:
    return text.translate(_SEPARATORS).strip()


def _pan(text: str) -> bool:
    digits = _digits(text)
    return digits.isdigit() and 12 <= len(digits) <= 19


def _security_code(text: str) -> bool:
    digits = text.strip()
    return digits.isdigit() and 3 <= len(digits) <= 4


def _track(text: str) -> bool:
    return sum(map(str.isdigit, text)) >= 12


def _pin(text: str) -> bool:
    digits = _digits(text)
    return (digits.isdigit() and 4 <= len(digits) <= 12) or _HEX_BLOCK.match(digits) is not None


_COULD_BE: Final[dict[DeadLetterReason, Callable[[str], bool]]] = {
    "SENSITIVE_PAN": _pan,
    "SENSITIVE_CVV": _security_code,
    "SENSITIVE_TRACK": _track,
    "SENSITIVE_PIN": _pin,
}


def could_be(kind: DeadLetterReason, text: str) -> bool:
    """Tell whether a value (digits in ASCII) under a name of that kind could be what the name says."""
    return _COULD_BE[kind](text)
