"""Protocols of the worker as durable profiles use it: settings, engine, consumer, outputs and telemetry."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from aiokafka.structs import RecordMetadata, TopicPartition
from faust.types import TP

from scoring.outputs import Outputs as EngineOutputs
from scoring.outputs import Record
from scoring.profile import Changelog
from streams.kafka.fence import ProducerIdentity
from streams.kafka.sending.append import Ack
from streams.kafka.settings import Broker, Isolation, Topics
from streams.state.policies import Engine as PolicyEngine
from streams.state.policies import Telemetry as PolicyTelemetry
from streams.state.settings import State
from streams.transport.settings import Consume, Emit


class Settings(Protocol):
    """Settings of topics, and of how they are read and written."""

    @property
    def broker(self) -> Broker:
        """The brokers and how to reach them."""
        ...

    @property
    def topics(self) -> Topics:
        """The names of the topics."""
        ...

    @property
    def consume(self) -> Consume:
        """How the input is read."""
        ...

    @property
    def emit(self) -> Emit:
        """How outputs are written."""
        ...

    @property
    def state(self) -> State:
        """Settings of durable profiles."""
        ...

    @property
    def policies_kept_ms(self) -> int:
        """Time for which the content of a policy stays after the policy was last in use."""
        ...

    @property
    def isolation_of(self) -> dict[str, Isolation]:
        """Isolation level by topic, for the topics that workers write."""
        ...


class Engine(PolicyEngine, Protocol):
    """The engine's profiles, open cases and policies."""

    @property
    def changelog(self) -> Changelog:
        """Changed rows of the profiles, and their restore."""
        ...

    def is_due(self, partition: int) -> bool:
        """Say whether merchants whose home is a partition await a judgement, or their rows a flush."""
        ...

    def judge_merchants(self, partition: int, published: AbstractSet[str]) -> EngineOutputs:
        """Judge where merchants of a home partition stand. Return alerts, without those `published`."""
        ...

    def restore_cases(self, alerts: Sequence[bytes]) -> int:
        """Open the cases of published alerts. Return the number of values that are no alerts."""
        ...

    @property
    def reach_of_cases_ms(self) -> int:
        """Largest age in ms, before an input record's timestamp, of an alert whose case is open to its event."""
        ...


class Outputs(Protocol):
    """The emitter: partitions, identities and acknowledged offsets of outputs."""

    identities: dict[int, ProducerIdentity]
    """Producer identity of the outputs of each input partition."""
    ends: dict[TopicPartition, int]
    """First offset of the last acknowledged batch of each output partition."""

    @property
    def partitions(self) -> int:
        """Number of partitions of the authorizations."""
        ...

    def partitions_of(self, topic: str) -> int:
        """Return the number of partitions of an input or output."""
        ...

    def by_key(
        self, topic: str, records: Sequence[Record], now_ms: int, identity: ProducerIdentity | None
    ) -> list[Ack]:
        """Produce records to the partitions that their keys hash to. Return their pending acknowledgements."""
        ...

    def acknowledged(self, batch: RecordMetadata) -> None:
        """Record the offset of an acknowledged batch."""

    def outputs_of(self, partition: int) -> list[TopicPartition]:
        """List every output partition that an input partition may write to."""
        ...


class Consumer(Protocol):
    """The consumer of the input, which commits up to the offset at which profiles are durable."""

    def applied(self, tp: TP) -> int | None:
        """Return the offset up to which a partition is applied; None before the first batch of an assignment."""
        ...

    def barrier(self, tp: TP) -> Callable[[], Awaitable[None]]:
        """Return a function that waits until all batches applied so far are acknowledged."""
        ...

    def check_lease(self) -> None:
        """Raise ExpelledError if the group may have assigned this worker's partitions to another worker."""

    def make_durable(self, tp: TP, offset: int) -> None:
        """Allow commits of a partition up to an offset."""

    async def committed(self, tp: TP) -> int | None:
        """Return the group's committed offset of a partition, or None."""
        ...

    def start_from(self, positions: Mapping[TP, int]) -> None:
        """Set where partitions start after the rebalance."""

    def restore_progressed(self) -> None:
        """Count a step of a restore, for the watchdog."""


class Telemetry(PolicyTelemetry, Protocol):
    """Record how profiles are restored, flushed and followed. Must neither block nor raise."""

    def restoring(self, done: int, total: int) -> None:
        """Record how many records of a restore were read, and how many there are."""

    def restored(self, records: int, published: int, seconds: float) -> None:
        """Record a finished restore; `published` counts outputs of later input that were found."""

    def foreign(self, records: Mapping[str, int]) -> None:
        """Record how many records on each output no worker wrote: `decisions`, `alerts`, `dead-letters`."""

    def flushed(self, partition: int, rows: int, size_bytes: int, seconds: float) -> None:
        """Record a durable flush of a partition."""

    def merchant_alerts(self, alerts: Mapping[tuple[str, str], int]) -> None:
        """Record durable alerts about where merchants stand, by type and severity."""

    def followed(self, lags_s: Mapping[int, float]) -> None:
        """Record the lag in seconds of every followed partition."""
