"""Dead letters as they are read back, and which of them are meant."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from scoring.contract.dead_letter import REASONS, DeadLetter
from scoring.contract.faults import FAULTS
from streams.config.strict import suggestion
from streams.kafka.settings import Topics

_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_decode = msgspec.json.Decoder(DeadLetter).decode


class DlqError(Exception):
    """What was asked for cannot be done as it was asked; the text says where it is wrong and what would be right."""


class Coordinates(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def coordinates_of(letter: DeadLetter) -> Coordinates:
    """Return where the record lies of which a letter speaks."""
    return Coordinates(letter.topic, letter.partition, letter.offset)


def offsets_of(letter: DeadLetter) -> range:
    """Return the offsets of the records of which a letter speaks: mostly one."""
    return range(letter.offset, max(letter.offset, letter.last_offset or 0) + 1)


def name_of(letter: DeadLetter) -> str:
    """Write where the records lie of which a letter speaks: `topic/partition/offset`, or `.../first-last`."""
    return f"{coordinates_of(letter)}" + (f"-{letter.last_offset}" if len(offsets_of(letter)) > 1 else "")


def letter_of(value: bytes | None) -> DeadLetter | None:
    """Decode a record of the `dead-letters` topic; None if it is no letter of ours."""
    try:
        return _decode(value or b"")
    except FAULTS:
        return None


def redrivable(topics: Topics) -> tuple[str, ...]:
    """Name the topics whose records can be put back: those whose every record is an event."""
    return topics.inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Say which letters are meant; an empty set means any. `since_ms` is the time at which they were received."""

    topics: frozenset[str] = frozenset()
    partitions: frozenset[int] = frozenset()
    reasons: frozenset[str] = frozenset()
    since_ms: int = 0

    def __post_init__(self) -> None:
        for reason in sorted(self.reasons - set(REASONS)):
            raise DlqError(f"--reason {reason[:64]}: unknown; {suggestion(reason, list(REASONS))}")

    def admits(self, letter: DeadLetter) -> bool:
        """Tell whether a letter is meant."""
        return (
            letter.received_ms >= self.since_ms
            and (not self.topics or letter.topic in self.topics)
            and (not self.partitions or letter.partition in self.partitions)
            and (not self.reasons or letter.reason in self.reasons)
        )


def since(text: str, now_ms: int) -> int:
    """Read `--since`: a duration back from now (90s, 15m, 2h, 7d), or a time, UTC if it names no offset.

    Raises:
        DlqError: it is neither.
    """
    duration = _DURATION.fullmatch(text)
    if duration is not None:
        return max(0, now_ms - int(duration[1]) * _UNIT_MS[duration[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DlqError(
            f"--since {text[:64]}: neither a duration (90s, 15m, 2h, 7d) nor a time (2026-05-01T03:00:00Z)"
        ) from None
    return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))


class Selection:
    """Letters that were chosen, one for each record, in a bounded number.

    Of each its record's length and time are kept: a topic that was deleted and made anew has other records at the same
    offsets, and those are not meant.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._marks: dict[tuple[str, int], dict[int, tuple[int, int]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, letter: DeadLetter, offsets: Iterable[int] | None = None) -> None:
        """Choose the records of one more, or these of them; of two for the same record the later one counts.

        Raises:
            DlqError: there are more than the limit.
        """
        marks = self._marks.setdefault((letter.topic, letter.partition), {})
        for offset in offsets_of(letter) if offsets is None else offsets:
            self._add(marks, offset, letter)

    def _add(self, marks: dict[int, tuple[int, int]], offset: int, letter: DeadLetter) -> None:
        if offset not in marks:
            if self._count == self._limit:
                raise DlqError(
                    f"more than {self._limit:,} dead letters match: "
                    "narrow them with --since, --topic, --partition or --reason, or raise --limit"
                )
            self._count += 1
        marks[offset] = (letter.size_bytes, letter.record_ms)

    def partitions(self) -> Sequence[tuple[str, int]]:
        """List topic and number of every partition that holds something chosen, in order."""
        return sorted(self._marks)

    def offsets(self, partition: tuple[str, int]) -> Collection[int]:
        """Return the offsets that were chosen of a partition."""
        return self._marks.get(partition, {}).keys()

    def means(self, place: Coordinates, size: int, record_ms: int, stored: tuple[int, int] = (-1, -1)) -> bool:
        """Tell whether a record is the one that the letter for these coordinates speaks of.

        `stored` are size and time of its batch: a letter has these that was written for all of a batch.
        """
        mark = self._marks[place[:2]].get(place.offset)
        return mark in {(size, max(record_ms, 0)), (stored[0], max(stored[1], 0))}
