"""The entry points: a batch of records, and one record that msgspec has read."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.authorization import Authorization
from scoring.contract.codes import NetworkCode
from scoring.contract.dead_letter import Reject
from scoring.decode.columns import Col
from scoring.decode.hashing import KEYS, keys_of
from scoring.decode.page import Page
from scoring.decode.read.exact import spell
from scoring.decode.read.fields import BLANK, COLUMN, DEPTH, ROOM, SPANS, TABLE, Slate
from scoring.decode.read.meaning import (
    LATE_OR_EARLY,
    NO_BIN,
    NO_CATEGORY,
    NO_CURRENCY,
    NO_LAST4,
    READ,
    UNREAD,
    WRONG_EXPONENT,
    finish,
    take_text,
)
from scoring.decode.read.oddities import blank_notes, survey
from scoring.decode.read.walk import walk
from scoring.decode.settings import DecodeLimits, KernelLimits
from scoring.jit import borrow, entry, helper, inlined, revision

NAMES: Final = 4
"""Texts of an event that are kept as they are: event id, acquirer, card, merchant; the first of `Span`."""

_COLUMNS: Final = len(Col)

Bytes = NDArray[np.uint8]


class Reading(NamedTuple):
    """The rows of a batch of n records. Only a row with the verdict READ has a meaning.

    `verdicts` int8[n]. `ints` int64[n, Col]. `hashes` uint64[n, 9]. `names` int64[n, 4, 2]: start and end in the data
    of the texts of `NAMES`. `notes`: keys of all records, see `oddities`. `unlisted` int64[networks]: response codes
    that are in no list, by network (`NetworkCode`).
    """

    verdicts: NDArray[np.int8]
    ints: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    names: NDArray[np.int64]
    notes: NDArray[np.int64]
    unlisted: NDArray[np.int64]


@inlined
def _slate(data: Bytes, notes: NDArray[np.int64]) -> Slate:
    """Make room for one record."""
    row, spans = np.empty(ROOM, dtype=np.int64), np.empty((SPANS, 2), dtype=np.int64)
    return Slate(data, row, spans, np.full(len(TABLE), -1, dtype=np.int64), notes)


@helper
def _close(slate: Slate, limits: KernelLimits, out: Reading, r: int) -> int:
    """Finish the current record and write it as row r, unless it breaks the contract; return the verdict."""
    verdict = finish(slate, limits, out.unlisted)
    if verdict == READ:
        for column in range(_COLUMNS):
            out.ints[r, column] = slate.row[column]
        keys_of(slate.data, slate.spans, limits.clock[2], out.hashes, r)
    return verdict


@helper
def _read_batch(
    stops: NDArray[np.int64], slate: Slate, levels: NDArray[np.int64], limits: KernelLimits, out: Reading
) -> None:
    start = 0
    for r in range(len(stops)):
        _wipe(slate)
        verdict = UNREAD
        if walk(start, stops[r], 2 * r, slate, levels):
            verdict = _close(slate, limits, out, r)
            for name in range(NAMES):
                out.names[r, name, 0] = slate.spans[name, 0]
                out.names[r, name, 1] = slate.spans[name, 1]
        else:
            survey(start, stops[r], 2 * r + 1, slate, levels[0])
        out.verdicts[r] = verdict
        start = stops[r] + 1


@helper
def _wipe(slate: Slate) -> None:
    for column in range(len(slate.row)):
        slate.row[column] = BLANK[column]
    for span in range(len(slate.spans)):
        slate.spans[span, 0] = -1
        slate.spans[span, 1] = -1


@helper
def _read_leaves(
    leaves: NDArray[np.int64],
    r: int,
    slate: Slate,
    limits: KernelLimits,
    out: Reading,
) -> None:
    _wipe(slate)
    verdict = READ
    for k in range(len(leaves)):
        field, start, stop = leaves[k, 0], leaves[k, 1], leaves[k, 2]
        if start >= 0:
            if not take_text(field, start, stop, slate):
                verdict = UNREAD
        elif TABLE[field, COLUMN] >= 0:
            slate.row[TABLE[field, COLUMN]] = stop
    out.verdicts[r] = _close(slate, limits, out, r) if verdict == READ else verdict


def _compile(key: int) -> tuple[Callable[..., int], Callable[..., int]]:
    """Compile the entry points; `key` is part of the key of numba's cache."""

    @entry
    def batch(stops: NDArray[np.int64], data: Bytes, limits: KernelLimits, out: Reading) -> int:
        """Read every record of a batch."""
        slate = _slate(data, out.notes)
        levels = np.zeros((2, DEPTH), dtype=np.int64)
        stops, levels = borrow((stops, levels))
        _read_batch(stops, borrow(slate), levels, borrow(limits), borrow(out))
        return key

    @entry
    def single(
        leaves: NDArray[np.int64],
        row: int,
        data: Bytes,
        limits: KernelLimits,
        out: Reading,
    ) -> int:
        """Read one spelt event into a row."""
        slate = _slate(data, out.notes)
        _read_leaves(leaves, row, slate, limits, out)
        return key

    return batch, single


_batch, _single = _compile(revision("scoring.decode"))
_REJECTS: Final = {
    LATE_OR_EARLY: Reject(reason="OUT_OF_RANGE", path="$.event_ts"),
    NO_CURRENCY: Reject(reason="INVALID_VALUE", path="$.amount.currency"),
    WRONG_EXPONENT: Reject(reason="WRONG_EXPONENT", path="$.amount.exponent"),
    NO_CATEGORY: Reject(reason="INVALID_VALUE", path="$.merchant.mcc"),
    NO_BIN: Reject(reason="INVALID_VALUE", path="$.card.bin"),
    NO_LAST4: Reject(reason="INVALID_VALUE", path="$.card.last4"),
}


def read_batch(page: Page, limits: DecodeLimits) -> Reading:
    """Read a batch; records that the kernel leaves are UNREAD."""
    n = len(page.stops)
    reading = Reading(
        np.empty(n, dtype=np.int8),
        np.empty((n, _COLUMNS), dtype=np.int64),
        np.empty((n, KEYS), dtype=np.uint64),
        np.zeros((n, NAMES, 2), dtype=np.int64),  # names of a record that the kernel left are empty
        blank_notes(),
        np.zeros(len(NetworkCode), dtype=np.int64),
    )
    _batch(page.stops, np.frombuffer(page.data, dtype=np.uint8), limits.kernel, reading)
    return reading


def read_event(event: Authorization, limits: DecodeLimits, reading: Reading, row: int) -> None:
    """Read an event that msgspec has decoded into a row of `reading`: verdict, ints and hashes."""
    texts, leaves = spell(event)
    _single(leaves, row, np.frombuffer(texts, dtype=np.uint8), limits.kernel, reading)
    assert reading.verdicts[row] != UNREAD, "msgspec accepted a word that the vocabulary lacks"


def reject_for(verdict: int) -> Reject | None:
    """Give the reject of a verdict; None for READ."""
    return _REJECTS.get(verdict)
