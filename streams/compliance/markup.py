"""HTML of texts in two languages and of tables. Nothing is put in without escaping."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any, Final, Generic, TypeVar

from scoring.compliance.report import Share, Tier
from streams.compliance.words import Words, code

ROWS_MAX: Final = 200
"""Rows of a table on the page; all of them are in the CSV file."""

NOTHING: Final = "–"
L = TypeVar("L")


@dataclass(frozen=True, slots=True)
class Column(Generic[L]):
    """A column: its heading, the HTML of a cell, and whether it holds numbers."""

    head: Words
    cell: Callable[[L], str]
    is_number: bool = False


def both(words: Words) -> str:
    """Write a text in both languages; the style shows one or both. Words that are the same stand once."""
    en, ja = words
    if en == ja:
        return escape(en)
    return f'<span lang="en">{escape(en)}</span> <span lang="ja">{escape(ja)}</span>'


def text(value: str | None) -> str:
    """Write a text of the records."""
    return NOTHING if value is None else escape(value)


def coded(value: str | None) -> str:
    """Write a code of the report in words."""
    return NOTHING if value is None else both(code(value))


def codes(values: Sequence[str]) -> str:
    """Write several codes, one a line."""
    return "<br>".join(map(coded, values)) or NOTHING


def number(value: int | None) -> str:
    """Write a count or an amount."""
    return NOTHING if value is None else f"{value:,}"


def day(value: date | None) -> str:
    """Write a day."""
    return NOTHING if value is None else value.isoformat()


def answer(value: bool | None) -> str:
    """Write yes, no, or that nobody told."""
    return both(("unknown", "不明") if value is None else ("yes", "はい") if value else ("no", "いいえ"))


def percent(of: Share | None) -> str:
    """Write a share in per cent, with what it is made of."""
    if of is None or of.bps is None:
        return NOTHING
    return f"{of.bps / 100:.2f}%&nbsp;<small>({of.items:,}/{of.of:,})</small>"


def points(of: Share | None) -> str:
    """Write a ratio in basis points, with what it is made of."""
    if of is None or of.bps is None:
        return NOTHING
    return f"{of.bps:,.2f}&nbsp;<small>({of.items:,}/{of.of:,})</small>"


def bps(value: float | None) -> str:
    """Write basis points."""
    return NOTHING if value is None else f"{value:,.2f}"


def tier(found: Tier | None) -> str:
    """Write a tier, whether it is more than advice, and which cannot be ruled out."""
    if found is None:
        return NOTHING
    told = both(("none", "該当なし")) if found.tier is None else coded(found.tier)
    if found.tier is not None and not found.is_enforced:
        told += " " + both(("(advice only)", "（参考）"))
    if found.unjudged:
        told += "<br>" + both(("not judged: no rate or share", "判定不能：為替または割合が不明"))
    return told


def table(columns: Sequence[Column[L]], rows: Sequence[L], file: str) -> str:
    """Write a table, cut at ROWS_MAX rows. `file` is where all of them are."""
    if not rows:
        return f"<p>{both(('None.', '該当なし。'))}</p>"
    kinds = [' class="n"' if column.is_number else "" for column in columns]
    head = "".join(f"<th{kind}>{both(column.head)}</th>" for column, kind in zip(columns, kinds, strict=True))
    body = "".join(_row(columns, kinds, row) for row in rows[:ROWS_MAX])
    more = len(rows) - ROWS_MAX
    left = f"{more:,} more rows are in {file}.", f"ほか{more:,}行は{file}にあります。"
    rest = f"<p>{both(left)}</p>" if more > 0 else ""
    return f'<div class="t"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{rest}'


def _row(columns: Sequence[Column[Any]], kinds: Sequence[str], row: object) -> str:  # the rows are of one table
    cells = zip(columns, kinds, strict=True)
    return f"<tr>{''.join(f'<td{kind}>{column.cell(row)}</td>' for column, kind in cells)}</tr>"
