"""Read a history once and decide it by several policies. Profiles do not depend on decisions, so they are shared."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.backtest.decided.batch import Batch, batches
from models.backtest.decided.contender import Contender
from models.backtest.decided.desk import Desk, Edge, Hits
from models.backtest.effects.ledger import Ledger, Months
from models.backtest.judged import Judged
from models.backtest.scored import Scored
from models.backtest.targets import OFF, Bounds, moved
from models.training.history import History
from models.training.records import Record
from scoring.clock import trusted
from scoring.decode import Col
from scoring.model.bundle import Bundle
from scoring.observer import BATCH_MAX, Observer, Settings

NOTED_RECORDS_MAX: Final = 1 << 16
"""Records after which the rows that they changed are noted no longer: nothing is written to a changelog here."""

_TELL_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a history under a policy. `hits`: of its rules and lists. The others as in `Contender`."""

    judged: Judged
    hits: list[Hits]
    lists_from_files: tuple[str, ...] = ()
    lists_left_out: tuple[str, ...] = ()


class Walk:
    """Decide the rows of a scored history by policies, as one worker with one partition does.

    Merchants are judged before and after each batch, so at each report and as each day in Tokyo begins; a worker does
    so each second.
    """

    def __init__(
        self,
        bundle: Bundle,
        settings: Settings,
        rows: Scored,
        contenders: Mapping[str, Contender],
        *,
        edges_of: Contender | None = None,
    ) -> None:
        """Prepare. `edges_of`: a policy of `contenders` whose alerts are wanted for every threshold of all events."""
        self._bundle, self._rows = bundle, rows
        self._observer = Observer(settings)
        self._observer.profiles.changelog.own(0)
        self._contenders = contenders
        self._desks = {name: Desk(each, bundle, settings, rows) for name, each in contenders.items()}
        self._first = next(name for name, each in contenders.items() if edges_of is None or each is edges_of)
        self._edges = [
            Edge(replace(edges_of, policy=moved(edges_of.policy, level, "bound")), bundle, settings, rows)
            for level in (1, OFF)
            if edges_of is not None
        ]
        self._ledger = Ledger(rows, settings.decode)
        self._margins = np.empty(BATCH_MAX)
        self._done = self._noted = 0

    def go(self, history: History, tell: Callable[[str], None]) -> dict[str, Decided]:
        """Read the history from its beginning, and return what each policy makes of it.

        Raises:
            ValueError: the history cannot be read, or is another one than that of the rows.
        """
        told = time.monotonic()
        for batch in batches(history.records()):
            self._take(batch)
            self._noted += len(batch)
            if self._noted >= NOTED_RECORDS_MAX:
                self._observer.profiles.changelog.flush(0)
                self._noted = 0
            if time.monotonic() - told > _TELL_S:
                told = time.monotonic()
                tell(f"{self._done:,} of {len(self._rows.scores):,} rows decided")
        if self._done != len(self._rows.scores):
            raise ValueError("the history has changed while it was read: run the backtest again")
        return {
            name: Decided(desk.judged(), desk.hits(), each.of_topic, each.left_out)
            for name, desk in self._desks.items()
            for each in (self._contenders[name],)
        }

    def months(self) -> Months:
        """Return the months of merchants, after `go`."""
        return self._ledger.close()

    @property
    def bounds(self) -> Bounds:
        """The alerts with the lowest and the highest threshold of all events."""
        low, high = self._edges
        return Bounds(low.alerts, high.alerts)

    def _take(self, batch: list[Record]) -> None:
        observer, topic = self._observer, batch[0].topic
        values, record_ms = [record.value or b"" for record in batch], [record.at_ms for record in batch]
        if topic == "merchants":
            observer.merchant([record.key for record in batch], [record.value for record in batch])
            return
        self._judge_merchants(record_ms[0])
        match topic:
            case "authorizations":
                self._decide(values, record_ms)
            case "authorization-outcomes":
                observer.outcomes(values, record_ms)
            case "threeds-results":
                observer.results(values, record_ms)
            case "fraud-reports":
                observer.report(values, record_ms)
                self._ledger.report(values, record_ms)
        self._judge_merchants(record_ms[-1])

    def _judge_merchants(self, now_ms: int) -> None:
        for one in (self._observer.standings, self._observer.overdue):
            one.tick(now_ms)
            one.judge(0)

    def _decide(self, values: list[bytes], record_ms: list[int]) -> None:
        observed = self._observer.observe(values, record_ms)
        margins = self._margins[: len(observed.decoded)]
        self._bundle.trees.margins(observed.matrix, margins)
        kept = np.flatnonzero(trusted(observed.clocks) & ~observed.passed_over)
        batch = Batch(self._observer, observed, margins, kept, self._done)
        event_ms = observed.decoded.ints[kept, Col.EVENT_MS]
        if not np.array_equal(self._rows.event_ms[batch.rows], event_ms):
            raise ValueError("the history has changed while it was read: run the backtest again")
        self._ledger.take(batch)
        incidents = {name: desk.take(batch) for name, desk in self._desks.items()}
        for edge in self._edges:
            edge.take(batch, incidents[self._first])
        self._done += len(kept)
