"""Fencing by the broker: a new owner of a partition stops all writes of its predecessor.

Each input partition has a transactional id. `InitProducerId` gives the new owner the producer id of that transactional
id, with the next epoch. An empty transaction then writes a control record with this epoch into each partition that the
owner writes to. From there on the broker refuses every batch of an older epoch, however late it arrives: a batch may
wait in a socket, in the network or in a broker's queue for longer than any lease (ADR 0014). Outputs are idempotent
batches with this producer id and epoch, without a transaction. A flush of profiles is a transaction of the same
identity (ADR 0018). A takeover aborts an open transaction of the predecessor, and completes one whose commit has begun.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final, TypeVar

from aiokafka import errors
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError, KafkaError
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest
from aiokafka.structs import TopicPartition

from streams.kafka.fence.identity import ProducerIdentity
from streams.kafka.fence.lease import ExpelledError

TRANSACTION_TIMEOUT_S: Final = 60.0
"""With the time limit of a flush added, it is the transaction timeout: the coordinator then aborts a transaction whose
owner has died. A next owner aborts it at once. Brokers refuse more than `transaction.max.timeout.ms` (15 minutes by
default)."""

RETRY_S: Final = 0.005
RETRY_MAX_S: Final = 0.5

_NOT_YET: Final = (
    errors.ConcurrentTransactions,  # a transaction of this id is not complete yet
    errors.CoordinatorLoadInProgressError,
    errors.CoordinatorNotAvailableError,
    errors.NotCoordinatorError,
    errors.NotEnoughReplicasError,
    errors.NotEnoughReplicasAfterAppendError,
    errors.RequestTimedOutError,
    errors.UnknownTopicOrPartitionError,  # the coordinator does not know the topic yet
)
_MOVED: Final = (errors.CoordinatorNotAvailableError, errors.NotCoordinatorError)

_T = TypeVar("_T")


class FenceError(Exception):
    """Raised when the broker does not fence the predecessor of a partition. No input has been read."""


class Fence:
    """Fence predecessors and run transactions, by requests to coordinators over the connection of a producer.

    `timeout_s` limits one takeover. It must be longer than a broker needs to drop a stuck follower
    (`replica.lag.time.max.ms`, 30 s): before that the predecessor's last writes may be below no high watermark.
    `flush_s` is the longest time between `begin` and `commit`.
    """

    def __init__(
        self, client: Callable[[], AIOKafkaClient], group: str, *, timeout_s: float, flush_s: float = 0.0
    ) -> None:
        self._client = client
        self._group = group
        self._timeout_s = timeout_s
        self._transaction_timeout_ms = int((flush_s + TRANSACTION_TIMEOUT_S) * 1000)
        self._coordinators: dict[str, int] = {}
        self._last_answers: dict[str, str] = {}
        self._has_epochs = False  # the broker has given this client one: what it cannot say is a passing failure then

    def name(self, partition: int) -> str:
        """Return the transactional id of an input partition."""
        return f"{self._group}-{partition}"

    async def probe(self) -> None:
        """Test at start that the broker gives this client producer epochs.

        Raises:
            FenceError: the broker does not, or the client lacks a right.
        """
        await self._bounded(f"{self._group}-probe", self._initialise(f"{self._group}-probe"))

    async def take(self, partition: int, logs: Collection[TopicPartition]) -> ProducerIdentity:
        """Fence all earlier owners of an input partition, and return the identity of the new owner.

        `logs` are the partitions that owners write to. When this returns, the high watermark of each is beyond every
        record of an earlier owner.

        Raises:
            FenceError: the broker refused, or the takeover was not complete within `timeout_s`.
            ExpelledError: a later owner has fenced this one.
        """
        name = self.name(partition)
        return await self._bounded(name, self._take(name, logs))

    async def renew(self, partition: int, identity: ProducerIdentity, logs: Collection[TopicPartition]) -> None:
        """Write the epoch again, before the coordinator and the brokers drop an idle id.

        Raises:
            FenceError, ExpelledError: as `take`.
        """
        name = self.name(partition)
        await self._bounded(name, self._mark(name, identity, logs))

    async def begin(self, partition: int, identity: ProducerIdentity, logs: Collection[TopicPartition]) -> None:
        """Begin a transaction that writes to `logs`. All writes to them before `commit` must have this identity.

        It waits until the last transaction is complete. It has no time limit: the caller sets one.

        Raises:
            FenceError, ExpelledError: as `take`.
        """
        name = self.name(partition)
        await self._add(name, identity, logs)

    async def commit(self, partition: int, identity: ProducerIdentity) -> None:
        """Commit the transaction. When this returns, the commit survives a failure of the worker or of a broker.

        Its control records may be written a moment later. A takeover, and the next `begin`, wait for them.

        Raises:
            FenceError, ExpelledError: as `take`.
        """
        await self._end(self.name(partition), identity)

    async def _take(self, name: str, logs: Collection[TopicPartition]) -> ProducerIdentity:
        identity = await self._initialise(name)
        await self._mark(name, identity, logs)
        return identity

    async def _bounded(self, name: str, work: Awaitable[_T]) -> _T:
        """Limit an operation to `timeout_s`. The error names the last answer."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await work
        except TimeoutError:
            last = self._last_answers.pop(name, "no answer")
            raise FenceError(
                f"transactional id {name!r}: no fence within {self._timeout_s:g} s (last answer: {last}). The output "
                "topics, or __transaction_state, have too few replicas in sync: see "
                "transaction.state.log.replication.factor and .min.isr of the brokers"
            ) from None

    async def _initialise(self, name: str) -> ProducerIdentity:
        """Request the producer id of a transactional id, with the next epoch."""

        def code(answer: Any) -> list[int]:
            return [answer.error_code]

        answer = await self._ask(name, InitProducerIdRequest(name, self._transaction_timeout_ms), code)
        self._has_epochs = True
        return ProducerIdentity(answer.producer_id, answer.producer_epoch)

    async def _mark(self, name: str, identity: ProducerIdentity, logs: Collection[TopicPartition]) -> None:
        """Write a control record with this epoch into each partition, by an empty transaction, and wait for all.

        The coordinator acknowledges the end of a transaction before it writes the control records. To a second request
        it answers CONCURRENT_TRANSACTIONS until all in-sync replicas have acknowledged all of them
        (kafka.coordinator.transaction.TransactionCoordinator.endTransaction). So its second success is the proof.
        """
        await self._add(name, identity, logs)
        for _ in ("begun", "complete"):
            await self._end(name, identity)

    async def _add(self, name: str, identity: ProducerIdentity, logs: Collection[TopicPartition]) -> None:
        by_topic = defaultdict(list)
        for tp in logs:
            by_topic[tp.topic].append(tp.partition)

        def codes(answer: Any) -> list[int]:
            return [code for _, partitions in answer.errors for _, code in partitions]

        producer = (name, identity.producer_id, identity.epoch)
        await self._ask(name, AddPartitionsToTxnRequest(*producer, list(by_topic.items())), codes)

    async def _end(self, name: str, identity: ProducerIdentity) -> None:
        request = EndTxnRequest(name, identity.producer_id, identity.epoch, True)
        await self._ask(name, request, lambda answer: [answer.error_code])

    async def _ask(self, name: str, request: Any, codes: Callable[[Any], list[int]]) -> Any:
        """Send a request to the coordinator of a transactional id, until it succeeds or fails with no retry."""
        wait_s = RETRY_S
        while True:
            try:
                answer = await self._send(name, request)
                refusals = [errors.for_code(code) for code in codes(answer) if code]
                if not refusals:
                    return answer
                error = next((one for one in refusals if not self._may_pass(one)), refusals[0])
            except KafkaError as raised:
                self._coordinators.pop(name, None)
                if isinstance(raised, IncompatibleBrokerVersion):
                    raise FenceError(f"{_CANNOT}: {raised}") from None
                if not (raised.retriable or isinstance(raised, KafkaConnectionError)):
                    raise self._refused(name, type(raised)) from raised
                error = type(raised)
            else:
                if error in _MOVED:
                    self._coordinators.pop(name, None)
                if not self._may_pass(error):
                    raise self._refused(name, error) from error()
            self._last_answers[name] = error.__name__
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_MAX_S)

    def _may_pass(self, error: type[KafkaError]) -> bool:
        """Tell whether the same request can succeed later.

        Apache Kafka 4.3.1 was seen to answer UnknownError (UNKNOWN_SERVER_ERROR) to InitProducerId, once, while a group
        rebalanced. Each request can be repeated: it has the same effect again, or gives the next epoch. A broker that
        gives no epochs at all may answer so too: `probe` finds that at start.
        """
        return error in _NOT_YET or (error is errors.UnknownError and self._has_epochs)

    async def _send(self, name: str, request: Any) -> Any:
        client = self._client()
        if name not in self._coordinators:
            self._coordinators[name] = await client.coordinator_lookup(CoordinationType.TRANSACTION, name)
        return await client.send(self._coordinators[name], request, group=ConnectionGroup.COORDINATION)

    def _refused(self, name: str, error: type[KafkaError]) -> Exception:
        if error in (errors.InvalidProducerEpoch, errors.ProducerFenced, errors.InvalidProducerIdMapping):
            return ExpelledError(
                f"transactional id {name!r} has a later owner: another worker took this partition over"
            )
        if error is errors.TransactionalIdAuthorizationFailed:
            return FenceError(f"no right to Write to transactional id {name!r} (resource type TransactionalId)")
        if error in (errors.UnsupportedVersionError, errors.InvalidRequestError, errors.UnknownError):
            return FenceError(f"{_CANNOT}: {error.__name__}")
        return FenceError(f"transactional id {name!r}: the broker answered {error.__name__}")


_CANNOT: Final = (
    "this broker does not hand out producer epochs (InitProducerId). To run without a fence, set a `kafka.profile` "
    "with `fencing: false`: then only the session time-out keeps two owners of a partition apart"
)
