"""Any decision of a worker comes out again bit for bit from the topics, and what cannot is named."""

import asyncio
from contextlib import aclosing
from typing import NamedTuple

import orjson
import pytest

from streams.config.settings import Settings
from streams.explain import topics as module
from streams.explain.portion import Times
from streams.explain.recount import Recount
from streams.explain.topics import Extent, InputTopics
from streams.kafka.topics import TopicsSettings
from streams.replay.lines import event_id_of
from tests.compliance.inputs.test_topics import Reader
from tests.explain.worker import NAMES, PARTITIONS, Worker, new_engine, play, recorded
from tests.state.fakes import FakeBroker

PAYMENTS = 450


class Again(NamedTuple):
    """A recomputed decision with the published one."""

    value: bytes | None
    published: bytes | None
    extent: Extent
    recount: Recount


def again(broker: FakeBroker, event_id: str, monkeypatch: pytest.MonkeyPatch, since_ms: int | None = None) -> Again:
    monkeypatch.setattr(module, "LogReader", lambda *_, **__: Reader(broker))
    settings = Settings(topics=TopicsSettings(names=NAMES))

    async def run() -> Again:
        async with InputTopics(settings, event_id, lambda _: None, since_ms=since_ms) as topics:
            extent = await topics.extent()
            place = await topics.find(extent)
            recount = Recount(new_engine(), event_id, partitions=extent.partitions, topics=NAMES)
            if place is None:
                return Again(None, None, extent, recount)
            async with aclosing(topics.portions(extent, place)) as portions:
                async for portion in portions:
                    if topics.published is not None:
                        times = orjson.loads(topics.published)["times"]
                        recount.times = Times(times["received_ms"], times["decided_ms"])
                    recount.take(portion)
            found = None if recount.found is None else recount.found.value
            return Again(found, topics.published, extent, recount)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def worker() -> Worker:
    made = Worker()
    play(made, recorded(PAYMENTS))
    return made


def test_decisions_of_all_partitions_come_out_bit_for_bit(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    published = worker.published()
    longest = sorted(published, key=lambda name: len(published[name]))[-4:]
    names = [*sorted(published)[:: len(published) // 6], *longest]
    for name in names:
        made = again(worker.broker, name, monkeypatch)
        assert made.published == published[name]
        assert made.value == published[name], name
        assert made.extent.is_whole
        assert made.extent.partitions == PARTITIONS


def test_the_history_matters_or_the_test_above_says_nothing(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    published = worker.published()
    last = orjson.loads(worker.broker.values(NAMES.decisions, 1)[-1])
    made = again(worker.broker, last["decision_id"], monkeypatch, since_ms=last["times"]["record_ms"])
    assert made.value is not None
    assert made.value != published[last["decision_id"]]
    assert not made.extent.is_whole


def test_a_table_that_was_replayed_with_old_times_comes_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Payments have the times of their events; all else was written when it was sent."""
    made, known = Worker(), set[str | None]()
    records = []
    for record in recorded(300, seed=8):
        name = event_id_of(record.value or b"") if record.field == "authorizations" else None
        if name is None or name not in known:
            records.append(record)
        known.add(name)
    play(made, records, is_replayed=True)
    for name, value in sorted(made.published().items())[20::60]:
        assert again(made.broker, name, monkeypatch).value == value, name
