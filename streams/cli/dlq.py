"""`sekisho dlq`: list dead letters, and redrive their records."""

import asyncio
import logging
import time
from argparse import Namespace
from contextlib import AsyncExitStack

from streams.cli.failures import reported
from streams.config.load import load_settings
from streams.config.settings import Settings
from streams.console.status import EXIT_INFRASTRUCTURE, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, show, tell
from streams.dlq.letters import DlqError, Filter, redrivable, since
from streams.dlq.listing import list_letters
from streams.dlq.reading import reading
from streams.kafka.errors import BrokersError
from streams.kafka.explain import authorized
from streams.kafka.rights.table import command_rights

LIMIT_MAX = 10_000_000


@reported("dlq")
def run(arguments: Namespace) -> int:
    """List dead letters or redrive them."""
    settings = load_settings(arguments.config)
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # its errors are reported below, once
    command = _list if arguments.verb == "list" else _redrive
    try:
        return asyncio.run(command(arguments, settings))
    except DlqError as error:
        tell(f"dlq {arguments.verb}", error)
        return EXIT_USAGE
    except BrokersError as error:
        tell(f"dlq {arguments.verb}", error)
        return EXIT_INFRASTRUCTURE


async def _list(arguments: Namespace, settings: Settings) -> int:
    chosen, topic = _filter(arguments), settings.topics.full.dead_letters
    rights, limit = command_rights(settings.topics.full, "dlq list"), settings.consume.record_batch_max_bytes
    async with authorized(settings.kafka, rights), reading(settings.kafka, limit) as reader:
        listing = await list_letters(reader, topic, chosen, show, each=arguments.each, as_json=arguments.json)
    if not listing.groups:
        tell("dlq list", f"none of the {listing.read - listing.foreign:,} dead letters on {topic} match")
    if listing.foreign:
        tell("dlq list", f"skipped: {listing.foreign:,} records on {topic} that are no dead letters")
    return EXIT_OK


async def _redrive(arguments: Namespace, settings: Settings) -> int:
    if not 1 <= arguments.limit <= LIMIT_MAX:
        raise DlqError(f"--limit {arguments.limit}: must lie between 1 and {LIMIT_MAX:,}")
    chosen = _filter(arguments)
    if arguments.mended is not None and chosen != Filter():
        raise DlqError("--mended names its dead letters itself: leave out --topic, --partition, --reason and --since")
    # seconds of imports, after the checks that need none
    from streams.config.wiring import engine_settings  # noqa: PLC0415 -- only this command needs it
    from streams.dlq.judge import Judge  # noqa: PLC0415 -- only this command needs it
    from streams.dlq.mended import mended_file  # noqa: PLC0415 -- only this command needs it
    from streams.dlq.redrive import Request, redrive  # noqa: PLC0415 -- only this command needs it
    from streams.dlq.report import describe, remarks  # noqa: PLC0415 -- only this command needs it
    from streams.kafka.sending.bulk import sending  # noqa: PLC0415 -- only this command needs it

    topics = settings.topics.full
    uses = ("dlq redrive", "dlq redrive --yes") if arguments.yes else ("dlq redrive",)
    async with AsyncExitStack() as stack:
        mended = None
        if arguments.mended is not None:
            mended = stack.enter_context(mended_file(arguments.mended, redrivable(topics), arguments.limit))
        limit = settings.consume.record_batch_max_bytes
        await stack.enter_async_context(authorized(settings.kafka, command_rights(topics, *uses)))
        reader = await stack.enter_async_context(reading(settings.kafka, limit))
        request = Request(
            letters_topic=topics.dead_letters,
            topics=redrivable(topics),
            chosen=chosen,
            limit=arguments.limit,
            judge=Judge(topics, engine_settings(settings).decode),
            sends=await stack.enter_async_context(sending(settings.kafka, "sekisho-dlq")) if arguments.yes else None,
            mended=mended,
            again=arguments.again,
        )
        account = await redrive(reader, request, lambda text: tell("dlq redrive", text))
    show(describe(account))
    for remark in remarks(account):
        tell("dlq redrive", remark)
    if account.errors:
        return EXIT_INFRASTRUCTURE
    return EXIT_REFUSED if account.total("refused") or account.faults else EXIT_OK


def _filter(arguments: Namespace) -> Filter:
    now_ms = time.time_ns() // 1_000_000
    return Filter(
        topics=frozenset(arguments.topic),
        partitions=frozenset(arguments.partition),
        reasons=frozenset(arguments.reason),
        since_ms=0 if arguments.since is None else since(arguments.since, now_ms),
    )
