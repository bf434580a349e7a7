"""Producer identity: the producer id and epoch with which outputs and rows of a partition are written."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.structs import TopicPartition

_SEQUENCES: Final = 1 << 31  # sequence numbers are int32 and start again at 0


class ProducerIdentity:
    """Producer id and epoch of a partition's owner, and the next sequence number in each partition it writes to."""

    __slots__ = ("_sequences", "epoch", "producer_id")

    def __init__(self, producer_id: int, epoch: int) -> None:
        self.producer_id = producer_id
        self.epoch = epoch
        self._sequences: defaultdict[TopicPartition, int] = defaultdict(int)

    def take(self, tp: TopicPartition, count: int) -> int:
        """Reserve `count` sequence numbers and return the first. Call it in the order of sending."""
        first = self._sequences[tp]
        self._sequences[tp] = (first + count) % _SEQUENCES
        return first


class IdentifiedBatch(BatchBuilder):  # type: ignore[misc]  # aiokafka has no types
    """A batch with the identity of a partition's owner instead of that of the sending producer."""

    def __init__(
        self,
        identity: ProducerIdentity,
        tp: TopicPartition,
        batch_size: int,
        codec: int,
        *,
        is_transactional: bool = False,
    ) -> None:
        super().__init__(batch_size, codec, is_transactional=is_transactional)
        self.identity = identity
        self._tp = tp

    def _set_producer_state(self, *_: int) -> None:
        """Number the records. Called once, when the sender takes the batch. Batches of a partition leave in order."""
        identity = self.identity
        first = identity.take(self._tp, self.record_count())
        super()._set_producer_state(identity.producer_id, identity.epoch, first)


def name_transactions(client: AIOKafkaClient, transactional_id: Callable[[], str | None]) -> None:
    """Put the current transactional id into every produce of a client.

    Brokers require it for batches of a transaction. aiokafka has one id for the whole life of a producer.
    """
    send = client.send

    async def named(node_id: int, request: Any, *, group: Any = ConnectionGroup.DEFAULT) -> Any:
        if isinstance(request, ProduceRequest):
            request._transactional_id = transactional_id()
        return await send(node_id, request, group=group)

    client.send = named
