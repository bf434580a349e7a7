"""What durable profiles ask of the worker: its settings, its engine, its outputs, and someone to tell."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from aiokafka.structs import TopicPartition

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
