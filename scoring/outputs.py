"""What the core hands back for one batch: encoded records for each topic, and plain counts of what it saw."""

from collections.abc import Sequence
from dataclasses import dataclass, field

Record = tuple[bytes, bytes]
"""Key and value of one record to be produced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a batch came from: one offset and one record timestamp per value, in the order of the values.

    Timestamps are in milliseconds since the epoch, -1 where the producer gave none.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of one batch, for whoever keeps metrics; every key comes from a closed set.

    `gaps` counts events at merchants that declare that checklist item as not implemented.
    """

    events: int = 0
    repeats: int = 0
    clocks: dict[str, int] = field(default_factory=dict)  # decisions by how the event's time stood
    bands: dict[str, int] = field(default_factory=dict)
    alerts: dict[tuple[str, str], int] = field(default_factory=dict)  # by (type, severity)
    alerts_suppressed: int = 0
    dead_letters: dict[str, int] = field(default_factory=dict)  # by reason
    threeds: dict[str, int] = field(default_factory=dict)  # by normalised status
    gaps: dict[str, int] = field(default_factory=dict)  # by checklist item
    reports: dict[str, int] = field(default_factory=dict)  # fraud reports by label


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Records to produce. For a batch of authorizations: values in = decisions + dead letters + repeats."""

    decisions: list[Record] = field(default_factory=list)
    alerts: list[Record] = field(default_factory=list)
    dead_letters: list[Record] = field(default_factory=list)
    repeats: int = 0
    tally: Tally = field(default_factory=Tally)
