"""What a broker says of how it keeps a topic is what a replay of old events goes by."""

import asyncio
import uuid

import pytest

from streams.kafka.admin import TopicState, create_topics
from streams.kafka.settings import Broker
from streams.kafka.topics import TopicPlan, TopicsSettings, plan
from streams.replay.retention import Retention, retention_of


def kept(broker: Broker, **configs: str) -> tuple[str, Retention]:
    """Create a topic with Kafka's configs, their dots written as underscores, and ask about it."""
    name = f"retention-{uuid.uuid4().hex[:8]}"
    written = {config.replace("_", "."): value for config, value in configs.items()}
    plan = TopicPlan(name=name, partitions=1, replication_factor=1, configs=written)
    asyncio.run(create_topics(broker, [plan]))
    return name, asyncio.run(retention_of(broker, name))


def test_a_broker_tells_how_long_it_keeps_records(broker: Broker) -> None:
    name, found = kept(broker, retention_ms="60000")
    assert found == Retention(topic=name, retention_ms=60_000, is_dated_by_broker=False)
    name, found = kept(broker, retention_ms="-1")
    assert found == Retention(topic=name, retention_ms=-1, is_dated_by_broker=False)


def test_topics_that_were_just_created_are_known_with_all_their_partitions(broker: Broker) -> None:
    plans = plan(TopicsSettings(prefix=f"made-{uuid.uuid4().hex[:8]}-"))
    made = asyncio.run(create_topics(broker, plans))
    assert made == [TopicState(created=True, partitions=topic.partitions) for topic in plans]
    again = asyncio.run(create_topics(broker, plans))
    assert again == [TopicState(created=False, partitions=topic.partitions) for topic in plans]


@pytest.mark.kafka
def test_apache_kafka_tells_its_defaults_too_and_whose_the_timestamps_are(apache: Broker) -> None:
    assert kept(apache)[1].retention_ms == 7 * 86_400_000
    assert kept(apache, message_timestamp_type="LogAppendTime")[1].is_dated_by_broker
