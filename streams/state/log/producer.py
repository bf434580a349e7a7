"""The producer of rows and markers. It has a connection of its own, so megabytes of rows never delay a decision."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from copy import copy
from typing import Any

import aiokafka
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, ProducerClosed, UnknownTopicOrPartitionError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import TopicPartition

from scoring.profile.packed import Packed
from streams.kafka import failover
from streams.kafka.errors import TopicsMismatchError
from streams.kafka.fence import IdentifiedBatch, ProducerIdentity, name_transactions
from streams.kafka.fence.lease import guard
from streams.kafka.security import client_options
from streams.kafka.sending.append import Ack, ack_of
from streams.kafka.settings import Broker
from streams.state.log.blocks import BlockBuilder, blocks

CLOSE_S = 5.0  # for connections to close and the sender to end, after pending batches have failed


def append_blocks(accumulator: Any, tp: TopicPartition, builders: Iterable[BatchBuilder | BlockBuilder]) -> list[Ack]:
    """Append closed batches to the queue of a partition in a producer. Return one future for each.

    Like `streams.kafka.sending.append`, this does not wait, and later records go after these: a closed batch takes no
    record, so the next record opens a new batch.

    Raises:
        aiokafka.errors.KafkaError: the producer is closed or has failed for good.
    """
    if accumulator._closed:
        raise ProducerClosed
    if accumulator._exception is not None:
        raise copy(accumulator._exception)
    acks: list[Ack] = []
    for builder in builders:
        assert builder.closed(), "an open batch would take records of others"
        batch = accumulator._append_batch(builder, tp)
        acks.append(ack_of(batch))
    return acks


class StateProducer:
    """Produce rows and markers. The caller limits the batches in flight and the time to wait for them.

    `batch_max_bytes` limits a batch with its header, below the broker's `max.message.bytes`. `request_timeout_s` limits
    one request; `stop` may take twice that. aiokafka sends one batch of a partition at a time, and an idempotent
    producer retries it until it is acknowledged or the producer is stopped. `check` is called before each produce, and
    stops it by raising a KafkaError.

    `transactional_id`: the transaction that new batches belong to, or None. The caller sets it when it begins a
    transaction, and ends that transaction before the next.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Sequence[str],
        *,
        client_id: str,
        batch_max_bytes: int,
        request_timeout_s: float,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._broker = broker
        self._topics = topics
        self._client_id = client_id
        self._batch_max_bytes = batch_max_bytes
        self._request_timeout_s = request_timeout_s
        self._check = check
        self.transactional_id: str | None = None
        self._started: aiokafka.AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect, and look up the topics: the sender requests metadata of known topics only.

        Raises:
            aiokafka.errors.KafkaError: the broker cannot be reached.
            streams.kafka.errors.TopicsMismatchError: a topic does not exist.
        """
        assert self._started is None
        options = client_options(self._broker) | {"request_timeout_ms": int(self._request_timeout_s * 1000)}
        client = aiokafka.AIOKafkaProducer(
            **options,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=self._broker.profile.idempotent_producer,
            linger_ms=0,
            max_batch_size=self._batch_max_bytes,
            max_request_size=self._batch_max_bytes,
        )
        failover.watch(client.client)
        try:
            await client.start()
            name_transactions(client.client, lambda: self.transactional_id)
            guard(client.client, self._check)
            for topic in self._topics:
                await self._find(client, topic)
        except BaseException:
            await client.stop()
            raise
        self._started = client

    async def _find(self, client: aiokafka.AIOKafkaProducer, topic: str) -> None:
        try:
            async with asyncio.timeout(self._request_timeout_s):
                await client.partitions_for(topic)
        except (TimeoutError, UnknownTopicOrPartitionError):
            raise TopicsMismatchError(f"topic {topic!r} does not exist: see `sekisho topics create`") from None

    @property
    def _client(self) -> aiokafka.AIOKafkaProducer:
        if self._started is None:
            raise ProducerClosed
        return self._started

    @property
    def connection(self) -> AIOKafkaClient:
        """The connection to the brokers, for requests to coordinators.

        Raises:
            aiokafka.errors.ProducerClosed: the producer is not started.
        """
        return self._client.client

    def write(
        self, tp: TopicPartition, packed: Packed, now_ms: int, identity: ProducerIdentity | None = None
    ) -> list[Ack]:
        """Hand rows to the producer, in order, and return the pending acknowledgements, one for each batch.

        Each resolves to the metadata of its batch, with the offset of its first record (-1 for a duplicate whose offset
        the broker no longer knows).

        Raises:
            aiokafka.errors.KafkaError: the producer is closed or has failed for good.
        """
        log = None if identity is None else tp
        is_transactional = self.transactional_id is not None
        built = blocks(packed, now_ms, self._batch_max_bytes, identity, log, is_transactional=is_transactional)
        return append_blocks(self._client._message_accumulator, tp, built)

    def write_one(
        self,
        tp: TopicPartition,
        key: bytes,
        value: bytes | None,
        now_ms: int,
        identity: ProducerIdentity | None = None,
    ) -> Ack:
        """Hand one record to the producer, in a batch of its own: the offset in its metadata is that of the record.

        Raises:
            aiokafka.errors.KafkaError: the producer is closed or has failed for good.
        """
        client = self._client
        size = self._batch_max_bytes
        is_transactional = self.transactional_id is not None
        builder = client.create_batch()
        if identity is not None:
            builder = IdentifiedBatch(identity, tp, size, 0, is_transactional=is_transactional)
        appended = builder.append(timestamp=now_ms, key=key, value=value)
        assert appended is not None, "an empty batch takes any record"
        builder.close()
        (ack,) = append_blocks(client._message_accumulator, tp, [builder])
        return ack

    async def stop(self) -> None:
        """Wait for pending batches and disconnect. Batches not acknowledged within `request_timeout_s` fail."""
        client, self._started = self._started, None
        if client is None:
            return
        stopping = asyncio.create_task(client.stop())
        done, _ = await asyncio.wait([stopping], timeout=self._request_timeout_s)
        if not done:
            client._message_accumulator.fail_all(ProducerClosed())
            await client.client.close()  # ends the request that the sender waits for
            done, _ = await asyncio.wait([stopping], timeout=CLOSE_S)
            stopping.cancel()
        with suppress(KafkaError, KeyError):  # the sender may try to retry a batch that has failed
            for task in done:
                task.result()
