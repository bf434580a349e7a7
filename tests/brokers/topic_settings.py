"""Change topic settings of a running deployment for a while."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

OF_THE_TOPIC = 1  # DescribeConfigs: the source of a setting of this topic


@contextmanager
def changed(bootstrap: str, topic: str, settings: Mapping[str, str]) -> Iterator[None]:
    """Override settings of a topic with Kafka's `settings` until the context ends."""
    before = asyncio.run(_change(bootstrap, topic, settings))
    try:
        yield
    finally:
        asyncio.run(_replace(bootstrap, topic, before))


async def _change(bootstrap: str, topic: str, settings: Mapping[str, str]) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        described = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    (error, message, _, _, entries) = described[0].resources[0]
    if error:
        raise RuntimeError(f"{topic}: {message}")
    before = {name: value for name, value, _, source, *_ in entries if source == OF_THE_TOPIC}
    await _replace(bootstrap, topic, {**before, **settings})
    return before


async def _replace(bootstrap: str, topic: str, settings: dict[str, str]) -> None:
    """Replace all settings of a topic: AlterConfigs cannot set single ones."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answers = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])
    finally:
        await admin.close()
    for error, message, *_ in answers[0].resources:
        if error:
            raise RuntimeError(f"{topic}: {message}")
