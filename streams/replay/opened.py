"""Open a table, with its table of reports, as a source of records: for `sekisho replay` and `sekisho train`."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streams.replay.columns.declared import Mapping, mappings_of
from streams.replay.columns.masters import Master, read_masters
from streams.replay.columns.reading import open_table
from streams.replay.due import OfTable
from streams.replay.mapping import Renderer
from streams.replay.source import Answered, Phases, Source, SourceError
from streams.replay.table import TableSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """A table of payments, the name or file of its mapping, and how to send it. `phases` None: all that is known."""

    table: Path
    mapping: str
    reports: Path | None = None
    merchants: Path | None = None
    labels: bool = False
    phases: Phases | None = None
    limit: int = 0
    id_prefix: str = ""
    jpy_per_unit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open table: `source` has the events that are sent, `rows` the table itself."""

    mapping: Mapping
    rows: TableSource
    source: Source


def open_source(tables: Tables, tell: Callable[[str], None]) -> Opened:
    """Open a table and its reports. `tell` is given a line for each refused row.

    Raises:
        ConfigError: there is no such mapping, or it is refused.
        SourceError: a table cannot be read, or the mapping lacks what the options ask for.
    """
    table = open_table(tables.table, mappings_of(tables.mapping))
    mapping = table.mapping
    if tables.reports is not None and (tables.labels or mapping.reports is None):
        why = "go without --labels" if tables.labels else f"mapping {mapping.name!r} says nothing of reports"
        raise SourceError(f"--reports {tables.reports}: {why}")
    if tables.labels and mapping.fraud is None:
        raise SourceError(f"{tables.table}: mapping {mapping.name!r} names no column of frauds for labels")
    if tables.jpy_per_unit is not None and not isinstance(mapping.amount.currency, str):
        raise SourceError("--jpy-per-unit goes with one currency: give the rates as amount.jpy_per_unit of the mapping")
    phases = tables.phases or (Phases.BOTH if mapping.has_answers else Phases.PRE_AUTH)
    if phases != Phases.PRE_AUTH and not mapping.has_answers:
        raise SourceError(f"--phases {phases}: mapping {mapping.name!r} does not say that payments were approved")
    reported = None
    if tables.reports is not None and mapping.reports is not None:
        reported = OfTable(open_table(tables.reports, [mapping.reports]), mapping.acquirer, tell)
    masters: tuple[list[Master], Counter[str]] = ([], Counter())
    if tables.merchants is not None:
        if mapping.merchants is None:
            raise SourceError(
                f"--merchant-table {tables.merchants}: mapping {mapping.name!r} says nothing of merchants"
            )
        of_merchants = open_table(tables.merchants, [mapping.merchants])
        masters = read_masters(of_merchants, mapping.merchant, mapping.acquirer, tell)
    rows = TableSource(
        table,
        Renderer(mapping, id_prefix=tables.id_prefix, jpy_per_unit=tables.jpy_per_unit),
        limit=tables.limit,
        id_prefix=tables.id_prefix,
        reports=tables.labels or reported is not None,
        reported=reported,
        masters=masters,
        tell=tell,
    )
    is_each = mapping.outcome == "approved"
    source = rows if phases == Phases.PRE_AUTH else Answered(rows, phases, is_each=is_each)
    return Opened(mapping=mapping, rows=rows, source=source)
