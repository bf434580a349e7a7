"""`sekisho train`: give training the tables that replay reads, by the same mappings."""

import argparse
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from models.training import cli
from models.training.records import Record
from streams.config.strict import ConfigError
from streams.console.status import tell
from streams.replay.columns import declared
from streams.replay.opened import Opened, Tables, open_source
from streams.replay.source import Chunk, SourceError


class _Received(msgspec.Struct):
    received_ts: datetime


_decode_report = msgspec.json.Decoder(_Received).decode


class TableHistory:
    """A table, with its reports, as the history that a model learns from. It can be read once."""

    def __init__(self, tables: Tables, opened: Opened) -> None:
        self._tables, self._opened = tables, opened

    @property
    def source(self) -> str:
        """The files and the mapping, by name."""
        reports = "" if self._tables.reports is None else f" with the reports of {self._tables.reports.name}"
        merchants = "" if self._tables.merchants is None else f" and the merchants of {self._tables.merchants.name}"
        return f"table {self._tables.table.name}{reports}{merchants}, mapping {self._opened.mapping.name}"

    @property
    def fingerprint(self) -> str:
        """Hash of the files' content, the mapping and the options."""
        digest = hashlib.sha256(msgspec.json.encode(self._opened.mapping))
        digest.update(f"{self._tables.limit} {self._tables.jpy_per_unit}".encode())
        for file in (self._tables.table, self._tables.reports, self._tables.merchants):
            digest.update(b"-" if file is None else b"+")
            if file is not None:
                with file.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()

    @property
    def total(self) -> int | None:
        """Number of rows, or None for files of lines."""
        return self._opened.rows.total

    @property
    def maturity_days(self) -> int | None:
        """Delay of the column of frauds, or None with a table of reports."""
        fraud = self._opened.mapping.fraud
        return None if self._tables.reports is not None or fraud is None else fraud.known_after_days

    @property
    def left_out(self) -> Mapping[str, int]:
        """Number of rows and reports refused so far, by reason; and of empty rows."""
        empty = self._opened.source.empty
        return {**self._opened.source.left_out, **({"empty row": empty} if empty else {})}

    def records(self) -> Iterator[Record]:
        """Yield the records as `sekisho replay` sends them, then the reports that are due after the last payment.

        Raises:
            ValueError: a table cannot be read. The text names file, row and column, and no cell.
        """
        try:
            for chunk in self._opened.source.chunks():
                yield from _records(chunk)
        except SourceError as error:
            why = str(error)
        else:
            rest = self._opened.rows.rest()
            yield from () if rest is None else _records(rest)
            return
        raise ValueError(why)


def _records(chunk: Chunk) -> Iterator[Record]:
    first_ms = chunk.times_ms[0] if chunk.times_ms else 0
    for key, value in chunk.others.get("merchants", ()):
        yield Record("merchants", key, value, first_ms)
    for key, value in chunk.others.get("fraud_reports", ()):
        assert value is not None
        yield Record("fraud-reports", key, value, round(_decode_report(value).received_ts.timestamp() * 1000))
    for (key, value), time_ms in zip(chunk.events, chunk.times_ms, strict=True):
        yield Record("authorizations", key, value, time_ms)


def open_history(options: argparse.Namespace) -> TableHistory:
    """Open the tables that options of `sekisho train` name.

    Raises:
        ValueError: a table or the mapping is refused.
    """
    table, reports = Path(options.table), options.reports
    tables = Tables(
        table=table,
        mapping=options.mapping,
        reports=reports,
        merchants=options.merchant_table,
        labels=reports is None,
        limit=options.limit,
        jpy_per_unit=options.jpy_per_unit,
    )
    try:
        return TableHistory(tables, open_source(tables, lambda text: tell("train", text)))
    except (SourceError, ConfigError) as error:
        why = str(error)
    raise ValueError(why)


def parser() -> argparse.ArgumentParser:
    """Return the parser of `sekisho train`."""
    return cli.parser(declared.shipped_columns())


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sekisho train`. Return its exit status."""
    return cli.main(argv, open_history, declared.shipped_columns())
