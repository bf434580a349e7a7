"""A flush has one order: outputs and rows, then the markers, then the offsets that may be committed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.errors import NotEnoughReplicasError, ProducerClosed
from aiokafka.structs import TopicPartition
from faust.types import TP

from scoring.outputs import NOTHING, Emitted
from streams.kafka.fence.lease import ExpelledError
from streams.state.changelog_writer import ChangelogWriter, FlushError
from streams.state.log.marker import KEY, Marker, decode
from streams.state.published import Published, Since
from tests.profile.events import at
from tests.state.fakes import FakeBroker, FakeConsumer, FakeProducer, ProfileEngine, new_writer, owned_at

EVENTS, REPORTS, OUTCOMES = "authorizations", "fraud-reports", "authorization-outcomes"
CARDS, SHARED = "card-profiles", "shared-profiles"


class Bench:
    """A changelog writer of one partition with changed rows, and everything it works on."""

    def __init__(self, partitions: int = 1) -> None:
        self.broker, self.consumer, self.engine = FakeBroker(), FakeConsumer(), ProfileEngine(partitions)
        self.writer: ChangelogWriter = new_writer(self.broker, self.engine, self.consumer, partitions)
        self.producer: FakeProducer = self.writer.producer  # type: ignore[assignment]
        self.writer.owned[0] = owned_at(0)
        self.fed = 0

    def feed(self, count: int = 5, partition: int = 0, *, acked: bool = True) -> None:
        for _ in range(count):
            self.fed += 1
            self.engine.feed(at(self.fed, card=self.fed, device=self.fed), self.fed, partition)
        self.consumer.apply(EVENTS, partition, self.fed, acked=acked)

    def markers(self, topic: str = CARDS, partition: int = 0) -> list[Marker]:
        log = self.broker.logs[TopicPartition(topic, partition)]
        return [decode(record.value, topic, self.writer._emitter.partitions) for record in log if record.key == KEY]

    @property
    def is_durable(self) -> bool:
        return bool(self.consumer.durable or self.markers() or self.writer.owned[0].applied[EVENTS])


def run(scenario: Callable[[Bench], Awaitable[None]], partitions: int = 1) -> Bench:
    async def play() -> Bench:
        bench = Bench(partitions)
        async with asyncio.timeout(20):
            await scenario(bench)
        return bench

    return asyncio.run(play())


async def settle() -> None:
    """Run the event loop until nothing more can run."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_a_flush_writes_rows_then_the_shared_marker_then_the_marker() -> None:
    async def scenario(bench: Bench) -> None:
        bench.feed()
        await bench.writer.flush()

    bench = run(scenario)
    handed = [what for n, what in enumerate(bench.producer.handed) if what != bench.producer.handed[n - 1]]
    assert handed == [(CARDS, "rows"), (SHARED, "rows"), (SHARED, "marker"), (CARDS, "marker")]
    (marker,) = bench.markers()
    assert (marker.inputs["authorizations"], marker.inputs["fraud_reports"], marker.partitions) == (5, 0, 1)
    assert marker.shared == len(bench.broker.keys(SHARED)), "the marker must be the last record"
    assert bench.consumer.durable == {TP(EVENTS, 0): 5, TP(REPORTS, 0): 0, TP(OUTCOMES, 0): 0}


def test_nothing_is_committable_while_any_part_is_not_acknowledged() -> None:
    """Each part in turn is not acknowledged: outputs, rows of either topic, either marker."""

    async def scenario(bench: Bench) -> None:
        bench.feed(acked=False)
        bench.producer.holds |= {f"{CARDS} rows", f"{SHARED} rows", f"{SHARED} marker", f"{CARDS} marker"}
        flushing = asyncio.create_task(bench.writer.flush())

        async def still() -> list[tuple[str, str]]:
            await settle()
            assert not flushing.done()
            assert not bench.is_durable
            return [what for what in bench.producer.handed if what[1] == "marker"]

        assert await still() == []
        bench.producer.release(f"{CARDS} rows")
        bench.producer.release(f"{SHARED} rows")
        assert await still() == [], "the outputs are not acknowledged yet"
        bench.consumer.ack(EVENTS, 0, 4)
        assert await still() == [], "one part is not acknowledged"
        bench.consumer.ack(EVENTS, 0, 5)
        assert await still() == [(SHARED, "marker")]
        bench.producer.release(f"{SHARED} marker")
        assert await still() == [(SHARED, "marker"), (CARDS, "marker")]
        bench.producer.release(f"{CARDS} marker")
        await flushing
        assert bench.consumer.durable[TP(EVENTS, 0)] == 5

    run(scenario)


def test_no_marker_is_written_before_the_rows_are_acknowledged() -> None:
    for topic in (CARDS, SHARED):

        async def scenario(bench: Bench, topic: str = topic) -> None:
            bench.feed()
            bench.producer.holds.add(f"{topic} rows")
            flushing = asyncio.create_task(bench.writer.flush())
            await settle()
            assert "marker" not in {kind for _, kind in bench.producer.handed}
            bench.producer.release(f"{topic} rows")
            await flushing

        run(scenario)


def test_a_flush_under_way_does_not_fail_a_worker_that_stops() -> None:
    """The producer is closed after the last flush. SIGTERM in a restore finds the first flush half done."""

    async def scenario(bench: Bench) -> None:
        bench.feed()
        bench.producer.holds.add(f"{CARDS} rows")
        await bench.writer.start()
        while not bench.producer.owned:
            await asyncio.sleep(0)
        await bench.writer.stop()
        assert bench.writer.crash_reason is None
        assert not bench.is_durable

    run(scenario)


PARTS = [f"{CARDS} rows", f"{SHARED} rows", f"{SHARED} marker", f"{CARDS} marker"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("error", [NotEnoughReplicasError(), ProducerClosed(), None], ids=["refused", "closed", "lost"])
def test_a_part_that_fails_or_is_not_acknowledged_fails_the_flush(part: str, error: Exception | None) -> None:
    async def scenario(bench: Bench) -> None:
        bench.feed()
        if error is None:
            bench.producer.holds.add(part)
        else:
            bench.producer.fails[part] = error
        with pytest.raises(FlushError, match=r"^profiles of partition 0 not durable: [A-Za-z]+Error|ProducerClosed$"):
            await bench.writer.flush()

    bench = run(scenario)
    assert not bench.consumer.durable
    assert not bench.markers()
    assert bench.writer.owned[0].applied[EVENTS] == 0


def test_outputs_that_are_never_acknowledged_fail_the_flush() -> None:
    async def scenario(bench: Bench) -> None:
        bench.feed(acked=False)
        with pytest.raises(FlushError, match="TimeoutError"):
            await bench.writer.flush()

    bench = run(scenario)
    assert not bench.is_durable
    assert "marker" not in {kind for _, kind in bench.producer.handed}


def test_a_producer_that_is_gone_fails_the_flush_before_anything_is_written() -> None:
    async def scenario(bench: Bench) -> None:
        def closed(*_: Any) -> None:
            raise ProducerClosed

        bench.feed()
        bench.producer.write = closed  # type: ignore[method-assign,assignment]
        with pytest.raises(FlushError, match="ProducerClosed"):
            await bench.writer.flush()
        assert not bench.is_durable

    run(scenario)


def test_nothing_is_written_when_nothing_changed() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.writer.flush()
        assert bench.broker.written == []
        bench.feed()
        await bench.writer.flush()
        written = len(bench.broker.written)
        await bench.writer.flush()
        assert len(bench.broker.written) == written

    run(scenario)


def test_rows_that_a_crash_left_are_written_even_when_nothing_changed() -> None:
    async def scenario(bench: Bench) -> None:
        bench.writer.owned[0] = owned_at(0, 7, unflushed=True)
        await bench.writer.flush()
        (marker,) = bench.markers()
        assert marker.inputs["authorizations"] == 7
        assert not bench.writer.owned[0].unflushed
        await bench.writer.flush()
        assert len(bench.markers()) == 1

    run(scenario)


def test_input_without_rows_moves_the_marker_and_writes_nothing_to_the_shared_log() -> None:
    """As dead letters do, and offsets of transaction control records."""

    async def scenario(bench: Bench) -> None:
        bench.consumer.apply(EVENTS, 0, 9)
        await bench.writer.flush()

    bench = run(scenario)
    assert [marker.inputs["authorizations"] for marker in bench.markers()] == [9]
    assert bench.broker.keys(SHARED) == []


def test_fraud_reports_are_input_too() -> None:
    async def scenario(bench: Bench) -> None:
        bench.consumer.apply(REPORTS, 0, 3, acked=False)
        with pytest.raises(FlushError):
            await bench.writer.flush()
        bench.consumer.ack(REPORTS, 0, 3)
        await bench.writer.flush()

    bench = run(scenario)
    assert [marker.inputs["fraud_reports"] for marker in bench.markers()] == [3]
    assert bench.consumer.durable == {TP(EVENTS, 0): 0, TP(REPORTS, 0): 3, TP(OUTCOMES, 0): 0}


def test_events_applied_during_a_flush_belong_to_the_next_one() -> None:
    async def scenario(bench: Bench) -> None:
        bench.feed()
        bench.producer.holds.add(f"{CARDS} rows")
        flushing = asyncio.create_task(bench.writer.flush())
        await settle()
        bench.feed(acked=False)
        bench.producer.release(f"{CARDS} rows")
        await flushing
        assert [marker.inputs["authorizations"] for marker in bench.markers()] == [5]
        assert bench.consumer.durable[TP(EVENTS, 0)] == 5
        bench.consumer.ack(EVENTS, 0, 10)
        await bench.writer.flush()
        assert [marker.inputs["authorizations"] for marker in bench.markers()] == [5, 10]

    run(scenario)


def test_the_marker_names_the_output_offsets_of_its_own_flush_at_most() -> None:
    async def scenario(bench: Bench) -> None:
        ends = bench.writer._emitter.ends
        bench.feed()
        ends[TopicPartition("decisions", 0)] = 40
        bench.producer.holds.add(f"{CARDS} rows")
        flushing = asyncio.create_task(bench.writer.flush())
        await settle()
        ends[TopicPartition("decisions", 0)] = 90  # of a batch that is not in this flush
        ends[TopicPartition("alerts", 0)] = 3
        bench.producer.release(f"{CARDS} rows")
        await flushing
        bench.feed()
        await bench.writer.flush()

    first, second = run(scenario).markers()
    assert (first.decisions, first.alerts, first.dead_letters) == (40, {0: 0}, {0: 0})
    assert (second.decisions, second.alerts) == (90, {0: 3})


def test_a_partition_that_comes_back_is_not_scanned_from_the_offsets_of_its_earlier_time_here() -> None:
    """What this worker published there long ago is less than what was found when the partition came back."""

    async def scenario(bench: Bench) -> None:
        bench.writer._emitter.ends[TopicPartition("decisions", 0)] = 40
        found = Since(decisions=900, alerts={0: 50}, dead_letters={0: 0})
        bench.writer.owned[0].since = bench.writer.owned[0].ends = found
        bench.feed()
        await bench.writer.flush()

    (marker,) = run(scenario).markers()
    assert (marker.decisions, marker.alerts) == (900, {0: 50})


@pytest.mark.parametrize("when", ["before", "between"])
def test_a_worker_that_may_have_a_successor_writes_no_marker(when: str) -> None:
    async def scenario(bench: Bench) -> None:
        bench.feed()
        if when == "before":
            bench.consumer.lease_error = ExpelledError("too late")
        bench.producer.holds.add(f"{CARDS} rows")
        flushing = asyncio.create_task(bench.writer.flush())
        await settle()
        bench.consumer.lease_error = ExpelledError("too late")
        bench.producer.release(f"{CARDS} rows")
        with pytest.raises(ExpelledError):
            await flushing
        if when == "before":
            assert bench.broker.written == []

    bench = run(scenario)
    assert not bench.is_durable
    assert "marker" not in {kind for _, kind in bench.producer.handed}


def test_rows_that_the_writer_refuses_end_the_flush_with_their_own_error() -> None:
    async def scenario(bench: Bench) -> None:
        bench.feed()
        bench.producer.fails[f"{CARDS} rows"] = ExpelledError("too late")
        with pytest.raises(ExpelledError):
            await bench.writer.flush()

    assert not run(scenario).is_durable


def test_a_marker_whose_offset_is_unknown_fails_the_flush() -> None:
    async def scenario(bench: Bench) -> None:
        bench.feed()
        write_one = bench.producer.write_one

        async def nowhere(*args: Any) -> Any:
            found = await write_one(*args)
            found.offset = -1
            return found

        bench.producer.write_one = nowhere  # type: ignore[method-assign,assignment]
        with pytest.raises(FlushError, match="no offset for a marker"):
            await bench.writer.flush()

    assert not run(scenario).is_durable


def test_flushes_of_two_partitions_do_not_mix() -> None:
    async def scenario(bench: Bench) -> None:
        bench.writer.owned[1] = owned_at(1)
        bench.feed()
        bench.feed(partition=1)
        await bench.writer.flush([1])
        assert bench.markers() == []
        assert bench.broker.keys(CARDS, 0) == []
        await bench.writer.flush()
        assert [marker.inputs["authorizations"] for marker in bench.markers()] == [5]
        assert [marker.inputs["authorizations"] for marker in bench.markers(partition=1)] == [10]

    run(scenario, partitions=2)


def test_a_partition_that_is_not_held_is_not_flushed() -> None:
    async def scenario(bench: Bench) -> None:
        bench.feed()
        bench.writer.owned.clear()
        await bench.writer.flush([0])
        await bench.writer.flush()
        assert bench.broker.written == []

    run(scenario)


def answered_before(decisions: int, until: int, until_reports: int, until_outcomes: int = 0) -> Any:
    return owned_at(
        0,
        published=Published(
            of={
                EVENTS: Emitted(decisions=frozenset({b"e-1"})),
                REPORTS: Emitted(dead_letters=frozenset({2})),
                OUTCOMES: Emitted(dead_letters=frozenset({3})),
            }
        ),
        published_until={EVENTS: until, REPORTS: until_reports, OUTCOMES: until_outcomes},
    )


def test_what_was_published_before_is_kept_until_all_inputs_are_past_it() -> None:
    async def scenario(bench: Bench) -> None:
        writer = bench.writer
        assert writer.emitted(EVENTS, 0, 0) is NOTHING
        writer.owned[0] = answered_before(1, 10, 4, 6)
        assert writer.emitted(EVENTS, 0, 0).decisions == {b"e-1"}
        assert writer.emitted(OUTCOMES, 0, 2).dead_letters == {3}
        assert writer.emitted(REPORTS, 0, 2).dead_letters == {2}
        bench.consumer.apply(EVENTS, 0, 10)
        assert writer.emitted(EVENTS, 0, 10).decisions == {b"e-1"}, "the reports are not past it yet"
        assert writer.emitted(REPORTS, 0, 3).dead_letters == {2}
        bench.consumer.apply(REPORTS, 0, 4)
        assert writer.emitted(EVENTS, 0, 10).decisions == {b"e-1"}, "the outcomes are not past it yet"
        bench.consumer.apply(OUTCOMES, 0, 6)
        assert writer.emitted(EVENTS, 0, 9).decisions == {b"e-1"}
        assert writer.emitted(EVENTS, 0, 10) is NOTHING
        assert writer.emitted(REPORTS, 0, 9) is NOTHING
        assert writer.owned[0].published.size == 0, "it must take no memory"
        assert writer.emitted(EVENTS, 1, 0) is NOTHING

    run(scenario)
