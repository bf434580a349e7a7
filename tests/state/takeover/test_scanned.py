"""From where outputs are scanned: what an earlier owner published is found until its input is behind the marker."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from streams.state import changelog_writer
from streams.state.changelog_writer import FlushError
from streams.state.log.marker import StateFormatError
from streams.state.published import Since, scan
from tests.state.fakes import TOPICS, FakeBroker, FakeReader
from tests.state.takeover.takeovers import (
    Play,
    Worker,
    emit_letter,
    last_marker,
    letter,
    letters_found,
    player,
    refuse_event,
)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Play], None]:
    return player(monkeypatch)


@pytest.mark.parametrize("cut_flush", [True, False])
def test_a_letter_of_a_dead_worker_is_found_by_its_second_successor(
    play: Callable[[Play], None], cut_flush: bool
) -> None:
    """Worker 0 dies after writing the dead letter of offset 6. Worker 1 writes letters of its own, takes over and dies.

    Worker 1's marker must not start the scan for letters at its own last letter, which is behind that of worker 0: the
    input of the marker is still before offset 6.
    """

    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, two, three = new(), new(), new()
        assert await one.take(1, 0)
        assert await two.take(1, 1, 2)
        for number in range(5):
            one.feed(number, 0)
        await one.writer.flush()  # the marker: input up to 5
        one.feed(5, 0)
        broker.append(TopicPartition(TOPICS.authorizations, 0), b"", b"bad")
        emit_letter(one, 0, 6)
        one.consumer.apply(TOPICS.authorizations, 0, 7)
        if cut_flush:  # it dies within a flush: rows, no marker
            one.writer.producer.fails["marker"] = OSError()  # type: ignore[attr-defined]
            with pytest.raises((FlushError, OSError)):
                await one.writer.flush()
        two.feed(0, 1)
        emit_letter(two, 1, 0)  # while the group still waits for worker 0
        assert await two.take(2, 0, 1, 2)
        assert letters_found(two) == {6}
        if not cut_flush:  # a flush comes between offsets 5 and 6
            two.feed(5, 0)
            await two.writer.flush()
        assert await three.take(3, 0, 1, 2)  # kill -9 of worker 2
        assert three.writer.owned[0].applied[TOPICS.authorizations] <= 6, "offset 6 must be applied again"
        assert letters_found(three) == {6}, "it would get a second dead letter"

    play(scenario)


def test_once_the_input_has_passed_what_was_published_the_scan_begins_at_the_ends_of_the_takeover(
    play: Callable[[Play], None],
) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, two, three = new(), new(), new()
        assert await one.take(1, 0)
        for number in range(4):
            refuse_event(one, number)
        assert await two.take(2, 0)
        assert letters_found(two) == {0, 1, 2, 3}
        for number in range(4):
            two.consumer.apply(TOPICS.authorizations, 0, number + 1)
            await two.writer.flush()
            assert last_marker(broker).dead_letters == {0: 4 if number == 3 else 0}
        refuse_event(two, 4)
        assert await three.take(3, 0)
        assert letters_found(three) == {4}

    play(scenario)


def test_partitions_that_were_added_to_an_output_are_scanned(play: Callable[[Play], None]) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, two, three = new(), new(), new()
        assert await one.take(1, 0)
        one.feed(0, 0)
        await one.writer.flush()
        for worker in (two, three):
            emitter = worker.writer._emitter
            emitter._partitions = {**emitter._partitions, TOPICS.dead_letters: 3}  # type: ignore[attr-defined]
        assert await two.take(2, 0)
        two.feed(1, 0)
        await two.writer.flush()  # a marker by a worker that knows of three partitions
        refuse_event(two, 2, to=2)
        assert await three.take(3, 0)
        assert letters_found(three) == {2}, "it would get a second dead letter"

    play(scenario)


def test_an_output_that_was_recreated_with_fewer_partitions_ends_no_restore(play: Callable[[Play], None]) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, two = new(), new()
        emitter = one.writer._emitter
        emitter._partitions = {**emitter._partitions, TOPICS.dead_letters: 3}  # type: ignore[attr-defined]
        assert await one.take(1, 0)
        refuse_event(one, 0, to=2)
        await one.writer.flush()
        refuse_event(one, 1, to=0)
        assert await two.take(2, 0)
        assert letters_found(two) == {1}
        two.consumer.apply(TOPICS.authorizations, 0, 2)
        await two.writer.flush()
        assert last_marker(broker).dead_letters.keys() == {0}

    play(scenario)


def test_an_output_that_was_recreated_is_scanned(play: Callable[[Play], None]) -> None:
    """An operator empties `dead-letters` by deleting and creating it. Its offsets begin at 0; those of the marker do
    not.
    """

    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, two, three = new(), new(), new()
        assert await one.take(1, 0)
        for number in range(5):
            refuse_event(one, number)
        await one.writer.flush()
        broker.logs[TopicPartition(TOPICS.dead_letters, 0)].clear()
        assert await two.take(2, 0)
        refuse_event(two, 5)
        two.feed(6, 0)
        await two.writer.flush()  # a whole flush after the topic was recreated
        refuse_event(two, 7)
        assert await three.take(3, 0)
        assert letters_found(three) == {7}, "it would get a second dead letter"

    play(scenario)


def test_an_output_that_was_recreated_and_has_passed_the_old_offsets_is_known_by_its_id(
    play: Callable[[Play], None],
) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, two = new(), new()
        broker.topic_ids = {topic: f"{topic} 1" for topic in (TOPICS.authorizations, TOPICS.dead_letters)}
        assert await one.take(1, 0)
        for number in range(5):
            refuse_event(one, number)
        await one.writer.flush()
        tp = TopicPartition(TOPICS.dead_letters, 0)
        broker.logs[tp].clear()
        broker.topic_ids[TOPICS.dead_letters] = "dead-letters 2"
        refuse_event(one, 5)
        for _ in range(20):
            broker.append(tp, b"place", letter(1, 0))  # of another partition
        assert await two.take(2, 0)
        assert letters_found(two) == {5}, "it would get a second dead letter"

    play(scenario)


@pytest.mark.parametrize("topic", [TOPICS.authorizations, TOPICS.fraud_reports, TOPICS.authorization_outcomes])
def test_an_input_that_was_recreated_is_refused_at_any_length(play: Callable[[Play], None], topic: str) -> None:
    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, two = new(), new()
        broker.topic_ids = {topic: "1"}
        assert await one.take(1, 0)
        one.feed(0, 0)
        await one.writer.flush()
        broker.topic_ids = {topic: "2"}
        with pytest.raises(StateFormatError, match=f"{topic!r} was created anew"):
            await two.take(2, 0)

    play(scenario)


def test_nothing_is_scanned_where_no_input_waits(play: Callable[[Play], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The marker of an idle partition may be months old. What other partitions wrote since is not about its input."""

    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        one, two, three = new(), new(), new()
        assert await one.take(1, 0)
        one.feed(0, 0)
        await one.writer.flush()
        for number in range(50):
            broker.append(TopicPartition(TOPICS.dead_letters, 0), b"place", letter(1, number))
        read = []

        async def spied(self: FakeReader, tp: TopicPartition, begin: int, end: int) -> Any:
            read.append((tp.topic, end - begin))
            async for rows in original(self, tp, begin, end):
                yield rows

        original = FakeReader.read
        monkeypatch.setattr(FakeReader, "read", spied)
        assert await two.take(2, 0)
        assert TOPICS.dead_letters not in {topic for topic, _ in read}
        assert last_marker(broker).dead_letters == {0: 50}, "the next owner need not scan them either"
        two.feed(1, 0)
        assert await three.take(3, 0)
        assert (TOPICS.dead_letters, 0) in read or TOPICS.dead_letters not in {topic for topic, _ in read}

    play(scenario)


def test_an_idle_partition_gets_a_new_marker_once_outputs_have_grown(
    play: Callable[[Play], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changelog_writer, "RESCAN_MAX", 10)

    async def scenario(broker: FakeBroker, new: Callable[[], Worker]) -> None:
        worker = new()
        assert await worker.take(1, 0, 1)
        for number in range(10):
            emit_letter(worker, 1, number)
            await worker.writer.flush([0])
            assert last_marker(broker).dead_letters == {0: 0}
        emit_letter(worker, 1, 10)
        await worker.writer.flush([0])
        assert last_marker(broker).dead_letters == {0: 10}

    play(scenario)


FOREIGN = [b"hello", b"{}", b'{"topic":null}', b"\xff\xfe", b'{"decision_id":7}', None, b'{"x":' + b"[" * 9_999]


@pytest.mark.parametrize("topic", [TOPICS.dead_letters, TOPICS.alerts, TOPICS.decisions])
@pytest.mark.parametrize("value", FOREIGN)
def test_a_foreign_record_on_an_output_is_skipped_and_counted(
    topic: str, value: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """`sekisho dlq list` skips records that are no letters. A restore does too, or each start would fail there."""
    broker, tp = FakeBroker(), TopicPartition(topic, 0)
    ours = {
        TOPICS.dead_letters: letter(0, 3),
        TOPICS.alerts: b'{"event_id":"e"}',
        TOPICS.decisions: b'{"decision_id":"e"}',
    }
    broker.append(tp, b"", ours[topic])
    broker.append(tp, b"", value)
    broker.append(tp, b"", ours[topic])
    since = Since(decisions=0, alerts={0: 0}, dead_letters={0: 0})
    found = asyncio.run(scan(FakeReader(broker), TOPICS, 0, since, {}))  # type: ignore[arg-type]
    assert (found.size, found.foreign) == (1, {topic: 1})
    assert caplog.messages == [f"foreign_records_skipped topic={topic} records=1"]


def test_only_letters_about_input_that_is_applied_again_count_as_published() -> None:
    broker = FakeBroker()
    for offset in range(6):
        for topic in (TOPICS.authorizations, TOPICS.fraud_reports, TOPICS.authorization_outcomes):
            broker.append(TopicPartition(TOPICS.dead_letters, 0), b"place", letter(0, offset, topic))
    since = Since(decisions=0, alerts={0: 0}, dead_letters={0: 0})
    events, outcomes, reports = TOPICS.inputs
    applied = {events: 4, reports: 5, outcomes: 3}
    found = asyncio.run(scan(FakeReader(broker), TOPICS, 0, since, applied))  # type: ignore[arg-type]
    assert {topic: of.dead_letters for topic, of in found.of.items()} == {
        events: {4, 5},
        reports: {5},
        outcomes: {3, 4, 5},
    }
    assert found.size == 6
