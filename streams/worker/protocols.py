"""What the agents ask of the rest: an engine that scores, and someone to tell about it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from faust.types import TP

from scoring.outputs import Emitted, Outputs, Source
from streams.state import protocols as profiles
from streams.transport.batch import Batch


class Engine(profiles.Engine, Protocol):
    """Turn payloads into outputs. Every call of `score` adds up as `scoring.outputs.Outputs` says."""

    def score(
        self,
        values: Sequence[bytes],
        source: Source,
        *,
        received_at_ms: int,
        decided_at_ms: Callable[[], int],
        mark: Callable[[str], None],
        emitted: Emitted,
    ) -> Outputs:
        """Score authorizations. `mark(name)` is called at the end of each stage; `emitted` comes out no second time."""
        ...

    def outcomes(self, values: Sequence[bytes], source: Source, *, received_at_ms: int, emitted: Emitted) -> Outputs:
        """Take in outcomes of authorizations; only dead letters come out, and none of those that are `emitted`."""
        ...

    def report(self, values: Sequence[bytes], source: Source, *, received_at_ms: int, emitted: Emitted) -> Outputs:
        """Take in fraud reports; only dead letters come out, and none of those that are `emitted`."""
        ...

    def merchant(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], source: Source, *, received_at_ms: int
    ) -> Outputs:
        """Apply records of `merchants`; None removes the merchant of that key. Only dead letters come out."""
        ...

    def refused_merchants(
        self,
        keys: Sequence[bytes],
        values: Sequence[bytes | None],
        source: Source,
        *,
        received_at_ms: int,
        emitted: Emitted,
    ) -> Outputs:
        """Judge records of `merchants` and apply none; dead letters come out, but none of those that are `emitted`."""
        ...

    def set_partitions(self, partitions: int) -> None:
        """Keep profiles so that each of so many partitions can be made durable and moved. Before the first event."""
        ...


class Telemetry(profiles.Telemetry, Protocol):
    """Hear what happened, once per batch and on the main loop unless said otherwise. Must neither block nor raise."""

    def stage(self, name: str, seconds: float) -> None:
        """Hear how long a stage of one batch took."""

    def scored(self, batch: Batch, outputs: Outputs) -> None:
        """Hear that a batch of authorizations was scored; nothing is durable yet."""

    def taken(self, source: str, outputs: Outputs) -> None:
        """Hear that a batch of an input beside the authorizations was taken in: its name, as `fraud-reports`."""

    def delivered(self, batch: Batch, outputs: Outputs, acked_at_ms: int) -> None:
        """Hear that the brokers have everything that came out of a batch."""

    def merchants(self, applied: int, outputs: Sequence[Outputs]) -> None:
        """Hear that so many merchant records were applied. What is refused comes to `buried`, on one worker."""

    def buried(self, outputs: Sequence[Outputs]) -> None:
        """Hear that dead letters of merchants are durable."""

    def committed(self, offsets: Mapping[TP, int]) -> None:
        """Hear which offsets were committed."""

    def lagging(self, tp: TP, events: int, seconds: float) -> None:
        """Hear how far a partition is behind. Called from the watchdog's thread."""

    def ready(self, is_ready: bool) -> None:
        """Hear whether events flow: merchants are loaded and no rebalance is under way."""
