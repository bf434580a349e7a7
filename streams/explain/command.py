"""`sekisho explain`: arguments, and the exit status."""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final, Literal

import msgspec

from scoring.contract.decision import Decision
from scoring.contract.faults import FAULTS
from scoring.engine import Engine
from scoring.model.absent import NO_VERSION, NoModel
from streams.config.load import ConfigError, load_settings
from streams.config.policies import load_policy_file
from streams.config.settings import Settings
from streams.config.wiring import build_engine
from streams.console.status import EXIT_INFRASTRUCTURE, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, show, tell
from streams.dlq.letters import DlqError, since
from streams.explain.files import of_event, of_lines, of_table
from streams.explain.models import Models, folders_of, model_of
from streams.explain.portion import Portion, Times
from streams.explain.recount import Recount
from streams.explain.report import SCHEMA, Input, Report, compared
from streams.explain.text import lines
from streams.explain.topics import InputTopics
from streams.kafka.errors import BrokersError, MissingTopicError
from streams.kafka.explain import authorized
from streams.kafka.rights.table import command_rights
from streams.replay.opened import Tables
from streams.replay.source import SourceError

NAME: Final = "explain"
READ_BYTES_MAX: Final = 1 << 21
"""Largest size that is read of an event or a decision."""

_DESCRIPTION: Final = """\
Explain one decision: each feature with its value and what it adds, the score, the thresholds that applied, 3-D Secure,
the merchant's compliance, its alert. The decision is computed again from the stored input, and compared with the
published one byte for byte.

  sekisho explain EVENT_ID --config worker.yaml            from the input topics, up to the event
  sekisho explain EVENT_ID --events history.jsonl          from a file as `sekisho simulate` writes it
  sekisho explain EVENT_ID --table payments.parquet        from a table as `sekisho replay` reads it
  sekisho explain - < event.json                           one event, on empty profiles
"""

_EPILOG: Final = """\
Exit status: 0 if the decision is equal, or there is none to compare with; 1 if it differs, if the event was refused or
is not there, or if the bundle of its model is not there; 2 for wrong usage or configuration; 3 if a broker or file
cannot be reached.

What is exact and what may differ: deploy/docs/explain.md.
"""


class _UsageError(Exception):
    """Options do not go together, or a file is refused."""


class _UnknownModelError(Exception):
    """The model that a decision names is not there."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of `sekisho explain`."""
    p = argparse.ArgumentParser(
        prog="sekisho explain",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    p.add_argument("event", metavar="EVENT_ID", help="id of the event; - reads one event from standard input")
    p.add_argument("--config", type=Path, metavar="FILE", help="configuration of the worker that decided")
    p.add_argument(
        "--bundle",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a bundle, or a folder of bundles; repeatable. The published decision says which one decides, without one "
        "the first; default: the configured one, and the one that the last promotion kept beside it",
    )
    p.add_argument("--policy", type=Path, metavar="FILE", help="the policy, if it is another one now")
    what = p.add_mutually_exclusive_group()
    what.add_argument("--events", type=Path, metavar="FILE", help="read this file instead of the topics (JSON lines)")
    what.add_argument("--table", type=Path, metavar="FILE", help="read this table (Parquet, CSV or JSON lines)")
    p.add_argument(
        "--mapping", default="handbook", metavar="NAME|FILE", help="meaning of the table's columns (default handbook)"
    )
    p.add_argument("--reports", type=Path, metavar="FILE", help="table of reports, as `sekisho replay` reads it")
    p.add_argument("--id-prefix", default="", metavar="TEXT", help="put before the row number in event ids of a table")
    p.add_argument("--decision", type=Path, metavar="FILE", help="compare with this published decision (JSON)")
    p.add_argument(
        "--since",
        metavar="WHEN",
        help="read topics from here on: 7d, 2h or a UTC time. It is faster, and profiles begin empty there: a decision "
        "is equal only if nothing earlier counts",
    )
    p.add_argument("--lang", choices=("en", "ja"), default="en", help="language of the text (default %(default)s)")
    p.add_argument("--json", action="store_true", help="print JSON, with both languages")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Explain a decision. Return the exit status."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # its errors are reported below, once
    options = parser().parse_args(argv)
    try:
        return _explain(options)
    except (ConfigError, SourceError, DlqError, _UsageError) as error:
        tell(NAME, error)
        return EXIT_USAGE
    except _UnknownModelError as error:
        tell(NAME, error)
        return EXIT_REFUSED
    except (BrokersError, MissingTopicError) as error:
        tell(NAME, error)
        return EXIT_INFRASTRUCTURE
    except BrokenPipeError:
        raise
    except OSError as error:
        tell(NAME, f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
        return EXIT_INFRASTRUCTURE


def _explain(options: argparse.Namespace) -> int:
    is_event = options.event == "-"
    is_of_topics = not is_event and options.events is None and options.table is None
    if is_of_topics and options.config is None:
        raise _UsageError("name --config FILE to read the topics, or --events FILE or --table FILE")
    if options.since is not None and not is_of_topics:
        raise _UsageError("--since is for topics")
    since_ms = None if options.since is None else since(options.since, time.time_ns() // 1_000_000)
    settings = Settings() if options.config is None else load_settings(options.config)
    folders = folders_of(settings, options.bundle)
    settings = folders.settings
    policy = None if options.policy is None else load_policy_file(options.policy)
    published = None if options.decision is None else _read(options.decision)
    engine = build_engine(settings, origin="config" if options.config is None else options.config.name, policy=policy)
    if isinstance(engine.model, NoModel):
        raise ConfigError(f"the model is {engine.model.value}: name its folder with --bundle DIR")
    models = Models(engine, folders)
    if is_of_topics:
        return asyncio.run(_of_topics(options, settings, engine, models, published, since_ms))
    recount = Recount(engine, None if is_event else options.event, partitions=1, topics=settings.topics.full)
    recount.times = _times_of(published)
    _use(models, published)
    for portion in _stored(options):
        recount.take(portion)
        if recount.is_over:
            break
    source: Literal["EVENT", "FILE"] = "EVENT" if is_event else "FILE"
    return _told(options, recount, published, source=source, is_whole=not is_event, partitions=1)


def _stored(options: argparse.Namespace) -> Iterator[Portion]:
    if options.event == "-":
        return of_event(sys.stdin.buffer.read(READ_BYTES_MAX).strip())
    if options.events is not None:
        return of_lines(options.events)
    tables = Tables(
        table=options.table,
        mapping=options.mapping,
        reports=options.reports,
        id_prefix=options.id_prefix,
    )
    return of_table(tables, lambda text: tell(NAME, text))


async def _of_topics(
    options: argparse.Namespace,
    settings: Settings,
    engine: Engine,
    models: Models,
    given: bytes | None,
    since_ms: int | None,
) -> int:
    """Explain a decision from the topics. `given`: a published decision from a file, else the one on the topic."""
    async with (
        authorized(settings.kafka, command_rights(settings.topics.full, NAME)),
        InputTopics(settings, options.event, lambda text: tell(NAME, text), since_ms=since_ms) as topics,
    ):
        extent = await topics.extent()
        place = await topics.find(extent)
        if place is None:
            tell(NAME, f"{settings.topics.full.authorizations} has no such event from the first record read on")
            return EXIT_REFUSED
        recount = Recount(engine, options.event, partitions=extent.partitions, topics=settings.topics.full)
        async with aclosing(topics.portions(extent, place)) as portions:
            async for portion in portions:
                recount.times = _times_of(given or topics.published)
                _use(models, given or topics.published)
                recount.take(portion)
                if recount.is_over:
                    break
        published = given or topics.published
    return _told(options, recount, published, source="TOPICS", is_whole=extent.is_whole, partitions=extent.partitions)


def _told(
    options: argparse.Namespace,
    recount: Recount,
    published: bytes | None,
    *,
    source: Literal["TOPICS", "FILE", "EVENT"],
    is_whole: bool,
    partitions: int,
) -> int:
    """Print the report, and return the exit status."""
    found = recount.found
    if found is None or found.value is None or found.explanation is None:
        refused = recount.refused
        tell(NAME, f"the event was refused: {refused}" if refused else "there is no such event, or it has no decision")
        return EXIT_REFUSED
    try:
        comparison = compared(published, found.value, is_whole=is_whole)
    except ValueError as error:
        raise _UsageError(f"--decision {options.decision}: {error}") from None
    given = Input(source=source, is_whole=is_whole, partitions=partitions, applied=dict(recount.applied))
    report = Report(schema_version=SCHEMA, input=given, comparison=comparison, explanation=found.explanation)
    if options.json:
        show(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        show("\n".join(lines(report, options.lang)))
    return EXIT_REFUSED if comparison.result == "DIFFERENT" else EXIT_OK


def _use(models: Models, published: bytes | None) -> None:
    """Decide by the model that a published decision names; without a decision by the one in use.

    Raises:
        _UnknownModelError: it is not there, or the decision was made without a model.
    """
    named = None if published is None else model_of(published)
    if named is None:
        return
    if named.version == NO_VERSION:
        raise _UnknownModelError(
            f"there was no model when this event was decided ({named.state}), so there is nothing of it to explain; "
            "`sekisho replay --recorded` computes the decision again"
        )
    if not models.use(named):
        raise _UnknownModelError(f"model {named.version} decided, and {models.faults[named.version]}")


def _times_of(published: bytes | None) -> Times | None:
    """Return the times of a published decision; None without one, or if it is none."""
    try:
        times = None if published is None else msgspec.json.decode(published, type=Decision).times
    except FAULTS:
        return None
    return None if times is None else Times(times.received_ms, times.decided_ms)


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(READ_BYTES_MAX).strip()
