"""No produce leaves for the broker once another worker may have the partitions."""

import asyncio
from typing import Any

import pytest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest

from streams.kafka.fence.lease import ExpelledError, guard

PRODUCE = ProduceRequest(transactional_id=None, required_acks=-1, timeout=1, topics=[])


class FakeClient:
    """Be aiokafka's client, whose connection takes a moment."""

    def __init__(self) -> None:
        self.did: list[str] = []

    async def ready(self, _node: int, *, group: Any = None) -> bool:
        await asyncio.sleep(0)
        self.did.append("ready")
        return True

    async def send(self, _node: int, _request: Any, *, group: Any = None) -> str:
        self.did.append("send")
        return "answer"


def test_a_produce_is_checked_when_the_connection_is_there_and_right_before_it_leaves() -> None:
    client = FakeClient()
    guard(client, lambda: client.did.append("check"))
    assert asyncio.run(client.send(1, PRODUCE)) == "answer"
    assert client.did == ["ready", "check", "send"]


def test_a_produce_that_is_refused_does_not_leave_and_is_not_tried_again() -> None:
    client = FakeClient()

    def refuse() -> None:
        raise ExpelledError("too late")

    guard(client, refuse)
    with pytest.raises(ExpelledError, match="too late") as refused:
        asyncio.run(client.send(1, PRODUCE))
    assert client.did == ["ready"]
    assert not refused.value.retriable, "or the producer would keep it for later"


def test_other_requests_are_not_checked() -> None:
    client = FakeClient()

    def refuse() -> None:
        raise ExpelledError("too late")

    guard(client, refuse)
    assert asyncio.run(client.send(1, MetadataRequest([]))) == "answer"
    assert client.did == ["send"]
