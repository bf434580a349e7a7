"""Restore the profiles of a partition from the changelog: their state at the input offsets in the last marker."""

import logging
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka.structs import TopicPartition

from scoring.profile import Changelog
from scoring.profile.packed import RowFormatError
from streams.kafka.reading.log import LogReader
from streams.kafka.reading.rows import Rows
from streams.kafka.settings import Topics
from streams.state.changelog_writer import OwnedPartition
from streams.state.log.marker import KEY, WAY_OUT, Marker, StateFormatError, decode
from streams.state.log.packing import pack
from streams.state.log.uncounted import uncounted
from streams.state.policies import PartitionPolicies
from streams.state.published import NONE_PUBLISHED, Since, merchant_alerts_since, scan

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Receive the progress of a restore, in records of the changelog."""

    def __call__(self, done: int, total: int) -> None:
        """Record that `done` of `total` records were read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Offsets of the inputs of a partition, by topic: committed (None: none), first and end offset."""

    committed: Mapping[str, int | None]
    begins: Mapping[str, int]
    ends: Mapping[str, int]
    topic_ids: Mapping[str, str] = field(default_factory=dict)  # of inputs and outputs, where the broker has ids


class Restorer:
    """Restore partitions, one at a time, with one reader."""

    def __init__(self, reader: LogReader, topics: Topics, changelog: Changelog, partitions: int) -> None:
        self._reader = reader
        self._topics = topics
        self._changelog = changelog
        self._partitions = partitions

    async def restore(self, partition: int, at: Input, outputs: Since, progress: Progress) -> OwnedPartition:
        """Read the rows of a partition up to its last marker, and scan for outputs published after it.

        `outputs`: end offsets of the outputs now. Without a marker, a later owner scans from there.

        Raises:
            StateFormatError: the rows are of another version of Sekisho or of another input.
            UnreadableError: a topic cannot be read.
        """
        cards = TopicPartition(self._topics.card_profiles, partition)
        shared = TopicPartition(self._topics.shared_profiles, partition)
        bounds = await self._reader.bounds([cards, shared])
        tail = await self._reader.last(cards, KEY, *bounds[cards])
        name = f"{cards.topic}[{partition}]"
        marker = None if tail is None else decode(tail.value, name, self._partitions)
        if marker is not None:
            self._refuse_other_input(partition, marker, at, bounds[shared][1])
        card_end = bounds[cards][0] if tail is None else tail.offset
        shared_end = bounds[shared][0] if marker is None else max(marker.shared, bounds[shared][0])
        parts = [(cards, bounds[cards][0], card_end), (shared, bounds[shared][0], shared_end)]
        behind = (cards, card_end, bounds[cards][1]), (shared, shared_end, bounds[shared][1])
        left = await uncounted(self._reader, behind)
        total, done = sum(end - begin for _, begin, end in parts), 0
        self._changelog.forget_shared(partition)  # rows of a followed partition may be newer than the marker
        self._changelog.own(partition)
        is_alone = self._partitions == 1
        for tp, begin, end in parts:
            async with aclosing(self._reader.read(tp, begin, end)) as log_rows:
                async for rows in log_rows:
                    self._apply(tp, rows, in_place=is_alone)
                    left.note_counted(rows.keys)
                    progress(done + rows.offsets[-1] + 1 - begin, total)
            done += end - begin
        progress(total, total)
        if is_alone:
            self._changelog.settle()
            if marker is not None:
                self._changelog.eviction_cursors = marker.eviction_cursors
        left.log_missing(partition)
        if left.keys:
            self._changelog.rewrite(partition, left.packed())
        return await self._owned(partition, marker, at, outputs, shared_end, bool(left.keys))

    def _apply(self, tp: TopicPartition, rows: Rows, *, in_place: bool) -> None:
        try:
            self._changelog.restore(tp.partition, pack(rows.keys, rows.values), in_place=in_place)
        except RowFormatError as error:
            raise StateFormatError(f"{tp.topic}[{tp.partition}] at {rows.offsets[0]} and later: {error}") from None

    async def _owned(
        self, partition: int, marker: Marker | None, at: Input, outputs: Since, shared: int, unflushed: bool
    ) -> OwnedPartition:
        events = self._topics.authorizations
        applied = {topic: at.begins[topic] if offset is None else offset for topic, offset in at.committed.items()}
        since, is_pending = outputs, True
        if marker is None:
            unflushed = True  # write the first marker before the first event
            if at.committed[events] is None:  # unknown what was decided: scan all decisions
                since = Since(decisions=0, alerts=outputs.alerts, dead_letters=outputs.dead_letters)
            else:
                log.warning("profiles_missing partition=%d committed=%d", partition, applied[events])
        else:
            applied = marker.applied(self._topics)
            if applied[events] < at.begins[events]:
                log.error("input_lost partition=%d from=%d to=%d", partition, applied[events], at.begins[events])
            is_pending = applied != at.ends
            since = self._since(marker, at, outputs) if is_pending else outputs
            unflushed = unflushed or (not is_pending and outputs.beyond(marker.since) > 0)
        merchant_alerts: frozenset[str] = frozenset()
        if marker is not None:  # they are written by flushes, so also where no input is pending
            merchant_alerts = await merchant_alerts_since(
                self._reader, self._topics, self._since(marker, at, outputs).alerts
            )
        published = NONE_PUBLISHED
        if is_pending:
            published = await scan(self._reader, self._topics, partition, since, applied)
        return OwnedPartition(
            partition=partition,
            applied=applied,
            shared=shared,
            since=since,
            ends=outputs,
            published=published,
            merchant_alerts=merchant_alerts,
            topic_ids=at.topic_ids,
            # without published outputs no input needs the check: a long backlog would keep `since` for no use
            published_until=at.ends if published.size else applied,
            unflushed=unflushed,
            policies=PartitionPolicies(held=[] if marker is None else list(marker.policies)),
        )

    def _since(self, marker: Marker, at: Input, outputs: Since) -> Since:
        """Return the offsets from which to scan the outputs: those in the marker, or 0 if it has none for a partition.

        It has none for a partition that was added later, and for a topic that was created anew since.
        """

        def begins(topic: str, known: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, int]:
            is_another = _is_another(topic, marker, at)
            found = {number: 0 if is_another else known.get(number, 0) for number in ends}
            return {number: begin if begin <= ends[number] else 0 for number, begin in found.items()}

        names = self._topics
        decisions = begins(names.decisions, {0: marker.decisions}, {0: outputs.decisions})[0]
        alerts = begins(names.alerts, marker.alerts, outputs.alerts)
        letters = begins(names.dead_letters, marker.dead_letters, outputs.dead_letters)
        return Since(decisions=decisions, alerts=alerts, dead_letters=letters)

    def _refuse_other_input(self, partition: int, marker: Marker, at: Input, shared_end: int) -> None:
        known = marker.applied(self._topics)
        where = f"{self._topics.card_profiles}[{partition}]: profiles include the input up to {_listed(known)}"
        if any((at.committed[topic] or 0) > to for topic, to in known.items()):
            raise StateFormatError(
                f"{where}, but the group has committed {_listed(at.committed)}. Stop all workers and reset the group "
                "to the offsets of the profiles (kafka-consumer-groups --reset-offsets)"
            )
        for topic in known:
            if _is_another(topic, marker, at):
                raise StateFormatError(f"{where}, but {topic!r} was created anew since. {WAY_OUT.capitalize()}")
        if any(at.ends[topic] < to for topic, to in known.items()):
            raise StateFormatError(
                f"{where}, which ends at {_listed(at.ends)}: is it another topic? {WAY_OUT.capitalize()}"
            )
        if shared_end < marker.shared:
            raise StateFormatError(
                f"{where}, and {self._topics.shared_profiles}[{partition}] up to {marker.shared}, which ends at "
                f"{shared_end}: is it another topic? {WAY_OUT.capitalize()}"
            )


def _listed(offsets: Mapping[str, int | None]) -> str:
    """List offsets with their topics; `none` for a missing one."""
    return ", ".join(f"{'none' if offset is None else offset} ({topic})" for topic, offset in offsets.items())


def _is_another(topic: str, marker: Marker, at: Input) -> bool:
    """Tell whether a topic was created anew since a marker was written. False if the broker has no topic ids."""
    before, now = marker.topic_ids.get(topic), at.topic_ids.get(topic)
    return before is not None and now is not None and before != now
