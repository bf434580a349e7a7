"""`sekisho replay --recorded`: arguments, the recorded policies, and the exit status."""

import argparse
import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec

from scoring.compiled import CompiledPolicy
from scoring.contract.faults import FAULTS
from scoring.engine import Engine
from scoring.policy import Policy
from streams.config.load import ConfigError, load_settings
from streams.config.policies import load_policy_file
from streams.config.settings import Settings
from streams.config.wiring import build_engine
from streams.console.status import EXIT_INFRASTRUCTURE, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, show, tell
from streams.dlq.letters import DlqError, since
from streams.explain.every.contents import BYTES_MAX, Contents
from streams.explain.every.verification import Tally, Verification
from streams.explain.models import NOT_THERE, Models, folders_of
from streams.explain.topics import InputTopics
from streams.kafka.errors import BrokersError, MissingTopicError
from streams.kafka.explain import authorized
from streams.kafka.rights.table import command_rights

NAME: Final = "replay --recorded"

_DESCRIPTION: Final = """\
Decide the stored payments of the input topics again, each by the policy and the model that its published decision
names, and compare every decision byte for byte. Nothing is sent. Contents of policies are those of the configuration,
of --policy, and of the rows of card-profiles. Models are those of the configuration, of --bundle, and the one that the
last promotion kept beside the configured one.
"""

_EPILOG: Final = """\
Exit status: 0 if every published decision is computed again and equal; 1 if one differs, is not decided now, or names a
policy or a model that is not there; 2 for wrong usage or configuration; 3 if a broker cannot be reached.

What is exact and what may differ: deploy/docs/explain.md.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of `sekisho replay --recorded`."""
    p = argparse.ArgumentParser(
        prog=f"sekisho {NAME}",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    p.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration of the workers")
    p.add_argument(
        "--bundle",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a bundle that decided, or a folder of such bundles; repeatable",
    )
    p.add_argument(
        "--policy",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a policy that held, from your archive; repeatable",
    )
    p.add_argument(
        "--since",
        metavar="WHEN",
        help="read topics from here on: 7d, 2h or a UTC time. It is faster, and profiles begin empty there, so that "
        "decisions differ",
    )
    p.add_argument("--json", action="store_true", help="print JSON")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Decide stored payments again. Return the exit status."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # its errors are reported below, once
    options = parser().parse_args(argv)
    try:
        since_ms = None if options.since is None else since(options.since, time.time_ns() // 1_000_000)
        folders = folders_of(load_settings(options.config), options.bundle)
        engine = build_engine(folders.settings, origin=options.config.name)
        models = Models(engine, folders)
        given = [load_policy_file(file) for file in options.policy]
        tally, is_whole, left_out = asyncio.run(_decide(folders.settings, engine, models, given, since_ms))
    except (ConfigError, DlqError) as error:
        tell(NAME, error)
        return EXIT_USAGE
    except (BrokersError, MissingTopicError) as error:
        tell(NAME, error)
        return EXIT_INFRASTRUCTURE
    said = as_json if options.json else as_text
    show(said(tally, models.faults, is_whole=is_whole, left_out=left_out))
    return EXIT_OK if tally.is_exact else EXIT_REFUSED


async def _decide(
    settings: Settings, engine: Engine, models: Models, given: Iterable[Policy], since_ms: int | None
) -> tuple[Tally, bool, int]:
    """Read the topics and decide.

    Return the counts, whether the input was read from its first record, and `Contents.left_out`.
    """
    full = settings.topics.full
    async with (
        authorized(settings.kafka, command_rights(full, NAME)),
        InputTopics(settings, None, lambda text: tell(NAME, text), since_ms=since_ms) as topics,
    ):
        contents = Contents()
        async with aclosing(topics.contents()) as found:
            async for partition, rows in found:
                contents.take(partition, rows.keys, rows.values)
        extent = await topics.extent()
        policy_of = recorded_policies(engine, {policy.identity: policy for policy in given}, contents)
        verification = Verification(engine, policy_of, models, partitions=extent.partitions, topics=full)
        async with aclosing(topics.portions(extent)) as portions:
            async for portion in portions:
                verification.take(portion)
    return verification.tally, extent.is_whole, contents.left_out


def recorded_policies(
    engine: Engine, given: Mapping[str, Policy], contents: Contents
) -> Callable[[str], CompiledPolicy | None]:
    """Return what compiles a policy by its identity: one of `given`, else from `contents`; None if neither has it.

    As at a takeover, the quiet minutes of incidents are those of the process, and entries of lists are those in use
    where the lists are the same.
    """
    mine = engine.in_use

    def compiled(identity: str) -> CompiledPolicy | None:
        policy = given.get(identity)
        if policy is None:
            content = contents.of(identity)
            if content is None:
                return None
            try:
                policy = msgspec.json.decode(content, type=Policy)
            except FAULTS:
                return None
        quiet = mine.policy.alerts.incident_quiet_minutes
        alerts = msgspec.structs.replace(policy.alerts, incident_quiet_minutes=quiet)
        entries = mine.list_files if policy.lists == mine.policy.lists else None
        return engine.compile(msgspec.structs.replace(policy, alerts=alerts), entries, identity=identity)

    return compiled


def as_text(tally: Tally, faults: Mapping[str, str], *, is_whole: bool, left_out: int) -> str:
    """Say the counts in short, in lines."""
    return "\n".join(lines(tally, faults, is_whole=is_whole, left_out=left_out))


def lines(tally: Tally, faults: Mapping[str, str], *, is_whole: bool, left_out: int = 0) -> Iterable[str]:
    """Say the counts in short. `faults`: why a model is not there, by its version. `left_out`: as in `Contents`."""
    if not is_whole:
        yield "earlier input was not read: profiles begin empty, and decisions may differ for that"
    if left_out:
        yield (
            f"{left_out:,} rows of policies were not kept, beyond {BYTES_MAX >> 20} MiB: name the files of policies "
            "that are missing below by --policy"
        )
    names = dict.fromkeys((*tally.equal, *tally.different, *tally.unknown_policy))
    for name in names:
        counts = f"{tally.equal[name]:,} equal, {tally.different[name]:,} different"
        if tally.unknown_policy[name]:
            counts = f"{tally.unknown_policy[name]:,} not compared: its content is not there, name its file by --policy"
        yield f"{name or 'no readable policy'}: {counts}"
    for name in dict.fromkeys((*tally.models, *tally.unknown_model)):
        counts = f"{tally.models[name]:,} compared"
        if tally.unknown_model[name]:
            counts = f"{tally.unknown_model[name]:,} not compared: {faults.get(name, NOT_THERE)}"
        yield f"model {name or 'of no readable name'}: {counts}"
    if tally.undecided:
        yield f"{tally.undecided:,} published decisions whose event is not decided now"
    if tally.unpublished:
        yield f"{tally.unpublished:,} events are decided now and have no published decision"
    for path, count in tally.fields.most_common():
        yield f"differs in {path}: {count:,}"
    for event_id, paths in tally.shown:
        yield f"{event_id}: {', '.join(paths)}"


def as_json(tally: Tally, faults: Mapping[str, str], *, is_whole: bool, left_out: int = 0) -> str:
    """Return the counts as JSON. `faults`: why a model is not there, by its version. `left_out`: as in `Contents`."""
    shown = [{"event_id": event_id, "paths": paths} for event_id, paths in tally.shown]
    document = {
        "is_exact": tally.is_exact,
        "is_whole": is_whole,
        "policy_rows_left_out": left_out,
        "equal": dict(tally.equal),
        "different": dict(tally.different),
        "unknown_policy": dict(tally.unknown_policy),
        "models": dict(tally.models),
        "unknown_model": {
            name: {"decisions": count, "cause": faults.get(name, NOT_THERE)}
            for name, count in tally.unknown_model.items()
        },
        "fields": dict(tally.fields),
        "undecided": tally.undecided,
        "unpublished": tally.unpublished,
        "shown": shown,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
