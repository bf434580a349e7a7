"""Decode dead letters, and select them."""

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
    """Raised when a request is wrong. The text says where and how to correct it."""


class Coordinates(NamedTuple):
    """Coordinates of a record."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def coordinates_of(letter: DeadLetter) -> Coordinates:
    """Return the coordinates of the refused record."""
    return Coordinates(letter.topic, letter.partition, letter.offset)


def offsets_of(letter: DeadLetter) -> range:
    """Return the offsets of the refused records: mostly one."""
    return range(letter.offset, max(letter.offset, letter.last_offset or 0) + 1)


def name_of(letter: DeadLetter) -> str:
    """Return the coordinates of the refused records as `topic/partition/offset` or `topic/partition/first-last`."""
    return f"{coordinates_of(letter)}" + (f"-{letter.last_offset}" if len(offsets_of(letter)) > 1 else "")


def letter_of(value: bytes | None) -> DeadLetter | None:
    """Decode a record of the `dead-letters` topic. None if it is no dead letter."""
    try:
        return _decode(value or b"")
    except FAULTS:
        return None


def redrivable(topics: Topics) -> tuple[str, ...]:
    """Return the topics whose records can be redriven: the inputs."""
    return topics.inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Select letters. An empty set selects all. `since_ms`: earliest time of receipt."""

    topics: frozenset[str] = frozenset()
    partitions: frozenset[int] = frozenset()
    reasons: frozenset[str] = frozenset()
    since_ms: int = 0

    def __post_init__(self) -> None:
        for reason in sorted(self.reasons - set(REASONS)):
            raise DlqError(f"--reason {reason[:64]}: unknown; {suggestion(reason, list(REASONS))}")

    def admits(self, letter: DeadLetter) -> bool:
        """Tell whether a letter is selected."""
        return (
            letter.received_ms >= self.since_ms
            and (not self.topics or letter.topic in self.topics)
            and (not self.partitions or letter.partition in self.partitions)
            and (not self.reasons or letter.reason in self.reasons)
        )


def since(text: str, now_ms: int, option: str = "--since") -> int:
    """Return the ms since the epoch of an option: a duration before now (90s, 15m, 2h, 7d), or a time (UTC by default).

    Raises:
        DlqError: the text is neither.
    """
    duration = _DURATION.fullmatch(text)
    if duration is not None:
        return max(0, now_ms - int(duration[1]) * _UNIT_MS[duration[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DlqError(
            f"{option} {text[:64]}: neither a duration (90s, 15m, 2h, 7d) nor a time (2026-05-01T03:00:00Z)"
        ) from None
    return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))


class Selection:
    """Selected records, up to a limit.

    For each, the record's size and timestamp are kept. A topic that was deleted and created anew has other records at
    the same offsets, and those are not selected.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._marks: dict[tuple[str, int], dict[int, tuple[int, int]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, letter: DeadLetter, offsets: Iterable[int] | None = None) -> None:
        """Select all records of a letter, or those at `offsets`. Of two letters for a record the later one counts.

        Raises:
            DlqError: more records than the limit are selected.
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
        """List all partitions with selected records, in order."""
        return sorted(self._marks)

    def offsets(self, partition: tuple[str, int]) -> Collection[int]:
        """Return the selected offsets of a partition."""
        return self._marks.get(partition, {}).keys()

    def means(self, place: Coordinates, size: int, record_ms: int, stored: tuple[int, int] = (-1, -1)) -> bool:
        """Tell whether a record is the refused one, by its size and timestamp.

        `stored`: size and timestamp of its batch. A letter for a whole batch has these instead.
        """
        mark = self._marks[place[:2]].get(place.offset)
        return mark in {(size, max(record_ms, 0)), (stored[0], max(stored[1], 0))}
