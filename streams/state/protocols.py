"""What durable profiles ask of the worker: settings, engine, consumer and outputs, and someone to tell."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from aiokafka.structs import TopicPartition
from faust.types import TP

from scoring.profile import Changelog
from streams.kafka.fence import ProducerIdentity
from streams.kafka.settings import Broker, Isolation, Topics
from streams.state.settings import State
from streams.transport.settings import Consume, Emit


class Settings(Protocol):
    """Say where the logs are and how they are read and written."""

    @property
    def broker(self) -> Broker:
        """Where the brokers are."""
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
        """How profiles survive."""
        ...

    @property
    def isolation_of(self) -> dict[str, Isolation]:
        """How each log is read that a worker writes."""
        ...


class Engine(Protocol):
    """Keep profiles and open cases."""

    @property
    def changelog(self) -> Changelog:
        """What changed in the profiles, and how it comes back."""
        ...

    def restore_cases(self, alerts: Sequence[bytes]) -> int:
        """Open the cases of published alerts; return how many values are no alerts."""
        ...

    @property
    def reach_of_cases_ms(self) -> int:
        """How long before an input record's timestamp an alert may be published whose case is open to its event."""
        ...


class Outputs(Protocol):
    """Know where outputs go, and how far they are acknowledged."""

    identities: dict[int, ProducerIdentity]
    """By input partition: under which identity its outputs are written."""
    ends: dict[TopicPartition, int]
    """Where the last acknowledged batch of each output begins."""

    @property
    def partitions(self) -> int:
        """How many partitions the input has."""
        ...

    def partitions_of(self, topic: str) -> int:
        """Return how many partitions an input or output has."""
        ...

    def outputs_of(self, partition: int) -> list[TopicPartition]:
        """List every log that outputs of an input partition may go to."""
        ...


class Consumer(Protocol):
    """Read the input, and commit it up to where profiles are durable."""

    def applied(self, tp: TP) -> int | None:
        """Return up to where the engine has taken a partition in; None before the first batch of an assignment."""
        ...

    def barrier(self, tp: TP) -> Callable[[], Awaitable[None]]:
        """Return a wait until all that is applied of a partition now is acknowledged."""
        ...

    def check_lease(self) -> None:
        """Raise ExpelledError when the group may have given this worker's partitions to another."""

    def make_durable(self, tp: TP, offset: int) -> None:
        """Let a partition be committed up to an offset."""

    async def committed(self, tp: TP) -> int | None:
        """Return what the group has committed of a partition."""
        ...

    def start_from(self, positions: Mapping[TP, int]) -> None:
        """Say where partitions begin once the rebalance is over."""

    def restore_progressed(self) -> None:
        """Note that a restore is alive."""


class Telemetry(Protocol):
    """Hear how profiles are restored, flushed and followed. Must neither block nor raise."""

    def restoring(self, done: int, total: int) -> None:
        """Hear how many records of the logs of profiles have been read back, and how many there are to read."""

    def restored(self, records: int, published: int, seconds: float) -> None:
        """Hear that profiles are back, and how many answers to later input were found published."""

    def foreign(self, records: Mapping[str, int]) -> None:
        """Hear how many records on each output no worker wrote: `decisions`, `alerts`, `dead-letters`."""

    def flushed(self, partition: int, rows: int, size_bytes: int, seconds: float) -> None:
        """Hear that a flush of a partition is durable."""

    def followed(self, lags_s: Mapping[int, float]) -> None:
        """Hear how far behind other workers' partitions are seen, for every partition that is followed."""
