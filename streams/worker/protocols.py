"""Protocols of the engine and of telemetry, as the agents use them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from faust.types import TP

from scoring.lists.dated import Result
from scoring.outputs import Emitted, Outputs, Source
from streams.state import protocols as profiles
from streams.transport.batch import Batch


class Engine(profiles.Engine, Protocol):
    """Turn payloads into outputs. The counts of each `score` balance as `scoring.outputs.Outputs` says."""

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
        """Score authorizations. `mark(name)` is called at the end of each stage. Outputs in `emitted` are left out."""
        ...

    def outcomes(self, values: Sequence[bytes], source: Source, *, received_at_ms: int, emitted: Emitted) -> Outputs:
        """Apply outcomes of authorizations. Return dead letters only, without those in `emitted`."""
        ...

    def report(self, values: Sequence[bytes], source: Source, *, received_at_ms: int, emitted: Emitted) -> Outputs:
        """Apply fraud reports. Return dead letters only, without those in `emitted`."""
        ...

    def threeds_results(
        self, values: Sequence[bytes], source: Source, *, received_at_ms: int, emitted: Emitted
    ) -> Outputs:
        """Apply results of 3-D Secure. Return dead letters only, without those in `emitted`."""
        ...

    def merchant(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], source: Source, *, received_at_ms: int
    ) -> Outputs:
        """Apply records of `merchants`; a value of None removes the merchant of its key. Return dead letters only."""
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
        """Check records of `merchants` and apply none. Return dead letters only, without those in `emitted`."""
        ...

    def list_entries(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], stamps_ms: Sequence[int]
    ) -> Mapping[Result, int]:
        """Apply records of `lists`; a value of None removes the entry of its key. Return the number by result."""
        ...

    def set_partitions(self, partitions: int) -> None:
        """Track the profiles of each of `partitions` apart, to flush and move them. Call it before the first event."""
        ...


class Telemetry(profiles.Telemetry, Protocol):
    """Record what happened, once per batch and on the main loop unless noted. Must neither block nor raise."""

    def stage(self, name: str, seconds: float) -> None:
        """Record the seconds of a stage of one batch."""

    def scored(self, batch: Batch, outputs: Outputs) -> None:
        """Record a scored batch of authorizations; nothing of it is durable yet."""

    def taken(self, source: str, outputs: Outputs) -> None:
        """Record an applied batch of a side input; `source` is its name, such as `fraud-reports`."""

    def delivered(self, batch: Batch, outputs: Outputs, acked_at_ms: int) -> None:
        """Record that all outputs of a batch are acknowledged."""

    def merchants(self, applied: int, outputs: Sequence[Outputs]) -> None:
        """Record applied merchant records. Dead letters are counted by `letters_written`, on one worker."""

    def letters_written(self, outputs: Sequence[Outputs]) -> None:
        """Record that dead letters of merchants are durable."""

    def list_records(self, results: Mapping[str, int]) -> None:
        """Record applied and refused records of `lists`."""

    def lists_delayed(self, delay_s: float) -> None:
        """Record the time in s from a record of `lists` until it counts."""

    def lists_read(self, at_s: float) -> None:
        """Record the time, in s since the epoch, at which all records of `lists` that were there had been read."""

    def committed(self, offsets: Mapping[TP, int]) -> None:
        """Record committed offsets."""

    def lagging(self, tp: TP, events: int, seconds: float) -> None:
        """Record the lag of a partition. Called from the watchdog's thread."""

    def ready(self, is_ready: bool) -> None:
        """Record whether events flow: merchants are loaded and no rebalance is under way."""
