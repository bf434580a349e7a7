"""Watch the model of an engine: take what it decides and what is reported, and give the figures of it."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.clock import UNDATED
from scoring.decode import Col
from scoring.decode.hashing import KEYS
from scoring.judged import JudgedBatch
from scoring.merchants.months.calendar import DAY_MS
from scoring.merchants.months.store import MerchantMonths
from scoring.model.absent import NoModel
from scoring.model.bundle import Bundle
from scoring.observer import BATCH_MAX, Observed
from scoring.profile import Changelog
from scoring.watching.bins import Bins
from scoring.watching.book import MILLION, Payment
from scoring.watching.figures import Figures, figures_of, last_of
from scoring.watching.kernel import take
from scoring.watching.outcomes import ArmFigures, ArmOutcomes, Outcome
from scoring.watching.rows import Books

_EVENT: Final = 0
"""Column of the event's id in the hashes."""
_COUNT_MASK: Final = 0xFFFF
_NO_COUNTS: Final = np.empty(0, dtype=np.uint32)


class Watch:
    """Count what the model in use sees and decides, by partition. One thread owns it; another may read `figures`.

    An event without a score is not counted: its score says nothing of a model.
    """

    def __init__(self, model: Bundle | NoModel, months: MerchantMonths, partitions: int = 1) -> None:
        self._bins = _bins_of(model)
        self._months = months
        self._books = Books(self._bins.identity, self._bins.places, partitions)
        self._outcomes = ArmOutcomes(partitions)
        self._day = 0  # of the last batch: most batches are of one day
        self._kept = np.empty(BATCH_MAX, dtype=np.int64)
        self._has_hit = np.zeros(BATCH_MAX, dtype=np.bool_)

    def attach_to(self, changelog: Changelog) -> None:
        """Log the rows with those of the profiles."""
        changelog.attach(self._books)
        changelog.attach(self._outcomes)

    def use(self, model: Bundle | NoModel) -> None:
        """Watch another model from the next batch on. Counts of other bins begin anew; payments stay."""
        bins = _bins_of(model)
        if bins.identity != self._bins.identity:
            self._books.use(bins.identity, bins.places)
        self._bins = bins

    @property
    def has_baseline(self) -> bool:
        """Whether the bundle says what training saw. Else inputs and scores are not compared."""
        return self._bins.places > 0

    def decided(self, observed: Observed, judged: JudgedBatch, partition: int, until: int) -> None:
        """Take a decided batch of a partition. Events of days after `until`, since 1970 in UTC, are passed over.

        Call it for events that are applied again after a takeover too: the restored rows do not include them.
        """
        hit = list(judged.ruled.hits)
        if hit:
            self._has_hit[hit] = True
        likely = self._day
        rows, has_others = self._take(observed, judged, partition, likely, until)
        kept = [(row, likely) for row in rows]
        if has_others:
            for day in _days_of(observed):
                if day != likely and day <= until:
                    kept += [(row, day) for row in self._take(observed, judged, partition, day, until)[0]]
                    self._day = max(day, 0)
            kept.sort()  # as they came: a full book drops days in this order
        if hit:
            self._has_hit[hit] = False
        if kept:
            self._remember(observed, judged, partition, kept)

    def _take(
        self, observed: Observed, judged: JudgedBatch, partition: int, day: int, until: int
    ) -> tuple[list[int], bool]:
        """Count the events of a day; return the rows to remember, and whether there are events of other days."""
        book, bins = self._books.of(partition), self._bins
        counts = book.counts_of(day, bins.places) if bins.places and day <= until else None
        decoded, n = observed.decoded, len(observed.rows)
        passed = observed.repeats if judged.fallen is None else observed.repeats | judged.fallen.unscored
        found = take(
            day, decoded.ints, observed.clocks, observed.record_ms, decoded.hashes, passed, observed.answers,
            observed.matrix, judged.scores, judged.bands, self._has_hit[:n], bins.starts, bins.bounds, bins.is_category,
            _NO_COUNTS if counts is None else counts, self._kept,
        )  # fmt: skip
        if counts is not None and found >> 16 & _COUNT_MASK:
            book.note_counts(day, counts)
        rows: list[int] = self._kept[: found & _COUNT_MASK].tolist() if day <= until else []
        return rows, bool(found >> 32)

    def _remember(
        self, observed: Observed, judged: JudgedBatch, partition: int, kept: Sequence[tuple[int, int]]
    ) -> None:
        """Remember the payments of some rows, each with its day."""
        book, rules, hashes = self._books.of(partition), judged.ruled.keys, observed.decoded.hashes
        scores, bands, probabilities = judged.scores, judged.bands, judged.probabilities
        arms, ints = judged.arms, observed.decoded.ints
        for row, day in kept:  # a few of a batch
            event = hashes.item(row, _EVENT)
            expected = round(probabilities.item(row) * MILLION)
            is_fraud = self._months.is_fraud(partition, event)
            hit = tuple(rules.get(row, ()))
            book.remember(Payment(event, day, scores.item(row), bands.item(row), expected, hit, is_fraud))
            if arms is not None and (arm := arms.of.item(row)) and day >= 0:
                band, yen = bands.item(row), max(ints.item(row, Col.AMOUNT_JPY), 0)
                is_sampled = not band and not hit
                payment = Outcome(arms.number, day, arm, band, yen, is_sampled, is_fraud)
                self._outcomes.remember(partition, event, payment)
        self._outcomes.pass_to(partition, book.last)

    def reported(self, partition: int, events: NDArray[np.uint64]) -> None:
        """Take fraud reports of a partition that `months` has taken: the keys of their events, uint64[n]."""
        book = self._books.of(partition)
        for event in events.tolist():
            is_fraud = self._months.is_fraud(partition, event)
            book.judge(event, is_fraud=is_fraud)
            self._outcomes.judge(partition, event, is_fraud=is_fraud)

    def figures(self, rules: Sequence[str]) -> Figures:
        """Return the figures of all partitions, and those of rules by their ids. Also for another thread."""
        return figures_of(self._bins, self._books.all(), rules)

    def figures_of_arms(self, number: int) -> ArmFigures:
        """Return what became of the payments of an experiment. Also for another thread."""
        return self._outcomes.figures(number, last_of(self._books.all()))


def _bins_of(model: Bundle | NoModel) -> Bins:
    if isinstance(model, NoModel):
        return Bins(None, ())
    return Bins(model.manifest.baseline, [feature.name for feature in model.manifest.features])


def last_day(received_at_ms: int) -> int:
    """Return the latest day that an event may name: tomorrow, for clocks differ."""
    return received_at_ms // DAY_MS + 1


def _days_of(observed: Observed) -> list[int]:
    days: list[int] = np.unique(observed.trusted_ms // DAY_MS).tolist()
    return days


def run_watch() -> None:
    """Run the kernel for no events, to compile it."""
    bins = Bins(None, ())
    nothing, none = np.empty(0, np.bool_), np.empty(0, np.int64)
    take(
        0, np.empty((0, 1), np.int64), np.empty(0, np.int8), np.full(0, UNDATED), np.empty((0, KEYS), np.uint64),
        nothing, nothing, np.empty((0, 0)), np.empty(0, np.int16), none, nothing, bins.starts, bins.bounds,
        bins.is_category, _NO_COUNTS, none,
    )  # fmt: skip
