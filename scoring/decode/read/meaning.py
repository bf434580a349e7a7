"""Meaning of values: from a field's text, number or flag to its column, and values that follow from several fields."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import IdForm, Kind, OutcomeClass, TxnTypeCode
from scoring.contract.currencies import CURRENCIES
from scoring.decode.columns import Col
from scoring.decode.hashing import folded_keys, part_key
from scoring.decode.read.answers import answer_of
from scoring.decode.read.fields import (
    CATEGORY,
    CODE,
    COLUMN,
    DEFAULT,
    FORM,
    GIVEN,
    IDENTIFIER,
    NOTHING,
    PREFIX,
    REQUIRED,
    SPAN,
    TABLE,
    VOCABULARY,
    Scratch,
    Slate,
    Span,
)
from scoring.decode.read.lexicon import MISSING
from scoring.decode.read.words import look_up
from scoring.decode.settings import KernelLimits
from scoring.jit import helper, whole

READ: Final = 0  # verdicts of a record
UNREAD: Final = 1  # unusual: msgspec decides
LATE_OR_EARLY: Final = 2
NO_CURRENCY: Final = 3
WRONG_EXPONENT: Final = 4
NO_CATEGORY: Final = 5
NO_BIN: Final = 6
NO_LAST4: Final = 7

_EVENT_MS: Final = int(Col.EVENT_MS)
_MINOR: Final = int(Col.AMOUNT_MINOR)
_AMOUNT_JPY: Final = int(Col.AMOUNT_JPY)
_CURRENCY: Final = int(Col.CURRENCY)
_EXPONENT: Final = int(Col.EXPONENT)
_MCC: Final = int(Col.MCC)
_TXN_TYPE: Final = int(Col.TXN_TYPE)
_OUTCOME: Final = int(Col.OUTCOME)
_KIND: Final = int(Col.KIND)
_JPY: Final = int(Scratch.JPY)
_MONEY: Final = int(Scratch.MONEY)
_NORMALISED: Final = int(Scratch.NORMALISED)
_APPROVED_FLAG: Final = int(Scratch.APPROVED)
_BIN_ODD: Final = int(Scratch.BIN_ODD)
_LAST4_ODD: Final = int(Scratch.LAST4_ODD)
_CAVV, _DS_TRANS, _ORDER = int(Span.CAVV), int(Span.DS_TRANS_ID), int(Span.ORDER)
_CAVV_KEY, _DS_TRANS_KEY, _ORDER_KEY = int(Col.CAVV_KEY), int(Col.DS_TRANS_KEY), int(Col.ORDER_KEY)
_EMAIL, _PREFIX = int(Span.EMAIL), int(Span.PREFIX)
_EMAIL_KEY, _PREFIX_KEY = int(Col.EMAIL_KEY), int(Col.PREFIX_KEY)
_DS_TRANS_STEM: Final = int(Col.DS_TRANS_STEM)
_DS_TRANS_ID: Final = int(Col.DS_TRANS_ID)
_ACQUIRER, _ACQUIRER_KEY = int(Span.ACQUIRER), int(Col.ACQUIRER_KEY)
_APPROVED: Final = int(OutcomeClass.APPROVED)
_GENERIC: Final = int(OutcomeClass.GENERIC)
_KIND_OF: Final = {TxnTypeCode.REFUND: Kind.REFUND, TxnTypeCode.REVERSAL: Kind.REVERSAL}
_KINDS: Final = tuple(int(_KIND_OF.get(code, Kind.ATTEMPT)) for code in TxnTypeCode)
_YEN: Final = CURRENCIES["JPY"][0]
_TENS: Final = (1.0, 10.0, 100.0, 1000.0, 10000.0)
_ZERO: Final = 48
_NINE: Final = 57
_BLANK: Final = 32
_IS_ZERO, _IS_DIGIT, _IS_HYPHEN, _IS_OTHER = 1, 2, 4, 8
_KIND_OF_BYTE: Final = np.array(
    [
        _IS_ZERO if c == "0" else _IS_HYPHEN if c == "-" else _IS_DIGIT if c in "123456789abcdefABCDEF" else _IS_OTHER
        for c in map(chr, range(256))
    ],
    dtype=np.uint8,
)
"""Class of a byte in a UUID: a zero, another hexadecimal digit, a hyphen, anything else."""
_ABSENT_ID, _UUID, _NIL_ID, _OTHER_ID = (int(form) for form in IdForm)


@helper
def take_text(field: int, start: int, stop: int, slate: Slate) -> bool:
    """Read the text data[start:stop] of a field; False if it is not a word of the contract."""
    data, row, spans = slate.data, slate.row, slate.spans
    if TABLE[field, SPAN] >= 0:
        spans[TABLE[field, SPAN], 0] = start
        spans[TABLE[field, SPAN], 1] = stop
    form = TABLE[field, FORM]
    if form == NOTHING:
        return True
    column = TABLE[field, COLUMN]
    if form == CODE or form == PREFIX:
        if form == PREFIX:
            stop = min(stop, start + 2)
        meaning = look_up(data, start, stop, TABLE[field, VOCABULARY])
        if meaning == MISSING and form == CODE and TABLE[field, DEFAULT] != MISSING:
            meaning = _look_closer(data, start, stop, TABLE[field, VOCABULARY])
        if meaning == MISSING:
            meaning = TABLE[field, DEFAULT]
            if meaning == MISSING:  # an empty text in an optional field is absent
                return bool(start == stop and not TABLE[field, REQUIRED])
        if column >= 0:
            row[column] = meaning
    elif form == GIVEN:
        row[column] = 1 if stop > start else 0
    elif form == IDENTIFIER:
        row[column] = _id_form(data, start, stop)
    else:
        value = 0
        for i in range(start, stop):
            digit = whole(data[i]) - _ZERO
            value = value * 10 + digit if 0 <= digit <= 9 and value >= 0 else -1
        if form == CATEGORY:
            row[column] = value
        else:  # DIGITS
            row[column] = 1 if value < 0 else 0
    return True


@helper
def _id_form(data: NDArray[np.uint8], start: int, stop: int) -> int:
    """Tell the form of an id that should be a canonical UUID of RFC 4122: 8-4-4-4-12 hexadecimal digits."""
    while start < stop and data[start] <= _BLANK:
        start += 1
    while start < stop and data[stop - 1] <= _BLANK:
        stop -= 1
    if start == stop:
        return _ABSENT_ID
    if stop - start != 36:
        return _OTHER_ID
    seen = 0
    for i in range(36):  # no branch by the class of a byte
        kind = whole(_KIND_OF_BYTE[data[start + i]])
        seen |= kind << 4 if i == 8 or i == 13 or i == 18 or i == 23 else kind
    digits, hyphens = seen & 15, seen >> 4
    if hyphens != _IS_HYPHEN or digits & (_IS_HYPHEN | _IS_OTHER):
        return _OTHER_ID
    return _UUID if digits & _IS_DIGIT else _NIL_ID


@helper
def _look_closer(data: NDArray[np.uint8], start: int, stop: int, vocabulary: int) -> int:
    """Look up a word without blanks around it and without zeros before its last two digits: `5 ` and `005` are 05."""
    while start < stop and data[start] <= _BLANK:  # control characters too: no code has one
        start += 1
    while start < stop and data[stop - 1] <= _BLANK:
        stop -= 1
    while stop - start > 2 and data[start] == _ZERO and _ZERO <= data[start + 1] <= _NINE:
        start += 1
    return look_up(data, start, stop, vocabulary)


@helper
def finish(slate: Slate, limits: KernelLimits, unlisted: NDArray[np.int64]) -> int:
    """Compute values that follow from several fields, and check rules that types do not express.

    `unlisted` int64[networks] counts response codes that are in no list, by network.
    """
    row = slate.row
    if not limits.clock[0] <= row[_EVENT_MS] < limits.clock[1]:
        return LATE_OR_EARLY
    if row[_MONEY] < 0:
        return NO_CURRENCY
    exponent = row[_MONEY] & 7
    if exponent != row[_EXPONENT]:
        return WRONG_EXPONENT
    if row[_MCC] < 0:
        return NO_CATEGORY
    if row[_BIN_ODD]:
        return NO_BIN
    if row[_LAST4_ODD]:
        return NO_LAST4
    row[_CURRENCY] = row[_MONEY] >> 3
    if row[_CURRENCY] == _YEN:
        row[_AMOUNT_JPY] = row[_MINOR]
    elif row[_JPY] >= 0:
        row[_AMOUNT_JPY] = row[_JPY]
    else:
        rate = limits.rates[row[_CURRENCY]]
        row[_AMOUNT_JPY] = np.int64(row[_MINOR] * rate / _TENS[exponent] + 0.5) if rate >= 0.0 else -1
    row[_KIND] = _KINDS[row[_TXN_TYPE]]
    outcome = row[_NORMALISED]
    if outcome == 0:
        outcome = answer_of(slate, limits, unlisted)
    if outcome == 0 and row[_APPROVED_FLAG] >= 0:
        outcome = _APPROVED if row[_APPROVED_FLAG] else _GENERIC
    row[_OUTCOME] = outcome
    row[_CAVV_KEY] = whole(part_key(slate.data, slate.spans, _CAVV))
    row[_ORDER_KEY] = whole(part_key(slate.data, slate.spans, _ORDER))
    row[_EMAIL_KEY] = whole(part_key(slate.data, slate.spans, _EMAIL))
    row[_PREFIX_KEY] = whole(part_key(slate.data, slate.spans, _PREFIX))
    row[_ACQUIRER_KEY] = whole(part_key(slate.data, slate.spans, _ACQUIRER))
    row[_DS_TRANS_KEY] = row[_DS_TRANS_STEM] = 0
    if row[_DS_TRANS_ID] == _UUID:
        key, stem = folded_keys(slate.data, slate.spans, _DS_TRANS)
        row[_DS_TRANS_KEY], row[_DS_TRANS_STEM] = whole(key), whole(stem)
    return READ
