"""Topics are created, and the command waits until every broker knows them."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    InvalidReplicationFactorError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
)
from aiokafka.protocol.metadata import MetadataRequest

from streams.kafka import admin
from streams.kafka.admin import TopicState, create_topics
from streams.kafka.settings import Broker
from streams.kafka.topics import TopicPlan

OK, UNKNOWN, NO_LEADER, EXISTS, REFUSED, BAD_REPLICATION = 0, 3, 5, 36, 29, 38
PATIENT = Broker(request_timeout_s=60.0)
HASTY = Broker(request_timeout_s=0.2)

Answer = tuple[int, Sequence[int]]
"""The answer of a broker about a topic: an error code, and the leader of each partition (-1 none)."""

NOT_YET: Answer = (UNKNOWN, ())
KNOWN: Answer = (OK, (1, 1))


class FakeAdmin:
    """A cluster of some brokers; each gives its answers in turn, then repeats the last."""

    answers: dict[int, list[Answer]] = {}  # noqa: RUF012 - replaced, never changed
    created = OK

    def __init__(self, **_: Any) -> None:
        self._client = self
        nodes = [SimpleNamespace(nodeId=node) for node in self.answers]
        self.cluster = SimpleNamespace(brokers=lambda: nodes)
        self.left = {node: list(answers) for node, answers in self.answers.items()}

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def create_topics(self, topics: list[Any]) -> Any:
        return SimpleNamespace(topic_errors=[(topic.name, self.created, None) for topic in topics])

    async def ready(self, node: int) -> bool:
        return bool(self.left[node])

    async def send(self, node: int, request: MetadataRequest) -> Any:
        assert isinstance(request, MetadataRequest)
        answers = self.left[node]
        code, leaders = answers.pop(0) if len(answers) > 1 else answers[0]
        partitions = [{"leader": leader} for leader in leaders]
        topic = {"topic": "t", "error_code": code, "partitions": partitions}
        return SimpleNamespace(to_object=lambda: {"topics": [topic]})


def make(
    monkeypatch: pytest.MonkeyPatch, *brokers: list[Answer], created: int = OK, broker: Broker = PATIENT
) -> TopicState:
    """Create one topic of two partitions on a fake cluster."""
    nodes = dict(enumerate(brokers, start=1))
    fake = type("Admin", (FakeAdmin,), {"answers": nodes, "created": created})
    monkeypatch.setattr(admin, "AIOKafkaAdminClient", fake)
    monkeypatch.setattr(admin, "LOOK_S", 0.001)
    (state,) = asyncio.run(create_topics(broker, [TopicPlan(name="t", partitions=2, replication_factor=1, configs={})]))
    return state


def test_a_topic_exists_once_its_broker_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make(monkeypatch, [NOT_YET, NOT_YET, (NO_LEADER, ()), KNOWN]) == TopicState(created=True, partitions=2)


def test_every_partition_of_a_new_topic_has_a_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make(monkeypatch, [(OK, (1,)), (OK, (1, -1)), KNOWN]).partitions == 2


def test_every_broker_must_know_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make(monkeypatch, [KNOWN], [NOT_YET, NOT_YET, KNOWN]).partitions == 2


def test_a_broker_that_cannot_be_reached_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make(monkeypatch, [KNOWN], []).partitions == 2


def test_a_topic_that_another_client_has_just_created_is_waited_for_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make(monkeypatch, [NOT_YET, KNOWN], created=EXISTS) == TopicState(created=False, partitions=2)


def test_an_existing_topic_is_described_with_or_without_leaders(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make(monkeypatch, [(OK, (1, -1, -1))], created=EXISTS) == TopicState(created=False, partitions=3)


def test_the_wait_has_an_end_and_names_the_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KafkaTimeoutError, match=r"not every broker knows 't' 0\.2 s after it was created"):
        make(monkeypatch, [KNOWN], [NOT_YET], broker=HASTY)


def test_a_topic_that_may_not_be_described_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TopicAuthorizationFailedError, match="topic 't' cannot be described"):
        make(monkeypatch, [(REFUSED, ())], created=EXISTS)


def test_a_topic_that_is_refused_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidReplicationFactorError, match="topic 't' was refused"):
        make(monkeypatch, [KNOWN], created=BAD_REPLICATION)
