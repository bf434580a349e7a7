"""Any decision of a worker comes out again bit for bit from the topics, and what cannot is named."""

import asyncio
from contextlib import aclosing
from datetime import date
from typing import NamedTuple

import msgspec
import orjson
import pytest
from aiokafka.structs import TopicPartition

from scoring.policy import policy_from
from streams.config.settings import Settings
from streams.explain import topics as module
from streams.explain.portion import Times
from streams.explain.recount import Recount
from streams.explain.topics import Extent, InputTopics
from streams.kafka.topics import TopicsSettings
from streams.replay.lines import event_id_of
from tests.compliance.inputs.test_topics import Reader
from tests.events import encoded, token
from tests.examples import is_quick
from tests.explain.worker import NAMES, PARTITIONS, Worker, Written, new_engine, play, recorded
from tests.lists.test_decisions import EVENT_MS
from tests.merchants.months.test_standings import LINE, noon, report
from tests.state.fakes import FakeBroker

PAYMENTS = 100 if is_quick() else 450
REPLAYED = 100 if is_quick() else 300


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
    for name in names[::4] if is_quick() else names:
        made = again(worker.broker, name, monkeypatch)
        assert made.published == published[name]
        assert made.value == published[name], name
        assert made.extent.is_whole
        assert made.extent.partitions == PARTITIONS


def test_input_is_applied_in_the_order_in_which_the_worker_applied_it(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = max(worker.published().values(), key=lambda value: orjson.loads(value)["times"]["decided_ms"])
    name = orjson.loads(last)["decision_id"]
    monkeypatch.setattr(module, "LogReader", lambda *_, **__: Reader(worker.broker))

    async def run() -> list[tuple[str, int, int]]:
        async with InputTopics(Settings(topics=TopicsSettings(names=NAMES)), name, lambda _: None) as topics:
            extent = await topics.extent()
            place = await topics.find(extent)
            assert place is not None
            async with aclosing(topics.portions(extent, place)) as portions:
                return [(one.field, one.partition, offset) async for one in portions for offset in one.offsets]

    applied = asyncio.run(run())
    assert len(applied) > PAYMENTS
    assert applied == worker.applied[: len(applied)]
    assert {field for field, _, _ in applied} >= {"merchants", "authorization_outcomes", "threeds_results"}


def test_where_a_merchant_stands_comes_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Worker()
    merchant = {"acquirer_id": "acq-1", "merchant_id": "m-1"}
    records = [Written("merchants", 0, b"acq-1/m-1", orjson.dumps(merchant), noon(date(2026, 8, 1)))]
    for month in (8, 9):
        day = date(2026, month, 20)
        records.append(Written("fraud_reports", 1, b"k", orjson.dumps(report(day, LINE + 1, month)), noon(day)))
    at_ms = noon(date(2026, 10, 5))
    payment = encoded(event_ts="2026-10-05T03:00:00.000Z")
    play(made, [*records, Written("authorizations", 2, b"k", payment, at_ms)])
    published = made.published()["e-1"]
    assert orjson.loads(published)["compliance"]["standing"]["status"] == "WARNING"
    assert again(made.broker, "e-1", monkeypatch).value == published


def test_entries_of_the_topic_of_lists_come_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    made, names = Worker(), msgspec.structs.replace(NAMES, lists="lists")
    play(made, [Written("authorizations", 2, b"k", encoded(), EVENT_MS)])
    made.broker.logs[TopicPartition("lists", 0)] = []
    told = {"kind": "card", "effective_to": "2030-01-01T00:00:00Z"}
    entries = [(token("card-1"), orjson.dumps(told)), ("gone", orjson.dumps(told)), ("gone", None)]
    for value, said in entries:
        made.broker.append(TopicPartition("lists", 0), f"stolen/{value}".encode(), said, at_ms=EVENT_MS - 60_000)
    monkeypatch.setattr(module, "LogReader", lambda *_, **__: Reader(made.broker))
    rule = {"id": "stolen", "kind": "card", "direction": "deny", "action": "block", "source": "topic"}
    document = {"version": "t", "global": {"review": 1000, "step_up": 1000, "block": 1000}}
    policy = policy_from(document | {"lists": [rule | {"author": "a", "reason": "b"}]})

    async def run() -> Recount:
        async with InputTopics(Settings(topics=TopicsSettings(names=names)), "e-1", lambda _: None) as topics:
            extent = await topics.extent()
            place = await topics.find(extent)
            assert place is not None
            recount = Recount(new_engine(policy), "e-1", partitions=extent.partitions, topics=names)
            async with aclosing(topics.portions(extent, place)) as portions:
                async for portion in portions:
                    recount.take(portion)
            return recount

    recount = asyncio.run(run())
    assert recount.found is not None
    decision = orjson.loads(recount.found.value or b"")
    assert (decision["band"], [one["list"] for one in decision["list_hits"]]) == ("BLOCK", ["stolen"])
    assert recount.applied["lists"] == len(entries)


def test_input_that_retention_has_removed_is_told(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    name = orjson.loads(worker.broker.values(NAMES.decisions, 2)[-1])["decision_id"]
    tp = TopicPartition(NAMES.fraud_reports, 1)
    monkeypatch.setitem(worker.broker.begins, tp, 0)
    assert again(worker.broker, name, monkeypatch).extent.is_whole
    monkeypatch.setitem(worker.broker.begins, TopicPartition(NAMES.authorizations, 0), 3)
    assert not again(worker.broker, name, monkeypatch).extent.is_whole


def test_an_event_that_is_not_there_is_not_found(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    made = again(worker.broker, "e-none", monkeypatch)
    assert (made.value, made.published) == (None, None)


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
    for record in recorded(REPLAYED, seed=8):
        name = event_id_of(record.value or b"") if record.field == "authorizations" else None
        if name is None or name not in known:
            records.append(record)
        known.add(name)
    play(made, records, is_replayed=True)
    for name, value in sorted(made.published().items())[20 :: REPLAYED // 5]:
        assert again(made.broker, name, monkeypatch).value == value, name
