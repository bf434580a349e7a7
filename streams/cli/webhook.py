"""`sekisho webhook`: deliver alerts to a receiver over HTTPS."""

import asyncio
import logging
import signal
from argparse import Namespace
from typing import TYPE_CHECKING

from streams.cli.failures import reported
from streams.config.load import load_settings
from streams.config.settings import Settings
from streams.console.status import EXIT_INFRASTRUCTURE, EXIT_OK, EXIT_USAGE, tell
from streams.kafka.errors import MissingTopicError
from streams.telemetry.http import HttpEndpoints, HttpError
from streams.telemetry.log import configure

if TYPE_CHECKING:
    from streams.webhook.facts import Facts

log = logging.getLogger(__name__)


@reported("webhook")
def run(arguments: Namespace) -> int:
    """Deliver alerts until a signal or a failure."""
    from streams.webhook.facts import Facts  # noqa: PLC0415 -- imports of this command only

    settings = load_settings(arguments.config)
    if settings.webhook.url is None:
        tell("webhook", f"{arguments.config.name}: webhook.url is not set: name the receiver, https://host/path")
        return EXIT_USAGE
    configure(settings.logging)
    facts, http = Facts(), settings.webhook.http
    try:
        endpoints = HttpEndpoints(http, facts) if http.enabled else None
    except HttpError as error:
        tell("webhook", error)
        return EXIT_INFRASTRUCTURE
    try:
        asyncio.run(_deliver(settings, facts))
    except MissingTopicError as error:
        tell("webhook", error)
        return EXIT_INFRASTRUCTURE
    finally:
        if endpoints is not None:
            endpoints.close()
    return EXIT_OK


async def _deliver(settings: Settings, facts: "Facts") -> None:
    from streams.kafka.explain import authorized  # noqa: PLC0415 -- imports of this command only
    from streams.kafka.rights.table import webhook_rights  # noqa: PLC0415 -- the same
    from streams.webhook.post import posting  # noqa: PLC0415 -- the same
    from streams.webhook.serve import Source, serve  # noqa: PLC0415 -- the same
    from streams.webhook.signing import signer_of  # noqa: PLC0415 -- the same

    webhook, topics = settings.webhook, settings.topics.full
    signer = signer_of(webhook.secrets)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    source = Source(
        broker=settings.kafka,
        topic=topics.alerts,
        isolation=settings.consume.isolation,
        batch_max_bytes=settings.consume.record_batch_max_bytes,
    )
    tell_s = settings.logging.repeat_interval_s + 1.0  # a line that comes sooner would be dropped as a repeat
    log.info("webhook_started receiver=%s group=%s", webhook.receiver, webhook.group)
    async with (
        authorized(settings.kafka, webhook_rights(topics, webhook.group)),
        posting(webhook, signer) as poster,
    ):
        await serve(source, webhook, poster, facts, stop, tell_s)
    log.info("webhook_stopped")
