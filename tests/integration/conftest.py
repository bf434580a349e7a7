"""Brokers for the integration tests, one of each kind per run, and topics of its own for every test."""

import asyncio
import os
import uuid
from collections.abc import Callable, Iterator

import pytest

from streams.kafka.admin import create_topics
from streams.kafka.embedded import EmbeddedBrokerError, embedded_broker, find_binary
from streams.kafka.settings import Broker, TopicPartitions, TopicRetention
from streams.kafka.topics import TopicsSettings, plan
from streams.kafka.types import DAY_MS
from streams.state.settings import State
from streams.transport.settings import Consume, Emit
from streams.worker.settings import Watch, WorkerSettings
from tests.brokers.kafka import kafka_broker, missing, missing_tools
from tests.brokers.secured import PASSWORD, PASSWORD_VARIABLE, Secured, secured_broker

PARTITIONS = 2

_LONG = 3_650 * DAY_MS
KEEP = TopicRetention(authorizations=_LONG, authorization_outcomes=_LONG, fraud_reports=_LONG)
"""Keeps records with any time: tests use their own times, and the broker deletes old records every five minutes."""

NewWorker = Callable[..., WorkerSettings]


def refuse(kind: str, reason: str) -> None:
    """Skip with one line, or fail if the run requires this kind of broker (SEKISHO_REQUIRE_KAFKA=1)."""
    line = f"{kind}: {reason}"
    if os.environ.get(f"SEKISHO_REQUIRE_{kind.upper()}") == "1":
        pytest.fail(line)
    pytest.skip(line)


@pytest.fixture(scope="session")
def apache() -> Iterator[Broker]:
    """Apache Kafka."""
    reason = missing()
    if reason is not None:
        refuse("kafka", reason)
    with kafka_broker() as broker:
        yield broker


@pytest.fixture(scope="session")
def secured() -> Iterator[Secured]:
    """Apache Kafka with logins, TLS and an authorizer."""
    reason = missing_tools()
    if reason is not None:
        refuse("kafka", reason)
    with pytest.MonkeyPatch.context() as patch, secured_broker() as broker:
        patch.setenv(PASSWORD_VARIABLE, PASSWORD)
        yield broker


@pytest.fixture(scope="session")
def embedded() -> Iterator[Broker]:
    """The embedded broker."""
    try:
        find_binary()
    except EmbeddedBrokerError as error:
        refuse("embedded", str(error))
    with embedded_broker() as broker:
        yield broker


@pytest.fixture(
    params=[pytest.param("embedded", marks=pytest.mark.embedded), pytest.param("apache", marks=pytest.mark.kafka)]
)
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each kind of broker in turn."""
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def new_worker() -> NewWorker:
    """Create a fresh set of topics on a broker and return the settings of a worker for them."""

    def create(broker: Broker, **changes: object) -> WorkerSettings:
        name = uuid.uuid4().hex[:8]
        topics = TopicsSettings(prefix=f"{name}-", partitions=TopicPartitions(events=PARTITIONS), retention_ms=KEEP)
        asyncio.run(create_topics(broker, plan(topics)))
        defaults = {
            "consume": Consume(group=f"group-{name}", commit_interval_s=0.1),
            "emit": Emit(ack_timeout_s=5.0),
            "state": State(enabled=False),  # the echo engine has no profiles; tests/chaos has a real one
            "watch": Watch(interval_s=0.2, stall_s=20.0, drain_s=20.0),
        }
        return WorkerSettings(broker=broker, topics=topics.full, **{**defaults, **changes})  # type: ignore[arg-type]

    return create
