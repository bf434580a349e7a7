"""`sekisho replay`: arguments, a worker with --start-worker, and the exit status."""

import argparse
import asyncio
import signal
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import uvloop

from streams.config.load import ConfigError, load_settings
from streams.config.settings import Settings
from streams.console.status import EXIT_INFRASTRUCTURE, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, show, tell
from streams.kafka.errors import BrokersError, MissingTopicError
from streams.kafka.explain import authorized
from streams.kafka.rights.table import command_rights
from streams.replay.child import Child, ChildError, await_ready, running
from streams.replay.columns.declared import shipped_columns
from streams.replay.lines import LinesSource
from streams.replay.report import describe
from streams.replay.retention import RetentionError
from streams.replay.run import Pace, Replay, Result
from streams.replay.source import Phases, Source, SourceError

T = TypeVar("T")

_DESCRIPTION = """\
Send a table of transactions, or a file of recorded events, through Kafka and a running worker. Read the decisions and
count the result of every event. With --recorded nothing is sent: `sekisho replay --recorded --help`.

Exit status: 0 if each row was sent and decided exactly once; 1 if some were refused, missing or decided twice; 2 if the
table or its mapping is refused; 3 if a broker or file cannot be reached.
"""

_EPILOG = """\
mappings of this package, and the columns they read (handbook is for both layouts of that data set):
{columns}

How to write your own, and what is refused: deploy/docs/tables.md.
"""

READY_S = 180.0  # the first start compiles the kernels
WITH_REPORTS_IN_FLIGHT = 20_000
"""Limit of events in flight with fraud reports: a report must reach the worker near its own time."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of `sekisho replay`."""
    p = argparse.ArgumentParser(
        prog="sekisho replay",
        description=_DESCRIPTION,
        epilog=_EPILOG.format(columns=shipped_columns()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--config", type=Path, required=True, metavar="FILE", help="the worker's configuration")
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--table", type=Path, metavar="FILE", help="Parquet, CSV or JSON lines, in order of time")
    what.add_argument("--events", type=Path, metavar="FILE", help="JSON lines as written by `sekisho simulate --out`")
    p.add_argument(
        "--mapping",
        default="handbook",
        metavar="NAME|FILE",
        help="meaning of the table's columns: a name below or a YAML file (default handbook)",
    )
    p.add_argument("--id-prefix", default="", metavar="TEXT", help="put before the row number in event ids")
    p.add_argument("--jpy-per-unit", type=_rate, metavar="RATE", help="yen per unit of the table's currency; 0: none")
    p.add_argument("--labels", action="store_true", help="also send fraud reports, when the frauds become known")
    p.add_argument(
        "--reports",
        type=Path,
        metavar="FILE",
        help="table of reports, read as `reports` of the mapping says; each is sent at its time of receipt",
    )
    p.add_argument(
        "--merchant-table",
        type=Path,
        metavar="FILE",
        help="table of merchants, read as `merchants` of the mapping says; each record is sent before the first "
        "payment at which it holds",
    )
    p.add_argument(
        "--phases",
        type=Phases,
        choices=list(Phases),
        help="what to send of each row of a table with issuers' answers: the request (pre-auth), the event with its "
        "outcome (post-auth), or the request and then its answer (both, the default)",
    )
    p.add_argument("--limit", type=int, default=0, metavar="N", help="stop after N events, without issuers' answers")
    p.add_argument("--rate", type=float, default=0.0, help="events per second; 0 is full speed (default)")
    p.add_argument("--in-flight", type=int, metavar="N", help="most events sent and not decided (default 100000)")
    p.add_argument("--patience", type=float, default=60.0, metavar="S", help="stop after S seconds without a decision")
    p.add_argument("--start-worker", action="store_true", help="run a worker with the same configuration meanwhile")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Replay. Return 0 if the account is exact, 1 if not, 2 for wrong usage, 3 if a broker or file is not reachable."""
    options = parser().parse_args(argv)
    try:
        settings = load_settings(options.config)
        source = _source(options)
        with ExitStack() as stack:
            worker = _worker(stack, options.config, settings) if options.start_worker else None
            work = _replay(settings, source, _pace(options), worker, _uses(options))
            result = uvloop.run(until_signalled(work))
    except (ConfigError, SourceError, RetentionError) as error:
        tell("replay", error)
        return EXIT_USAGE
    except BrokersError as error:
        tell("replay", error)
        return EXIT_INFRASTRUCTURE
    except (MissingTopicError, ChildError, OSError) as error:
        tell("replay", f"{type(error).__name__}: {error}")
        return EXIT_INFRASTRUCTURE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    show(describe(result))
    return EXIT_OK if result.is_exact else EXIT_REFUSED


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 <= rate <= 1_000_000:
        raise argparse.ArgumentTypeError("must lie between 0 and 1,000,000")
    return rate


def _source(options: argparse.Namespace) -> Source:
    if options.events is not None:
        if options.phases is not None:
            raise SourceError("--phases is for tables: a file of events has their outcomes")
        if options.merchant_table is not None:
            raise SourceError("--merchant-table is for tables: a file of events has its merchants")
        if not options.events.is_file():
            raise SourceError(f"{options.events}: no such file")
        return LinesSource(options.events, limit=options.limit)
    from streams.replay.opened import Tables, open_source  # noqa: PLC0415 -- pyarrow is an extra

    tables = Tables(
        table=options.table,
        mapping=options.mapping,
        reports=options.reports,
        merchants=options.merchant_table,
        labels=options.labels,
        phases=options.phases,
        limit=options.limit,
        id_prefix=options.id_prefix,
        jpy_per_unit=options.jpy_per_unit,
    )
    return open_source(tables, lambda text: tell("replay", text)).source


def _uses(options: argparse.Namespace) -> list[str]:
    """Return the names in the table of rights that these options need."""
    more = [
        name
        for name, is_asked in (
            ("--labels", options.labels or options.reports),
            ("--events", options.events),
            ("--merchant-table", options.merchant_table),
        )
        if is_asked
    ]
    return ["replay", *(f"replay {name}" for name in more)]


def _pace(options: argparse.Namespace) -> Pace:
    in_flight = options.in_flight or (
        WITH_REPORTS_IN_FLIGHT if options.labels or options.reports or options.merchant_table else Pace().in_flight_max
    )
    return Pace(rate=options.rate, in_flight_max=in_flight, patience_s=options.patience)


def _worker(stack: ExitStack, config: Path, settings: Settings) -> Child:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sekisho-replay-")))
    patience_s = settings.watch.drain_s + 5
    return stack.enter_context(
        running(("worker", "--config", str(config)), directory / "worker.log", patience_s=patience_s)
    )


async def _replay(settings: Settings, source: Source, pace: Pace, worker: Child | None, uses: Sequence[str]) -> Result:
    async with authorized(settings.kafka, command_rights(settings.topics.full, *uses)):
        check: Callable[[], None] = _nothing if worker is None else worker.require_running
        if worker is not None and settings.http.enabled and settings.http.port:
            tell("replay", "waiting for the worker (the first start on a machine compiles its kernels)")
            await await_ready(worker, settings.http, READY_S)
        replay = Replay(settings, source, pace, check=check, tell=lambda text: tell("replay", text))
        return await replay.run()


async def until_signalled(work: Coroutine[None, None, T]) -> T:
    """Run a coroutine. SIGTERM cancels it as Ctrl-C does, so that all processes are ended.

    Of an exception group only the first cause is raised.
    """
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await work
    except ExceptionGroup as group:
        raise _first_of(group) from None


def _first_of(group: ExceptionGroup) -> Exception:
    """Return the first cause of an exception group."""
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, ExceptionGroup) else first


def _nothing() -> None:
    """Check nothing: the worker was not started here."""
