"""A refused record of `merchants` has one dead letter, through all starts, crashes and rebalances of workers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.kafka.fence import ProducerIdentity
from streams.records.batches import Refused
from streams.worker.deliveries import UndeliveredError
from streams.worker.merchants import letters as letters_module
from tests.examples import examples
from tests.merchants.world import LETTERS, MERCHANTS, TOPICS, Worker, World
from tests.state.fakes import Crashed

BAD, GOOD = b"!letter", b"merchant"

Play = Callable[[Callable[[World], Awaitable[None]]], None]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    def run(scenario: Callable[[World], Awaitable[None]]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(20):
                await scenario(World(monkeypatch))

        asyncio.run(bounded())

    return run


async def started(world: World, *partitions: int) -> Worker:
    """Start a worker: it reads all of merchants, then joins."""
    worker = Worker(world)
    worker.read()
    await worker.own(*partitions)
    return worker


def test_three_workers_that_start_three_times_write_one_letter_for_each_refused_record(play: Play) -> None:
    async def scenario(world: World) -> None:
        world.add(GOOD, BAD, GOOD, BAD)
        for _ in range(3):
            workers = [await started(world, number) for number in range(3)]
            for worker in [*workers, *workers]:
                await worker.look()
            world.add(GOOD, BAD)
        assert world.lettered == world.bad[:-1]

    play(scenario)


def test_a_record_that_is_refused_while_workers_run_has_its_letter_from_the_owner_alone(play: Play) -> None:
    async def scenario(world: World) -> None:
        owner, other = await started(world, 0), await started(world, 1)
        for count in range(1, 5):
            world.add(GOOD, BAD)
            for worker in (other, owner):
                worker.read()
                await worker.look()
            assert len(world.lettered) == count
        assert world.lettered == world.bad
        assert (owner.telemetry.letters, other.telemetry.letters) == (4, 0)
        assert world.scans == 1, "only the owner may write letters for records after the first"

    play(scenario)


@pytest.mark.parametrize("letters", range(8))
def test_the_letters_of_an_owner_that_crashes_are_continued(
    play: Play, monkeypatch: pytest.MonkeyPatch, letters: int
) -> None:
    async def scenario(world: World) -> None:
        world.add(*[BAD] * 7, GOOD)
        first = await started(world, 0)

        def burn() -> None:
            if len(world.lettered) == letters:
                raise Crashed

        with monkeypatch.context() as patched:
            patched.setattr(world.broker, "burn", burn)
            with pytest.raises(Crashed):
                await first.look()
        assert len(world.lettered) == letters
        assert world.kept == {}
        await (await started(world, 0)).look()
        assert world.lettered == world.bad

    play(scenario)


def test_what_an_earlier_owner_wrote_of_records_that_its_successor_has_not_read_yet_is_not_written_again(
    play: Play,
) -> None:
    async def scenario(world: World) -> None:
        world.add(BAD)
        owner, successor = await started(world, 0), await started(world, 1)
        await owner.look()
        world.add(GOOD, BAD)
        owner.read()
        await owner.look()
        world.kept[MERCHANTS] = (1, "")  # it dies before the second letter is recorded
        await successor.own(0, 1)
        await successor.look()
        successor.read()
        await successor.look()
        assert world.lettered == world.bad == [0, 2]

    play(scenario)


def test_without_a_committed_offset_the_dead_letters_tell_where_to_continue(play: Play) -> None:
    async def scenario(world: World) -> None:
        world.add(BAD, GOOD, BAD)
        await (await started(world, 0)).look()
        world.kept.clear()
        world.broker.append(LETTERS, b"x", b"{" * 9_999)
        world.broker.append(LETTERS, b"x", None)
        await (await started(world, 0)).look()
        values = [value for value in world.broker.values(TOPICS.dead_letters) if value.startswith(b'{"')]
        assert [msgspec.json.decode(value)["offset"] for value in values] == world.bad

    play(scenario)


def test_records_of_a_recreated_topic_have_new_letters(play: Play) -> None:
    async def scenario(world: World) -> None:
        world.broker.topic_ids[TOPICS.merchants] = "first"
        world.add(BAD, BAD)
        await (await started(world, 0)).look()
        assert world.kept[MERCHANTS] == (2, "first")
        world.broker.topic_ids[TOPICS.merchants] = "second"
        world.broker.logs[MERCHANTS].clear()
        world.add(BAD)
        await (await started(world, 0)).look()
        assert world.lettered == [0, 1, 0]
        assert world.kept[MERCHANTS] == (1, "second")

    play(scenario)


def test_an_owner_whose_partition_is_revoked_waits_for_letters_in_flight_and_writes_no_more(play: Play) -> None:
    async def scenario(world: World) -> None:
        world.add(*[BAD] * 9)
        worker = await started(world, 0)
        worker.emitter.holds = True
        looking = asyncio.create_task(worker.look())
        while not worker.emitter.acks:
            await asyncio.sleep(0)
        letting_go = asyncio.create_task(worker.own(1))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not letting_go.done()
        for ack in worker.emitter.acks:
            ack.set_result(None)
        await letting_go
        await looking
        assert world.lettered == [0, 1, 2]
        assert MERCHANTS not in world.kept
        await (await started(world, 0)).look()
        assert world.lettered == world.bad

    play(scenario)


def test_nothing_learnt_before_a_rebalance_is_used_after_it(play: Play) -> None:
    async def scenario(world: World) -> None:
        world.add(BAD)
        first = await started(world, 0)
        await first.look()
        second = await started(world, 1)
        await first.own(1)
        await second.own(0)
        gate = world.gate = asyncio.Event()
        looking = asyncio.create_task(second.look())
        for _ in range(100):
            await asyncio.sleep(0)
        world.gate = None
        await second.own(1)
        await first.own(0)
        world.add(BAD)
        first.read()
        await first.look()
        await first.own(1)
        await second.own(0)
        second.read()
        gate.set()
        await looking
        await second.look()
        assert world.lettered == world.bad

    play(scenario)


def test_letters_that_are_not_acknowledged_end_the_worker(play: Play) -> None:
    async def scenario(world: World) -> None:
        world.add(BAD)
        worker = await started(world, 0)
        worker.emitter.holds = True
        with pytest.raises(UndeliveredError, match="dead letters of merchants were not acknowledged"):
            await worker.look()

    play(scenario)


def test_a_coordinator_that_does_not_answer_delays_letters_and_loses_or_doubles_none(
    play: Play, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(world: World) -> None:
        world.add(BAD)
        worker = await started(world, 0)
        world.stalls = True
        await worker.look()
        assert world.lettered == []
        world.stalls = False
        await worker.look()
        world.stalls = True
        world.add(BAD)
        worker.read()
        await worker.look()
        await worker.look()
        world.stalls = False
        await worker.look()
        assert world.lettered == world.bad
        assert world.kept[MERCHANTS][0] == 2
        assert {record.message.split()[0] for record in caplog.records} == {"merchant_letters_delayed"}

    play(scenario)


def test_letters_carry_the_producer_id_of_the_owner_so_that_a_later_owner_fences_them(play: Play) -> None:
    async def scenario(world: World) -> None:
        world.add(BAD)
        worker = await started(world, 0)
        worker.emitter.identities[0] = identity = ProducerIdentity(7, 3)
        await worker.look()
        assert worker.emitter.used == [identity]

    play(scenario)


def test_a_stored_batch_that_was_refused_has_its_letters_once(play: Play) -> None:
    async def scenario(world: World) -> None:
        world.add(GOOD)
        bomb = Refused(reason="OVERSIZE_BATCH", first=1, end=3, size=99, last_ms=7, is_whole=True)
        world.bombs.append(bomb)
        world.broker.skipped[MERCHANTS] = 2
        for _ in range(2):
            worker = await started(world, 0)
            worker.letters.note(0, 1, 3)
            await worker.look()
            world.kept.clear()
        assert world.lettered == [1, 2]
        assert all(b"OVERSIZE_BATCH" in value for value in world.broker.values(TOPICS.dead_letters))

    play(scenario)


def test_a_range_that_cannot_be_read_again_ends_the_worker(play: Play) -> None:
    async def scenario(world: World) -> None:
        worker = await started(world, 0)
        worker.letters.note(0, 0, 5)
        with pytest.raises(UndeliveredError, match=r"merchants\[0\] could not be read again up to offset 5"):
            await worker.look()

    play(scenario)


def test_committed_offsets_are_renewed_before_they_expire(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World) -> None:
        world.add(BAD)
        worker = await started(world, 0)
        await worker.look()
        world.kept.clear()
        await worker.look()
        assert world.kept == {}
        monkeypatch.setattr(letters_module, "RENEW_S", 0.0)
        await worker.look()
        assert world.kept == {MERCHANTS: (1, "")}

    play(scenario)


VALUES = st.lists(st.sampled_from([BAD, BAD, GOOD]), min_size=1, max_size=5)
STEP = st.one_of(
    st.tuples(st.just("add"), VALUES),
    st.tuples(
        st.just("look"), st.booleans(), st.integers(0, 6)
    ),  # records that the owner, or the other worker, has read before
    st.tuples(st.just("pass"), st.booleans()),  # to the other worker: in a rebalance, or at a restart of the owner
    st.tuples(st.just("die"), st.integers(0, 6), st.integers(2, 14)),  # kill the owner after this many broker answers
)


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES, st.lists(STEP, min_size=4, max_size=20))
def test_each_refused_record_has_one_letter_in_the_end_through_any_sequence_of_events(
    monkeypatch: pytest.MonkeyPatch, values: list[bytes], steps: list[tuple[object, ...]]
) -> None:
    async def scenario(world: World) -> None:
        world.add(*values)
        owner, other = await started(world, 0), await started(world, 1)
        for step in steps:
            match step:
                case ("add", list(more)):
                    world.add(*more)
                    continue
                case ("look", bool(is_owner), int(limit)):
                    worker = owner if is_owner else other
                    worker.read(limit)
                    await worker.look()
                    continue
                case ("pass", bool(restarts)):
                    await owner.own(1)
                    owner = await started(world, 1) if restarts else owner
                case ("die", int(limit), int(fuse)):
                    owner.read(limit)
                    world.broker.fuse = fuse
                    with suppress(Crashed):
                        await owner.look()
                    world.broker.fuse = None
                    owner = await started(world, 1)
            owner, other = other, owner
            await owner.own(0)
        await (await started(world, 0)).look()
        assert sorted(world.lettered) == world.bad

    with monkeypatch.context() as patched:
        asyncio.run(scenario(World(patched)))
