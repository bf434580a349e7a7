"""Alerts that wait for delivery, and the offsets that may be committed."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from scoring.contract.faults import FAULTS
from scoring.contract.types import AcquirerId
from streams.kafka.reading.records import Record
from streams.webhook.signing import ID

BYTES_MAX: Final = 1 << 16
"""Largest alert that is delivered. A worker writes about 2 KB."""


class Offsets:
    """Offsets of one assigned partition: which alerts are unfinished, and where a restart must begin.

    `is_ours`: whether the partition is still assigned. When it returns, it gets an object of its own.
    """

    __slots__ = ("_begin", "_end", "_unfinished", "is_ours")

    def __init__(self, begin: int) -> None:
        self.is_ours = True
        self._begin = begin
        self._end = begin
        self._unfinished: OrderedDict[int, None] = OrderedDict()  # ascending

    def begin(self, offset: int) -> None:
        """Admit the next alert that was read."""
        assert offset >= self._end, f"offset {offset} was read before"
        self._unfinished[offset] = None
        self._end = offset + 1

    def finish(self, offset: int) -> None:
        """Mark an alert as delivered or given up."""
        del self._unfinished[offset]

    @property
    def committable(self) -> int:
        """The first unfinished offset, or the next one to read."""
        return next(iter(self._unfinished), self._end)

    def advance(self) -> int | None:
        """Return the offset to commit if it has moved since the last call, else None."""
        if self.committable == self._begin:
            return None
        self._begin = self.committable
        return self._begin


@dataclass(slots=True, eq=False)
class WaitingAlert:
    """An alert as it is on the topic. `body`: its bytes. `at_ms`: timestamp of its record."""

    alert_id: str
    acquirer: str
    body: bytes
    at_ms: int
    offset: int
    offsets: Offsets
    attempts: int = 0

    def finish(self) -> None:
        """Let its offset be committed."""
        self.offsets.finish(self.offset)


class _Head(msgspec.Struct):
    alert_id: Annotated[str, Meta(pattern=rf"^{ID.pattern}\Z")]
    acquirer_id: AcquirerId


_HEADS: Final = msgspec.json.Decoder(_Head)


def read_alert(record: Record, offsets: Offsets) -> WaitingAlert | None:
    """Read id and acquirer of a record, and begin its offset. None if it is not an alert, or larger than BYTES_MAX."""
    offsets.begin(record.offset)
    try:
        if record.value is None or len(record.value) > BYTES_MAX:
            raise ValueError
        head = _HEADS.decode(record.value)
    except (*FAULTS, ValueError):
        offsets.finish(record.offset)
        return None
    return WaitingAlert(head.alert_id, head.acquirer_id, record.value, record.timestamp, record.offset, offsets)
