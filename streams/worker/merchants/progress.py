"""How far the dead letters of merchants are written: an offset that the group keeps, as it does for its own inputs.

The group does not consume `merchants`; brokers keep an offset of such a topic for `offsets.retention.minutes` (7 days)
after it was last written. Only a member of the group's present generation can write one.
"""

from contextlib import suppress
from typing import Any

from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams.transport.consumer import BatchConsumer


async def read_offset(consumer: BatchConsumer, tp: TopicPartition) -> tuple[int, str]:
    """Return what the group keeps of a partition, offset and note; 0 and "" if nothing. May take for ever: bound it.

    Raises:
        aiokafka.errors.KafkaError: the broker refused to say.
    """
    found = await _coordinator(consumer).fetch_committed_offsets([tp])
    return (int(found[tp].offset), found[tp].metadata or "") if tp in found else (0, "")


async def write_offset(consumer: BatchConsumer, tp: TopicPartition, offset: int, note: str) -> None:
    """Have the group keep an offset of a partition; not if it has rebalanced. May take for ever: bound it.

    Raises:
        aiokafka.errors.KafkaError: the broker refused it.
    """
    with suppress(CommitFailedError):  # whoever owns partition 0 now reads from the dead letters what was written
        await _coordinator(consumer).commit_offsets(None, {tp: OffsetAndMetadata(offset, note)})


def _coordinator(consumer: BatchConsumer) -> Any:
    return consumer._thread._ensure_consumer()._coordinator
