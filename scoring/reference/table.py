"""Dated tables: rows that hold from a day on, each with its source, so that a change of rules is a change of data.

Of two rows with one key the later one replaces the earlier from its own day on. All days are days in Tokyo, where the
rules of this product apply.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta, timezone
from hashlib import sha256
from importlib import resources
from itertools import product
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from scoring.contract.types import Text
from scoring.reference.document import DocumentError, parse_shipped

ROWS_MAX: Final = 10_000
UNVERIFIED: Final = "UNV"
OWN: Final = "DES"
TOKYO: Final = timezone(timedelta(hours=9), "Asia/Tokyo")
_BUILT_IN: Final = frozenset({UNVERIFIED, OWN})
"""UNV: common knowledge of the field that was not checked against a document. DES: this project's own choice."""

Tag = Annotated[str, Meta(min_length=1, max_length=16)]
Key = tuple[object, ...]


class TableError(ValueError):
    """A table was refused: `file: what is wrong - at` the path in back quotes, as msgspec words it."""


class DatedRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row: it holds from `effective_from` to `effective_to`, both days included, or until a later row of its key.

    Subclasses add columns and name in `KEY` those that tell one row from another on the same day. A column of `KEY`
    that holds a list stands for each of its values: `networks: [visa, amex]` is a row of both.
    """

    KEY: ClassVar[tuple[str, ...]] = ()

    effective_from: date
    source: Annotated[tuple[Tag, ...], Meta(min_length=1, max_length=8)]
    effective_to: date | None = None

    @property
    def keys(self) -> tuple[Key, ...]:
        """The values of the columns that `KEY` names: one key, or one for each value of a list."""
        values = (getattr(self, column) for column in self.KEY)
        return tuple(product(*(value if isinstance(value, tuple) else (value,) for value in values)))

    @property
    def is_unverified(self) -> bool:
        """Whether a source of the row is `UNV`: what rests on it says so."""
        return UNVERIFIED in self.source


R = TypeVar("R", bound=DatedRow)


class TableFile(Struct, Generic[R], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form of a file: what its tags stand for, and its rows in any order."""

    title: Text
    rows: Annotated[tuple[R, ...], Meta(min_length=1, max_length=ROWS_MAX)]
    sources: Annotated[dict[Tag, Text], Meta(max_length=256)] = {}


class DatedTable(Generic[R]):
    """Hold the rows of one file and find those that hold on a day. Immutable.

    `title` says what the table is, `sources` what its tags stand for, `identity` which bytes it was made of (12 hex
    digits of a digest of its content): reports name it.
    """

    def __init__(self, title: str, sources: Mapping[str, str], rows: tuple[R, ...]) -> None:
        self.title: Final = title
        self.sources: Final[Mapping[str, str]] = MappingProxyType(dict(sources))
        self.rows: Final = rows
        self.identity: Final = sha256(msgspec.json.encode((title, dict(sorted(sources.items())), rows))).hexdigest()[
            :12
        ]
        self._of: dict[Key, list[R]] = {}
        for row in sorted(rows, key=lambda row: row.effective_from):
            for key in row.keys:
                self._of.setdefault(key, []).append(row)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows)

    @property
    def changes(self) -> frozenset[date]:
        """The days from which other rows hold than on the day before."""
        ends = {row.effective_to + timedelta(days=1) for row in self.rows if row.effective_to is not None}
        return frozenset({row.effective_from for row in self.rows} | ends)

    def find(self, key: Key, day: date) -> R | None:
        """Return the row of a key that holds on a day; None where none does."""
        return _holding(self._of.get(key, []), day)

    def on(self, day: date) -> Mapping[Key, R]:
        """Return every row that holds on a day, by its key, in the order of the keys' first days."""
        found = ((key, _holding(rows, day)) for key, rows in self._of.items())
        return MappingProxyType({key: row for key, row in found if row is not None})


def _holding(rows: list[R], day: date) -> R | None:
    at = bisect_right(rows, day, key=lambda row: row.effective_from)
    if at == 0:
        return None
    row = rows[at - 1]
    return None if row.effective_to is not None and row.effective_to < day else row


def start_ms(day: date) -> int:
    """Return when a day begins in Tokyo, in milliseconds since the epoch.

    >>> start_ms(date(2025, 4, 1))
    1743433200000
    """
    return round(datetime.combine(day, time(), TOKYO).timestamp() * 1000)


def shipped_table(name: str, record: type[R]) -> DatedTable[R]:
    """Read a table of this package. `name` is that of its file without `.yaml`.

    Raises:
        TableError: it is no YAML, or refused as in `table_from`.
    """
    text = resources.files("scoring.reference").joinpath(f"{name}.yaml").read_bytes()
    return table_of(text, record, f"{name}.yaml")


def table_of(text: bytes, record: type[R], name: str) -> DatedTable[R]:
    """Read a table from the text of a file. `name` is the file's, put before every message.

    Raises:
        TableError: it is no YAML, or refused as in `table_from`.
    """
    try:
        document = parse_shipped(text)
    except DocumentError as error:
        raise TableError(f"{name}: {error}") from None
    return table_from(document, record, name)


def table_from(document: object, record: type[R], name: str) -> DatedTable[R]:
    """Check a table as loaded from YAML and return it. `name` is the file's, put before every message.

    Raises:
        TableError: a key that is unknown or missing, a value of the wrong type or out of bounds, a tag that `sources`
            does not explain, a row that ends before it begins, or two rows of one key that hold on the same day.

    >>> class Limit(DatedRow, frozen=True, kw_only=True):
    ...     KEY = ("name",)
    ...     name: str
    ...     limit: int
    >>> rows = [{"name": "a", "limit": 6, "effective_from": "2022-10-01", "source": ["DES"]},
    ...         {"name": "a", "limit": 10, "effective_from": "2025-04-01", "source": ["DES"]}]
    >>> limits = table_from({"title": "Limits", "rows": rows}, Limit, "limits.yaml")
    >>> limits.find(("a",), date(2025, 3, 31)).limit, limits.find(("a",), date(2025, 4, 1)).limit
    (6, 10)
    """
    try:
        file = msgspec.convert(document, TableFile[record])  # type: ignore[valid-type]  # the class is a value here
    except msgspec.ValidationError as error:
        raise TableError(f"{name}: {error}") from None
    columns = record.__struct_fields__
    assert record.KEY, f"{record.__name__} names no columns in KEY"
    assert set(record.KEY) <= set(columns), f"{record.__name__}: KEY names what is no column"
    rows: tuple[R, ...] = file.rows
    for number, row in enumerate(rows):
        _check(row, f"$.rows[{number}]", name, file.sources)
    _refuse_two_at_once(rows, name)
    return DatedTable(file.title, file.sources, rows)


def _check(row: DatedRow, place: str, name: str, sources: Mapping[str, str]) -> None:
    if not row.keys:
        raise TableError(
            f"{name}: a list of {', '.join(row.KEY)} is empty: name a value, or delete the row - at `{place}`"
        )
    for tag in row.source:
        if tag not in sources and tag not in _BUILT_IN:
            raise TableError(f"{name}: tag {tag} is not explained: add it to $.sources - at `{place}.source`")
    if row.effective_to is not None and row.effective_to < row.effective_from:
        raise TableError(f"{name}: ends before it begins - at `{place}.effective_to`")


def _refuse_two_at_once(rows: tuple[R, ...], name: str) -> None:
    last: dict[Key, tuple[int, R]] = {}
    for number, row in sorted(enumerate(rows), key=lambda pair: pair[1].effective_from):
        for key in row.keys:
            before = last.get(key)
            if before is not None:
                _refuse_overlap(before, (number, row), name)
            last[key] = number, row


def _refuse_overlap(before: tuple[int, DatedRow], after: tuple[int, DatedRow], name: str) -> None:
    place, begun, ends = f"$.rows[{before[0]}]", before[1].effective_from, before[1].effective_to
    number, row = after
    if begun == row.effective_from:
        raise TableError(f"{name}: has the key and the first day of {place}: keep one - at `$.rows[{number}]`")
    if ends is not None and ends >= row.effective_from:
        raise TableError(
            f"{name}: holds on days on which $.rows[{number}] of its key holds: end it before, or leave it out"
            f" - at `{place}.effective_to`"
        )
