"""Scan the outputs that the last owner of a partition published after its marker, to publish none twice."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from sys import intern
from typing import Final, TypeVar

from aiokafka.structs import TopicPartition
from msgspec import Struct
from msgspec.json import Decoder

from scoring.contract.faults import FAULTS
from scoring.decide.cases.desk import CASES_MAX
from scoring.decide.leaks import TYPE as SYSTEM
from scoring.decide.merchants import ENTITIES as MERCHANT_ENTITIES
from scoring.outputs import Emitted
from streams.kafka.reading.log import LogReader
from streams.kafka.reading.rows import Rows
from streams.kafka.settings import Topics

log = logging.getLogger(__name__)


class _Versions(Struct, frozen=True):
    policy: str = ""


class _InExperiment(Struct, frozen=True):
    policy: str = ""


class _Output(Struct):
    """What names the policy in use: in an experiment `versions` may name its candidate, which is a part of it."""

    versions: _Versions = _Versions()
    experiment: _InExperiment | None = None

    @property
    def policy(self) -> str:
        """The policy that was in use."""
        return intern((self.versions if self.experiment is None else self.experiment).policy)


class _Decision(_Output, kw_only=True):
    decision_id: str


class _Growing(Struct):
    """Of an alert of an incident or a digest only its presence counts."""


class _Alert(_Output, kw_only=True):
    event_id: str
    type: str = ""
    alert_id: str = ""
    entity: str = ""
    incident: _Growing | None = None
    digest: _Growing | None = None


class _Letter(Struct):
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """Offsets from which to scan: in `decisions` of the same partition, in the others by partition."""

    decisions: int
    alerts: Mapping[int, int]
    dead_letters: Mapping[int, int]

    def beyond(self, other: "Since") -> int:
        """Return the largest difference to another, over all output partitions, in records."""
        pairs = [(self.decisions, other.decisions)]
        for mine, others in ((self.alerts, other.alerts), (self.dead_letters, other.dead_letters)):
            pairs += [(end, others.get(number, 0)) for number, end in mine.items()]
        return max(end - begin for end, begin in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Published outputs by input topic; of inputs beside the authorizations only dead letters."""

    of: Mapping[str, Emitted] = field(default_factory=dict)
    foreign: Mapping[str, int] = field(default_factory=dict)  # by output: records that no worker wrote, skipped
    policies: Mapping[bytes, str] = field(default_factory=dict)  # by event id: that in use at its decision, or alert

    @property
    def size(self) -> int:
        """Count the outputs."""
        return sum(
            len(of.decisions) + len(of.alerts) + len(of.leaks) + len(of.incidents) + len(of.dead_letters)
            for of in self.of.values()
        )


async def scan(
    reader: LogReader,
    topics: Topics,
    partition: int,
    since: Since,
    applied: Mapping[str, int],
) -> Published:
    """Read the outputs of a partition from `since` to their ends; keep those of input that is not `applied`.

    A record that no worker wrote is skipped and counted: one foreign record must not stop every restore.

    Raises:
        UnreadableError: an output cannot be read.
    """
    foreign: Counter[str] = Counter()
    policies, of_alerts = dict[bytes, str](), dict[bytes, str]()
    async for found in _records(reader, topics.decisions, {partition: since.decisions}, _DECISION, foreign):
        policies[found.decision_id.encode()] = found.policy
    decided = frozenset(policies)
    alerts, leaks, incidents = set(), set(), set()
    async for alert in _records(reader, topics.alerts, since.alerts, _ALERT, foreign):
        if alert.type == SYSTEM:
            leaks.add(alert.alert_id)
        elif alert.incident is not None or alert.digest is not None:
            incidents.add(alert.alert_id)
        else:
            alerts.add(alert.event_id.encode())
        if alert.entity not in MERCHANT_ENTITIES:  # flushes write those, whatever the event
            of_alerts[alert.event_id.encode()] = alert.policy
    letters: dict[str, set[int]] = {topic: set() for topic in topics.inputs}
    async for letter in _records(reader, topics.dead_letters, since.dead_letters, _LETTER, foreign):
        if letter.partition == partition and letter.topic in letters and letter.offset >= applied.get(letter.topic, 0):
            letters[letter.topic].add(letter.offset)
    for topic, count in foreign.items():
        log.warning("foreign_records_skipped topic=%s records=%d", topic, count)
    roles = {topics.decisions: "decisions", topics.alerts: "alerts", topics.dead_letters: "dead-letters"}
    dead_lettered = {topic: Emitted(dead_letters=frozenset(offsets)) for topic, offsets in letters.items()}
    events = replace(
        dead_lettered[topics.authorizations],
        decisions=decided,
        alerts=frozenset(alerts),
        leaks=frozenset(leaks),
        incidents=frozenset(incidents),
    )
    return Published(
        of=dead_lettered | {topics.authorizations: events},
        foreign={roles[topic]: count for topic, count in foreign.items()},
        policies={name: policy for name, policy in (of_alerts | policies).items() if policy},
    )


async def merchant_alerts_since(reader: LogReader, topics: Topics, since: Mapping[int, int]) -> frozenset[str]:
    """Read the alerts from `since` to their ends; return the ids of those about merchants, which flushes wrote.

    Raises:
        UnreadableError: an output cannot be read.
    """
    alerts = _records(reader, topics.alerts, since, _ALERT, Counter())
    return frozenset([alert.alert_id async for alert in alerts if alert.entity in MERCHANT_ENTITIES])


async def alerts_since(reader: LogReader, topics: Topics, partitions: int, since_ms: int) -> AsyncIterator[Rows]:
    """Yield the alerts of all workers since a time, in pieces: they determine which cases are open.

    At most the last CASES_MAX of each partition are read: the topic may hold a month of alerts.
    """
    tps = [TopicPartition(topics.alerts, number) for number in range(partitions)]
    for tp, (begin, end) in (await reader.bounds(tps)).items():
        first = max(begin, end - CASES_MAX, await reader.offset_at(tp, max(since_ms, 0), end))
        async for rows in reader.read(tp, first, end):
            yield rows


NONE_PUBLISHED: Final = Published()

_DECISION, _ALERT, _LETTER = Decoder(_Decision), Decoder(_Alert), Decoder(_Letter)

_T = TypeVar("_T")


async def _records(
    reader: LogReader, topic: str, since: Mapping[int, int], decoder: Decoder[_T], foreign: Counter[str]
) -> AsyncIterator[_T]:
    """Decode the records of a topic, of each only its names. Count those that are foreign."""
    tps = {TopicPartition(topic, number): begin for number, begin in since.items()}
    for tp, (begin, end) in (await reader.bounds(list(tps))).items():
        async for rows in reader.read(tp, max(begin, tps[tp]), end):
            for value in rows.values:
                try:
                    found = decoder.decode(value or b"")
                except FAULTS:
                    foreign[topic] += 1
                else:
                    yield found
