"""`sekisho train`: give training the tables that replay reads, by the same mappings, or the topics of a worker."""

import argparse
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from models.training import cli
from models.training.history import History
from models.training.records import Record
from scoring.decode import DecodeLimits
from scoring.observer import Settings
from scoring.profile import ProfileLimits
from streams.config.load import load_settings
from streams.config.settings import Settings as WorkerSettings
from streams.config.strict import ConfigError
from streams.config.wiring import engine_settings
from streams.console.status import EXIT_INFRASTRUCTURE, tell
from streams.history.extent import asked, now_ms
from streams.history.topics import Range, open_topics
from streams.kafka.errors import BrokersError, MissingTopicError
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
    def settings(self) -> Settings:
        """Those of the package: a table has no worker."""
        return Settings(decode=DecodeLimits(), profiles=ProfileLimits())

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


class TopicHistory:
    """A range of the topics of a worker as the history that a model learns from. It can be read again."""

    def __init__(self, worker: WorkerSettings, stored: Range) -> None:
        self._worker, self._stored = worker, stored

    @property
    def settings(self) -> Settings:
        """Those of the worker."""
        return engine_settings(self._worker)

    @property
    def source(self) -> str:
        """Cluster, topics and times, in words."""
        return self._stored.source

    @property
    def fingerprint(self) -> str:
        """Hash of cluster, topics, partitions and offsets."""
        return self._stored.extent.fingerprint

    @property
    def total(self) -> int | None:
        """Number of payments, or a few more."""
        return self._stored.extent.payments

    @property
    def maturity_days(self) -> int | None:
        """None: reports come when they come."""
        return None

    @property
    def left_out(self) -> Mapping[str, int]:
        """Empty: a record is refused where it is decoded, and counted there."""
        return {}

    def records(self) -> Iterator[Record]:
        """Yield the records in the order of their times.

        Raises:
            ValueError: the range is not there any more as it was looked up.
            BrokersError: rights are missing, or a broker cannot be reached or refuses.
        """
        return map(Record._make, self._stored.records())


_OF_TABLES: Final = ("reports", "merchant_table", "limit", "jpy_per_unit")
_OF_TOPICS: Final = ("read_since", "read_until")


class Histories:
    """Open what the options of a command name. A range of topics is looked up once, so that it stays the same."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._of_topics: TopicHistory | None = None

    def open(self, options: argparse.Namespace) -> History:
        """Open a table, or a range of topics.

        Raises:
            ValueError: a table, the mapping, the configuration or a time is refused; or options do not go together.
            BrokersError: rights are missing, or a broker cannot be reached or refuses.
            MissingTopicError: a topic does not exist.
        """
        if options.table is not None:
            if options.from_topics is not None:
                raise ValueError("--table and --from-topics: name one of them")
            _refuse(options, _OF_TOPICS, "--from-topics")
            return open_tables(options, self._tell)
        _refuse(options, _OF_TABLES, "--table")
        if self._of_topics is None:
            wanted, worker = asked(options.read_since, options.read_until, now_ms()), _worker_of(options.from_topics)
            self._of_topics = TopicHistory(worker, open_topics(worker, wanted, self._tell))
        return self._of_topics

    def run(self, run: Callable[[], int]) -> int:
        """Run the command. Return its exit status, or that of brokers that cannot be reached or refuse."""
        logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # its errors are reported below, once
        try:
            return run()
        except (BrokersError, MissingTopicError) as error:
            self._tell(str(error))
            return EXIT_INFRASTRUCTURE

    def _tell(self, text: str) -> None:
        tell(self._command, text)


def _refuse(options: argparse.Namespace, names: Sequence[str], with_option: str) -> None:
    for name in names:
        if getattr(options, name):
            raise ValueError(f"--{name.replace('_', '-')} goes with {with_option}")


def _worker_of(config: Path) -> WorkerSettings:
    try:
        return load_settings(config)
    except ConfigError as error:
        why = str(error)
    raise ValueError(why)


def open_tables(options: argparse.Namespace, tell: Callable[[str], None]) -> TableHistory:
    """Open the tables that the options name.

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
        return TableHistory(tables, open_source(tables, tell))
    except (SourceError, ConfigError) as error:
        why = str(error)
    raise ValueError(why)


def parser() -> argparse.ArgumentParser:
    """Return the parser of `sekisho train`."""
    return cli.parser(declared.shipped_columns())


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sekisho train`. Return its exit status."""
    histories = Histories("train")
    return histories.run(lambda: cli.main(argv, histories.open, declared.shipped_columns()))
