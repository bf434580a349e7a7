"""Names of fields for data that must never be sent: card numbers, security codes, tracks, PINs.

Source: PCI DSS 4.0.1, 3.3.1 (sensitive authentication data) and 3.5.1 (card numbers). A name alone is no hit: a valid
event may have the result of the security-code check under `cvv2`, a token under `pan`, the number of a parcel under
`track`, and the post code of an Indian address under `pin`.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.dead_letter import DeadLetterReason
from scoring.decode.characters import ODD
from scoring.jit import helper

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

NAME_MAX: Final = 64
"""Longest key that is looked up: the longest name in the list has 20 letters."""

_HEX_BLOCK: Final = re.compile(r"(?:[0-9A-Fa-f]{16}){1,2}\Z")
_TRACK_FORM: Final = re.compile(r"\d{12,19}[=D^]|%B\d{12}", re.ASCII | re.IGNORECASE)
_POST_CODE: Final = re.compile("[1-9][0-9]{5}")  # India Post's PIN
_PLACE: Final = re.compile("addr|ship|deliver|billing|postal|location|destination")
_SEPARATORS: Final = str.maketrans("", "", "_-. ")


def fold_name(name: str) -> str:
    """Fold the spellings of a field name: case, width, underscores, dashes, dots and spaces."""
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name)
    return name.translate(_SEPARATORS).lower()


def kind_of(name: str) -> DeadLetterReason | None:
    """Return the sensitive data that a field of this name would hold, or None."""
    return KIND_OF_NAME.get(fold_name(name)) if len(name) <= NAME_MAX else None


class Suspect(NamedTuple):
    """Sensitive data that a field name suggests: its kind, and a test whether a text (digits in ASCII) can be such
    data.
    """

    kind: DeadLetterReason
    fits: Callable[[str], bool]


def suspect_of(name: str, above: Iterable[str | int] = ()) -> Suspect | None:
    """Return what a field of this name would hold, inside fields of the names `above`; None for harmless names."""
    kind = kind_of(name)
    if kind is None:
        return None
    folded = fold_name(name)
    if folded == "pin" and any(_is_place(step) for step in above):
        return Suspect(kind, _pin_of_no_post_code)
    return Suspect(kind, _FITS_NAME.get(folded) or _FITS_KIND[kind])


def _is_place(step: str | int) -> bool:
    return isinstance(step, str) and _PLACE.search(fold_name(step)) is not None


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


def _track_form(text: str) -> bool:
    return _TRACK_FORM.search(_digits(text)) is not None


def _pin(text: str) -> bool:
    digits = _digits(text)
    return (digits.isdigit() and 4 <= len(digits) <= 12) or _pin_block(text)


def _pin_of_no_post_code(text: str) -> bool:
    return _pin(text) and _POST_CODE.fullmatch(_digits(text)) is None


def _pin_block(text: str) -> bool:
    return _HEX_BLOCK.match(_digits(text)) is not None


_FITS_KIND: Final[dict[DeadLetterReason, Callable[[str], bool]]] = {
    "SENSITIVE_PAN": _pan,
    "SENSITIVE_CVV": _security_code,
    "SENSITIVE_TRACK": _track,
    "SENSITIVE_PIN": _pin,
}

_FITS_NAME: Final[dict[str, Callable[[str], bool]]] = {"track": _track_form, "epb": _pin_block}
"""Stricter tests for names with another usual meaning: `track` may be the number of a parcel."""

NAMED: Final = 8
"""Mark of a record: a sensitive name has a value that could be one."""

_FNV_OFFSET: Final = 0xCBF29CE484222325  # FNV-1a, 64 bits
_FNV_PRIME: Final = 0x100000001B3
_SLOT_SHIFT: Final = 55  # 512 slots for about sixty names


def _name_ends() -> NDArray[np.bool_]:
    table = np.zeros(32 * 32, dtype=np.bool_)
    for name in KIND_OF_NAME:
        table[(ord(name[0]) & 31) * 32 + (ord(name[-1]) & 31)] = True
    return table


def _name_slots() -> NDArray[np.uint64]:
    table = np.zeros(1 << (64 - _SLOT_SHIFT), dtype=np.uint64)
    for name in KIND_OF_NAME:
        code = _FNV_OFFSET
        for byte in name.encode():
            code = ((code ^ byte) * _FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
        slot = code >> _SLOT_SHIFT
        while table[slot]:
            slot = (slot + 1) % len(table)
        table[slot] = code
    return table


NAME_ENDS: Final = _name_ends()
"""bool[1024], by first and last letter (five bits each): whether a sensitive name has these letters."""

NAME_SLOTS: Final = _name_slots()
"""uint64[512]: hashes of the sensitive names, open-addressed by their top bits; 0 is empty."""


@helper
def name_mark(data: NDArray[np.uint8], high: int, first: int, stop: int, found: int, slots: NDArray[np.uint64]) -> int:
    """Check the string data[first:stop]: NAMED if it is a key and a sensitive name, and its value has more than
    letters.

    `found` are the marks of the string itself.
    """
    k = stop + 1
    while k < high and (data[k] == 32 or 9 <= data[k] <= 13):
        k += 1
    if k >= high or data[k] != 58:
        return 0
    if found:
        return ODD  # a name with an escape or a character beyond ASCII is suspect
    if stop - first > NAME_MAX:
        return 0
    code = np.uint64(_FNV_OFFSET)
    for c in range(first, stop):
        byte = data[c]
        if byte == 95 or byte == 45 or byte == 46 or byte == 32:
            continue
        if 65 <= byte <= 90:
            byte += 32
        code = (code ^ np.uint64(byte)) * np.uint64(_FNV_PRIME)
    slot = np.int64(code >> np.uint64(_SLOT_SHIFT))
    while slots[slot] != code:
        if slots[slot] == 0:
            return 0
        slot = (slot + 1) % slots.shape[0]
    k += 1
    while k < high and (data[k] == 32 or 9 <= data[k] <= 13):
        k += 1
    if k >= high or data[k] == 110 or data[k] == 116 or data[k] == 102:  # null, true, false
        return 0
    if data[k] != 34:
        return NAMED
    k += 1
    while k < high and data[k] != 34:
        if 48 <= data[k] <= 57 or data[k] == 92 or data[k] >= 128:
            return NAMED
        k += 1
    return 0
