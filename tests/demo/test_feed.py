"""The feed sends merchants, then history, then the live day, each complete and in order."""

import asyncio
import io
from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import orjson

from scoring.outputs import Record
from streams.demo.feed import DAY_MS, Feed
from streams.demo.state import State
from streams.demo.trouble import TROUBLES
from streams.kafka.settings import Topics
from tests.events import event

START_MS = 1_772_290_800_000


class Broker:
    """Accepts records and answers every event at once."""

    def __init__(self, state: State) -> None:
        self.sent: list[tuple[str, Record]] = []
        self.stamps: list[int] = []
        self._state = state

    async def send(self, topic: str, records: Sequence[Record], times_ms: Sequence[int]) -> None:
        self.sent += [(topic, record) for record in records]
        if topic == "authorizations":
            self.stamps += times_ms
        self._state.ledger.dead_letters["ANY"] = len(self._state.event_ms)  # every event is answered

    async def flush(self) -> None:
        """Do nothing: no record is held back."""


def stream() -> tuple[bytes, list[str], list[str]]:
    """Lines of two merchants, a day of history and a live day of 40 events each with a report in between."""
    lines: list[dict[str, Any]] = [
        {"topic": "merchants", "key": f"a/m{i}", "at_ms": START_MS, "value": {"merchant_id": f"m{i}"}} for i in (1, 2)
    ]
    past, live = [f"p-{i}" for i in range(40)], [f"l-{i}" for i in range(40)]
    for day, names in enumerate((past, live)):
        for i, name in enumerate(names):
            at_ms = START_MS + day * DAY_MS + i * DAY_MS // 40
            lines.append({"topic": "authorizations", "key": "k", "at_ms": at_ms, "value": event(event_id=name)})
        lines.append({"topic": "fraud-reports", "key": "k", "at_ms": at_ms, "value": {"label_id": f"r{day}"}})
    return b"".join(orjson.dumps(line) + b"\n" for line in lines), past, live


@cache
def played() -> tuple[State, Broker, dict[str, int]]:
    """Play the stream once for all tests: the live day takes its time."""
    return asyncio.run(play())


async def play() -> tuple[State, Broker, dict[str, int]]:
    text, _, _ = stream()
    state = State(1.0)
    broker = Broker(state)
    feed = Feed(io.BytesIO(text), cast(Any, broker), Topics(), state, history_days=1, check=lambda: None)
    marks = {}
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(feed.fetch())
        assert await feed.merchants() == 2
        marks["merchants"] = len(broker.sent)
        await feed.history()
        marks["history"] = len(broker.sent)
        await feed.live(0.5)
    return state, broker, marks


def test_everything_is_sent_once_in_order_and_the_day_after_history() -> None:
    state, broker, marks = played()
    _, past, live = stream()
    topics = [topic for topic, _ in broker.sent]
    assert topics[: marks["merchants"]] == ["merchants", "merchants"]
    events = [
        orjson.loads(value)["event_id"]
        for topic, (_, value) in broker.sent
        if topic == "authorizations" and value.endswith(b"}") and b"trouble-" not in value
    ]
    firsts = [name for name in dict.fromkeys(events) if not name.isdigit()]  # one event's id looks like a card number
    assert firsts == past + live
    before = [value for topic, (_, value) in broker.sent[: marks["history"]] if topic == "authorizations"]
    assert [orjson.loads(value)["event_id"] for value in before] == past
    assert topics.count("fraud-reports") == state.reports == 2
    assert [state.is_live(name) for name in ("p-39", "l-0")] == [False, True]


def test_records_carry_the_time_of_the_simulated_days() -> None:
    _, broker, _ = played()
    stamps = sorted(set(broker.stamps))
    assert len(broker.stamps) == 80 + len(TROUBLES)
    assert stamps == [START_MS + i * DAY_MS // 40 for i in range(80)]


def test_trouble_is_part_of_the_live_day() -> None:
    _, broker, marks = played()
    assert len(broker.sent) == 2 + 40 + 40 + 2 + len(TROUBLES)
    assert not any(b"trouble-" in value for _, (_, value) in broker.sent[: marks["history"]])
