"""Produce outputs to their topics. The caller awaits their acknowledgements in order."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import aiokafka
from aiokafka.partitioner import murmur2
from aiokafka.structs import RecordMetadata, TopicPartition

from scoring.outputs import Outputs, Record
from streams.kafka.errors import TopicsMismatchError
from streams.kafka.fence import ProducerIdentity
from streams.kafka.sending.append import Ack, append
from streams.kafka.settings import ROLES, Topics
from streams.transport.batch import Batch


class Emitter:
    """Produce the engine's outputs. `client` is called at each use: the producer starts after this is built."""

    def __init__(
        self, client: Callable[[], aiokafka.AIOKafkaProducer], topics: Topics, *, is_durable: bool = False
    ) -> None:
        self._client = client
        self._is_durable = is_durable
        self._topics = topics
        self._partitions: Mapping[str, int] = {}
        self._own: ProducerIdentity | None = None
        self.identities: dict[int, ProducerIdentity] = {}
        """Producer identity of the outputs of each input partition. Empty where the broker does not fence."""
        self.ends: dict[TopicPartition, int] = {}
        """First offset of the last acknowledged batch of each output partition. Later outputs have higher offsets."""

    @property
    def partitions(self) -> int:
        """Number of partitions of the authorizations; known once started."""
        return self._partitions[self._topics.authorizations]

    def partitions_of(self, topic: str) -> int:
        """Return the number of partitions of an input or output; known once started."""
        return self._partitions[topic]

    def acknowledged(self, batch: RecordMetadata) -> None:
        """Record the offset of an acknowledged batch."""
        if batch.offset >= 0:  # -1: a duplicate, whose offset the broker no longer knows
            self.ends[batch.topic_partition] = batch.offset

    async def start(self) -> None:
        """Look up the numbers of partitions of the topics.

        Raises:
            TopicsMismatchError: a topic is missing, or differs from `authorizations` in partitions where it must not.
        """
        names = self._topics
        alike = [names.decisions]
        if self._is_durable:
            by_card = [field for field, role in ROLES.items() if role.partitions == "events"]
            alike = [topic for topic in names.of(by_card) if topic != names.authorizations]
        counts = {}
        for topic in (names.authorizations, names.alerts, names.dead_letters, *alike):
            counts[topic] = await _partition_count(self._client(), topic)
            if not counts[topic]:
                raise TopicsMismatchError(f"topic {topic!r} does not exist: see `sekisho topics create`")
        for topic in alike:
            if counts[topic] != counts[names.authorizations]:
                raise TopicsMismatchError(
                    f"{topic!r} has {counts[topic]} partitions, "
                    f"{names.authorizations!r} has {counts[names.authorizations]}: they must be equal"
                )
        self._partitions = counts
        manager = self._client()._txn_manager
        self._own = ProducerIdentity(manager.producer_id, manager.producer_epoch) if manager is not None else None

    def outputs_of(self, partition: int) -> list[TopicPartition]:
        """List every output partition that an input partition may write to."""
        names = self._topics
        shared = [TopicPartition(t, k) for t in (names.alerts, names.dead_letters) for k in range(self._partitions[t])]
        return [TopicPartition(names.decisions, partition), *shared]

    def emit(self, batch: Batch, outputs: Outputs, now_ms: int) -> list[Ack]:
        """Hand the outputs of a batch to the producer and return the pending acknowledgements.

        Decisions go to the partition that their events came from, which keeps their order. Alerts and dead letters go
        by key. Nothing waits here: `BatchConsumer` and `Deliveries` limit the batches in flight.

        Raises:
            aiokafka.errors.KafkaError: the producer is closed or has failed for good.
        """
        names, identity = self._topics, self.identities.get(batch.partition)
        acks = self._append(names.decisions, batch.partition, outputs.decisions, now_ms, identity)
        for topic, records in ((names.alerts, outputs.alerts), (names.dead_letters, outputs.dead_letters)):
            acks += self.by_key(topic, records, now_ms, identity)
        return acks

    def by_key(
        self, topic: str, records: Sequence[Record], now_ms: int, identity: ProducerIdentity | None = None
    ) -> list[Ack]:
        """Produce records to the partitions that their keys hash to (murmur2, as Java's default partitioner).

        Without an identity they carry the producer's own, which nobody fences.
        """
        if not records:
            return []
        groups = defaultdict(list)
        count = self._partitions[topic]
        for record in records:
            groups[(murmur2(record[0]) & 0x7FFFFFFF) % count].append(record)
        acks: list[Ack] = []
        for partition, group in groups.items():
            acks += self._append(topic, partition, group, now_ms, identity)
        return acks

    def _append(
        self,
        topic: str,
        partition: int,
        records: Sequence[Record],
        now_ms: int,
        identity: ProducerIdentity | None,
    ) -> list[Ack]:
        if not records:
            return []
        tp, accumulator = TopicPartition(topic, partition), self._client()._message_accumulator
        return append(accumulator, tp, records, now_ms, identity or self._own)


async def _partition_count(client: aiokafka.AIOKafkaProducer, topic: str) -> int:
    try:
        return len(await asyncio.wait_for(client.partitions_for(topic), timeout=10.0))
    except TimeoutError:
        return 0
