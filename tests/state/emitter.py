"""The emitter of a worker without a broker: what is sent waits until it is acknowledged or refused."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from aiokafka.structs import TopicPartition

from scoring.outputs import Record
from streams.kafka.fence import ProducerIdentity
from streams.kafka.settings import Topics

TOPICS = Topics()


class FakeEmitter:
    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.ends: dict[TopicPartition, int] = {}
        self.identities: dict[int, ProducerIdentity] = {}
        self.sent: list[tuple[str, Record, ProducerIdentity | None]] = []
        self.acks: list[asyncio.Future[Any]] = []
        self.holds = False

    def partitions_of(self, _topic: str) -> int:
        return 1

    def by_key(
        self, topic: str, records: Sequence[Record], _now_ms: int, identity: ProducerIdentity | None
    ) -> list[asyncio.Future[Any]]:
        self.sent += [(topic, record, identity) for record in records]
        acks = [asyncio.get_running_loop().create_future() for _ in records]
        for ack in () if self.holds else acks:
            self.acknowledge(ack)
        self.acks += acks
        return acks

    def acknowledge(self, ack: asyncio.Future[Any]) -> None:
        ack.set_result(SimpleNamespace(offset=len(self.sent) - 1, topic_partition=TopicPartition(TOPICS.alerts, 0)))

    def acknowledged(self, batch: Any) -> None:
        self.ends[batch.topic_partition] = batch.offset

    def outputs_of(self, partition: int) -> list[TopicPartition]:
        decisions = TopicPartition(TOPICS.decisions, partition)
        return [decisions, TopicPartition(TOPICS.alerts, 0), TopicPartition(TOPICS.dead_letters, 0)]
