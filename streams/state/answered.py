"""What a partition's last worker had published after its last marker, so that nothing is published a second time."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from aiokafka.structs import TopicPartition
from msgspec import Struct
from msgspec.json import Decoder

from scoring.outputs import Emitted
from streams.state.reader import LogReader
from streams.transport.settings import Topics


class _Decision(Struct):
    decision_id: str


class _Alert(Struct):
    event_id: str


class _Letter(Struct):
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """From where to look: offsets in `decisions` of the partition, and in the others by their partitions."""

    decisions: int
    alerts: Mapping[int, int]
    dead_letters: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What stands there: on authorizations, and of fraud reports the offsets that became dead letters."""

    authorizations: Emitted
    reports: Emitted

    @property
    def size(self) -> int:
        """Count the answers."""
        of = self.authorizations
        return len(of.decisions) + len(of.alerts) + len(of.dead_letters) + len(self.reports.dead_letters)


async def scan(reader: LogReader, topics: Topics, partition: int, since: Since) -> Answered:
    """Read the outputs of a partition from `since` to their ends.

    Raises:
        StateReadError: an output cannot be read.
    """
    made = _values(reader, topics.decisions, {partition: since.decisions})
    decisions = frozenset([_DECISION.decode(value).decision_id.encode() async for value in made])
    alerts = frozenset(
        [_ALERT.decode(value).event_id.encode() async for value in _values(reader, topics.alerts, since.alerts)]
    )
    letters = [_LETTER.decode(value) async for value in _values(reader, topics.dead_letters, since.dead_letters)]
    ours = [letter for letter in letters if letter.partition == partition]
    return Answered(
        authorizations=Emitted(
            decisions=decisions,
            alerts=alerts,
            dead_letters=frozenset(letter.offset for letter in ours if letter.topic == topics.authorizations),
        ),
        reports=Emitted(
            dead_letters=frozenset(letter.offset for letter in ours if letter.topic == topics.fraud_reports)
        ),
    )


async def published_alerts(reader: LogReader, topics: Topics, partitions: int, since_ms: int) -> list[bytes]:
    """Read the alerts of a while, of all workers, oldest first: they say which cases are open."""
    found: list[tuple[int, bytes]] = []
    tps = [TopicPartition(topics.alerts, number) for number in range(partitions)]
    for tp, (begin, end) in (await reader.bounds(tps)).items():
        async for rows in reader.read(tp, max(begin, await reader.offset_at(tp, since_ms, end)), end):
            found += [(at, value) for at, value in zip(rows.timestamps_ms, rows.values, strict=True) if value]
    return [value for _, value in sorted(found, key=lambda pair: pair[0])]


_DECISION, _ALERT, _LETTER = Decoder(_Decision), Decoder(_Alert), Decoder(_Letter)


async def _values(reader: LogReader, topic: str, since: Mapping[int, int]) -> AsyncIterator[bytes]:
    """Give what stands in a topic, record by record: of each only a name is kept."""
    tps = {TopicPartition(topic, number): begin for number, begin in since.items()}
    for tp, (begin, end) in (await reader.bounds(list(tps))).items():
        async for rows in reader.read(tp, max(begin, tps[tp]), end):
            for value in rows.values:
                if value:
                    yield value
