"""What one partition saw of the alerts of a merchant: how many in the present window, and the digest that is open."""

from dataclasses import dataclass, field
from struct import Struct, error
from typing import Final

import orjson

from scoring.contract.codes import Band
from scoring.decide.cases.part import AT_RISK_MAX
from scoring.profile.packed import ROW_FORMAT

SORT: Final = 2
"""Of the rows of kind 242, the sort that holds a flood: the byte after ROW_FORMAT."""

REASONS_MAX: Final = 16
"""Most reasons that are counted apart in a digest of a partition."""

EXAMPLES_MAX: Final = 5
"""Most events that a digest names."""

_LAYOUT: Final = Struct("<IBBBBqqqqqqQI")
_OPEN, _LEADS = 1, 2


@dataclass(slots=True, kw_only=True)
class Flood:
    """Alerts of a merchant in one partition. Times are in ms of event time.

    `window` and `alerts`: the last window, counted from the epoch, in which the merchant had an alert, and its alerts.
    While `is_open` a digest takes the alerts: since `start_ms`, the begin of the digest in any partition; `count`,
    `at_risk_jpy`, highest `band`, `reasons` with their counts, the first events as `examples`. The partition that
    opened it leads it and raises its alerts: `told_level` is the number of digits of the count that they have told,
    `base` the alert that they are made of.
    """

    window: int
    alerts: int = 0
    is_open: bool = False
    leads: bool = False
    told_level: int = 0
    band: int = 0
    start_ms: int = 0
    last_ms: int = 0
    count: int = 0
    at_risk_jpy: int = 0
    touched: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    base: bytes = b"{}"


def pack(flood: Flood) -> bytes:
    """Write a flood as the value of its row: a multiple of four bytes."""
    texts = orjson.dumps([flood.reasons, flood.examples, orjson.Fragment(flood.base)]) if flood.is_open else b""
    head = _LAYOUT.pack(
        ROW_FORMAT, SORT, flood.is_open * _OPEN | flood.leads * _LEADS, flood.told_level, flood.band,
        flood.window, flood.alerts, flood.start_ms, flood.last_ms, flood.count, flood.at_risk_jpy, flood.touched,
        len(texts),
    )  # fmt: skip
    return head + texts + bytes(-len(head + texts) % 4)


def unpack(value: bytes) -> Flood | None:
    """Read the value of a row; None if it is damaged or of another format."""
    try:
        row_format, sort, flags, level, band, *figures, touched, length = _LAYOUT.unpack_from(value)
    except error:
        return None
    end = _LAYOUT.size + length
    if row_format != ROW_FORMAT or sort != SORT or band > max(Band) or len(value) != end + -end % 4:
        return None
    window, alerts, start_ms, last_ms, count, at_risk_jpy = figures
    flood = Flood(
        window=window,
        alerts=alerts,
        is_open=bool(flags & _OPEN),
        leads=bool(flags & _LEADS),
        told_level=level,
        band=band,
        start_ms=start_ms,
        last_ms=last_ms,
        count=count,
        at_risk_jpy=at_risk_jpy,
        touched=touched,
    )
    if not 0 <= at_risk_jpy <= AT_RISK_MAX or flood.is_open != bool(length):
        return None
    return _with_texts(flood, value[_LAYOUT.size : end]) if length else flood


def _with_texts(flood: Flood, texts: bytes) -> Flood | None:
    try:
        reasons, examples, base = orjson.loads(texts)
    except ValueError:
        return None
    if not (isinstance(reasons, dict) and isinstance(examples, list) and isinstance(base, dict)):
        return None
    flood.reasons, flood.examples, flood.base = reasons, examples, orjson.dumps(base)
    return flood
