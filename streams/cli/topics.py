"""`sekisho topics create`: the topics of a deployment, made where they do not exist."""

import asyncio
import logging
from argparse import Namespace

from aiokafka.errors import KafkaError

from streams.cli.console import EXIT_INFRASTRUCTURE, EXIT_OK, EXIT_USAGE, show, tell
from streams.cli.failures import reported
from streams.config.load import load_settings
from streams.topics import ensure, plan
from streams.transport.security import SecretError


@reported("topics create")
def run(arguments: Namespace) -> int:
    """Create what is missing, print one line per topic, and complain of a topic with other partitions."""
    settings = load_settings(arguments.config)
    plans = plan(settings.topics)
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # what it would print is said below, once
    try:
        found = asyncio.run(ensure(settings.kafka, plans))
    except SecretError as error:
        tell("topics create", error)
        return EXIT_INFRASTRUCTURE
    except KafkaError as error:
        tell("topics create", f"{', '.join(settings.kafka.bootstrap)}: {error}")
        return EXIT_INFRASTRUCTURE
    status = EXIT_OK
    for wanted, topic in zip(plans, found, strict=True):
        show(f"{'created' if topic.created else 'exists '}  {wanted.name}  {topic.partitions} partition(s)")
        if topic.partitions != wanted.partitions:
            tell(
                "topics create", f"{wanted.name}: {topic.partitions} partitions, not the configured {wanted.partitions}"
            )
            status = EXIT_USAGE
    return status
