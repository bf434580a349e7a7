"""`sekisho dlq list`: dead letters by topic, reason and field, or one by one."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import orjson

from scoring.contract.dead_letter import DeadLetter
from streams.dlq.letters import DlqError, Filter, letter_of, name_of, offsets_of
from streams.dlq.reading import Partition, Reader
from streams.dlq.table import moment, printable, table
from streams.kafka.errors import UnreadableError
from streams.kafka.reading.ends import Span

GROUPS_MAX = 10_000
"""Limit of groups: more than the contract has combinations of fields and reasons."""


@dataclass(slots=True)
class Group:
    """Letters of one topic, reason and path. `gone`: those whose record no longer exists.

    A letter for a range of offsets counts once for each record.
    """

    letters: int = 0
    gone: int = 0
    first_ms: int = 2**53
    last_ms: int = 0


@dataclass(slots=True)
class Listing:
    """Result of a listing. `foreign`: records of the topic that are no dead letters."""

    groups: dict[tuple[str, str, str], Group] = field(default_factory=dict)
    read: int = 0
    foreign: int = 0

    def add(self, letter: DeadLetter, is_gone: bool) -> None:
        """Count one letter.

        Raises:
            DlqError: there are more than GROUPS_MAX groups.
        """
        key = (letter.topic, letter.reason, letter.path)
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) == GROUPS_MAX:
                raise DlqError(
                    f"more than {GROUPS_MAX:,} kinds of refusal: narrow them with --since, --topic or --reason"
                )
            group = self.groups[key] = Group()
        records = len(offsets_of(letter))
        group.letters += records
        group.gone += records if is_gone else 0
        group.first_ms = min(group.first_ms, letter.received_ms)
        group.last_ms = max(group.last_ms, letter.received_ms)


async def letters(reader: Reader, topic: str, chosen: Filter, listing: Listing) -> AsyncIterator[DeadLetter]:
    """Read the dead letters to the end and yield the selected ones, oldest first within a partition.

    Raises:
        UnreadableError: the topic does not exist, or cannot be read to its end.
    """
    spans = await reader.spans([topic])
    if not spans:
        raise UnreadableError(f"topic {topic!r} does not exist: run `sekisho topics create`")
    async for records in reader.records({partition: span.begin for partition, span in spans.items()}):
        for record in records:
            listing.read += 1
            letter = letter_of(record.value)
            if letter is None:
                listing.foreign += 1
            elif chosen.admits(letter):
                yield letter
    for partition in spans:
        unread = sum(map(len, reader.refusals.get(partition, ())))
        listing.read += unread
        listing.foreign += unread


class Sources:
    """Offsets that the topics of the letters still have. Each topic is looked up once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._seen: set[str] = set()
        self._spans: dict[Partition, Span] = {}

    async def span(self, topic: str, partition: int) -> Span:
        """Return the offsets of a partition; an empty span if it does not exist."""
        if topic not in self._seen:
            self._seen.add(topic)
            self._spans |= await self._reader.spans([topic])
        return self._spans.get((topic, partition), Span(0, 0))

    async def has_lost(self, letter: DeadLetter) -> bool:
        """Tell whether the record of a letter no longer exists (of a range: the last record)."""
        return not (await self.span(letter.topic, letter.partition)).holds(offsets_of(letter)[-1])


async def list_letters(
    reader: Reader, topic: str, chosen: Filter, show: Callable[[str], None], *, each: bool, as_json: bool
) -> Listing:
    """Show the selected letters, one by one or in groups at the end. Return the counts.

    Raises:
        DlqError: there are too many groups.
        UnreadableError: the topic cannot be read to its end.
    """
    listing, sources = Listing(), Sources(reader)
    async for letter in letters(reader, topic, chosen, listing):
        is_gone = await sources.has_lost(letter)
        listing.add(letter, is_gone)
        if each:
            show(each_as_json(letter, is_gone) if as_json else each_as_line(letter, is_gone))
    if not each and listing.groups:
        show(groups_as_json(listing) if as_json else groups_as_table(listing))
    return listing


def each_as_line(letter: DeadLetter, is_gone: bool) -> str:
    """Return a letter as a line: time of receipt, coordinates, reason and path."""
    gone = "  gone" if is_gone else ""
    text = f"{moment(letter.received_ms)}  {name_of(letter)}  {letter.reason}  {letter.path}{gone}"
    return printable(text)


def each_as_json(letter: DeadLetter, is_gone: bool) -> str:
    """Return a letter as a line of JSON."""
    return orjson.dumps(
        {
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            **({} if letter.last_offset is None else {"last_offset": letter.last_offset}),
            "reason": letter.reason,
            "path": letter.path,
            "size_bytes": letter.size_bytes,
            "record_ms": letter.record_ms,
            "received_ms": letter.received_ms,
            "gone": is_gone,
        }
    ).decode()


def groups_as_table(listing: Listing) -> str:
    """Return the groups as a table, the largest first."""
    rows = [
        (topic, reason, path, group.letters, group.gone, moment(group.first_ms), moment(group.last_ms))
        for (topic, reason, path), group in _by_size(listing)
    ]
    return table(("topic", "reason", "path", "letters", "gone", "first", "last"), rows)


def groups_as_json(listing: Listing) -> str:
    """Return each group as a line of JSON, the largest first."""
    lines = [
        orjson.dumps(
            {
                "topic": topic,
                "reason": reason,
                "path": path,
                "letters": group.letters,
                "gone": group.gone,
                "first_ms": group.first_ms,
                "last_ms": group.last_ms,
            }
        ).decode()
        for (topic, reason, path), group in _by_size(listing)
    ]
    return "\n".join(lines)


def _by_size(listing: Listing) -> list[tuple[tuple[str, str, str], Group]]:
    return sorted(listing.groups.items(), key=lambda item: (-item[1].letters, item[0]))
