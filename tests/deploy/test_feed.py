"""The feed of the compose stack: each record at its time, unchanged."""

import asyncio
import io
import time
from collections.abc import Iterator

import pytest

from deploy import feed
from streams.config.load import settings_from
from streams.replay.lines import Line, SourceError, read_lines


def line(at_ms: int, value: bytes = b'{"event_id":"e"}', topic: str = "authorizations") -> bytes:
    return b'{"topic":"%b","key":"k","at_ms":%d,"value":%b}\n' % (topic.encode(), at_ms, value)


class FakeProducer:
    """Keeps records and acknowledges them one turn of the loop later."""

    def __init__(self, **_options: object) -> None:
        self.sent: list[tuple[str, bytes, bytes]] = []
        self.times_ms: list[int] = []
        self.acknowledged = 0

    async def __aenter__(self) -> "FakeProducer":
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self.acknowledged == len(self.sent), "the feed must end after all acknowledgements"

    async def send(self, topic: str, *, value: bytes, key: bytes, timestamp_ms: int) -> "asyncio.Future[None]":
        self.sent.append((topic, key, value))
        self.times_ms.append(timestamp_ms)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(self._acknowledge, future)
        return future

    def _acknowledge(self, future: "asyncio.Future[None]") -> None:
        self.acknowledged += 1
        future.set_result(None)


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> FakeProducer:
    fake = FakeProducer()
    monkeypatch.setattr(feed, "AIOKafkaProducer", lambda **_: fake)
    return fake


def lines(*texts: bytes) -> Iterator[Line]:
    return read_lines(io.BytesIO(b"".join(texts)), "test")


def test_records_go_byte_for_byte_to_the_topics_of_the_configuration(producer: FakeProducer) -> None:
    settings = settings_from({"topics": {"prefix": "t-", "names": {"merchants": "shops"}}}, origin="test")
    odd = b'{ "event_id" : "e",  "x": 1.50 }'
    sent = asyncio.run(
        feed.feed(settings, lines(line(0, topic="merchants"), line(1, odd), line(2, topic="fraud-reports")))
    )
    assert sent == 3
    assert [topic for topic, _, _ in producer.sent] == ["t-shops", "t-authorizations", "t-fraud-reports"]
    assert producer.sent[1] == ("t-authorizations", b"k", odd)
    assert producer.times_ms == [0, 1, 2]


def test_everything_is_acknowledged_before_the_feed_ends(producer: FakeProducer) -> None:
    count = 2 * feed.IN_FLIGHT_MAX + 7
    texts = [line(at_ms) for at_ms in range(count)]
    assert asyncio.run(feed.feed(settings_from({}, origin="test"), lines(*texts))) == count
    assert len(producer.sent) == producer.acknowledged == count


def test_a_record_of_the_future_waits_for_its_time_and_one_of_the_past_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    now_s = 1_000.0

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def collect() -> list[int]:
        return [item.at_ms async for item in feed.due(lines(line(500_000), line(1_002_500)))]

    monkeypatch.setattr(time, "time", lambda: now_s)
    monkeypatch.setattr(feed.asyncio, "sleep", sleep)
    assert asyncio.run(collect()) == [500_000, 1_002_500]
    assert waits == [2.5]


def test_a_line_that_the_simulator_would_not_write_ends_the_feed(producer: FakeProducer) -> None:
    with pytest.raises(SourceError, match="line 2"):
        asyncio.run(feed.feed(settings_from({}, origin="test"), lines(line(0), b"{}\n")))
