"""Read a table of merchants: one record (`merchant.v1`) a row, each valid from a time on until the merchant's next."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
import orjson

from scoring.contract.merchant import MerchantRecord
from streams.replay.columns import cells
from streams.replay.columns.declared import Id, Merchants, Told
from streams.replay.columns.fields import MERCHANT_FIELDS, MERCHANT_SECTIONS
from streams.replay.columns.reading import Table
from streams.replay.columns.rows import NAMED_MAX, column_of, reader_of
from streams.replay.source import SourceError

MASTERS_MAX: Final = 1_000_000
"""Records held: as many merchants as a worker holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Master:
    """What is known of a merchant from `valid_ms` on: `merchant` as the payments have it, and fields of the record."""

    valid_ms: int
    merchant: int | str
    fields: bytes


def read_masters(
    table: Table[Merchants], shop: Id, acquirer: str, tell: Callable[[str], None]
) -> tuple[list[Master], Counter[str]]:
    """Return the records in order of validity, of one moment in order of rows; and refused rows by reason.

    `shop`: how the payments' table has merchants.

    Raises:
        SourceError: the table cannot be read, a cell is not of its declared type, or there are more than MASTERS_MAX.
    """
    found: list[Master] = []
    refused: Counter[str] = Counter()
    first = 0
    for piece in table.pieces():
        found += _masters(table, piece, first, shop, acquirer, refused, tell)
        first += piece.num_rows
        if len(found) > MASTERS_MAX:
            raise SourceError(f"{table.file}: more than {MASTERS_MAX:,} records of merchants")
    return sorted(found, key=lambda master: master.valid_ms), refused


def _masters(
    table: Table[Merchants],
    piece: Any,
    first: int,
    shop: Id,
    acquirer: str,
    refused: Counter[str],
    tell: Callable[[str], None],
) -> list[Master]:
    declared = table.mapping
    read = partial(column_of, table, piece, first)
    shops = msgspec.structs.replace(shop, column=declared.merchant)
    merchants, no_merchant = read(declared.merchant, partial(cells.ids, declared=shops))
    valid_ms, undated = read(declared.valid_from.column, reader_of(table, piece, first, declared.valid_from))
    told = {path: _column(read, path, one, acquirer, piece.num_rows) for path, one in declared.fields.items()}
    found = []
    for i in range(piece.num_rows):
        if no_merchant[i] and undated[i]:
            continue
        if no_merchant[i] or undated[i]:
            why = f"column {(declared.merchant if no_merchant[i] else declared.valid_from.column)!r} is blank"
            if refused.total() < NAMED_MAX:
                tell(f"{table.place(first + i)}: {why}: this merchant is not read")
            refused[f"merchant: {why}"] += 1
            continue
        fields = _nested({path: texts[i] for path, texts in told.items() if texts[i]})
        found.append(Master(valid_ms=int(valid_ms[i]), merchant=merchants[i], fields=orjson.dumps(fields)))
    return found


def _column(read: Callable[..., list[str]], path: str, one: Told, acquirer: str, rows: int) -> list[str]:
    """Return a field in JSON for each row, "" for a blank."""
    field = MERCHANT_FIELDS[path]
    if one.column is None:
        return [field.json(str(one.constant)).decode()] * rows
    return read(one.column, partial(cells.fields, field=field, told=one, acquirer=acquirer))


def _nested(told: dict[str, str]) -> dict[str, Any]:
    """Return the fields of a record as its contract has them. A section without the field that it needs is left out."""
    out: dict[str, Any] = {}
    for path, text in told.items():
        section, _, name = path.rpartition(".")
        if section and MERCHANT_SECTIONS[section] not in told:
            continue
        value = orjson.loads(text)
        if name.startswith("SC"):
            out.setdefault(section, {}).setdefault("items", {})[name] = {"status": value}
        elif section:
            out.setdefault(section, {})[name] = value
        else:
            out[name] = [value] if name == "goods_class" else value
    msgspec.convert({**out, "acquirer_id": "a", "merchant_id": "m"}, MerchantRecord)
    return out
