"""Labels of rows as they were known at any moment, from the reports received by then."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scoring.verdicts import Said, changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """When rows became frauds and ceased to be: k changes in order of time, of `length` rows.

    `rows` and `at_ms` are int64[k]; `fraud` bool[k], what the row is from then on.
    """

    length: int
    rows: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    fraud: NDArray[np.bool_]

    def at(self, moment_ms: int) -> NDArray[np.bool_]:
        """Return which rows were frauds by the reports received until a moment: bool[length]."""
        known = int(np.searchsorted(self.at_ms, moment_ms, side="right"))
        found = np.zeros(self.length, np.bool_)
        found[self.rows[:known]] = self.fraud[:known]  # of several values for one row the last is kept
        return found

    def part(self, rows: slice) -> "Verdicts":
        """Return the changes of some rows."""
        low, high, _ = rows.indices(self.length)
        inside = (self.rows >= low) & (self.rows < high)
        return replace(
            self,
            length=max(0, high - low),
            rows=self.rows[inside] - low,
            at_ms=self.at_ms[inside],
            fraud=self.fraud[inside],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report on the event of a key, as read from the stream."""

    event: int
    said: Said


def verdicts_of(events: NDArray[np.uint64], reports: Iterable[Report]) -> tuple[Verdicts, int]:
    """Return the verdicts of rows by the keys of their `events`, uint64[n], and the number of reports on no row."""
    order = np.argsort(events, kind="stable")
    in_order = events[order]
    by_event: dict[int, list[Said]] = {}
    for report in reports:
        by_event.setdefault(report.event, []).append(report.said)
    found: list[tuple[int, int, bool]] = []
    unmatched = 0
    for event, said in by_event.items():
        place = int(np.searchsorted(in_order, np.uint64(event)))
        if place == len(events) or in_order[place] != np.uint64(event):
            unmatched += len(said)
            continue
        found += [(at_ms, int(order[place]), is_fraud) for at_ms, is_fraud in changes(said)]
    found.sort(key=lambda change: change[0])
    at_ms, rows, fraud = zip(*found, strict=True) if found else ((), (), ())
    verdicts = Verdicts(
        length=len(events),
        rows=np.array(rows, np.int64),
        at_ms=np.array(at_ms, np.int64),
        fraud=np.array(fraud, np.bool_),
    )
    return verdicts, unmatched
