"""Create topics and read their configurations."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaTimeoutError,
    LeaderNotAvailableError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

from streams.kafka.rights.granted import lacking
from streams.kafka.rights.table import Kind, Operation, Right
from streams.kafka.security import client_options
from streams.kafka.settings import Broker

LOOK_S: Final = 0.05
"""Interval between requests for the metadata of a new topic. Brokers need tens of ms to learn of it."""

_NOT_YET: Final = (UnknownTopicOrPartitionError, LeaderNotAvailableError)


class TopicSpec(Protocol):
    """Describe one topic; `configs` are Kafka's topic configs by their own names."""

    @property
    def name(self) -> str:
        """Its full name."""
        ...

    @property
    def partitions(self) -> int:
        """Its number of partitions."""
        ...

    @property
    def replication_factor(self) -> int:
        """The number of replicas of each partition."""
        ...

    @property
    def configs(self) -> Mapping[str, str]:
        """Kafka's topic configs by their own names."""
        ...


class TopicState(NamedTuple):
    """State of a topic: whether it was created just now, and its number of partitions."""

    created: bool
    partitions: int


async def topic_configs(broker: Broker, topics: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """Return the topic configs by Kafka's own names, as far as the broker reports them.

    Raises:
        aiokafka.errors.KafkaError: the broker cannot be reached, or refuses the request.
    """
    admin = AIOKafkaAdminClient(**client_options(broker))
    await admin.start()
    try:
        # all configs: the embedded broker closes the connection on a request for some
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics])
    finally:
        await admin.close()
    found: dict[str, dict[str, str | None]] = {}
    for answer in answers:
        for code, message, _, name, entries, *_ in answer.resources:
            if code:
                raise for_code(code)(f"settings of topic {name!r}: {message}")
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


class _Seen(NamedTuple):
    """A topic as one broker describes it: its number of partitions, and how many of them have a leader."""

    partitions: int = 0
    led: int = 0

    def is_at_least(self, least: "_Seen") -> bool:
        return self.partitions >= least.partitions and self.led >= least.led


async def create_topics(broker: Broker, topics: Iterable[TopicSpec]) -> list[TopicState]:
    """Create the missing topics, and describe all of them, in their order. Existing topics are not changed.

    A broker learns of a new topic some time after its creation. This returns when every reachable broker knows all
    topics, and the new ones with a leader for each partition.

    Raises:
        RightsError: this user may not create some of them.
        aiokafka.errors.KafkaError: the broker cannot be reached, refuses a topic, or does not know all of them in time.
    """
    wanted = list(topics)
    admin = AIOKafkaAdminClient(**client_options(broker))
    await admin.start()
    try:
        created = await _create(admin, wanted, broker)
        counts = await _known(admin, wanted, created, broker.request_timeout_s)
    finally:
        await admin.close()
    return [TopicState(topic.name in created, counts[topic.name]) for topic in wanted]


async def _create(admin: AIOKafkaAdminClient, wanted: Sequence[TopicSpec], broker: Broker) -> set[str]:
    """Create the missing topics and return their names."""
    response = await admin.create_topics(
        [
            NewTopic(topic.name, topic.partitions, topic.replication_factor, topic_configs=dict(topic.configs))
            for topic in wanted
        ]
    )
    refused = [name for name, code, *_ in response.topic_errors if code == TopicAuthorizationFailedError.errno]
    if refused:
        raise lacking([Right(Operation.CREATE, Kind.TOPIC, name, "") for name in refused], broker)
    created = set()
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.add(name)
        elif error is not TopicAlreadyExistsError:
            raise error(f"topic {name!r} was refused")
    return created


async def _known(
    admin: AIOKafkaAdminClient, wanted: Sequence[TopicSpec], created: set[str], timeout_s: float
) -> dict[str, int]:
    """Wait until every broker knows the topics. Return the number of partitions of each."""
    needed = {
        topic.name: _Seen(topic.partitions, topic.partitions) if topic.name in created else _Seen(1, 0)
        for topic in wanted
    }
    missing = list(needed)
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                seen = await _seen(admin, list(needed))
                missing = [name for name, least in needed.items() if not seen[name].is_at_least(least)]
                if not missing:
                    return {name: one.partitions for name, one in seen.items()}
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        names = ", ".join(map(repr, missing))
        raise KafkaTimeoutError(f"not every broker knows {names} {timeout_s:g} s after it was created") from None


async def _seen(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, _Seen]:
    """Ask each reachable broker, and return for each topic the description with the fewest partitions."""
    client, answers = admin._client, []
    for node in client.cluster.brokers():
        if await client.ready(node.nodeId):
            answer = await client.send(node.nodeId, MetadataRequest(names, allow_auto_topic_creation=False))
            answers.append({topic["topic"]: _described(topic) for topic in answer.to_object()["topics"]})
    return {name: min((answer.get(name, _Seen()) for answer in answers), default=_Seen()) for name in names}


def _described(topic: Mapping[str, Any]) -> _Seen:
    """Read the description of a topic.

    Raises:
        aiokafka.errors.KafkaError: the broker refused it, for example for lack of a right.
    """
    error = for_code(topic["error_code"])
    if topic["error_code"] and error not in _NOT_YET:
        raise error(f"topic {topic['topic']!r} cannot be described")
    return _Seen(len(topic["partitions"]), sum(partition["leader"] >= 0 for partition in topic["partitions"]))
