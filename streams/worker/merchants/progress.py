"""Progress of the dead letters of merchants: an offset that the group commits, as it does for its inputs.

The group does not consume `merchants`. Brokers keep the committed offset of such a topic for
`offsets.retention.minutes` (7 days) after the last commit. Only a member of the present generation can commit.
"""

from contextlib import suppress
from typing import Any

from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from streams.transport.consumer import BatchConsumer


async def read_offset(consumer: BatchConsumer, tp: TopicPartition) -> tuple[int, str]:
    """Return the committed offset and note of a partition; 0 and "" without one. It has no timeout: add one.

    Raises:
        aiokafka.errors.KafkaError: the broker refused the request.
    """
    found = await _coordinator(consumer).fetch_committed_offsets([tp])
    return (int(found[tp].offset), found[tp].metadata or "") if tp in found else (0, "")


async def write_offset(consumer: BatchConsumer, tp: TopicPartition, offset: int, note: str) -> None:
    """Commit an offset and a note of a partition; after a rebalance do nothing. It has no timeout: add one.

    Raises:
        aiokafka.errors.KafkaError: the broker refused the commit.
    """
    with suppress(CommitFailedError):  # the new owner of partition 0 finds the written letters in the topic
        await _coordinator(consumer).commit_offsets(None, {tp: OffsetAndMetadata(offset, note)})


def _coordinator(consumer: BatchConsumer) -> Any:
    return consumer._thread._ensure_consumer()._coordinator
