"""The part of a case that one partition saw, and its row in the changelog."""

from dataclasses import dataclass
from struct import Struct, error
from typing import Final

from scoring.contract.codes import Band
from scoring.profile.packed import ROW_FORMAT

SORT: Final = 1
"""Of the rows of kind 242, the sort that holds a part of a case: the byte after ROW_FORMAT."""

AT_RISK_MAX: Final = 2**53
"""Most yen that a sum holds, as `SumJpy` of the contract."""

SERIAL_MAX: Final = 2**16 - 1
_LAYOUT: Final = Struct("<IBBHqqqqQ")


@dataclass(slots=True, kw_only=True)
class Part:
    """What one partition saw of a case. Times are in ms of event time.

    `first_ms`: time of the event that opened the case, in any partition; it tells the cases of one key apart.
    `band`: the highest band that this partition saw or joined; `serial`: how often the band has risen. `count` and
    `at_risk_jpy`: decisions of this partition in the case, and the sum of their amounts. `touched`: number of the last
    change of any case in this partition, by which the case that was idle longest is found.
    """

    first_ms: int
    last_ms: int
    band: int
    serial: int = 0
    count: int = 0
    at_risk_jpy: int = 0
    touched: int = 0


def pack(part: Part) -> bytes:
    """Write a part as the value of its row."""
    return _LAYOUT.pack(
        ROW_FORMAT, SORT, part.band, min(part.serial, SERIAL_MAX),
        part.first_ms, part.last_ms, part.count, part.at_risk_jpy, part.touched,
    )  # fmt: skip


def unpack(value: bytes) -> Part | None:
    """Read the value of a row; None if it is damaged or of another format."""
    try:
        row_format, sort, band, serial, first_ms, last_ms, count, at_risk_jpy, touched = _LAYOUT.unpack(value)
    except error:
        return None
    if row_format != ROW_FORMAT or sort != SORT or band > max(Band) or count < 1 or not 0 <= at_risk_jpy <= AT_RISK_MAX:
        return None
    return Part(
        first_ms=first_ms,
        last_ms=last_ms,
        band=band,
        serial=serial,
        count=count,
        at_risk_jpy=at_risk_jpy,
        touched=touched,
    )
