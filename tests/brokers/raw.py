"""Record batches sent unchanged, with any content."""

from collections.abc import Iterable
from typing import Any

import aiokafka

from streams.kafka.security import client_options
from streams.kafka.settings import Broker


class RawBatch:
    """A closed `BatchBuilder` of aiokafka over given bytes."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def append(self, **_: Any) -> None:
        """Accept no more records."""

    def close(self) -> None:
        """Do nothing."""

    def closed(self) -> bool:
        return True

    def size(self) -> int:
        return len(self._raw)

    def record_count(self) -> int:
        return 1

    def _set_producer_state(self, *_: Any) -> None:
        """Leave the header unchanged."""

    def _build(self) -> bytes:
        return self._raw


async def send_raw(broker: Broker, topic: str, batches: Iterable[bytes], *, partition: int = 0) -> list[int]:
    """Send batches one after the other; return the offset of the first record of each.

    Raises:
        aiokafka.errors.KafkaError: the broker refused one.
    """
    client = aiokafka.AIOKafkaProducer(**client_options(broker), acks="all", max_request_size=1 << 24)
    await client.start()
    try:
        offsets = []
        for raw in batches:
            ack = await client.send_batch(RawBatch(raw), topic, partition=partition)
            offsets.append((await ack).offset)
        return offsets
    finally:
        await client.stop()
