"""No produce is sent to the broker once another worker may own the partitions."""

import asyncio
from typing import Any

import pytest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest

from streams.kafka.fence.lease import ExpelledError, guard

PRODUCE = ProduceRequest(transactional_id=None, required_acks=-1, timeout=1, topics=[])


class FakeClient:
    """aiokafka's client; its connection takes a moment."""

    def __init__(self) -> None:
        self.did: list[str] = []

    async def ready(self, _node: int, *, group: Any = None) -> bool:
        await asyncio.sleep(0)
        self.did.append("ready")
        return True

    async def send(self, _node: int, _request: Any, *, group: Any = None) -> str:
        self.did.append("send")
        return "answer"


def test_a_produce_is_checked_once_connected_and_just_before_it_is_sent() -> None:
    client = FakeClient()
    guard(client, lambda: client.did.append("check"))
    assert asyncio.run(client.send(1, PRODUCE)) == "answer"
    assert client.did == ["ready", "check", "send"]


def test_a_produce_that_is_refused_is_not_sent_and_not_retried() -> None:
    client = FakeClient()

    def refuse() -> None:
        raise ExpelledError("too late")

    guard(client, refuse)
    with pytest.raises(ExpelledError, match="too late") as refused:
        asyncio.run(client.send(1, PRODUCE))
    assert client.did == ["ready"]
    assert not refused.value.retriable, "otherwise the producer would try again later"


def test_other_requests_are_not_checked() -> None:
    client = FakeClient()

    def refuse() -> None:
        raise ExpelledError("too late")

    guard(client, refuse)
    assert asyncio.run(client.send(1, MetadataRequest([]))) == "answer"
    assert client.did == ["send"]
