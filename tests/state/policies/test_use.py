"""When a policy comes into use, what is kept of it, and what happens if a recorded one is missing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import cache

import msgspec
import pytest
from aiokafka.structs import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.outputs import Outputs, joined
from scoring.policy import Policy
from scoring.profile.packed import POLICY
from streams.state.log.marker import Held
from tests.bundles import small_bundle
from tests.engine.test_engine import new_engine
from tests.engine.test_replayed import BROKEN, STREAM, score
from tests.events import encoded
from tests.examples import examples
from tests.state.fakes import TOPICS, Crashed
from tests.state.policies.world import (
    BLIND,
    MILD,
    STRICT,
    PolicyWorker,
    World,
    markers,
    published,
    readers_of,
    recorded,
    traffic,
)


def play(world: World, scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scenario()

    with readers_of(world):
        asyncio.run(bounded())


def contents(world: World, partition: int = 0) -> set[bytes]:
    """Return the keys of contents on a log, as a restore sees them."""
    found: dict[bytes, bool] = {}
    tp = TopicPartition(TOPICS.card_profiles, partition)
    for record in world.broker.logs[tp]:
        if record.offset not in world.broker.aborted[tp] and len(record.key) == 12 and record.key[3] == POLICY:
            found[record.key] = record.value is not None
    return {key for key, is_there in found.items() if is_there}


def key_of(policy: Policy, partition: int = 0) -> bytes:
    return (POLICY << 24 | partition).to_bytes(4, "little") + (int(policy.digest, 16) << 16).to_bytes(8, "little")


def ends_of(policy: Policy, partition: int = 0) -> bytes:
    """Return the key of the row that says since when a policy is not used."""
    return key_of(policy, partition)[:4] + (int(policy.digest, 16) << 16 | 0xFFFF).to_bytes(8, "little")


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_policy_is_used_when_its_content_is_durable_in_every_owned_partition() -> None:
    world = World(1, traffic(20), traffic(20))

    async def scenario() -> None:
        worker = PolicyWorker(world, MILD)
        await worker.take(0, 1)
        assert contents(world, 0) == {key_of(MILD)}, "before the first event"
        worker.change(STRICT)
        await settle()
        await worker.writer.flush([0])
        await settle()
        assert worker.engine.policy == MILD, "partition 1 has no content yet"
        await worker.writer.flush([1])
        await settle()
        assert worker.engine.policy == STRICT
        assert contents(world, 1) == {key_of(MILD, 1), key_of(STRICT, 1)}
        worker.apply(1, 5)
        await worker.flush()
        assert contents(world, 1) == {key_of(STRICT, 1), key_of(MILD, 1), ends_of(MILD, 1)}, "decisions name the other"

    play(world, scenario)
    assert [held.policy for held in recorded(world, 1)] == [STRICT.identity]


def test_a_worker_without_partitions_uses_a_policy_at_once_and_records_it_when_it_gets_one() -> None:
    world = World(1, traffic(20))

    async def scenario() -> None:
        worker = PolicyWorker(world, MILD)
        worker.change(STRICT)
        await settle()
        assert worker.engine.policy == STRICT
        await worker.take(0)
        assert contents(world) == {key_of(STRICT)}

    play(world, scenario)


def test_a_policy_that_is_not_used_after_all_ends() -> None:
    world = World(1, traffic(20))

    async def scenario() -> None:
        worker = PolicyWorker(world, MILD)
        await worker.take(0)
        worker.change(STRICT)
        await settle()
        await worker.writer.flush()  # durable, and the reload ends before it is used
        await worker.end()
        worker.engine.use(worker.engine.compile(MILD))
        await worker.flush()
        assert contents(world) == {key_of(MILD), key_of(STRICT), ends_of(STRICT)}

    play(world, scenario)


def test_a_policy_whose_content_is_on_the_log_already_needs_no_input_to_come_into_use() -> None:
    """A predecessor used it, and its decisions wait to be applied again."""
    world = World(1, traffic(20))

    async def scenario() -> None:
        worker = PolicyWorker(world, STRICT)
        await worker.take(0)
        worker.apply(0, 12)
        worker = PolicyWorker(world, MILD)
        await worker.take(0)
        worker.change(STRICT)
        await settle()
        await worker.flush()
        await settle()
        assert worker.engine.policy == STRICT
        assert contents(world) == {key_of(MILD), key_of(STRICT)}

    play(world, scenario)


def test_the_log_and_the_marker_say_which_policy_held_from_which_offset(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World(1, traffic(40))

    async def scenario() -> None:
        worker = PolicyWorker(world, MILD)
        await worker.take(0)
        worker.apply(0, 9)
        worker.change(STRICT)
        await settle()
        await worker.flush()
        worker.apply(0, 4)
        await worker.flush()
        for _ in range(30):  # a marker is bounded
            worker.change(BLIND if worker.engine.policy != BLIND else MILD)
            await settle()
            await worker.flush()
            worker.apply(0, 1)
        await worker.flush()

    play(world, scenario)
    said = [line for line in (record.getMessage() for record in caplog.records) if line.startswith("policy_held")]
    assert said[:3] == [
        f"policy_held policy={MILD.identity} partition=0 from=0 model={small_bundle().version}",
        f"policy_held policy={STRICT.identity} partition=0 from=9 model={small_bundle().version}",
        f"policy_held policy={BLIND.identity} partition=0 from=13 model={small_bundle().version}",
    ]
    last = markers(world, 0)[-1].policies
    assert [held.offset for held in last] == list(range(25, 41))
    assert len(said) == 30


def test_a_restart_with_the_same_files_goes_on_with_the_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World(1, traffic(40))

    async def scenario() -> None:
        for _ in range(2):
            worker = PolicyWorker(world, MILD)
            await worker.take(0)
            worker.apply(0, 9)
            await worker.flush()

    play(world, scenario)
    assert markers(world, 0)[-1].policies == [Held(policy=MILD.identity, offset=0, model=small_bundle().version)]
    assert caplog.text.count("policy_held") == 1


def forgotten(world: World, fuse: int) -> None:
    """Let MILD decide 10 events and crash, and remove its content from the log, as an earlier release has none."""

    async def scenario() -> None:
        worker = PolicyWorker(world, MILD)
        await worker.take(0)
        world.broker.fuse = fuse
        with pytest.raises(Crashed):
            worker.apply(0, 30)
        world.broker.fuse = None
        tp = TopicPartition(TOPICS.card_profiles, 0)
        world.broker.append(tp, key_of(MILD), None)
        marker = [record.value for record in world.broker.logs[tp] if record.key == b"marker"][-1]
        world.broker.append(tp, b"marker", marker)

    play(world, scenario)


def test_events_of_a_policy_that_is_missing_are_applied_by_that_in_use_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(1, traffic(40))
    forgotten(world, 10)

    async def scenario() -> None:
        worker = PolicyWorker(world, STRICT)
        await worker.take(0)
        named = {one["decision_id"] for one in published(world, TOPICS.decisions)}
        named |= {one["event_id"] for one in published(world, TOPICS.alerts)}
        assert (worker.telemetry.recorded, worker.telemetry.missing) == (0, len(named))
        while world.left(worker, 0):
            worker.apply(0, 7)
        await worker.flush()

    play(world, scenario)
    assert f"policy_missing policy={MILD.identity} partition=0" in caplog.text
    made = published(world, TOPICS.decisions)
    assert len({one["decision_id"] for one in made}) == len(made)
    assert [held.policy for held in recorded(world, 0)] == [STRICT.identity]


def test_events_that_are_applied_again_by_a_recorded_policy_are_counted() -> None:
    world = World(1, traffic(40))

    async def scenario() -> None:
        worker = PolicyWorker(world, MILD)
        await worker.take(0)
        worker.apply(0, 12)
        await worker.end()  # it is killed
        worker = PolicyWorker(world, STRICT)
        await worker.take(0)
        while world.left(worker, 0):
            worker.apply(0, 7)
        assert (worker.telemetry.recorded, worker.telemetry.missing) == (12, 0)
        assert worker.engine.policy == STRICT
        await worker.flush()
        assert contents(world) == {key_of(STRICT), key_of(MILD), ends_of(MILD)}

    play(world, scenario)
    assert [(held.policy, held.offset) for held in recorded(world, 0)] == [(MILD.identity, 0), (STRICT.identity, 12)]


def test_a_recorded_policy_keeps_the_quiet_time_of_the_process_and_its_own_name() -> None:
    world = World(1, traffic(30))
    quick = msgspec.structs.replace(MILD, alerts=msgspec.structs.replace(MILD.alerts, incident_quiet_minutes=5))

    async def scenario() -> None:
        worker = PolicyWorker(world, quick)
        await worker.take(0)
        worker.apply(0, 12)
        worker = PolicyWorker(world, STRICT)
        await worker.take(0)
        worker.apply(0, 30)
        await worker.flush()

    play(world, scenario)
    assert [held.policy for held in recorded(world, 0)] == [quick.identity, STRICT.identity]


def test_a_change_while_input_is_applied_again_does_not_touch_what_the_predecessor_decided() -> None:
    world = World(1, traffic(40))

    async def scenario() -> None:
        worker = PolicyWorker(world, MILD)
        await worker.take(0)
        worker.apply(0, 18)
        worker = PolicyWorker(world, MILD)  # the same files: it is killed and starts again
        await worker.take(0)
        worker.apply(0, 4)
        worker.change(STRICT)
        await settle()
        await worker.flush()
        assert worker.engine.policy == STRICT
        while world.left(worker, 0):
            worker.apply(0, 4)
        await worker.flush()

    play(world, scenario)
    assert [(held.policy, held.offset) for held in recorded(world, 0)] == [(MILD.identity, 0), (STRICT.identity, 18)]


@settings(max_examples=examples(25))
@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=4))
def test_outputs_of_the_parts_of_a_batch_are_joined_to_those_of_the_batch(cuts: Sequence[int]) -> None:
    ends = [*sorted(set(cuts)), len(STREAM)]
    engine, parts = new_engine(), list[Outputs]()
    for begin, end in zip([0, *ends], ends, strict=False):
        parts.append(score(engine, STREAM[begin:end], first=begin))
    assert joined(parts) == whole()


@cache
def whole() -> Outputs:
    return score(new_engine(), STREAM)


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_run_of_dead_letters_goes_on_over_a_cut(cut: int) -> None:
    for values in ([BROKEN] * 3 + [encoded()] + [BROKEN] * 3, [BROKEN] * 7):
        engine = new_engine()
        parts = [score(engine, values[:cut]), score(engine, values[cut:], first=cut)]
        assert joined(parts).tally.letter_runs == score(new_engine(), values).tally.letter_runs
