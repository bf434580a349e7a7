"""The retention that a broker reports for a topic, which replay uses for old events."""

import asyncio
import uuid

import pytest

from streams.kafka.admin import TopicState, create_topics
from streams.kafka.settings import Broker
from streams.kafka.topics import TopicPlan, TopicsSettings, plan
from streams.replay.retention import Retention, retention_of


def kept(broker: Broker, **configs: str) -> tuple[str, Retention]:
    """Create a topic with these configs, their dots written as underscores, and return its reported retention."""
    name = f"retention-{uuid.uuid4().hex[:8]}"
    written = {config.replace("_", "."): value for config, value in configs.items()}
    plan = TopicPlan(name=name, partitions=1, replication_factor=1, configs=written)
    asyncio.run(create_topics(broker, [plan]))
    return name, asyncio.run(retention_of(broker, name))


def test_a_broker_reports_how_long_it_keeps_records(broker: Broker) -> None:
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
def test_apache_kafka_reports_its_defaults_and_the_timestamp_type(apache: Broker) -> None:
    assert kept(apache)[1].retention_ms == 7 * 86_400_000
    assert kept(apache, message_timestamp_type="LogAppendTime")[1].is_dated_by_broker
