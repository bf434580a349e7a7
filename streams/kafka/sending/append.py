"""Append records to the open batches of a producer, without waiting."""

import asyncio
from collections.abc import Awaitable, Sequence
from copy import copy
from typing import Any, Protocol

from aiokafka.errors import ProducerClosed
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata, TopicPartition

from scoring.outputs import Record
from streams.kafka.fence import IdentifiedBatch, ProducerIdentity

Ack = Awaitable[RecordMetadata]


class QueuedBatch(Protocol):
    """What is used of a batch in aiokafka's accumulator."""

    future: "asyncio.Future[RecordMetadata]"
    _drain_waiter: "asyncio.Future[None]"


def append(
    accumulator: Any,
    tp: TopicPartition,
    records: Sequence[Record],
    now_ms: int,
    identity: ProducerIdentity | None = None,
) -> list[Ack]:
    """Append records to the queued batches of a partition. Return one future for each batch that got records.

    This is aiokafka's `MessageAccumulator.add_batch` without its wait. A producer has one pending request per broker,
    and `add_batch` blocks the caller until the last batch of the partition is sent. Here new records join that batch,
    so a busy broker gets fewer, fuller batches. A record larger than the size limit becomes a batch of its own: the
    broker may refuse it, and that halts the worker. A batch has records of one identity; without one, aiokafka writes
    the producer's own (none if the broker has no idempotence).

    Raises:
        aiokafka.errors.KafkaError: the producer is closed or has failed for good.
    """
    if accumulator._closed:
        raise ProducerClosed
    if accumulator._exception is not None:
        raise copy(accumulator._exception)
    waiting = accumulator._batches.get(tp)
    batch = waiting[-1] if waiting else None
    if batch is not None and getattr(batch._builder, "identity", None) is not identity:
        batch = None
    acks: list[Ack] = []
    for key, value in records:
        if batch is None or batch._builder.append(timestamp=now_ms, key=key, value=value) is None:
            batch = accumulator._append_batch(_builder(accumulator, tp, identity), tp)
            fits = batch._builder.append(timestamp=now_ms, key=key, value=value)
            assert fits is not None, "an empty batch takes any record"
            acks.append(ack_of(batch))
        elif not acks:
            acks.append(ack_of(batch))
    return acks


def ack_of(batch: QueuedBatch) -> Ack:
    """Return the acknowledgement of a batch, which its first waiter may cancel alone.

    Who waits for several of them stops at the first that fails. asyncio must not log the others as never retrieved.
    """
    ack = asyncio.shield(batch.future)
    ack.add_done_callback(retrieve)
    batch._drain_waiter.add_done_callback(retrieve)
    return ack


def retrieve(done: "asyncio.Future[Any]") -> None:
    """Retrieve the exception of a future that nobody may await. Otherwise asyncio logs a traceback for it."""
    if not done.cancelled():
        done.exception()


def _builder(accumulator: Any, tp: TopicPartition, identity: ProducerIdentity | None) -> BatchBuilder:
    if identity is None:
        return accumulator.create_builder()
    return IdentifiedBatch(identity, tp, accumulator._batch_size, accumulator._compression_type)
