"""`sekisho dlq redrive`: send refused records again that are valid now, to the partition they came from.

Steps: select letters. Find out which of their records still exist and which were redriven before. Read the others
again, check them as a worker with the present configuration does, and send the valid ones. Each copy carries the
coordinates of its original in headers, by which the next run recognises it.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from scoring.contract.dead_letter import DeadLetter, Reject
from streams.dlq.copies import outgoing, redriven_from
from streams.dlq.judge import Judge, Verdict
from streams.dlq.letters import Coordinates, Filter, Selection, coordinates_of, offsets_of
from streams.dlq.listing import Listing, Sources, letters
from streams.dlq.mended import Mended
from streams.dlq.reading import Partition, Reader
from streams.kafka.reading.ends import Span
from streams.kafka.reading.records import Record
from streams.kafka.sending.bulk import Placed

LOG_APPEND_TIME = 1
"""Kafka's timestamp type of a topic where the broker sets timestamps."""


class Sends(Protocol):
    """Sender of records."""

    async def place(self, records: Sequence[Placed]) -> list[str]:
        """Send records in order, each to its partition, and wait. Return the error name of each that failed."""
        ...


@dataclass(slots=True)
class Row:
    """Counts of one partition. `ready`: would be sent, or was handed to the sender."""

    chosen: int = 0
    ready: int = 0
    refused: int = 0
    redriven: int = 0
    gone: int = 0
    failed: int = 0

    @property
    def sent(self) -> int:
        """Number of acknowledged copies."""
        return self.ready - self.failed

    @property
    def untried(self) -> int:
        """Number of letters that were not processed, because sending failed before."""
        return self.chosen - self.ready - self.refused - self.redriven - self.gone


@dataclass(slots=True)
class Account:
    """Result of a run, or of a dry run. `elsewhere`: letters by topic that cannot be redriven."""

    rows: dict[Partition, Row] = field(default_factory=dict)
    refusals: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # by topic, reason and path
    faults: list[str] = field(default_factory=list)  # faults of the mended file, by line
    elsewhere: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)  # by reason: records in refused batches
    errors: Counter[str] = field(default_factory=Counter)  # errors of the broker, by name
    dated_by_broker: set[str] = field(default_factory=set)  # topics on which no timestamp can be kept
    foreign: int = 0
    is_dry: bool = True

    def total(self, name: str) -> int:
        """Return the sum of one count over all partitions."""
        return sum(getattr(row, name) for row in self.rows.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to redrive: letters of `topics` on `letters_topic` that `chosen` selects.

    With `sends` None nothing is sent. `mended`: replaces the values, and selects the letters by itself.
    """

    letters_topic: str
    topics: tuple[str, ...]
    chosen: Filter
    limit: int
    judge: Judge
    sends: Sends | None = None
    mended: Mended | None = None
    again: bool = False


async def redrive(reader: Reader, request: Request, tell: Callable[[str], None]) -> Account:
    """Redrive the selected letters and return counts of all.

    Raises:
        DlqError: more letters are selected than the limit. Nothing was sent.
        UnreadableError: a topic cannot be read.
        aiokafka.errors.KafkaError: the broker cannot be reached. Records sent before stay sent.
    """
    account = Account(is_dry=request.sends is None)
    selection = await _select(reader, request, account)
    there = await _still_there(reader, selection, account)
    before = {} if request.again else await _redriven_before(reader, there, tell)
    for partition, offsets in there.items():
        row, done = account.rows[partition], before.get(partition, set())
        row.redriven = len(done)
        wanted = sorted(offsets - done)
        found = 0
        async for polled in reader.pick(partition, wanted):
            records = [record for record in polled if _is_meant(record, selection)]
            found += len(records)
            if records and not await _put_back(records, request, account, row):
                return account
        refused = _count_refused(reader, partition, wanted, request, account)
        row.refused += refused
        row.gone += len(wanted) - found - refused  # removed by retention meanwhile, or a topic that was created anew
    return account


async def _select(reader: Reader, request: Request, account: Account) -> Selection:
    selection, listing, mended = Selection(request.limit), Listing(), request.mended
    async for letter in letters(reader, request.letters_topic, request.chosen, listing):
        offsets = offsets_of(letter) if mended is None else _mended_of(letter, mended)
        if letter.topic in request.topics:
            if offsets:
                selection.add(letter, offsets)
        else:
            account.elsewhere[letter.topic] += len(offsets)
    account.foreign = listing.foreign
    for partition in selection.partitions():
        account.rows[partition] = Row(chosen=len(selection.offsets(partition)))
    if mended is not None:
        for place in mended.lines:
            if place.offset not in selection.offsets(place[:2]):
                account.faults.append(
                    f"{mended.at(place)}: {place}: no such dead letter; `sekisho dlq list --each` shows them"
                )
    return selection


def _mended_of(letter: DeadLetter, mended: Mended) -> Sequence[int]:
    """Return the offsets of a letter that the mended file has."""
    offsets = offsets_of(letter)
    if len(offsets) == 1:
        return offsets if coordinates_of(letter) in mended.lines else ()
    of_partition = (letter.topic, letter.partition)
    return [place.offset for place in mended.lines if place[:2] == of_partition and place.offset in offsets]


def _is_meant(record: Record, selection: Selection) -> bool:
    place = Coordinates(record.topic, record.partition, record.offset)
    return selection.means(place, len(record.value or b""), record.timestamp, record.stored)


def _count_refused(
    reader: Reader, partition: Partition, wanted: Sequence[int], request: Request, account: Account
) -> int:
    """Count the offsets of `wanted` (ascending) in batches that are still refused."""
    count = 0
    for refused in reader.refusals.get(partition, ()):
        held = wanted[bisect_left(wanted, refused.first) : bisect_left(wanted, refused.end)]
        count += len(held)
        if held:
            account.refusals[partition[0], refused.reason, "$"] += len(held)
            account.unread[refused.reason] += len(held)
        if request.mended is not None:
            places = [Coordinates(*partition, offset) for offset in held]
            why = f"still refused: {refused.reason}: its batch cannot be read, so its key is not known"
            account.faults += [f"{request.mended.at(place)}: {place}: {why}" for place in places]
    return count


async def _still_there(reader: Reader, selection: Selection, account: Account) -> dict[Partition, set[int]]:
    sources, there = Sources(reader), {}
    for partition in selection.partitions():
        span, offsets = await sources.span(*partition), selection.offsets(partition)
        there[partition] = {offset for offset in offsets if span.holds(offset)}
        account.rows[partition].gone = len(offsets) - len(there[partition])
    return there


async def _redriven_before(
    reader: Reader, there: dict[Partition, set[int]], tell: Callable[[str], None]
) -> dict[Partition, set[int]]:
    """Find copies among all records after the first selected one: a copy is later than its original."""
    sources = Sources(reader)
    spans = {
        partition: Span(min(offsets), (await sources.span(*partition)).end)
        for partition, offsets in there.items()
        if offsets
    }
    if spans:
        records = sum(span.end - span.begin for span in spans.values())
        tell(f"searching {records:,} records for copies that were redriven before")
    before: dict[Partition, set[int]] = {}
    async for polled in reader.records({partition: span.begin for partition, span in spans.items()}):
        for record in polled:
            place = redriven_from(record.headers) if record.headers else None
            partition = (record.topic, record.partition)
            if place is not None and place[:2] == partition and place.offset in there[partition]:
                before.setdefault(partition, set()).add(place.offset)
    return before


async def _put_back(records: Sequence[Record], request: Request, account: Account, row: Row) -> bool:
    """Check records of one partition and send the valid ones. Return False if sending failed."""
    mended = request.mended
    places = [Coordinates(record.topic, record.partition, record.offset) for record in records]
    values = (
        [record.value or b"" for record in records] if mended is None else [mended.value(place) for place in places]
    )
    ready: list[Placed] = []
    verdicts = request.judge.verdicts(records[0].topic, values)
    for record, place, value, verdict in zip(records, places, values, verdicts, strict=True):
        if isinstance(verdict, Reject):
            row.refused += 1
            account.refusals[place.topic, verdict.reason, verdict.path] += 1
            if mended is not None:
                account.faults.append(f"{mended.at(place)}: {place}: still refused: {verdict.reason} at {verdict.path}")
            continue
        fault = None if mended is None else _misplaced(record.key, verdict)
        if fault is not None:
            assert mended is not None
            row.refused += 1
            account.faults.append(f"{mended.at(place)}: {place}: {fault}")
            continue
        if record.timestamp_type == LOG_APPEND_TIME:
            account.dated_by_broker.add(record.topic)
        ready.append(outgoing(record, value))
    row.ready += len(ready)
    if request.sends is None or not ready:
        return True
    errors = await request.sends.place(ready)
    row.failed += len(errors)
    account.errors.update(errors)
    return not errors


def _misplaced(key: bytes | None, token: Verdict) -> str | None:
    """Return why a mended event cannot go to the partition of its original, or None."""
    if not key:
        return (
            "the original has no key, so its partition may not be that of its card: "
            "have its producer send the mended event"
        )
    if key != token:
        return (
            "its card token is not the key of the original, and a card's events stay on one partition: "
            "mend the token, or have its producer send the event"
        )
    return None
