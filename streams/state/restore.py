"""Profiles of a partition read back from their log: the state of the exact input that the last marker names."""

import logging
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka.structs import TopicPartition

from scoring.profile import Changelog
from scoring.profile.packed import RowFormatError
from streams.kafka.settings import Topics
from streams.state.answered import NONE_ANSWERED, Since, scan
from streams.state.keeper import Held
from streams.state.marker import KEY, WAY_OUT, Marker, StateFormatError, decode
from streams.state.reader import LogReader, Rows, pack
from streams.state.uncounted import uncounted

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Hear how a restore goes; both counts are of records in the log."""

    def __call__(self, done: int, total: int) -> None:
        """Hear that so many of so many have been read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Where the input of a partition stands: what the group has committed (None: nothing), and its bounds."""

    authorizations: int | None
    fraud_reports: int | None
    authorization_outcomes: int | None
    authorizations_begin: int
    fraud_reports_begin: int
    authorization_outcomes_begin: int
    authorizations_end: int
    fraud_reports_end: int
    authorization_outcomes_end: int
    topic_ids: Mapping[str, str] = field(default_factory=dict)  # of inputs and outputs, where the broker has ids


class Restorer:
    """Restore partitions, one at a time, with one reader."""

    def __init__(self, reader: LogReader, topics: Topics, changelog: Changelog, partitions: int) -> None:
        self._reader = reader
        self._topics = topics
        self._changelog = changelog
        self._partitions = partitions

    async def restore(self, partition: int, at: Input, outputs: Since, progress: Progress) -> Held:
        """Read a partition's rows up to its last marker and find out what was published after it.

        `outputs` is where the outputs end now: from there a first flush counts where there is no marker.

        Raises:
            StateFormatError: the rows are of another version of Sekisho or of another input.
            StateReadError: a log cannot be read.
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
        self._changelog.forget_shared(partition)  # of one that was followed, as others saw it: perhaps too new
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
                self._changelog.hands = marker.hands
        left.tell(partition)
        if left.keys:
            self._changelog.rewrite(partition, left.packed())
        return await self._held(partition, marker, at, outputs, shared_end, bool(left.keys))

    def _apply(self, tp: TopicPartition, rows: Rows, *, in_place: bool) -> None:
        try:
            self._changelog.restore(tp.partition, pack(rows.keys, rows.values), in_place=in_place)
        except RowFormatError as error:
            raise StateFormatError(f"{tp.topic}[{tp.partition}] at {rows.offsets[0]} and later: {error}") from None

    async def _held(
        self, partition: int, marker: Marker | None, at: Input, outputs: Since, shared: int, unflushed: bool
    ) -> Held:
        authorizations = at.authorizations_begin if at.authorizations is None else at.authorizations
        reports = at.fraud_reports_begin if at.fraud_reports is None else at.fraud_reports
        outcomes = at.authorization_outcomes_begin if at.authorization_outcomes is None else at.authorization_outcomes
        since, is_pending = outputs, True
        if marker is None:
            unflushed = True  # a first marker, before the first event, so that there always is one after it
            if at.authorizations is None:  # nobody knows what was answered: look at everything
                since = Since(decisions=0, alerts=outputs.alerts, dead_letters=outputs.dead_letters)
            else:
                log.warning("profiles_missing partition=%d committed=%d", partition, authorizations)
        else:
            authorizations, reports = marker.authorizations, marker.fraud_reports
            outcomes = marker.authorization_outcomes
            if authorizations < at.authorizations_begin:
                log.error("input_lost partition=%d from=%d to=%d", partition, authorizations, at.authorizations_begin)
            ends = at.authorizations_end, at.fraud_reports_end, at.authorization_outcomes_end
            is_pending = (authorizations, reports, outcomes) != ends
            since = self._since(marker, at, outputs) if is_pending else outputs
            unflushed = unflushed or (not is_pending and outputs.beyond(marker.since) > 0)
        answered = NONE_ANSWERED
        if is_pending:
            answered = await scan(
                self._reader,
                self._topics,
                partition,
                since,
                authorizations=authorizations,
                fraud_reports=reports,
                authorization_outcomes=outcomes,
            )
        return Held(
            partition=partition,
            authorizations=authorizations,
            fraud_reports=reports,
            authorization_outcomes=outcomes,
            shared=shared,
            since=since,
            ends=outputs,
            answered=answered,
            topic_ids=at.topic_ids,
            # where nothing was answered, nothing has to be found again: a long backlog would be, from its beginning
            answered_until=at.authorizations_end if answered.size else authorizations,
            answered_until_reports=at.fraud_reports_end if answered.size else reports,
            answered_until_outcomes=at.authorization_outcomes_end if answered.size else outcomes,
            unflushed=unflushed,
        )

    def _since(self, marker: Marker, at: Input, outputs: Since) -> Since:
        """Return from where to scan the outputs, partition by partition: all of one that the marker does not know.

        That is a partition that was added later, or a topic that was made anew since.
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
        where = f"{self._topics.card_profiles}[{partition}]: profiles know the input up to {marker.authorizations}"
        where = f"{where}, {marker.fraud_reports} (reports) and {marker.authorization_outcomes} (outcomes)"
        known = (marker.authorizations, marker.fraud_reports, marker.authorization_outcomes)
        committed = (at.authorizations, at.fraud_reports, at.authorization_outcomes)
        if any((offset or 0) > to for offset, to in zip(committed, known, strict=True)):
            raise StateFormatError(
                f"{where}, but the group has committed {_listed(committed)}. Set it back to "
                "those while no worker runs (kafka-consumer-groups --reset-offsets)"
            )
        names = self._topics
        for topic in (names.authorizations, names.fraud_reports, names.authorization_outcomes):
            if _is_another(topic, marker, at):
                raise StateFormatError(f"{where}, but {topic!r} was made anew since. {WAY_OUT.capitalize()}")
        ends = (at.authorizations_end, at.fraud_reports_end, at.authorization_outcomes_end)
        if any(end < to for end, to in zip(ends, known, strict=True)):
            raise StateFormatError(
                f"{where}, which ends at {_listed(ends)}: is it another topic? {WAY_OUT.capitalize()}"
            )
        if shared_end < marker.shared:
            raise StateFormatError(
                f"{where}, and {self._topics.shared_profiles}[{partition}] up to {marker.shared}, which ends at "
                f"{shared_end}: is it another topic? {WAY_OUT.capitalize()}"
            )


def _listed(offsets: tuple[int | None, int | None, int | None]) -> str:
    return "{}, {} and {}".format(*offsets)


def _is_another(topic: str, marker: Marker, at: Input) -> bool:
    """Tell whether a topic was made anew since a marker was written, as far as the broker has ids."""
    before, now = marker.topic_ids.get(topic), at.topic_ids.get(topic)
    return before is not None and now is not None and before != now
