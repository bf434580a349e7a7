"""Metadata version 8 (KIP-430): the first in which a broker tells a client its rights on topics; aiokafka ends at 5."""

from collections.abc import Sequence
from typing import Any, Final

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

_TEXT: Final = String("utf-8")


class MetadataResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    """Brokers and topics; `operations` has bit `n` set for each operation of code `n` that is allowed."""

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
                ("topic", _TEXT),
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
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("cluster_operations", Int32),
    )


class MetadataRequestStruct(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """The request as it is on the wire."""

    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(_TEXT)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
    )


class MetadataRequest(Request[MetadataRequestStruct]):  # type: ignore[misc]  # aiokafka has no types
    """Ask for some topics, and for the rights on them; a topic that does not exist is not created."""

    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: type[MetadataRequestStruct]) -> Any:
        """Fill in the request. Implements the original."""
        return request_struct_class(self._topics, False, False, True)
