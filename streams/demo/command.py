"""`sekisho demo`: arguments, choice of the screen, and the exit status."""

import argparse
import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import uvloop
from aiokafka.errors import KafkaError
from rich.console import Console

from streams.console.status import EXIT_INFRASTRUCTURE, EXIT_OK, EXIT_REFUSED, show, tell
from streams.demo.feed import FeedError
from streams.demo.plain import Lines
from streams.demo.run import Outcome, Plan, Screen, perform
from streams.demo.state import State
from streams.demo.summary import describe
from streams.demo.view import Terminal
from streams.kafka.embedded import EmbeddedBrokerError
from streams.kafka.errors import BrokersError
from streams.kafka.explain import reached
from streams.replay.child import ChildError
from streams.replay.command import until_signalled
from streams.replay.source import SourceError

SHORT_S = 45.0
"""A shorter demonstration has one day of history instead of two."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of `sekisho demo`."""
    p = argparse.ArgumentParser(
        prog="sekisho demo",
        description="Start a broker, a worker and simulated card traffic with fraud, show it live, and print a balance "
        "of all events at the end. It needs only this package, and ends all processes that it starts.",
    )
    p.add_argument("--duration", type=_seconds, default=60.0, metavar="S", help="live seconds (default 60), 5 to 3600")
    p.add_argument("--seed", type=int, default=7, help="seed of the simulated traffic (default %(default)s)")
    p.add_argument("--lang", choices=("en", "ja"), default="en", help="language of the reasons (default %(default)s)")
    p.add_argument("--plain", action="store_true", help="print plain lines, as without a terminal")
    p.add_argument("--record", type=Path, metavar="FILE.svg", help="save the view at the end of the live part")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration. Return 0 if the balance holds, 1 if not, 3 if a process failed."""
    options = parser().parse_args(argv)
    plan = Plan(
        live_s=options.duration,
        history_days=1 if options.duration < SHORT_S else 2,
        seed=options.seed,
        language=options.lang,
        picture=options.record,
    )
    state = State(plan.live_s)
    console = Console()
    screen: Screen = Lines(show, state) if options.plain or not console.is_terminal else Terminal(console, state)
    try:
        with screen:
            outcome = uvloop.run(until_signalled(perform(plan, state, screen)))
    except (EmbeddedBrokerError, ChildError, FeedError, SourceError, BrokersError, KafkaError, OSError) as error:
        tell("demo", reached(error))
        return EXIT_INFRASTRUCTURE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    return _conclude(state, outcome)


def _conclude(state: State, outcome: Outcome) -> int:
    show(describe(state, outcome.assessment, outcome.audit, outcome.made))
    if outcome.worker_status != 0:
        tell("demo", f"the worker ended with status {outcome.worker_status} instead of 0")
        return EXIT_INFRASTRUCTURE
    return EXIT_OK if outcome.audit.holds else EXIT_REFUSED


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 5 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("5 to 3600")
    return seconds
