"""The Metadata request in versions 8 and 10. aiokafka has versions up to 5.

From version 8 on a broker returns the client's rights on topics (KIP-430). From version 10 on it returns topic ids
(KIP-516), which distinguish a topic from one that was created anew with its name. The highest version that the broker
supports is sent (https://kafka.apache.org/protocol#The_Messages_Metadata).
"""

import asyncio
from collections.abc import Collection
from typing import Any, Final, NamedTuple, TypeAlias

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    String,
    TaggedFields,
)

ID_BYTES: Final = 16
NO_ID: Final = "00" * ID_BYTES
ASK_AGAIN_S: Final = 0.05

_TEXT: Final = String("utf-8")
_COMPACT: Final = CompactString("utf-8")


class Uuid:
    """UUID of 16 bytes, as a type for aiokafka's schemas."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        """Return the bytes."""
        assert len(value) == ID_BYTES
        return value

    @classmethod
    def decode(cls, data: Any) -> bytes:
        """Read 16 bytes."""
        value: bytes = data.read(ID_BYTES)
        return value

    @classmethod
    def repr(cls, value: bytes) -> str:
        """Return it in hexadecimal digits, for logs."""
        return value.hex()


class _Response8(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT))),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("name", _TEXT),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("operations", Int32),
    )


class _Response10(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", _COMPACT),
                ("port", Int32),
                ("rack", _COMPACT),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", _COMPACT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _COMPACT),
                ("topic_id", Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("operations", Int32),
        ("tags", TaggedFields),
    )


class _Request8(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _Response8
    SCHEMA = Schema(
        ("topics", Array(_TEXT)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _Request10(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _Response10
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", Uuid), ("name", _COMPACT), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


_RequestStruct: TypeAlias = _Request8 | _Request10


class TopicMetadata(NamedTuple):
    """A topic as a broker describes it. `topic_id` in hexadecimal digits; "" if there is none.

    `operations`: bit `n` is set if the operation of code `n` is allowed.
    """

    error_code: int
    name: str
    topic_id: str
    partitions: int
    operations: int


class MetadataRequest(Request[_RequestStruct]):  # type: ignore[misc]  # aiokafka has no types
    """Request topics and the client's rights on them. A missing topic is not created."""

    API_KEY = 3

    def __init__(self, topics: Collection[str], *, with_rights: bool = True) -> None:
        self._topics = list(topics)
        self._with_rights = with_rights

    def build(self, request_struct_class: type[_RequestStruct]) -> Any:
        """Fill in the request. Implements the original."""
        if request_struct_class is _Request8:
            return request_struct_class(self._topics, False, False, self._with_rights)
        tags: dict[int, bytes] = {}
        topics = [(bytes(ID_BYTES), name, tags) for name in self._topics]
        return request_struct_class(topics, False, False, self._with_rights, tags)


def topics_of(answer: Any) -> list[TopicMetadata]:
    """Read the topics from an answer of either version."""
    if answer.API_VERSION == _Response8.API_VERSION:
        return [TopicMetadata(code, name, "", len(parts), rights) for code, name, _, parts, rights in answer.topics]
    return [
        TopicMetadata(code, name, "" if topic_id.hex() == NO_ID else topic_id.hex(), len(parts), rights)
        for code, name, topic_id, _, parts, rights, _ in answer.topics
    ]


async def cluster_id(client: AIOKafkaClient) -> str:
    """Return the id of the cluster, "" if the broker has none.

    Raises:
        aiokafka.errors.KafkaError: the broker did not answer.
    """
    try:
        answer = await client.send(client.get_random_node(), MetadataRequest([], with_rights=False))
    except (IncompatibleBrokerVersion, NotImplementedError):  # older than version 8
        return ""
    return answer.cluster_id or ""


async def topic_ids(client: AIOKafkaClient, topics: Collection[str]) -> dict[str, str]:
    """Return the id of each topic in hexadecimal digits; empty if brokers have no topic ids.

    A broker may learn of a new topic later than another, so this asks until the answer has all topics. It has no time
    limit: the caller sets one.

    Raises:
        aiokafka.errors.KafkaError: the broker did not answer.
    """
    while True:
        try:
            answer = await client.send(client.get_random_node(), MetadataRequest(sorted(topics), with_rights=False))
        except (IncompatibleBrokerVersion, NotImplementedError):  # older than version 8
            return {}
        found = {topic.name: topic.topic_id for topic in topics_of(answer) if not topic.error_code}
        if found.keys() == set(topics) or answer.API_VERSION < _Response10.API_VERSION:
            return {name: digits for name, digits in found.items() if digits}
        await asyncio.sleep(ASK_AGAIN_S)
