"""Records put back: to a given partition, with their own time, and marked with where they came from."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiokafka
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from streams.dlq.letters import Coordinates
from streams.kafka.reading.bounded import Record
from streams.kafka.security import client_options
from streams.kafka.settings import Broker

TOPIC_HEADER = "sekisho-redrive-topic"
PARTITION_HEADER = "sekisho-redrive-partition"
OFFSET_HEADER = "sekisho-redrive-offset"
_OURS = frozenset((TOPIC_HEADER, PARTITION_HEADER, OFFSET_HEADER))
_DIGITS_MAX = 19

BATCH_BYTES_MAX = 500_000

Headers = tuple[tuple[str, bytes | None], ...]


class Outgoing(NamedTuple):
    """One record to be sent. `timestamp_ms` None is the time of sending."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    timestamp_ms: int | None
    headers: Headers


def outgoing(original: Record, value: bytes) -> Outgoing:
    """Make the record that takes the place of another: same partition, key, time and headers, and its coordinates."""
    kept = tuple((name, content) for name, content in original.headers if name not in _OURS)
    return Outgoing(
        topic=original.topic,
        partition=original.partition,
        key=original.key,
        value=value,
        timestamp_ms=original.timestamp if original.timestamp >= 0 else None,
        headers=(
            *kept,
            (TOPIC_HEADER, original.topic.encode()),
            (PARTITION_HEADER, b"%d" % original.partition),
            (OFFSET_HEADER, b"%d" % original.offset),
        ),
    )


def redriven_from(headers: Sequence[tuple[str, bytes | None]]) -> Coordinates | None:
    """Return whose place a record takes, if its headers say so."""
    found = {name: content or b"" for name, content in headers if name in _OURS}
    if len(found) < len(_OURS):
        return None
    partition, offset = found[PARTITION_HEADER], found[OFFSET_HEADER]
    if not all(text.isdigit() and len(text) <= _DIGITS_MAX for text in (partition, offset)):
        return None
    return Coordinates(found[TOPIC_HEADER].decode(errors="replace"), int(partition), int(offset))


class Sender:
    """Produce records and wait for every one of them."""

    def __init__(self, client: aiokafka.AIOKafkaProducer) -> None:
        self._client = client

    async def send(self, records: Sequence[Outgoing]) -> list[str]:
        """Send records in order; return the name of the error of each that was not acknowledged by all replicas."""
        failures: list[str] = []
        acks: list[Awaitable[RecordMetadata]] = []
        for record in records:  # one after the other: only so does their order hold
            try:
                ack = await self._client.send(
                    record.topic,
                    record.value,
                    key=record.key,
                    partition=record.partition,
                    timestamp_ms=record.timestamp_ms,
                    headers=list(record.headers),  # its compiled parts take nothing else
                )
            except KafkaError as error:
                failures.append(type(error).__name__)
            else:
                acks.append(ack)
        for result in await asyncio.gather(*acks, return_exceptions=True):
            if isinstance(result, KafkaError):
                failures.append(type(result).__name__)
            elif isinstance(result, BaseException):
                raise result
        return failures


@asynccontextmanager
async def sending(broker: Broker) -> AsyncIterator[Sender]:
    """Connect a sender.

    Raises:
        aiokafka.errors.KafkaError: the broker cannot be reached.
    """
    client = aiokafka.AIOKafkaProducer(
        **client_options(broker),
        client_id="sekisho-dlq",
        acks="all",
        enable_idempotence=broker.profile.idempotent_producer,
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=1 << 23,
    )
    try:
        await client.start()
        yield Sender(client)
    finally:
        await client.stop()
