"""`sekisho config`: check, show, compare and explain configurations and policies, and print their schemas."""

import time
from argparse import Namespace
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
import yaml

from scoring.policy import Policy, policy_changes, policy_lines
from scoring.policy.acquirer import OF_ACQUIRERS, AcquirerFile
from scoring.policy.changes import changes_of, orphans, shown
from scoring.policy.explain import Subject
from streams.cli import check
from streams.cli.failures import reported
from streams.config.load import load_settings
from streams.config.policies import load_policy, load_policy_file
from streams.config.settings import Settings
from streams.console.status import EXIT_OK, EXIT_REFUSED, EXIT_USAGE, show, tell
from streams.policy.audit import verify


def run(arguments: Namespace) -> int:
    """Run one of the commands."""
    commands = {"check": check.run, "show": _show, "diff": _diff, "explain": _explain} | {
        "audit": _audit,
        "schema": _schema,
    }
    return commands[arguments.verb](arguments)


@reported("config show")
def _show(arguments: Namespace) -> int:
    """Print the configuration with its defaults, and the policy as it is composed. Secrets are names in it."""
    if arguments.policy:
        show(_as_yaml(msgspec.to_builtins(load_policy_file(arguments.file))))
        return EXIT_OK
    settings = load_settings(arguments.file)
    policy = load_policy(settings, origin=arguments.file.name)
    show(_as_yaml(msgspec.to_builtins(settings)))
    show(f"---\n# policy {policy.identity}")
    show(_as_yaml(msgspec.to_builtins(policy)))
    if (candidate := policy.candidate) is not None:
        show(f"---\n# candidate {candidate.identity} of the experiment, as arm B has it")
        show(_as_yaml(msgspec.to_builtins(candidate)))
    return EXIT_OK


@reported("config diff")
def _diff(arguments: Namespace) -> int:
    """Print the fields that differ, of the configurations and of their policies."""
    if arguments.policy:
        old, new = load_policy_file(arguments.file), load_policy_file(arguments.other)
        show("\n".join(_told(old, new)) or "no difference")
        return EXIT_OK
    settings = [load_settings(file) for file in (arguments.file, arguments.other)]
    found = shown(changes_of(*map(msgspec.to_builtins, settings)))
    old, new = (
        load_policy(each, origin=file.name)
        for each, file in zip(settings, (arguments.file, arguments.other), strict=True)
    )
    show("\n".join([*found, *_told(old, new)]) or "no difference")
    return EXIT_OK


def _told(old: Policy, new: Policy) -> list[str]:
    changes = [f"policy {line}" for line in shown(policy_changes(old, new))]
    return changes + [f"policy orphans: {line}" for line in orphans(old, new)]


@reported("config explain")
def _explain(arguments: Namespace) -> int:
    """Print which entries of the policy apply to a payment, and why."""
    mcc, at_ms = arguments.mcc, _at_ms(arguments.at)
    if not (len(mcc) == 4 and mcc.isascii() and mcc.isdigit()):
        tell("config explain", "--mcc: four digits, such as 5732")
        return EXIT_USAGE
    if at_ms is None:
        tell("config explain", "--at: a time of RFC 3339 with an offset, such as 2026-12-01T00:00:00+09:00")
        return EXIT_USAGE
    policy = load_policy(load_settings(arguments.config), origin=arguments.config.name)
    show("\n".join(policy_lines(policy, Subject(arguments.acquirer, arguments.merchant, mcc, at_ms))))
    return EXIT_OK


def _at_ms(said: str | None) -> int | None:
    if said is None:
        return time.time_ns() // 1_000_000
    try:
        stamp = datetime.fromisoformat(said)
    except ValueError:
        return None
    if stamp.tzinfo is None or stamp.astimezone(UTC).year < 1970:
        return None
    return int(stamp.timestamp() * 1000)


@reported("config audit")
def _audit(arguments: Namespace) -> int:
    """Check the chain of an audit log. Print a line for each fault."""
    faults = list(verify(arguments.file))
    show("\n".join(faults) or "the chain is complete")
    return EXIT_REFUSED if faults else EXIT_OK


def _schema(arguments: Namespace) -> int:
    """Print a JSON Schema, with which editors complete and check a file."""
    record = {"config": Settings, "policy": Policy, "acquirer": AcquirerFile}[arguments.name]
    schema = msgspec.json.schema(record)
    if arguments.name == "acquirer":
        for definition in {_definition(schema["$defs"]["AcquirerFile"], section) for section in OF_ACQUIRERS}:
            entry = schema["$defs"][definition]
            entry["properties"].pop("acquirer")
            entry["required"] = [name for name in entry["required"] if name != "acquirer"]
    show(orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode())
    return EXIT_OK


def _definition(schema: dict[str, Any], section: str) -> str:
    reference: str = schema["properties"][section]["items"]["$ref"]
    return reference.rpartition("/")[2]


def _as_yaml(document: object) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return text.rstrip()
