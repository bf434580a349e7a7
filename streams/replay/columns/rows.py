"""Read the rows of a table. A row with a blank is refused; a cell of another type ends the reading."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from streams.replay.columns import cells, times
from streams.replay.columns.amount import CurrencyColumn
from streams.replay.columns.arrays import BadCellError, Ints, Mask
from streams.replay.columns.declared import UNKNOWN_COUNTRY, UNKNOWN_MCC, Id, Mapping, Time
from streams.replay.columns.formats import ZoneColumn
from streams.replay.columns.reading import Table
from streams.replay.source import SourceError

NAMED_MAX: Final = 20
"""Refused rows that are named one by one. Further ones are only counted."""

_UNKNOWN: Final = {"mcc": UNKNOWN_MCC, "country": UNKNOWN_COUNTRY, "network": "other", "channel": "other"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Valid rows, n of them, in order.

    `numbers` int64[n]: row numbers in the table from 0. `time_ms` int64[n]: since the epoch. `amount_minor` int64[n].
    `fraud`, `unknown` bool[n]: labelled as fraud, without a label. `told`: fields with a column, by name or path;
    those by path have JSON, and "" for a blank. `reference`: the payments' references, empty if none is mapped.
    `currency`: the codes of the amounts, empty if all are in the declared one.
    """

    numbers: Ints
    time_ms: Ints
    card: list[Any]
    merchant: list[Any]
    amount_minor: Ints
    fraud: Mask
    unknown: Mask
    told: dict[str, list[str]]
    reference: list[str] = field(default_factory=list)
    currency: list[str] = field(default_factory=list)

    def part(self, low: int, high: int) -> "Rows":
        """Return the rows [low, high)."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        cut = {name: values[low:high] for name, values in values.pop("told").items()}
        return Rows(**{name: value[low:high] for name, value in values.items()}, told=cut)


class Reader:
    """Read a table once, in order. `refused`: rows left out, by reason. `empty`: rows without any mapped cell."""

    def __init__(self, table: Table[Mapping], tell: Callable[[str], None]) -> None:
        self._table = table
        self._tell = tell
        self._last_ms = -1
        self.refused: Counter[str] = Counter()
        self.empty = 0

    def rows(self) -> Iterator[Rows]:
        """Yield the valid rows, piece by piece.

        Raises:
            SourceError: a cell is not of its declared type, a time is blank, or a row is earlier than the one before.
        """
        first = 0
        for piece in self._table.pieces():
            rows = self._rows(piece, first)
            first += piece.num_rows
            if len(rows.numbers):
                yield rows

    def _rows(self, piece: Any, first: int) -> Rows:
        mapping = self._table.mapping
        read = partial(column_of, self._table, piece, first)
        time_ms, undated = read(mapping.time.column, reader_of(self._table, piece, first, mapping.time))
        card, no_card = read(mapping.card.column, partial(cells.ids, declared=mapping.card))
        shop = partial(cells.ids, declared=mapping.merchant)
        merchant, no_merchant = read(mapping.merchant.column, shop)
        currency: list[str] = []
        without: dict[str, Mask] = {}
        if isinstance(mapping.amount.currency, CurrencyColumn):
            codes = partial(cells.currencies, declared=mapping.amount.currency)
            currency, without[mapping.amount.currency.column] = read(mapping.amount.currency.column, codes)
        money = partial(cells.amounts, amount=mapping.amount, currencies=currency)
        amount, no_amount = read(mapping.amount.column, money)
        fraud, unknown = np.zeros(len(time_ms), np.bool_), np.ones(len(time_ms), np.bool_)
        if mapping.fraud is not None:
            truth = partial(cells.frauds, fraud=mapping.fraud)
            fraud, unknown = read(mapping.fraud.column, truth)
        told = {
            field: read(one.column, partial(cells.told, field=field, told=one, unknown=_UNKNOWN[field]))
            for field, one in mapping.told.items()
            if one.column is not None
        }
        told |= {
            path: read(one.column, partial(cells.fields, field=field, told=one, acquirer=mapping.acquirer))
            for path, (field, one) in mapping.by_path.items()
            if one.column is not None
        }
        reference: list[Any] = []
        if mapping.reference is not None:
            text = partial(cells.ids, declared=Id(column=mapping.reference, type="text"))
            reference, _ = read(mapping.reference, text)
        empty = undated & no_card & no_merchant & no_amount
        for no_code in without.values():
            empty &= no_code
        self.empty += int(empty.sum())
        self._require_order(time_ms, undated, empty, first)
        blanks = {mapping.card.column: no_card, mapping.merchant.column: no_merchant, mapping.amount.column: no_amount}
        kept = np.flatnonzero(self._complete(blanks | without, empty, first))
        rows = Rows(
            numbers=np.arange(first, first + len(time_ms)),
            time_ms=time_ms,
            card=card,
            merchant=merchant,
            amount_minor=amount,
            currency=currency,
            fraud=fraud,
            unknown=unknown,
            told=told,
            reference=reference,
        )
        return rows if len(kept) == len(time_ms) else _take(rows, kept)

    def _require_order(self, time_ms: Ints, undated: Mask, empty: Mask, first: int) -> None:
        name = self._table.mapping.time.column
        if (undated & ~empty).any():
            row = first + int(np.argmax(undated & ~empty))
            raise SourceError(f"{self._table.place(row)}: column {name!r} is blank, and every row needs its time")
        dated = np.flatnonzero(~empty)
        steps = np.diff(time_ms[dated], prepend=self._last_ms)
        if (steps < 0).any():
            row = first + int(dated[np.argmax(steps < 0)])
            raise SourceError(
                f"{self._table.place(row)}: earlier than the row before it: sort the table by column {name!r}"
            )
        if len(dated):
            self._last_ms = int(time_ms[dated[-1]])

    def _complete(self, blanks: dict[str, Mask], empty: Mask, first: int) -> Mask:
        """Return bool[n]: rows without a blank. Report and count the others by their first blank column."""
        complete: Mask = ~empty
        reasons: dict[int, str] = {}
        for name, blank in blanks.items():
            for row in np.flatnonzero(blank & complete).tolist():
                reasons[row] = f"column {name!r} is blank"
            complete &= ~blank
        for row in sorted(reasons):
            if self.refused.total() < NAMED_MAX:
                self._tell(f"{self._table.place(first + row)}: {reasons[row]}: this row is not sent")
            self.refused[reasons[row]] += 1
        return complete


def reader_of(table: Table[Any], piece: Any, first: int, time: Time) -> Callable[[Any], tuple[Ints, Mask]]:
    """Return the conversion of a column of times, with the columns of the time of day and of the zone if there are any.

    Raises:
        SourceError: a zone is refused, as in `column_of`.
    """
    zones: list[str] = []
    if isinstance(time.zone, ZoneColumn):
        zones = column_of(table, piece, first, time.zone.column, partial(cells.zones, declared=time.zone))
    clock = None if time.clock is None else piece.column(time.clock)
    return partial(times.times, time=time, clock=clock, zones=zones)


def column_of(table: Table[Any], piece: Any, first: int, name: str, convert: Callable[[Any], T]) -> T:
    """Convert a column of a piece whose first row is `first`.

    Raises:
        SourceError: a cell is refused. The text has its row, its column and the cause.
    """
    try:
        return convert(piece.column(name))
    except BadCellError as error:
        row, why = error.row, error.why
    place = str(table.file) if row is None else table.place(first + row)
    raise SourceError(f"{place}: column {name!r} {why}")


def _take(rows: Rows, kept: NDArray[np.intp]) -> Rows:
    def chosen(values: Any) -> Any:
        return values[kept] if isinstance(values, np.ndarray) else [values[i] for i in kept.tolist() if values]

    values = {one.name: getattr(rows, one.name) for one in fields(rows)}
    told = {name: chosen(column) for name, column in values.pop("told").items()}
    return Rows(**{name: chosen(value) for name, value in values.items()}, told=told)
