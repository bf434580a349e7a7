"""Under which producer id and epoch the outputs and rows of a partition are written."""

from collections import defaultdict
from typing import Final

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import TopicPartition

_SEQUENCES: Final = 1 << 31  # sequence numbers are int32 and start again at 0


class ProducerIdentity:
    """The producer id and epoch of a partition's owner, and the next sequence number in each log that it writes."""

    __slots__ = ("_sequences", "epoch", "producer_id")

    def __init__(self, producer_id: int, epoch: int) -> None:
        self.producer_id = producer_id
        self.epoch = epoch
        self._sequences: defaultdict[TopicPartition, int] = defaultdict(int)

    def take(self, tp: TopicPartition, count: int) -> int:
        """Return the sequence number of the first of `count` records, and reserve theirs. Call it in send order."""
        first = self._sequences[tp]
        self._sequences[tp] = (first + count) % _SEQUENCES
        return first


class IdentifiedBatch(BatchBuilder):  # type: ignore[misc]  # aiokafka has no types
    """A batch under the identity of a partition's owner, in place of that of the producer that sends it."""

    def __init__(self, identity: ProducerIdentity, tp: TopicPartition, batch_size: int, codec: int) -> None:
        super().__init__(batch_size, codec)
        self.identity = identity
        self._tp = tp

    def _set_producer_state(self, *_: int) -> None:
        """Number the records. Called once, when the sender takes the batch; batches of one log leave in order."""
        identity = self.identity
        first = identity.take(self._tp, self.record_count())
        super()._set_producer_state(identity.producer_id, identity.epoch, first)
