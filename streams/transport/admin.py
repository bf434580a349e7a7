"""Topics made on a broker, for the demonstration, the tests and the command line."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from streams.transport.security import client_options
from streams.transport.settings import Broker


class TopicSpec(Protocol):
    """Describe one topic; `configs` are Kafka's topic configs by their own names."""

    @property
    def name(self) -> str:
        """Its full name."""
        ...

    @property
    def partitions(self) -> int:
        """How many partitions."""
        ...

    @property
    def replication_factor(self) -> int:
        """How many replicas of each."""
        ...

    @property
    def configs(self) -> Mapping[str, str]:
        """Kafka's topic configs by their own names."""
        ...


async def create_topics(broker: Broker, topics: Iterable[TopicSpec]) -> list[str]:
    """Create the topics that do not exist yet and return their names. Existing ones are left as they are.

    Raises:
        aiokafka.errors.KafkaError: the broker cannot be reached, or refuses a topic.
    """
    admin = AIOKafkaAdminClient(**client_options(broker))
    await admin.start()
    try:
        wanted = [
            NewTopic(topic.name, topic.partitions, topic.replication_factor, topic_configs=dict(topic.configs))
            for topic in topics
        ]
        response = await admin.create_topics(wanted)
    finally:
        await admin.close()
    created = []
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(name)
        elif error is not TopicAlreadyExistsError:
            raise error(f"topic {name!r} was refused")
    return created
