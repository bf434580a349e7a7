"""The ids of topics, which tell a topic from another that was made anew under its name. aiokafka asks for none."""

import asyncio
from collections.abc import Collection
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

ID_BYTES: Final = 16
NO_ID: Final = "00" * ID_BYTES
ASK_AGAIN_S: Final = 0.05


class Uuid:
    """A UUID on the wire: 16 bytes. Be a type of aiokafka's schemas."""

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
        """Write it for logs."""
        return value.hex()


class _Response(Response):  # type: ignore[misc]  # aiokafka has no types
    """Metadata, version 10 (https://kafka.apache.org/protocol#The_Messages_Metadata)."""

    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
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


class _RequestStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _Response
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_RequestStruct]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: Any) -> Any:
        tags: dict[int, bytes] = {}
        topics = [(bytes(ID_BYTES), name, tags) for name in self._topics]
        return request_struct_class(topics, False, False, False, tags)


async def topic_ids(client: AIOKafkaClient, topics: Collection[str]) -> dict[str, str]:
    """Return the id of each topic, as hexadecimal digits; of none where brokers have no ids.

    A broker may hear of a new topic later than another: this waits until the one that is asked knows all of them.

    Raises:
        aiokafka.errors.KafkaError: the broker did not answer.
    """
    while True:
        try:
            answer = await client.send(client.get_random_node(), _MetadataRequest(sorted(topics)))
        except (IncompatibleBrokerVersion, NotImplementedError):  # older than version 10
            return {}
        found = {name: found.hex() for code, name, found, *_ in answer.topics if not code}
        if found.keys() == set(topics):
            return {name: digits for name, digits in found.items() if digits != NO_ID}
        await asyncio.sleep(ASK_AGAIN_S)
