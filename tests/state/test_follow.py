"""Rows of other workers are applied flush by flush, and the lag of following is measured."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from streams.kafka.errors import UnreadableError
from streams.state import follow
from streams.state.agreement import Agreement, SettingsDifferError
from streams.state.follow import Follower
from streams.state.log.marker import KEY, StateFormatError
from tests.profile.events import at
from tests.state.fakes import (
    TOPICS,
    FakeBroker,
    FakeConsumer,
    FakeReader,
    FlushTelemetry,
    ProfileEngine,
    new_writer,
    owned_at,
    worker_settings,
)
from tests.state.test_restore import marker

PARTITIONS = 3
SHARED = TOPICS.shared_profiles
DELAY = "lists.delay_s"
OWN = Agreement({DELAY: "30", "profiles.joined": "[]"}, started_ms=2_000)


class Pair:
    """An owner of partition 0, and a worker of partition 1 that follows the others."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broker = FakeBroker()
        self.owner, self.consumer = ProfileEngine(PARTITIONS), FakeConsumer()
        self.writer = new_writer(self.broker, self.owner, self.consumer, PARTITIONS)
        self.writer.owned[0] = owned_at(0)
        self.engine, self.telemetry = ProfileEngine(PARTITIONS), FlushTelemetry()
        self.reader = FakeReader(self.broker)
        monkeypatch.setattr(follow, "LogReader", lambda *_, **__: self.reader)
        self.follower = Follower(worker_settings(), self.engine, self.telemetry, OWN)
        self.fed = 0

    def feed(self, count: int = 10) -> None:
        """Apply events with new devices at the owner."""
        for _ in range(count):
            self.fed += 1
            self.owner.feed(at(self.fed, device=self.fed), self.fed, 0)
        self.consumer.apply(TOPICS.authorizations, 0, self.fed)

    async def flush(self) -> None:
        await self.writer.flush()

    @property
    def seen(self) -> int:
        """Count the devices that the follower has seen."""
        return {entity.name: size for entity, size in self.engine.profiles.sizes().items()}["DEVICE"]

    async def look(self) -> None:
        async with self.follower._looking:
            await self.follower._look()

    async def catch_up(self, *own: int) -> None:
        await self.follower.catch_up(own or (1,), PARTITIONS)

    def lags_s(self) -> dict[int, float]:
        return self.follower._lags_s()


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Pair], Awaitable[None]]], None]:
    def run(scenario: Callable[[Pair], Awaitable[None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(20):
                await scenario(Pair(monkeypatch))

        asyncio.run(bounded())

    return run


Runs = Callable[[Callable[[Pair], Awaitable[None]]], None]


def cut_off(pair: Pair) -> None:
    """End the owner between its rows and their marker."""
    pair.writer.producer.fails["marker"] = TimeoutError()  # type: ignore[attr-defined]


async def died(pair: Pair) -> None:
    cut_off(pair)
    with pytest.raises(Exception, match="not durable"):
        await pair.flush()
    pair.writer.producer.fails.clear()  # type: ignore[attr-defined]


def test_rows_are_applied_once_their_marker_is_there(play: Runs) -> None:
    async def scenario(pair: Pair) -> None:
        await pair.catch_up()
        pair.feed()
        await pair.flush()
        await pair.look()
        assert pair.seen == 10
        pair.feed()
        await died(pair)
        await pair.look()
        await pair.look()
        assert pair.seen == 10
        pair.broker.append(TopicPartition(SHARED, 0), KEY, marker(partitions=PARTITIONS))
        await pair.look()
        assert pair.seen == 20
        assert pair.follower._followed[0].keys == []

    play(scenario)


def test_a_partial_flush_at_catch_up_is_not_applied_either(play: Runs) -> None:
    async def scenario(pair: Pair) -> None:
        pair.feed()
        await pair.flush()
        pair.feed()
        await died(pair)
        await pair.catch_up()
        assert pair.seen == 10
        assert pair.lags_s()[0] > 1e6, "the rows have the time 1,000 ms since the epoch"
        pair.broker.append(TopicPartition(SHARED, 0), KEY, marker(partitions=PARTITIONS))
        await pair.look()
        assert pair.seen == 20

    play(scenario)


def test_markers_that_compaction_deleted_are_not_waited_for(play: Runs) -> None:
    async def scenario(pair: Pair) -> None:
        for _ in range(4):
            pair.feed()
            await pair.flush()
        tp = TopicPartition(SHARED, 0)
        pair.broker.compact(tp)
        assert pair.broker.keys(SHARED).count(KEY) == 1
        await pair.catch_up()
        assert pair.seen == 40

    play(scenario)


def test_a_log_without_rows_or_markers_is_followed_from_its_start(play: Runs) -> None:
    async def scenario(pair: Pair) -> None:
        await pair.catch_up()
        assert sorted(pair.follower._followed) == [0, 2]
        pair.feed()
        await pair.flush()
        await pair.look()
        assert pair.seen == 10

    play(scenario)


def test_a_partition_that_this_worker_owned_is_followed_from_its_marker(play: Runs) -> None:
    async def scenario(pair: Pair) -> None:
        pair.feed()
        await pair.flush()
        await pair.catch_up()
        pair.follower.stop_following([0])
        read = pair.broker.end(TopicPartition(SHARED, 0))
        pair.follower.follow_from(0, read)
        pair.feed()
        await pair.flush()
        pair.broker.begins[TopicPartition(SHARED, 0)] = 0
        del pair.broker.logs[TopicPartition(SHARED, 0)][:read]  # it must not be read again
        await pair.look()
        assert pair.seen == 20

    play(scenario)


def test_a_partition_assigned_in_the_middle_of_a_look_is_not_changed_by_it(play: Runs) -> None:
    async def scenario(pair: Pair) -> None:
        await pair.catch_up()
        pair.feed(40)
        await pair.flush()
        looking = asyncio.create_task(pair.look())
        while not pair.follower._followed[0].position:
            await asyncio.sleep(0)
        pair.follower.stop_following([0])
        pair.engine.changelog.forget_shared(0)  # as a restore does first
        await looking
        assert pair.seen == 0
        assert 0 not in pair.follower._followed

    play(scenario)


def test_rows_are_applied_in_slices_so_that_other_tasks_run(play: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "APPLY_ROWS", 5)

    async def scenario(pair: Pair) -> None:
        pair.feed(40)
        await pair.flush()
        sizes, restore = [], pair.engine.changelog.restore

        def noted(partition: int, packed: Any) -> None:
            sizes.append(len(packed))
            restore(partition, packed)

        monkeypatch.setattr(pair.engine.changelog, "restore", noted)
        await pair.catch_up(1)
        assert max(sizes) <= 5
        assert sum(sizes) == pair.broker.keys(SHARED).__len__() - 1
        assert pair.seen == 40

    play(scenario)


def test_a_missing_marker_shows_as_lag_until_it_comes(play: Runs) -> None:
    async def scenario(pair: Pair) -> None:
        await pair.catch_up()
        pair.feed()
        await pair.flush()
        await pair.look()
        assert max(pair.lags_s().values()) < 60
        assert sorted(pair.lags_s()) == [0, 2]
        pair.feed()
        await died(pair)
        await pair.look()
        lags_s = pair.lags_s()
        assert lags_s[0] > 1e6
        assert lags_s[2] < 60
        pair.broker.append(TopicPartition(SHARED, 0), KEY, marker(partitions=PARTITIONS))
        await pair.look()
        assert max(pair.lags_s().values()) < 60

    play(scenario)


def test_looks_that_read_nothing_show_as_lag(play: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(pair: Pair) -> None:
        await pair.catch_up()
        pair.reader.fails = True
        with pytest.raises(UnreadableError):
            await pair.look()
        pair.follower._looked_ns -= 90 * 10**9
        assert min(pair.lags_s().values()) >= 90

    play(scenario)


def test_a_followed_partition_that_cannot_be_read_ends_the_worker(play: Runs) -> None:
    async def scenario(pair: Pair) -> None:
        await pair.catch_up()
        tp = TopicPartition(SHARED, 2)
        pair.broker.append(tp, KEY, marker(partitions=PARTITIONS, layout="other"))
        with pytest.raises(StateFormatError, match=r"shared-profiles\[2\]: rows have format .*-other"):
            await pair.look()

    play(scenario)


def test_rows_of_another_format_are_refused_with_their_place(play: Runs) -> None:
    async def scenario(pair: Pair) -> None:
        await pair.catch_up()
        pair.feed(1)
        await pair.flush()
        log = pair.broker.logs[TopicPartition(SHARED, 0)]
        log[0] = log[0]._replace(value=b"\x63\0\0\0" + (log[0].value or b"")[4:])
        with pytest.raises(StateFormatError, match=r"shared-profiles\[0\]: row 0 has format 99"):
            await pair.look()

    play(scenario)


def test_too_many_rows_without_a_marker_end_the_worker(play: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "ROWS_HELD_MAX", 12)

    async def scenario(pair: Pair) -> None:
        await pair.catch_up()
        pair.feed(20)
        await died(pair)
        with pytest.raises(StateFormatError, match=r"shared-profiles\[0\]: 1\d rows without a marker"):
            await pair.look()

    play(scenario)


def test_a_look_under_way_does_not_fail_a_worker_that_stops(play: Runs) -> None:
    """The reader is closed after the last read. A closed reader would fail the look, and so an orderly stop."""

    async def scenario(pair: Pair) -> None:
        await pair.follower.start()
        await pair.catch_up()
        pair.reader.answering.clear()
        while not pair.follower._looking.locked():
            await asyncio.sleep(0)
        stopping = asyncio.create_task(pair.follower.stop())
        await asyncio.sleep(0)
        pair.reader.answering.set()
        await stopping
        assert pair.follower.crash_reason is None
        assert pair.reader.is_closed

    play(scenario)


@pytest.mark.parametrize("started_ms", [1_000, 2_000])
def test_another_value_of_a_shared_setting_at_a_worker_that_started_before_ends_this_one(
    play: Runs, started_ms: int
) -> None:
    async def scenario(pair: Pair) -> None:
        pair.writer._agreement = Agreement({DELAY: "10"}, started_ms)
        await pair.catch_up()
        pair.feed()
        await pair.flush()
        with pytest.raises(SettingsDifferError) as ended:
            await pair.look()
        told = str(ended.value)
        for word in (f"{DELAY} is 30 here, and 10", f"{SHARED}[0]", f"Set {DELAY} to 10", "stop all workers"):
            assert word in told

    play(scenario)


def test_another_value_at_a_worker_that_started_later_is_told_and_ends_that_one(
    play: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(pair: Pair) -> None:
        pair.writer._agreement = Agreement({DELAY: "10"}, 2_001)
        await pair.catch_up()
        pair.feed()
        await pair.flush()
        await pair.look()
        assert pair.seen == 10

    play(scenario)
    assert caplog.messages == [f"settings_differ setting={DELAY} own=30 other=10 at={SHARED}[0] halts=other"]


@pytest.mark.parametrize("settings", [{DELAY: "30", "profiles.joined": "[]"}, {}, {"later.setting": "x"}])
def test_equal_settings_and_those_that_one_of_two_workers_does_not_have_pass(
    play: Runs, caplog: pytest.LogCaptureFixture, settings: dict[str, str]
) -> None:
    async def scenario(pair: Pair) -> None:
        pair.writer._agreement = Agreement(settings, 1_000)
        await pair.catch_up()
        pair.feed()
        await pair.flush()
        await pair.look()
        assert pair.seen == 10

    play(scenario)
    assert caplog.messages == []


def test_markers_from_before_this_worker_follows_are_not_compared_and_later_ones_are(play: Runs) -> None:
    """After a stop of all workers the last markers have the settings of before."""

    async def scenario(pair: Pair) -> None:
        pair.writer._agreement = Agreement({DELAY: "10"}, 1_000)
        for _ in range(2):
            pair.feed()
            await pair.flush()
        await pair.catch_up()
        await pair.look()
        assert pair.seen == 20
        pair.feed()
        await pair.flush()
        with pytest.raises(SettingsDifferError):
            await pair.look()

    play(scenario)


def test_markers_behind_those_that_this_worker_wrote_itself_are_compared(play: Runs) -> None:
    async def scenario(pair: Pair) -> None:
        pair.writer._agreement = Agreement({DELAY: "10"}, 1_000)
        pair.feed()
        await pair.flush()
        await pair.catch_up(0, 1, 2)
        pair.follower.follow_from(0, pair.broker.end(TopicPartition(SHARED, 0)))
        await pair.look()
        pair.feed()
        await pair.flush()
        with pytest.raises(SettingsDifferError):
            await pair.look()

    play(scenario)
