"""`sekisho topics create`: create the missing topics of a deployment."""

import asyncio
import logging
from argparse import Namespace
from collections.abc import Sequence

from streams.cli.failures import reported
from streams.config.load import load_settings
from streams.config.settings import Settings
from streams.console.status import EXIT_OK, EXIT_USAGE, show, tell
from streams.kafka.admin import TopicState
from streams.kafka.explain import authorized
from streams.kafka.rights.table import command_rights
from streams.kafka.topics import TopicPlan, ensure, plan


@reported("topics create")
def run(arguments: Namespace) -> int:
    """Create missing topics and print one line per topic. Report topics with another number of partitions."""
    settings = load_settings(arguments.config)
    plans = plan(settings.topics)
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # its errors are reported below, once
    found = asyncio.run(_ensure(settings, plans))
    status = EXIT_OK
    for wanted, topic in zip(plans, found, strict=True):
        show(f"{'created' if topic.created else 'exists '}  {wanted.name}  {topic.partitions} partition(s)")
        if topic.partitions != wanted.partitions:
            tell(
                "topics create", f"{wanted.name}: {topic.partitions} partitions, not the configured {wanted.partitions}"
            )
            status = EXIT_USAGE
    return status


async def _ensure(settings: Settings, plans: Sequence[TopicPlan]) -> list[TopicState]:
    async with authorized(settings.kafka, command_rights(settings.topics.full, "topics create")):
        return await ensure(settings.kafka, plans)
