"""A restored partition has the state of one exact input: rows up to the last marker, no part of an unfinished flush."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from aiokafka.structs import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import json

from scoring.profile.changelog import LAYOUT
from scoring.profile.kernels.store import STORES
from scoring.profile.packed import ROW_FORMAT
from streams.kafka.fence import ProducerIdentity
from streams.state.changelog_writer import FlushError, OwnedPartition
from streams.state.log.marker import KEY, StateFormatError
from streams.state.published import Since
from streams.state.restore import Input, Restorer
from tests.examples import examples
from tests.profile.events import Event, at, ids
from tests.profile.outcomes.conversations import arrivals
from tests.state.fakes import (
    TOPICS,
    Crashed,
    FakeBroker,
    FakeConsumer,
    FakeFence,
    FakeReader,
    ProfileEngine,
    new_writer,
    owned_at,
)

ENDS = Since(decisions=40, alerts={0: 4}, dead_letters={0: 6})
CARDS, SHARED = TOPICS.card_profiles, TOPICS.shared_profiles
EVENTS_IN, OUTCOMES_IN, REPORTS_IN = TOPICS.inputs


def an_input(
    end: int = 1_000,
    committed: Mapping[str, int] | None = None,
    ends: Mapping[str, int] | None = None,
    begins: Mapping[str, int] | None = None,
) -> Input:
    return Input(
        committed={**dict.fromkeys(TOPICS.inputs), **(committed or {})},
        begins={**dict.fromkeys(TOPICS.inputs, 0), **(begins or {})},
        ends={**dict.fromkeys(TOPICS.inputs, end), **(ends or {})},
    )


async def restore(
    broker: FakeBroker, engine: ProfileEngine, at: Input | None = None, partition: int = 0
) -> tuple[OwnedPartition, list[tuple[int, int]]]:
    heard: list[tuple[int, int]] = []
    restorer = Restorer(FakeReader(broker), TOPICS, engine.changelog, engine.profiles.partitions)  # type: ignore[arg-type]
    owned = await restorer.restore(partition, at or an_input(), ENDS, lambda done, total: heard.append((done, total)))
    return owned, heard


class Run:
    """A worker of partition 0 that may die, on a broker that does not."""

    def __init__(self, partitions: int = 1, *, is_fenced: bool = False) -> None:
        self.partitions = partitions
        self.is_fenced = is_fenced
        self.broker = FakeBroker()
        self.start(owned_at(0))

    def start(self, owned: OwnedPartition, engine: ProfileEngine | None = None) -> None:
        self.engine, self.consumer = engine or ProfileEngine(self.partitions), FakeConsumer()
        self.writer = new_writer(self.broker, self.engine, self.consumer, self.partitions)
        self.writer.owned[0] = owned

    def feed(self, events: Sequence[Event], names: Sequence[int], first: int = 0) -> list[bytes]:
        found = [self.engine.feed(event, name)[0] for event, name in zip(events, names, strict=True)]
        self.consumer.apply(TOPICS.authorizations, 0, first + len(events))
        return found

    async def restart(self, at: Input | None = None) -> OwnedPartition:
        engine = ProfileEngine(self.partitions)
        identity = await self.take() if self.is_fenced else None
        owned, _ = await restore(self.broker, engine, at)
        owned.identity = identity
        self.start(owned, engine)
        return owned

    async def take(self) -> ProducerIdentity:
        return await FakeFence(self.broker).take(0, [TopicPartition(topic, 0) for topic in (CARDS, SHARED)])

    def compact(self) -> None:
        for topic in (CARDS, SHARED):
            self.broker.compact(TopicPartition(topic, 0))


def test_without_a_marker_the_state_is_empty_and_all_outputs_are_scanned() -> None:
    owned, heard = asyncio.run(restore(FakeBroker(), ProfileEngine(), an_input(50, begins={EVENTS_IN: 7})))
    assert (owned.applied[TOPICS.authorizations], owned.applied[TOPICS.fraud_reports], owned.shared) == (7, 0, 0)
    assert owned.since == Since(decisions=0, alerts=ENDS.alerts, dead_letters=ENDS.dead_letters)
    assert (owned.published_until[EVENTS_IN], owned.published_until[REPORTS_IN]) == (7, 0), "nothing was published"
    assert owned.unflushed, "a marker must be written before the first event"
    assert heard == [(0, 0)]


def test_a_group_that_committed_without_profiles_continues_at_its_commit(caplog: pytest.LogCaptureFixture) -> None:
    owned, _ = asyncio.run(restore(FakeBroker(), ProfileEngine(), an_input(50, {EVENTS_IN: 30, REPORTS_IN: 2})))
    assert (owned.applied[TOPICS.authorizations], owned.applied[TOPICS.fraud_reports], owned.since) == (30, 2, ENDS)
    assert "profiles_missing partition=0 committed=30" in caplog.text


async def flushed(run: Run, events: Sequence[Event], names: Sequence[int]) -> None:
    run.feed(events, names)
    await run.writer.flush()


@settings(max_examples=examples(30))
@given(arrivals, st.data(), st.sampled_from([1, 3]), st.booleans())
def test_a_crash_anywhere_in_a_flush_or_a_restore_changes_no_bit(
    events: list[Event], data: st.DataObject, partitions: int, is_fenced: bool
) -> None:
    """After each crash, the events of one partition are applied again from the last marker.

    With a fence the log cleaner may run at any time, also before the rows that a crash left are handled.
    """
    names = ids(events)
    alone = ProfileEngine(partitions)
    expected = [alone.feed(event, name) for event, name in zip(events, names, strict=True)]

    async def play() -> None:
        run, at = Run(partitions, is_fenced=is_fenced), 0
        if is_fenced:
            run.writer.owned[0].identity = await run.take()
        while at < len(events):
            some = data.draw(st.integers(1, 8), label="events")
            until = min(at + some, len(events))
            for number in range(at, until):
                assert run.engine.feed(events[number], names[number]) == expected[number]
            run.consumer.apply(TOPICS.authorizations, 0, until)
            run.broker.fuse = data.draw(st.one_of(st.none(), st.integers(0, 25)), label="flush")
            try:
                await run.writer.flush()
                at = until
            except Crashed:
                run.broker.fuse = data.draw(st.integers(0, 25), label="restore")
                while True:
                    if is_fenced and data.draw(st.booleans(), label="compaction of what a crash left"):
                        run.compact()
                    try:
                        owned = await run.restart()
                        await run.writer.flush([0])
                        break
                    except Crashed:
                        run.broker.fuse = data.draw(st.integers(5, 60), label="restore again")
                assert owned.applied[TOPICS.authorizations] <= until
                at = owned.applied[TOPICS.authorizations]
            if data.draw(st.booleans(), label="compaction"):
                run.compact()

    asyncio.run(play())


def test_rows_behind_the_marker_are_written_again_or_deleted_by_tombstones() -> None:
    async def play() -> None:
        run = Run()
        await flushed(run, EVENTS[:10], NAMES[:10])
        run.writer.producer.fails["marker"] = TimeoutError()  # type: ignore[attr-defined]
        run.feed(EVENTS[10:], NAMES[10:], 10)
        with pytest.raises(FlushError):
            await run.writer.flush()
        cut = {key for topic in (CARDS, SHARED) for key in run.broker.keys(topic) if key != KEY}
        owned = await run.restart()
        assert (owned.applied[TOPICS.authorizations], owned.unflushed) == (10, True)
        before = len(run.broker.written)
        await run.writer.flush()
        again = {key for _, key in run.broker.written[before:]}
        behind = {key for key in cut if key in again}
        assert behind
        run.compact()
        once_more, whole = ProfileEngine(), ProfileEngine()
        await restore(run.broker, once_more)
        for event, name in zip(EVENTS[:10], NAMES[:10], strict=True):
            whole.feed(event, name)
        assert once_more.profiles.sizes() == whole.profiles.sizes()
        assert [once_more.feed(event, name) for event, name in zip(EVENTS[10:], NAMES[10:], strict=True)] == [
            whole.feed(event, name) for event, name in zip(EVENTS[10:], NAMES[10:], strict=True)
        ]

    asyncio.run(play())


def some_events(count: int) -> list[Event]:
    random = np.random.default_rng(3)
    return [
        Event(time_ms=1_700_006_400_000 + 1_000 * number, card=1 + int(random.integers(5)), device=1 + number % 7)
        for number in range(count)
    ]


EVENTS = some_events(30)
NAMES = ids(EVENTS)


def test_shared_rows_behind_the_last_complete_flush_are_ignored() -> None:
    """A flush that ended between its two markers: the shared rows look complete, and are not."""

    async def play() -> None:
        run = Run()
        await flushed(run, EVENTS[:10], NAMES[:10])
        shared_end = run.broker.end(TopicPartition(SHARED, 0))
        run.writer.producer.fails[f"{CARDS} marker"] = TimeoutError()  # type: ignore[attr-defined]
        run.feed(EVENTS[10:], NAMES[10:], 10)
        with pytest.raises(FlushError):
            await run.writer.flush()
        assert run.broker.keys(SHARED).count(KEY) == 2
        owned = await run.restart()
        assert (owned.applied[TOPICS.authorizations], owned.shared) == (10, shared_end)
        alone = ProfileEngine()
        for event, name in zip(EVENTS[:10], NAMES[:10], strict=True):
            alone.feed(event, name)
        assert run.engine.feed(EVENTS[10], NAMES[10]) == alone.feed(EVENTS[10], NAMES[10])

    asyncio.run(play())


def test_what_was_published_after_the_marker_is_known() -> None:
    async def play() -> None:
        run = Run()
        await flushed(run, EVENTS[:10], NAMES[:10])
        for number in range(60):
            tp = TopicPartition(TOPICS.decisions, 0)
            run.broker.append(tp, b"card", json.encode({"decision_id": f"e-{number}"}))
        owned = await run.restart()
        assert len(owned.published.of[TOPICS.authorizations].decisions) == 60
        assert set(owned.published_until.values()) == {1_000}, "any waiting event may be published already"
        assert owned.since == Since(decisions=0, alerts={0: 0}, dead_letters={0: 0})

    asyncio.run(play())


def test_progress_is_reported_in_records_up_to_the_end() -> None:
    async def play() -> None:
        run = Run()
        await flushed(run, EVENTS, NAMES)
        _, heard = await restore(run.broker, ProfileEngine())
        total = run.broker.end(TopicPartition(CARDS, 0)) - 1 + run.broker.end(TopicPartition(SHARED, 0))
        assert heard[-1] == (total, total)
        assert heard == sorted(heard)
        assert len(heard) > 5

    asyncio.run(play())


def test_with_one_partition_rows_and_eviction_cursors_return_to_their_places() -> None:
    async def play(partitions: int) -> list[int]:
        run = Run(partitions)
        run.feed(EVENTS, NAMES)
        eviction_cursors = [number % 3 for number in range(len(run.engine.changelog.eviction_cursors))]
        run.engine.changelog.eviction_cursors = eviction_cursors
        await run.writer.flush()
        await run.restart()
        return run.engine.changelog.eviction_cursors

    assert asyncio.run(play(1)) == [number % 3 for number in range(STORES)]
    assert asyncio.run(play(3)) == [0] * STORES


def test_a_partition_that_was_followed_is_restored_from_nothing() -> None:
    """The rows that were followed may be ahead of the last marker."""

    async def play() -> None:
        run = Run(3)
        await flushed(run, EVENTS[:10], NAMES[:10])
        other, alone = ProfileEngine(3), ProfileEngine(3)
        ahead = ProfileEngine(3)
        for event, name in zip([*EVENTS, Event(device=99)], [*NAMES, 7], strict=True):
            ahead.feed(event, name)
        other.changelog.restore(0, ahead.changelog.flush(0)[1])
        await restore(run.broker, other)
        for event, name in zip(EVENTS[:10], NAMES[:10], strict=True):
            alone.feed(event, name)
        assert other.profiles.sizes() == alone.profiles.sizes()
        assert other.feed(EVENTS[10], NAMES[10]) == alone.feed(EVENTS[10], NAMES[10])

    asyncio.run(play())


def marker(**changes: Any) -> bytes:
    fields: dict[str, Any] = {"format": ROW_FORMAT, "layout": LAYOUT, "partitions": 1, "code": "9.9"}
    fields |= {"inputs": {"authorizations": 10, "fraud_reports": 3}, "decisions": 0, "alerts": {}, "dead_letters": {}}
    return json.encode({**fields, "shared": 0, "eviction_cursors": [0] * STORES, "time_ms": 1, **changes})


REFUSED = [
    ({"format": 99}, {}, ["rows have format 99", "version 9.9", "sekisho topics create"]),
    ({"layout": "x"}, {}, [f"rows have format {ROW_FORMAT}-x", "sekisho topics create"]),
    ({"partitions": 7}, {}, ["7 partitions", "now it has 1", "sekisho topics create"]),
    ({}, {"committed": {EVENTS_IN: 11}}, ["up to 10 (auth", "committed 11 (auth", "--reset-offsets"]),
    ({}, {"committed": {REPORTS_IN: 4}}, ["3 (fraud-reports)", "committed none (auth", "4 (fraud", "--reset-offsets"]),
    (
        {},
        {"committed": {OUTCOMES_IN: 1}},
        ["0 (authorization-outcomes)", "1 (authorization-outcomes), none (fraud-reports). Stop all workers"],
    ),
    ({}, {"ends": {EVENTS_IN: 9}}, ["up to 10 (auth", "ends at 9 (auth", "sekisho topics create"]),
    ({}, {"ends": {REPORTS_IN: 2}}, ["3 (fraud-reports)", "2 (fraud-reports)", "sekisho topics create"]),
    (
        {"inputs": {"authorizations": 0, "fraud_reports": 0, "authorization_outcomes": 8}},
        {"ends": {OUTCOMES_IN: 7}},
        [
            "8 (authorization-outcomes)",
            "7 (authorization-outcomes), ",
            " (fraud-reports): is it another",
            "sekisho topics create",
        ],
    ),
    ({"shared": 5}, {}, ["shared-profiles[0]", "ends at 0", "up to 5", "sekisho topics create"]),
]


@pytest.mark.parametrize(("written", "found", "words"), REFUSED)
def test_what_does_not_fit_is_refused_with_the_place_and_the_way_out(
    written: dict[str, Any], found: dict[str, Any], words: list[str]
) -> None:
    broker = FakeBroker()
    broker.append(TopicPartition(CARDS, 0), KEY, marker(**written))
    with pytest.raises(StateFormatError) as caught:
        asyncio.run(restore(broker, ProfileEngine(), an_input(**found)))
    for word in ("card-profiles[0]", *words):
        assert word in str(caught.value)


def test_a_row_of_another_format_is_refused_with_its_place() -> None:
    broker = FakeBroker()
    key = np.array([0, 5, 6], dtype="<u4").tobytes()
    broker.append(TopicPartition(CARDS, 0), key, np.array([99, 0, 0], dtype="<u4").tobytes())
    broker.append(TopicPartition(CARDS, 0), KEY, marker())
    with pytest.raises(StateFormatError, match=r"card-profiles\[0\] at 0 and later: row 0 has format 99"):
        asyncio.run(restore(broker, ProfileEngine()))


def test_input_that_retention_deleted_is_reported_as_lost(caplog: pytest.LogCaptureFixture) -> None:
    broker = FakeBroker()
    broker.append(TopicPartition(CARDS, 0), KEY, marker())
    owned, _ = asyncio.run(restore(broker, ProfileEngine(), an_input(begins={EVENTS_IN: 25})))
    assert owned.applied[TOPICS.authorizations] == 10
    assert "input_lost partition=0 from=10 to=25" in caplog.text


@pytest.mark.parametrize("is_compacted", [True, False])
@pytest.mark.parametrize("age_ms", [0, 601_000])
def test_rows_that_the_cleaner_may_have_deleted_are_reported(
    is_compacted: bool, age_ms: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A flush is cut after its rows. Before the next restore the cleaner keeps them as the newest of their keys."""

    async def play() -> Run:
        run = Run()
        await flushed(run, [at(second, card=second % 4) for second in range(8)], list(range(1, 9)))
        run.feed([at(10 + second, card=second % 4) for second in range(4)], list(range(11, 15)), 8)
        run.writer.producer.fails["marker"] = OSError()  # type: ignore[attr-defined]
        counted = len(run.broker.logs[TopicPartition(CARDS, 0)])
        with pytest.raises((FlushError, OSError)):
            await run.writer.flush()
        for topic in (CARDS, SHARED):
            tp, now_ms = TopicPartition(topic, 0), time.time_ns() // 1_000_000
            run.broker.logs[tp] = [record._replace(at_ms=now_ms - age_ms) for record in run.broker.logs[tp]]
            if is_compacted:
                run.broker.compact(tp)
        assert counted
        await run.restart()
        return run

    asyncio.run(play())
    told = [message for message in caplog.messages if message.startswith("rows_may_be_lost")]
    if is_compacted and age_ms:
        assert len(told) == 1
        assert told[0].startswith("rows_may_be_lost partition=0 rows=")
        assert told[0].endswith(" age_s=601")
    else:
        assert not told
