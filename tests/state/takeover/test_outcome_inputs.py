"""Outcomes are an input of their own: the marker holds its offset through crashes and takeovers."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from aiokafka.structs import TopicPartition
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.state.assignment import SplitAssignmentError
from streams.state.changelog_writer import FlushError
from tests.examples import examples
from tests.profile.events import Event, ids
from tests.profile.outcomes.conversations import conversations
from tests.state.fakes import TOPICS, Crashed, FakeBroker, ProfileEngine
from tests.state.takeover.takeovers import Play, Worker, letter, player
from tests.state.takeover.test_assignment import inputs
from tests.state.test_changelog_writer import Bench, run
from tests.state.test_restore import Run

EVENTS, REPORTS, OUTCOMES = TOPICS.authorizations, TOPICS.fraud_reports, TOPICS.authorization_outcomes


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Play], None]:
    return player(monkeypatch)


@settings(max_examples=examples(30))
@given(conversations(apart=True), st.data())
def test_a_crash_anywhere_changes_no_result_of_an_event_or_an_outcome(events: list[Event], data: st.DataObject) -> None:
    """Three inputs; reports move on as well. After a crash each input continues at the last marker."""
    names, alone = ids(events), ProfileEngine()
    expected = [alone.feed(event, name) for event, name in zip(events, names, strict=True)]

    def offsets(count: int) -> tuple[int, int]:
        outcomes = sum(event.apart for event in events[:count])
        return count - outcomes, outcomes

    async def scenario() -> None:
        run, at = Run(), 0
        while at < len(events):
            until = min(at + data.draw(st.integers(1, 8), label="events"), len(events))
            for number in range(at, until):
                assert run.engine.feed(events[number], names[number]) == expected[number]
            for topic, offset in zip((EVENTS, OUTCOMES, REPORTS), (*offsets(until), until), strict=True):
                run.consumer.apply(topic, 0, offset)
            run.broker.fuse = data.draw(st.one_of(st.none(), st.integers(0, 25)), label="flush")
            try:
                await run.writer.flush()
                at = until
            except Crashed:
                run.broker.fuse = None
                owned = await run.restart()
                await run.writer.flush([0])
                at = owned.applied[TOPICS.authorizations] + owned.applied[TOPICS.authorization_outcomes]
                assert (owned.applied[TOPICS.authorizations], owned.applied[TOPICS.authorization_outcomes]) == offsets(
                    at
                )
                assert owned.applied[TOPICS.fraud_reports] == at

    asyncio.run(scenario())


def test_outcomes_are_input_too() -> None:
    async def scenario(bench: Bench) -> None:
        bench.consumer.apply(OUTCOMES, 0, 4, acked=False)
        with pytest.raises(FlushError):
            await bench.writer.flush()
        bench.consumer.ack(OUTCOMES, 0, 4)
        await bench.writer.flush()
        await bench.writer.flush()

    bench = run(scenario)
    assert [marker.inputs["authorization_outcomes"] for marker in bench.markers()] == [4], "one marker is enough"
    assert bench.consumer.durable == {TP(EVENTS, 0): 0, TP(REPORTS, 0): 0, TP(OUTCOMES, 0): 4}


def refuse_outcome(worker: Worker, offset: int) -> None:
    """Refuse an outcome of partition 0: write its dead letter, acknowledged, and apply its offset."""
    tp = TopicPartition(TOPICS.dead_letters, 0)
    place = worker.broker.append(tp, b"place", letter(0, offset, OUTCOMES))
    worker.writer._emitter.acknowledged(SimpleNamespace(topic_partition=tp, offset=place))  # type: ignore[arg-type]
    worker.broker.append(TopicPartition(OUTCOMES, 0), b"", b"bad")
    worker.consumer.apply(OUTCOMES, 0, offset + 1)


def test_the_letter_of_an_outcome_is_known_until_its_input_is_behind(play: Callable[[Play], None]) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, two, three, four = new(), new(), new(), new()
        assert await one.take(1, 0)
        refuse_outcome(one, 0)
        await one.writer.flush()  # the marker: outcomes up to 1
        refuse_outcome(one, 1)
        assert await two.take(2, 0)
        assert two.writer.owned[0].applied[TOPICS.authorization_outcomes] == 1
        assert two.writer.emitted(OUTCOMES, 0, 1).dead_letters == {1}, "it would get a second dead letter"
        two.feed(0, 0)
        await two.writer.flush()  # a flush comes before the outcome is applied again
        assert await three.take(3, 0)
        assert three.writer.emitted(OUTCOMES, 0, 1).dead_letters == {1}
        three.consumer.apply(OUTCOMES, 0, 2)
        await three.writer.flush()
        assert await four.take(4, 0)
        assert four.writer.owned[0].applied[TOPICS.authorization_outcomes] == 2
        assert four.writer.emitted(OUTCOMES, 0, 2).dead_letters == frozenset()
        assert four.consumer.durable[TP(OUTCOMES, 0)] == 2

    play(scenario)


@pytest.mark.parametrize("topic", [EVENTS, REPORTS, OUTCOMES])
def test_inputs_of_one_partition_that_go_to_two_workers_end_the_worker(
    play: Callable[[Play], None], topic: str
) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        worker = new()
        worker.assignment.assigned(inputs(0, 1) - {TP(topic, 1)}, 1)
        with pytest.raises(SplitAssignmentError, match=r"authorization-outcomes \[0"):
            await worker.assignment.settle(worker.consumer)

    play(scenario)
