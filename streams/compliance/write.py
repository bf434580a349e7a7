"""Write a report into a folder of its own: JSON, a CSV file for each section, and one HTML page."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from scoring.compliance.compare import Change, Changes, compare
from scoring.compliance.report import (
    ChecklistLine,
    ContradictionLine,
    CoverageLine,
    EnumerationLine,
    IssuerLine,
    LineLine,
    MastercardLine,
    PipelineLine,
    Report,
    ScamLine,
    VampMerchant,
    VampMonth,
)
from streams.compliance.page import page

SECTIONS: Final[dict[str, type[Struct]]] = {
    "checklist": ChecklistLine,
    "line": LineLine,
    "coverage": CoverageLine,
    "pipeline": PipelineLine,
    "vamp": VampMonth,
    "enumeration": EnumerationLine,
    "mastercard": MastercardLine,
    "scams": ScamLine,
    "issuers": IssuerLine,
    "contradictions": ContradictionLine,
}
"""Fields of a report that are lists, and what they hold: each is a CSV file of its name. VAMP has a second one."""

_BOM: Final = "\ufeff"
"""Spreadsheets take a CSV file without it for one of the system's old encoding."""


class OutputError(Exception):
    """The folder of a report cannot be used: reports are never overwritten."""


def check(folder: Path) -> None:
    """Refuse a folder that a report cannot be written into, before anything is read.

    Raises:
        OutputError: it exists already, or its parent does not.
    """
    if folder.exists():
        raise OutputError(f"--out {folder}: exists already, and reports are not overwritten: name another")
    if not folder.parent.is_dir():
        raise OutputError(f"--out {folder}: {folder.parent} is no folder: make it first")


def write(folder: Path, report: Report, before: Report | None = None) -> Iterator[str]:
    """Write a report, and what changed since another; yield the path of each file.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    changes = None if before is None else compare(before, report)
    files = {"report.json": _json(report), "report.html": page(report, changes)}
    files |= {f"{name}.csv": text for name, text in tables(report, changes).items()}
    if changes is not None:
        files["changes.json"] = _json(changes)
    folder.mkdir()
    for name in sorted(files):
        path = folder / name
        path.write_text(files[name], encoding="utf-8", newline="")
        yield str(path)


def _json(value: Report | Changes) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def tables(report: Report, changes: Changes | None) -> dict[str, str]:
    """Lay out the CSV file of each section, by its name. Every row names the acquirer and the report's day."""
    about = {"acquirer_id": report.head.acquirer_id, "as_of": report.head.as_of.isoformat()}
    made: dict[str, str] = {}
    for name, record in SECTIONS.items():
        rows = [_cells(line) | _months(line) for line in getattr(report, name)]
        made[name] = _csv(about, _columns(record), rows)
    parts = [{"month": month.month} | _cells(part) for month in report.vamp for part in month.merchants]
    made["vamp_merchants"] = _csv(about, ["month", *_columns(VampMerchant)], parts)
    if changes is not None:
        since = about | {"since": changes.before.isoformat()}
        made["changes"] = _csv(since, _columns(Change), list(map(_cells, changes.lines)))
    return made


def _columns(record: type[Struct], prefix: str = "") -> list[str]:
    """Name the columns of a record: parts of a part are `part.name`. Lists of records are no columns."""
    found: list[str] = []
    for field in fields(record):
        parts = _records_in(field.type)
        if not parts:
            found.append(prefix + field.name)
        elif get_origin(field.type) is not tuple:
            found += _columns(parts[0], f"{prefix}{field.name}.")
    return found


def _records_in(kind: Any) -> list[type[Struct]]:  # a type expression
    if isinstance(kind, type) and issubclass(kind, Struct):
        return [kind]
    return [found for part in get_args(kind) for found in _records_in(part)]


def _cells(line: Struct, prefix: str = "") -> dict[str, str]:
    """Lay out a record as cells by their columns."""
    made: dict[str, str] = {}
    for field in fields(line):
        value, name = getattr(line, field.name), prefix + field.name
        if isinstance(value, Struct):
            made |= _cells(value, f"{name}.")
        elif not _records_in(field.type):
            made[name] = _text(value)
    return made


def _months(line: Struct) -> dict[str, str]:
    """Lay out the months of fraud of a merchant, by the name of the month."""
    if not isinstance(line, PipelineLine):
        return {}
    return {
        f"{month.month}.{name}": text
        for month in line.months
        for name, text in _cells(month).items()
        if name != "month"
    }


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return _plain(" ".join(map(str, value)))
    return "" if value is None else _plain(str(value))


def _plain(text: str) -> str:
    """Keep a spreadsheet from running a cell as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _csv(about: dict[str, str], columns: Sequence[str], rows: Sequence[dict[str, str]]) -> str:
    named = dict.fromkeys([*about, *columns, *(name for row in rows for name in row)])
    text = io.StringIO()
    writer = csv.DictWriter(text, list(named), restval="")
    writer.writeheader()
    writer.writerows({**{name: _plain(cell) for name, cell in about.items()}, **row} for row in rows)
    return _BOM + text.getvalue()
