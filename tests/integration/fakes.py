"""An engine that needs no model: it answers each event with the event."""

import os
import time
from collections.abc import Callable, Sequence, Set

from scoring.contract.dead_letter import Reject
from scoring.decode import encode_dead_letter
from scoring.lists.dated import Result
from scoring.outputs import NOTHING, Emitted, Outputs, Source, Tally, letter_runs
from scoring.profile import Changelog


class EchoEngine:
    """Decides every payload with the payload itself. Payloads that begin with `!` have other effects.

    `!letter` becomes a dead letter, `!alert` raises an alert as well, `!crash` makes the engine fail and `!hang` makes
    it never return. The key of a decision is its source offset; its value is `merchants known|process|payload`.
    """

    def __init__(self, *, batch_s: float = 0.0) -> None:
        self.merchants: dict[bytes, bytes] = {}
        self.batch_s = batch_s

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
        """Return each payload as its decision, after `batch_s`."""
        time.sleep(self.batch_s)
        assert len(values) == len(source.offsets) == len(source.timestamps_ms)
        bad = [position for position, value in enumerate(values) if value.startswith(b"!letter")]
        outputs = Outputs(tally=refused(len(values), bad))
        prefix = b"%d|%d|" % (len(self.merchants), os.getpid())
        for value, offset in zip(values, source.offsets, strict=True):
            key = b"%d" % offset
            if value.startswith(b"!letter"):
                outputs.dead_letters.append((key, value))
                continue
            if value.startswith(b"!crash"):
                raise RuntimeError("the engine was told to fail")
            while value.startswith(b"!hang"):
                time.sleep(0.1)
            if value.startswith(b"!alert"):
                outputs.alerts.append((key, value))
            outputs.decisions.append((key, prefix + value))
        mark("score")
        return outputs

    def list_entries(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], stamps_ms: Sequence[int]
    ) -> dict[Result, int]:
        """Count every entry as added."""
        return {"ADDED": len(keys)} if keys else {}

    def outcomes(self, values: Sequence[bytes], source: Source, *, received_at_ms: int, emitted: Emitted) -> Outputs:
        """Ignore outcomes."""
        return Outputs(tally=Tally(events=len(values)))

    def threeds_results(
        self, values: Sequence[bytes], source: Source, *, received_at_ms: int, emitted: Emitted
    ) -> Outputs:
        """Learn nothing."""
        return Outputs(tally=Tally(events=len(values)))

    def report(self, values: Sequence[bytes], source: Source, *, received_at_ms: int, emitted: Emitted) -> Outputs:
        """Refuse every report."""
        letters = [(b"%d" % offset, b"report|" + value) for value, offset in zip(values, source.offsets, strict=True)]
        return Outputs(dead_letters=letters, tally=refused(len(values), range(len(values))))

    def merchant(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], source: Source, *, received_at_ms: int
    ) -> Outputs:
        """Keep the last record of each key; `!letter` is refused."""
        for key, value in zip(keys, values, strict=True):
            if value is None:
                self.merchants.pop(key, None)
            elif not value.startswith(b"!letter"):
                self.merchants[key] = value
        return self.refused_merchants(keys, values, source, received_at_ms=received_at_ms, emitted=NOTHING)

    def refused_merchants(
        self,
        keys: Sequence[bytes],
        values: Sequence[bytes | None],
        source: Source,
        *,
        received_at_ms: int,
        emitted: Emitted,
    ) -> Outputs:
        """Refuse `!letter`, with a real dead letter."""
        bad = [
            position
            for position, value in enumerate(values)
            if value is not None
            and value.startswith(b"!letter")
            and source.offsets[position] not in emitted.dead_letters
        ]
        letters = [
            encode_dead_letter(
                Reject(reason="EMPTY", path="$"),
                topic=source.topic,
                partition=source.partition,
                offset=source.offsets[position],
                size=len(values[position] or b""),
                record_ms=source.timestamps_ms[position],
                received_ms=received_at_ms,
            )
            for position in bad
        ]
        return Outputs(dead_letters=letters, tally=refused(len(values), bad))

    def set_partitions(self, partitions: int) -> None:
        """Ignore partitions."""

    @property
    def changelog(self) -> Changelog:
        """Fail: the tests with this engine run without durable profiles."""
        raise AssertionError("no profiles here")

    def is_due(self, partition: int) -> bool:
        """Judge nobody."""
        return False

    def judge_merchants(self, partition: int, published: Set[str]) -> Outputs:
        """Judge nobody."""
        return Outputs()

    def restore_cases(self, alerts: Sequence[bytes]) -> int:
        """Restore no cases."""
        return 0

    @property
    def reach_of_cases_ms(self) -> int:
        """Return 0: there are no cases."""
        return 0


def refused(events: int, positions: Sequence[int]) -> Tally:
    """Count dead letters as an engine does."""
    letters = {"EMPTY": len(positions)} if positions else {}
    return Tally(events=events, dead_letters=letters, letter_runs=letter_runs(events, positions))
