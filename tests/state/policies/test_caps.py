"""Caps of rules over kills, changes of the policy and moves: each decision is that of a recount in plain Python."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import pytest

from streams.state.log.marker import Held
from tests.examples import is_quick
from tests.policy.rules.capped import Caps, Pay, Recount, Told, policy
from tests.state.fakes import TOPICS, Crashed
from tests.state.policies.world import PolicyWorker, World, play_with_kills, published, readers_of, recorded, recount

CAPS = {"tight": Caps(6, 3), "odd": Caps(9, 4, 4, 2), "wide": Caps(40, 40, 30, 5)}
POLICIES = {one.identity: one for one in (policy(caps, name) for name, caps in CAPS.items())}
CAPS_OF = dict(zip(POLICIES, CAPS.values(), strict=True))
FILES = list(POLICIES.values())


def traffic(seed: int, partition: int, count: int = 90) -> list[Pay]:
    """Make payments over three hours, some of them repeats and some of the hour before."""
    choose = random.Random(f"{seed} {partition}")  # noqa: S311 -- a seed, no secret
    made: list[Pay] = []
    for number in range(count):
        if number % 11 == 10:
            made.append(made[-choose.randint(1, 3)])  # a card remembers its last ids only
            continue
        minute = max(number * 2 - choose.choice((0, 0, 0, 30)), 0)
        yen = choose.choice((15_000, 25_000, 25_001, 40_001, 95_001))
        made.append(Pay(1_000 * partition + number, minute, choose.randrange(3), yen, partition))
    return made


def expected(payments: Sequence[Pay], switches: Sequence[Held], partitions: int) -> dict[int, Told]:
    made, by_hand = dict[int, Told](), Recount(partitions)
    for held, after in pairwise([*switches, Held(policy="", offset=len(payments))]):
        made |= by_hand.decide(payments[held.offset : after.offset], CAPS_OF[held.policy])
    return made


def told(world: World, partition: int) -> dict[int, Told]:
    found = published(world, TOPICS.decisions, partition)
    return {
        int(one["decision_id"].removeprefix("e-")): Told(
            one["band"], tuple((hit["id"], hit.get("capped")) for hit in one["rule_hits"])
        )
        for one in found
    }


async def step(world: World, worker: PolicyWorker, partition: int) -> None:
    act = world.random.randrange(6)
    if act < 4:
        worker.apply(partition, world.random.randint(1, 12))
    elif act == 4:
        await worker.flush()
    else:
        worker.change(world.random.choice(FILES))
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(2 if is_quick() else 40))
def test_kills_at_any_point_change_no_count(seed: int) -> None:
    payments = traffic(seed, 0)
    world = World(seed, [pay.value for pay in payments])

    play_with_kills(world, lambda: world.random.choice(FILES), step, (10, 25, 60, 150))
    assert published(world, TOPICS.decisions) == recount(world, 0, POLICIES)[0]
    made = told(world, 0)
    assert made == expected(payments, recorded(world, 0), 1)
    assert any(cap for one in made.values() for _, cap in one.hits)


@pytest.mark.parametrize("seed", range(1 if is_quick() else 30))
def test_counts_move_with_their_partition(seed: int) -> None:
    parts = [traffic(seed, 0), traffic(seed, 1)]
    world = World(seed, *([pay.value for pay in part] for part in parts))

    async def play() -> None:
        owners = {0: PolicyWorker(world, FILES[0]), 1: PolicyWorker(world, FILES[1])}
        for partition, worker in owners.items():
            await worker.take(partition)
        while any(world.left(worker, partition) for partition, worker in owners.items()):
            partition, act = world.random.randrange(2), world.random.randrange(12)
            if act < 10:
                await step(world, owners[partition], partition)
            elif act == 10:  # they change places, after an orderly revocation
                for one in owners.values():
                    await one.leave()
                owners = {0: owners[1], 1: owners[0]}
                for number, one in owners.items():
                    await one.take(number)
            else:  # one is killed, and another worker has its partition
                world.broker.fuse = world.random.randrange(30)
                with suppress(Crashed):
                    owners[partition].apply(partition, 9)
                    await owners[partition].flush()
                world.broker.fuse = None
                await owners[partition].end()
                owners[partition] = PolicyWorker(world, world.random.choice(FILES))
                await owners[partition].take(partition)
        for worker in owners.values():
            await worker.flush()
            await worker.end()

    with readers_of(world):
        asyncio.run(play())
    for partition, payments in enumerate(parts):
        assert told(world, partition) == expected(payments, recorded(world, partition), 2)
