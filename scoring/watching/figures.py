"""Figures of a model in use, from the books of partitions: what metrics show."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import Band
from scoring.policy.rules import rule_key
from scoring.watching.bins import Bins
from scoring.watching.book import (
    AGES,
    COHORT_DAYS,
    DAYS_COUNTED,
    EXPECTED,
    MILLION,
    NO_DAY,
    PAYMENTS,
    REPORTED,
    SCORE_BANDS,
    SCORES_A_BAND,
    Book,
)

WINDOWS: Final = {"1d": 2, "7d": 8, "28d": DAYS_COUNTED}
"""Days of each window, the running one included: at least as long as its name says, 28d excepted."""

INPUT_WINDOW: Final = "7d"
"""Window of the index of single inputs."""

FRESH_WINDOW: Final = "1d"
"""Window of what breaks at once: missing values and unseen categories."""

ROWS_MIN: Final = 500
"""Fewer counted events say nothing of a distribution: with 10 bins their index is about 0.02 by chance."""

AGE_NAMES: Final = tuple(f"{age}d" for age in AGES)
RULE_AGE: Final = 30
"""Age of the payments by which rules are judged."""

SCORE_NAMES: Final = tuple(f"{k * SCORES_A_BAND}-{(k + 1) * SCORES_A_BAND - 1}" for k in range(SCORE_BANDS))
BAND_NAMES: Final = tuple(band.name for band in Band)
LABELS: Final = ("FRAUD", "NONE")
SIDES: Final = ("expected", "reported")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is known of the model in use.

    `has_baseline`: whether the bundle says what training saw. `counted`: events in the bins, by window. `score_psi` by
    window, `input_psi`, `missing`, `missing_before` (at training) and `unseen` by input: those of windows with ROWS_MIN
    events. `labelled`: payments by (age, band, label), `calibration`: payments by (age, scores, side), both estimates
    of all payments. `rules`: payments that a rule hit, and those of them that were reported, by rule. `remembered`:
    payments, and days since the oldest.
    """

    has_baseline: bool
    counted: Mapping[str, int]
    score_psi: Mapping[str, float]
    input_psi: Mapping[str, float]
    missing: Mapping[str, float]
    missing_before: Mapping[str, float]
    unseen: Mapping[str, float]
    labelled: Mapping[tuple[str, str, str], int]
    calibration: Mapping[tuple[str, str, str], float]
    rules: Mapping[str, tuple[int, int]]
    remembered: int
    remembered_days: int


def figures_of(bins: Bins, books: Sequence[Book], rules: Sequence[str]) -> Figures:
    """Add up what books say. `rules`: the ids of those to tell of. Days are seen from the latest one of any book."""
    last = last_of(books)
    windows = {name: _counts(bins, books, last - days + 1) for name, days in WINDOWS.items()}
    counted = {name: int(counts[bins.score_start :].sum()) for name, counts in windows.items()}
    enough = [name for name in WINDOWS if bins.places and counted[name] >= ROWS_MIN]
    first = min((book.first for book in books if book.first != NO_DAY), default=NO_DAY)
    is_fresh = FRESH_WINDOW in enough
    labelled, calibration = _cohorts(books, last)
    by_rule = _by_rule(books, last)
    return Figures(
        has_baseline=bins.places > 0,
        counted=counted,
        score_psi={name: bins.psi(windows[name])[1] for name in enough},
        input_psi=_named(bins, bins.psi(windows[INPUT_WINDOW])[0]) if INPUT_WINDOW in enough else {},
        missing=_named(bins, bins.missing(windows[FRESH_WINDOW])) if is_fresh else {},
        missing_before=_named(bins, bins.missing(bins.then)) if bins.places else {},
        unseen=bins.unseen(windows[FRESH_WINDOW]) if is_fresh else {},
        labelled=labelled,
        calibration=calibration,
        rules={rule: by_rule.get(rule_key(rule), (0, 0)) for rule in rules},
        remembered=sum(len(book.payments) for book in books),
        remembered_days=0 if first == NO_DAY else last - first + 1,
    )


def last_of(books: Sequence[Book]) -> int:
    """Return the latest day of any book."""
    return max((book.last for book in books), default=NO_DAY)


def _named(bins: Bins, values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(bins.names, values.tolist(), strict=True))


def _counts(bins: Bins, books: Iterable[Book], since: int) -> NDArray[np.int64]:
    """Add up the counts of days from `since` on, int64[places]."""
    total = np.zeros(bins.places, dtype=np.int64)
    for book in books:
        for day, counts in list(book.counts.items()):
            if day >= since and len(counts) == bins.places:  # a model may change beside this thread
                total += counts
    return total


def _is_in(day: int, last: int, age: int) -> bool:
    """Say whether payments of a day are in the cohort of an age: 28 days, the last of which is `age` days ago."""
    return last - age - COHORT_DAYS < day <= last - age


_Labelled = dict[tuple[str, str, str], int]
_Calibration = dict[tuple[str, str, str], float]


def _cohorts(books: Iterable[Book], last: int) -> tuple[_Labelled, _Calibration]:
    days = [(day, np.array(sums).reshape(SCORE_BANDS, len(Band), 3)) for book in books for day, sums in _items(book)]
    labelled, calibration = _Labelled(), _Calibration()
    for age, name in zip(AGES, AGE_NAMES, strict=True):
        total = np.zeros((SCORE_BANDS, len(Band), 3), dtype=np.int64)
        for day, sums in days:
            if _is_in(day, last, age):
                total += sums
        for band, sums in zip(BAND_NAMES, total.sum(axis=0).tolist(), strict=True):
            labelled[name, band, "FRAUD"] = sums[REPORTED]
            labelled[name, band, "NONE"] = sums[PAYMENTS] - sums[REPORTED]
        for scores, sums in zip(SCORE_NAMES, total.sum(axis=1).tolist(), strict=True):
            calibration[name, scores, "expected"] = sums[EXPECTED] / MILLION
            calibration[name, scores, "reported"] = float(sums[REPORTED])
    return labelled, calibration


def _items(book: Book) -> list[tuple[int, list[int]]]:
    return list(book.cohorts.items())


def _by_rule(books: Iterable[Book], last: int) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for book in books:
        for (day, rule), (hits, reported) in list(book.rules.items()):
            if _is_in(day, last, RULE_AGE):
                before = found.get(rule, (0, 0))
                found[rule] = before[0] + hits, before[1] + reported
    return found
