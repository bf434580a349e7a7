"""Around a change of the policy a worker may be killed at any point: what is published equals an uninterrupted run."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import msgspec
import pytest

from scoring.decide.decisions import BAND_NAMES
from scoring.policy import Policy
from tests.examples import is_quick
from tests.state.fakes import TOPICS, Crashed
from tests.state.policies.world import (
    BLIND,
    MILD,
    POLICIES,
    STRICT,
    PolicyWorker,
    World,
    check,
    play_with_kills,
    published,
    readers_of,
    recorded,
    step_or_change,
    traffic,
)

FILES = [MILD, STRICT, BLIND]
"""Policies in the files of the successor: that of before the change, that of after it, and another."""


async def finish(world: World, own: Policy) -> PolicyWorker:
    """Let a successor with files of its own apply the rest."""
    worker = PolicyWorker(world, own)
    await worker.take(0)
    while world.left(worker, 0):
        worker.apply(0, 7)
    await worker.flush()
    return worker


async def changed_once(world: World, fuse: int) -> None:
    """MILD decides 40 events, STRICT the rest; some are flushed and some are not. Crash after `fuse` answers."""
    worker = PolicyWorker(world, MILD)
    try:
        await worker.take(0)
        world.broker.fuse = fuse
        worker.apply(0, 20)
        await worker.flush()
        worker.apply(0, 12)
        worker.change(STRICT)
        await asyncio.sleep(0)
        worker.apply(0, 8)  # its content is not durable yet
        await worker.flush()
        worker.apply(0, 9)
        worker.apply(0, 9)
        await worker.flush()
        worker.apply(0, 9)
    finally:
        await worker.end()


def killed(play: Callable[[World, int], Awaitable[None]], fuse: int, own: Policy, seed: int) -> bool:
    """Play until the fuse, then let a successor finish. Return whether it was killed."""
    world = World(seed, traffic(70))

    async def run() -> bool:
        was_killed = False
        try:
            await play(world, fuse)
        except Crashed:
            was_killed = True
        world.broker.fuse = None
        await finish(world, own)
        return was_killed

    with readers_of(world):
        was_killed = asyncio.run(run())
    check(world)
    return was_killed


@pytest.mark.parametrize("own", FILES, ids=lambda one: one.version)
def test_a_kill_at_any_point_around_a_change_alters_nothing(own: Policy) -> None:
    """Each of the three successors comes after every third point, so that all points have one."""
    fuse = FILES.index(own)
    while killed(changed_once, fuse, own, seed=fuse):
        fuse += len(FILES) * (17 if is_quick() else 1)
    assert fuse > 100, "the worker was killed at this many points"


@pytest.mark.parametrize("seed", range(1 if is_quick() else 30))
def test_any_schedule_of_changes_and_kills_alters_nothing(seed: int) -> None:
    world = World(seed, traffic(150))
    step = partial(step_or_change, files=FILES)
    play_with_kills(world, lambda: world.random.choice(FILES), step, (20, 60, 120, 250))
    check(world)


@pytest.mark.parametrize("seed", range(1 if is_quick() else 30))
def test_partitions_that_move_between_workers_with_other_files_are_decided_by_the_recorded_policies(seed: int) -> None:
    """With several partitions only cards repeat exactly: the oracle is the score and the thresholds of the policy."""
    parts = [traffic(60), [value.replace(b'"a-', b'"b-') for value in traffic(60)]]
    world = World(seed, *parts)
    choose = world.random

    async def play() -> None:
        owners = {0: PolicyWorker(world, choose.choice(FILES)), 1: PolicyWorker(world, choose.choice(FILES))}
        for partition, worker in owners.items():
            await worker.take(partition)
        while any(world.left(worker, partition) for partition, worker in owners.items()):
            partition = choose.randrange(2)
            worker, act = owners[partition], choose.randrange(8)
            if act < 5:
                worker.apply(partition, choose.randint(1, 9))
            elif act == 5:
                await worker.flush()
            elif act == 6:
                worker.change(choose.choice(FILES))
                await asyncio.sleep(0)
            elif choose.random() < 0.5:  # they change places, after an orderly revocation
                for one in owners.values():
                    await one.leave()
                owners = {0: owners[1], 1: owners[0]}
                for number, one in owners.items():
                    await one.take(number)
            else:  # one is killed; a worker with files of its own has its partition
                world.broker.fuse = choose.randrange(30)
                with suppress(Crashed):
                    worker.apply(partition, 9)
                    await worker.flush()
                world.broker.fuse = None
                await worker.end()
                owners[partition] = PolicyWorker(world, choose.choice(FILES))
                await owners[partition].take(partition)
        for worker in set(owners.values()):
            await worker.flush()
            await worker.end()

    with readers_of(world):
        asyncio.run(play())
    for partition, values in enumerate(parts):
        good = [(number, value) for number, value in enumerate(values) if value != b"{no json"]
        place = {msgspec.json.decode(value)["event_id"]: number for number, value in reversed(good)}  # its first place
        made, switches = published(world, TOPICS.decisions, partition), recorded(world, partition)
        assert sorted(one["decision_id"] for one in made) == sorted(place), "each is decided once"
        for one in made:
            offset = place[one["decision_id"]]
            held = [switch.policy for switch in switches if switch.offset <= offset][-1]
            assert one["versions"]["policy"] == held
            levels = POLICIES[held].everywhere
            reached = sum(one["score"] >= level for level in (levels.review, levels.step_up, levels.block))
            assert one["band"] == BAND_NAMES[reached]
