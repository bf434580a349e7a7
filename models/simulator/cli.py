"""`sekisho simulate`: write simulated traffic as JSON lines, to files or a pipe."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import BinaryIO

from models.simulator.config import START_MS, SimulatorConfig, demo
from models.simulator.stream import Simulator
from models.simulator.writer import event_line, truth_line

_FLUSH_EVENTS = 500


def parser() -> argparse.ArgumentParser:
    """Return the parser of `sekisho simulate`."""
    default = SimulatorConfig()
    p = argparse.ArgumentParser(
        prog="sekisho simulate",
        description="Write the simulated card traffic of a Japanese acquirer as JSON lines, fraud episodes included. "
        "The same options always give the same bytes.",
    )
    p.add_argument("--seed", type=int, default=default.seed, help="seed of all random draws (default %(default)s)")
    p.add_argument(
        "--start",
        type=_moment,
        default=START_MS,
        metavar="TIME",
        help="RFC 3339, with a zone (default 2025-06-01T00:00+09:00)",
    )
    p.add_argument("--days", type=int, default=default.days, help="length of the stream (default %(default)s)")
    p.add_argument("--cards", type=int, default=default.cards, help="cards in circulation (default %(default)s)")
    p.add_argument("--merchants", type=int, default=default.merchants, help="merchants (default %(default)s)")
    p.add_argument(
        "--events-per-day", type=int, default=default.events_per_day, help="authorizations a day (default %(default)s)"
    )
    p.add_argument(
        "--demo",
        action="store_true",
        help="the demo's days with named episodes; of the options above only --seed, --start and --days are used",
    )
    p.add_argument("--out", default="-", metavar="FILE", help="file of the records; - is standard output (default)")
    p.add_argument("--truth", metavar="FILE", help="file of the truth, one line per authorization")
    p.add_argument("--rate", type=float, default=0.0, help="most records per second; 0 is full speed (default)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sekisho simulate` and return its exit status: 0, or 2 for options out of range.

    If the reader closes the pipe, the stream ends without an error.
    """
    options = parser().parse_args(argv)
    try:
        config = _config(options)
    except ValueError as error:
        sys.stderr.write(f"sekisho simulate: {error}\n")
        return 2
    with contextlib.ExitStack() as stack:
        out = sys.stdout.buffer if options.out == "-" else stack.enter_context(open(options.out, "wb"))
        truth = stack.enter_context(open(options.truth, "wb")) if options.truth else None
        try:
            _write(Simulator(config), out, truth, options.rate)
        except BrokenPipeError:
            # The rest of the buffer has no reader: send the interpreter's flush at exit to /dev/null.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _config(options: argparse.Namespace) -> SimulatorConfig:
    if options.demo:
        return demo(seed=options.seed, start_ms=options.start, history_days=max(0, options.days - 1))
    return SimulatorConfig(
        seed=options.seed,
        start_ms=options.start,
        days=options.days,
        cards=options.cards,
        merchants=options.merchants,
        events_per_day=options.events_per_day,
    )


def _write(simulator: Simulator, out: BinaryIO, truth: BinaryIO | None, rate: float) -> None:
    """Write all items, with at most `rate` records per second, and flush often enough for a reader."""
    began = time.monotonic()
    for count, item in enumerate(simulator, start=1):
        out.write(event_line(item))
        if truth is not None and item.truth is not None:
            truth.write(truth_line(item.truth))
        if rate > 0 and (wait := began + count / rate - time.monotonic()) > 0:
            out.flush()
            time.sleep(wait)
        elif count % _FLUSH_EVENTS == 0:
            out.flush()
    out.flush()


def _moment(text: str) -> int:
    """Read an RFC 3339 time with a zone as milliseconds since the epoch."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not a time: {text!r}") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"no time zone in {text!r}: write it as 2025-06-01T00:00+09:00")
    return int(moment.timestamp() * 1000)
