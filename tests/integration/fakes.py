"""An engine that needs no model: it answers with what it was given."""

from collections.abc import Callable, Sequence

from scoring.outputs import Outputs, Source


class EchoEngine:
    """Decide every payload with itself. Payloads that begin with `!` do something else.

    `!letter` becomes a dead letter, `!alert` raises an alert as well, `!crash` makes the engine fail. A decision is
    keyed by its source offset and prefixed by the number of merchants known when it was made.
    """

    def __init__(self) -> None:
        self.merchants: dict[bytes, bytes] = {}

    def score(
        self,
        values: Sequence[bytes],
        source: Source,
        *,
        received_at_ms: int,
        decided_at_ms: Callable[[], int],
        mark: Callable[[str], None],
    ) -> Outputs:
        assert len(values) == len(source.offsets) == len(source.timestamps_ms)
        outputs = Outputs()
        known = str(len(self.merchants)).encode()
        for value, offset in zip(values, source.offsets, strict=True):
            key = str(offset).encode()
            if value.startswith(b"!crash"):
                raise RuntimeError("the engine was told to fail")
            if value.startswith(b"!letter"):
                outputs.dead_letters.append((key, value))
                continue
            if value.startswith(b"!alert"):
                outputs.alerts.append((key, value))
            outputs.decisions.append((key, known + b"|" + value))
        mark("score")
        return outputs

    def report(self, values: Sequence[bytes], source: Source, *, received_at_ms: int) -> Outputs:
        outputs = Outputs()
        for value, offset in zip(values, source.offsets, strict=True):
            outputs.dead_letters.append((str(offset).encode(), b"report|" + value))
        return outputs

    def merchant(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], source: Source, *, received_at_ms: int
    ) -> Outputs:
        for key, value in zip(keys, values, strict=True):
            if value is None:
                self.merchants.pop(key, None)
            else:
                self.merchants[key] = value
        return Outputs()
