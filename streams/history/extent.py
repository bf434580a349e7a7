"""The range of offsets that a history reads: looked up once, so that each reading gives the same records."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from aiokafka.structs import TopicPartition

from streams.dlq.letters import DlqError, since
from streams.history.merged import Lane, Part
from streams.kafka.errors import MissingTopicError
from streams.kafka.reading.ends import name_of
from streams.kafka.reading.log import LogReader
from streams.kafka.settings import READ_ROLES, Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for: times of records in ms since the epoch. None: all there is on that side."""

    since_ms: int | None
    until_ms: int | None

    def __post_init__(self) -> None:
        if self.since_ms is not None and self.until_ms is not None and self.since_ms >= self.until_ms:
            raise ValueError("--read-since is not before --read-until: nothing would be read")


def asked(since_text: str | None, until_text: str | None, now_ms: int) -> Asked:
    """Parse `--read-since` and `--read-until`: a duration before now (7d, 2h), or a time (UTC by default).

    Raises:
        ValueError: a text is neither, or nothing lies between both, or `--read-until` is still to come.
    """
    since_ms, until_ms = (
        _moment(option, text, now_ms) for option, text in (("--read-since", since_text), ("--read-until", until_text))
    )
    if until_ms is not None and until_ms > now_ms:
        raise ValueError("--read-until lies in the future: the range would still grow; leave it out to read all")
    return Asked(since_ms=since_ms, until_ms=until_ms)


def _moment(option: str, text: str | None, now_ms: int) -> int | None:
    if text is None:
        return None
    try:
        return since(text, now_ms, option)
    except DlqError as error:
        raise ValueError(str(error)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A range: the part of each partition, merchants included, which are read from their first record on.

    `cluster`: id of the cluster, and `ids` of the topics; "" and empty if brokers have none. `masters`: a hash of the
    records of merchants, of which compaction may remove some at any time. `lost`: by partition whose begin retention
    has deleted, the time of the first record left in ms, None if none is left.
    """

    cluster: str
    ids: Mapping[str, str]
    parts: Sequence[Part]
    masters: str
    lost: Mapping[TopicPartition, int | None]

    @property
    def fingerprint(self) -> str:
        """Hash of cluster, topics, partitions and offsets, and of the records of merchants."""
        parts = sorted((*part.tp, self.ids.get(part.tp.topic, ""), part.begin, part.end) for part in self.parts)
        return hashlib.sha256(msgspec.json.encode((self.cluster, parts, self.masters))).hexdigest()

    @property
    def payments(self) -> int:
        """Number of offsets of payments: that of their records, or more."""
        return sum(part.end - part.begin for part in self.parts if part.field == "authorizations")

    def lines(self) -> Iterator[str]:
        """Yield text on what is read, and on what is not there any more."""
        for topic in dict.fromkeys(part.tp.topic for part in self.parts):
            parts = [part for part in self.parts if part.tp.topic == topic]
            count = sum(part.end - part.begin for part in parts)
            offsets = ", ".join(f"[{part.tp.partition}] {part.begin} to {part.end}" for part in parts)
            yield f"{topic}: {count:,} offsets: {offsets}"
        for tp, first_ms in self.lost.items():
            left = "none is left" if first_ms is None else f"the first one left is of {text_of(first_ms)}"
            yield f"{name_of(tp)}: retention has deleted records of the beginning; {left}"


async def look_up(reader: LogReader, topics: Topics, wanted: Asked, step: int) -> Extent:
    """Look up the range. `step`: records that are read at a time.

    Raises:
        ValueError: there is no payment in the range.
        MissingTopicError: a topic does not exist.
        UnreadableError: the broker does not return the offsets.
    """
    parts: list[Part] = []
    lost: dict[TopicPartition, int | None] = {}
    names = {field: getattr(topics, field) for field in topics.having(READ_ROLES)}
    for field, topic in names.items():
        partitions = await reader.partitions_of(topic)
        if not partitions:
            raise MissingTopicError(topic)
        for tp, (low, high) in (await reader.bounds(partitions)).items():
            is_master = field == "merchants"
            begin, end = low, high
            if wanted.since_ms is not None and not is_master:
                begin = min(max(low, await reader.offset_at(tp, wanted.since_ms, high)), high)
            if wanted.until_ms is not None:
                end = max(begin, min(high, await reader.offset_at(tp, wanted.until_ms, high)))
            part = Part(field=field, tp=tp, begin=begin, end=end)
            parts.append(part)
            if begin == low > 0 and not is_master:
                first_ms = await _first_ms(reader, part)
                if wanted.since_ms is None or first_ms is None or first_ms > wanted.since_ms:
                    lost[tp] = first_ms
    masters = hashlib.sha256()
    for part in parts:
        if part.field == "merchants":
            masters.update(await digest_of(Lane(reader, part, step)))
    made = Extent(
        cluster=await reader.cluster_id(),
        ids=await reader.topic_ids(list(names.values())),
        parts=parts,
        masters=masters.hexdigest(),
        lost=lost,
    )
    if not made.payments:
        raise ValueError(f"{topics.authorizations} has no payment in the range{_where(made)}")
    return made


async def digest_of(lane: Lane) -> bytes:
    """Read a part to its end, and return the hash of its records."""
    while lane.ahead or not lane.is_over:
        lane.ahead.clear()
        await lane.fill()
    return lane.digest


def _where(made: Extent) -> str:
    gone = [tp for tp in made.lost if any(part.tp == tp and part.field == "authorizations" for part in made.parts)]
    return f": retention has deleted records of {', '.join(map(name_of, gone))}" if gone else ""


async def _first_ms(reader: LogReader, part: Part) -> int | None:
    lane = Lane(reader, part, 1)
    await lane.fill()
    return lane.ahead[0].at_ms if lane.ahead else None


def text_of(time_ms: int) -> str:
    """Return a time in UTC, to the second."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_ms() -> int:
    """Return the time of this machine, in ms since the epoch."""
    return time.time_ns() // 1_000_000
