"""The 15 inputs of the Handbook, counted from the table itself: as the book defines them, and as profiles state them.

Nothing here reads a mapping, an event or a kernel. Each window is a pair of moments, and its payments are counted in
the sorted table. Source: Le Borgne, Siblini, Lebichot, Bontempi, Reproducible Machine Learning for Credit Card Fraud
Detection, 2022, chapter 3: windows are (t - w, t] and have the payment itself; those of terminals end seven days ago.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

DAY_S: Final = 86_400
FIRST_S: Final = 1_522_540_800  # 2018-04-01
DAYS: Final = (1, 7, 30)
DELAY_DAYS: Final = 7
QUARTERS: Final = 4
"""Parts of a window that the profiles count in: they read the running one and the four before it."""
NAMES: Final = (
    "TX_AMOUNT",
    "TX_DURING_WEEKEND",
    "TX_DURING_NIGHT",
    *(f"CUSTOMER_ID_{what}_{days}DAY_WINDOW" for days in DAYS for what in ("NB_TX", "AVG_AMOUNT")),
    *(f"TERMINAL_ID_{what}_{days}DAY_WINDOW" for days in DAYS for what in ("NB_TX", "RISK")),
)

Ints = NDArray[np.int64]
Inputs = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Stream:
    """Payments in order of time: int64[n] each. `second`: since 1970; `cents`: of a euro; `fraud`: 0 or 1."""

    second: Ints
    customer: Ints
    terminal: Ints
    cents: Ints
    fraud: Ints


def read(file: Path) -> Stream:
    """Read the stream from Parquet in small (`handbook-compact`) or from CSV with the book's own columns."""
    if file.suffix == ".csv":
        with file.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        moments = [datetime.strptime(row["TX_DATETIME"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) for row in rows]
        columns: list[Sequence[int]] = [[round(moment.timestamp()) for moment in moments]]
        columns += [[int(row[name]) for row in rows] for name in ("CUSTOMER_ID", "TERMINAL_ID")]
        columns += [[round(float(row["TX_AMOUNT"]) * 100) for row in rows], [int(row["TX_FRAUD"]) for row in rows]]
        return Stream(*(np.array(column, np.int64) for column in columns))
    table = pyarrow.parquet.read_table(file)
    t, customer, terminal, cents, scenario = (
        table[name].to_numpy().astype(np.int64) for name in ("t", "customer", "terminal", "amount_cents", "scenario")
    )
    return Stream(FIRST_S + t, customer, terminal, cents, (scenario > 0).astype(np.int64))


class _Sorted:
    """The payments of each key in order: how many, and their sum of a value, before a place."""

    def __init__(self, key: Ints, second: Ints, value: Ints) -> None:
        order = np.lexsort((second, key))
        self._key, self._begins_s = key, int(second[0])
        self._span = int(second[-1]) - self._begins_s + 2
        self._places = self._place(key, second)[order]
        self._sums = np.concatenate([[0], np.cumsum(value[order])])
        self.rank = np.empty(len(key), np.int64)
        self.rank[order] = np.arange(len(key))

    def _place(self, key: Ints, second: Ints) -> Ints:
        return key * self._span + np.clip(second - self._begins_s, 0, self._span - 1)

    def before(self, second: Ints) -> Ints:
        """Return the place of the first payment of each row's key that is not before a second, int64[n]."""
        return np.searchsorted(self._places, self._place(self._key, second), "left")

    def sums(self, low: Ints, high: Ints) -> Ints:
        """Return the sums of the places [low, high)."""
        found: Ints = self._sums[high] - self._sums[low]
        return found


def inputs(stream: Stream, *, stated: bool) -> Inputs:
    """Return the inputs of each payment by name, float64[n].

    `stated`: with the windows that `scoring.profile` states, in place of the book's. A card's begin with a quarter of
    w, so they are up to a quarter longer; a terminal's are whole days (UTC).
    """
    second = stream.second
    day = second // DAY_S
    weekday, hour = (day + 3) % 7, second // 3_600 % 24  # 1970-01-01 was a Thursday; Monday is 0
    found = [stream.cents / 100, (weekday >= 5) * 1.0, (hour <= 6) * 1.0]
    cards = _Sorted(stream.customer, second, stream.cents)
    for days in DAYS:
        width_s = days * DAY_S
        quarter_s = width_s // QUARTERS
        low = cards.before((second // quarter_s - QUARTERS) * quarter_s if stated else second - width_s + 1)
        counts = cards.rank + 1 - low
        found += [counts * 1.0, cards.sums(low, cards.rank + 1) / counts / 100]
    shops = _Sorted(stream.terminal, second, stream.fraud)
    until_s = (day - DELAY_DAYS) * DAY_S if stated else second - DELAY_DAYS * DAY_S + 1
    for days in DAYS:
        low, high = shops.before(until_s - days * DAY_S), shops.before(until_s)
        counts, frauds = high - low, shops.sums(low, high)
        found += [counts * 1.0, np.where(counts > 0, frauds / np.maximum(counts, 1), 0.0)]
    return dict(zip(NAMES, found, strict=True))


def edges(stream: Stream) -> dict[str, NDArray[np.bool_]]:
    """Return by input whether a payment lies where the book's window and the stated one differ, bool[n].

    No payment of the card since the stated window began and before the book's. No payment of the terminal on the day
    on which the stated window begins, and on the day after its last one, up to the time of day of this payment.
    """
    second = stream.second
    day = second // DAY_S
    found = {name: np.zeros(len(second), np.bool_) for name in NAMES[:3]}
    cards = _Sorted(stream.customer, second, stream.cents)
    shops = _Sorted(stream.terminal, second, stream.fraud)
    for days in DAYS:
        width_s = days * DAY_S
        quarter_s = width_s // QUARTERS
        stated_s = (second // quarter_s - QUARTERS) * quarter_s
        met = cards.before(stated_s) < cards.before(second - width_s + 1)
        found |= {name: met for name in NAMES if name.startswith("CUSTOMER") and f"_{days}DAY" in name}
    for days in DAYS:
        met = np.zeros(len(second), np.bool_)
        for back in (DELAY_DAYS + days, DELAY_DAYS):
            met |= shops.before((day - back) * DAY_S) < shops.before(second - back * DAY_S + 1)
        found |= {name: met for name in NAMES if name.startswith("TERMINAL") and f"_{days}DAY" in name}
    return found
