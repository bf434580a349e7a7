"""`sekisho worker`, which also writes what its model sees: `python -m tests.integration.model.seen CONFIG DIR`.

The vectors are the worker's own: its observer hands each batch to a watcher, as for an explanation, before the model
scores it. In DIR, `rows` has float64 rows, `events` a line for each with its id and whether it moved the profiles, and
`reports` a line for each report that was applied. The rest of the command is unchanged.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scoring.clock import trusted
from scoring.engine import Engine
from scoring.observer import Observed, Reported
from streams.cli import main as sekisho
from streams.config import wiring


def watched(build: Callable[..., Engine], directory: Path) -> Callable[..., Engine]:
    """Build engines whose observer writes to files, a line as soon as a batch was taken."""

    def built(*args: Any, **kwargs: Any) -> Engine:
        engine = build(*args, **kwargs)
        observer = engine.observer
        report = observer.report

        def write(observed: Observed) -> None:
            moved = trusted(observed.clocks) & ~observed.passed_over
            with (directory / "rows").open("ab") as rows:
                rows.write(observed.matrix.tobytes())
            with (directory / "events").open("a") as events:
                for names, is_row in zip(observed.decoded.names, moved.tolist(), strict=True):
                    events.write(f"{names[0].decode()} {int(is_row)}\n")

        def reported(values: Sequence[bytes], *args: Any) -> Reported:
            found = report(values, *args)
            with (directory / "reports").open("a") as reports:
                reports.write("report\n" * len(values))
            return found

        observer.watch = write
        observer.report = reported  # type: ignore[method-assign]  # of this one object
        return engine

    return built


if __name__ == "__main__":
    wiring.build_engine = watched(wiring.build_engine, Path(sys.argv[2]))
    raise SystemExit(sekisho(["worker", "--config", sys.argv[1]]))
