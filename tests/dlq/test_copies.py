"""What is sent is sent in order, waited for, and named if it failed."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from streams.dlq.sending import Sender, outgoing
from tests.dlq.fakes import record


class FakeProducer:
    """Refuse `now` at once and `later` with the acknowledgement; fail on `bug`."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []

    async def send(self, topic: str, value: bytes, **fields: Any) -> "asyncio.Future[str]":
        if value == b"now":
            raise MessageSizeTooLargeError
        self.taken.append({"topic": topic, "value": value, **fields})
        ack: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if value == b"later":
            ack.set_exception(KafkaTimeoutError())
        elif value == b"bug":
            ack.set_exception(AssertionError("a bug"))
        else:
            ack.set_result("there")
        return ack


def send(*values: bytes) -> tuple[list[str], FakeProducer]:
    client = FakeProducer()
    records = [outgoing(record("t", 2, offset, b"old"), value) for offset, value in enumerate(values)]
    return asyncio.run(Sender(client).send(records)), client


def test_records_go_to_their_partition_in_order() -> None:
    failures, client = send(b"a", b"b", b"c")
    assert failures == []
    assert [taken["value"] for taken in client.taken] == [b"a", b"b", b"c"]
    assert client.taken[1] == {
        "topic": "t",
        "value": b"b",
        "key": b"k",
        "partition": 2,
        "timestamp_ms": 1_001,
        "headers": [
            ("sekisho-redrive-topic", b"t"),
            ("sekisho-redrive-partition", b"2"),
            ("sekisho-redrive-offset", b"1"),
        ],
    }


def test_every_failure_is_named_and_the_others_are_sent() -> None:
    failures, client = send(b"later", b"a", b"now", b"b")
    assert sorted(failures) == ["KafkaTimeoutError", "MessageSizeTooLargeError"]
    assert [taken["value"] for taken in client.taken] == [b"later", b"a", b"b"]


def test_a_bug_is_not_taken_for_a_failure_of_the_broker() -> None:
    with pytest.raises(AssertionError, match="a bug"):
        send(b"a", b"bug")


def test_a_copy_names_its_own_original_only() -> None:
    first = outgoing(record("t", 2, 5, b"v"), b"v")
    copy = outgoing(record("t", 2, 9, b"v", headers=first.headers), b"v")
    assert len(copy.headers) == 3
    assert dict(copy.headers)["sekisho-redrive-offset"] == b"9"
