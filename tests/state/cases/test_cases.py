"""Cases of alerts over kills, moves and flushes: every alert is that of a recount in plain Python, counts included."""

import asyncio
from contextlib import suppress

import pytest

from scoring.decide.alerts import ENTITY_OF_REASON
from tests.examples import is_quick
from tests.state.cases.world import members_of, policy, recount, step, told, traffic
from tests.state.fakes import TOPICS, Crashed
from tests.state.policies.world import PolicyWorker, World, play_with_kills, published, readers_of

POLICY = policy()


@pytest.fixture
def entity(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the alerts of rules be about another entity."""
    kind: str = request.param
    for action in ("review", "step_up", "block"):
        monkeypatch.setitem(ENTITY_OF_REASON, f"RULE:{action}", kind)
    return kind


KINDS = ("CARD", "DEVICE", "MERCHANT")


@pytest.mark.parametrize(
    ("seed", "entity"), [(n, KINDS[n % 3]) for n in range(3 if is_quick() else 60)], indirect=["entity"]
)
def test_kills_at_any_point_change_no_alert(seed: int, entity: str) -> None:
    values = traffic(seed, 0, 90)
    world = World(seed, values)

    play_with_kills(world, lambda: POLICY, step, (10, 25, 60, 150))
    expected = recount(values, published(world, TOPICS.decisions))
    assert sorted(told(world)) == sorted(expected)
    assert max(one.count for one in expected) > 1
    assert any(one.dedup_key.split(":")[1] == entity for one in expected)
    ids = [alert["alert_id"] for alert in published(world, TOPICS.alerts)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("seed", range(1 if is_quick() else 30))
def test_cases_of_cards_move_with_their_partition(seed: int) -> None:
    parts = [traffic(seed, 0, 70), traffic(seed, 1, 70)]
    world = World(seed, *parts)

    async def play() -> None:
        owners = {number: PolicyWorker(world, POLICY) for number in range(2)}
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
                owners[partition] = PolicyWorker(world, POLICY)
                await owners[partition].take(partition)
        for worker in owners.values():
            await worker.flush()
            await worker.end()

    with readers_of(world):
        asyncio.run(play())
    expected = []
    for partition, values in enumerate(parts):
        expected += recount(values, published(world, TOPICS.decisions, partition))
    assert sorted(told(world)) == sorted(expected)


@pytest.mark.parametrize(
    ("seed", "entity"), [(n, KINDS[1 + n % 2]) for n in range(2 if is_quick() else 60)], indirect=["entity"]
)
def test_a_case_in_two_partitions_counts_each_decision_once_through_kills(seed: int, entity: str) -> None:
    """Kafka gives no order between partitions, so the recount checks the sum, and that no alert is repeated."""
    parts = [traffic(seed, number, 60, shops=1, gaps=(1, 1, 5)) for number in range(2)]
    world = World(seed, *parts)
    alive: list[PolicyWorker] = []

    async def life() -> bool:
        worker = PolicyWorker(world, POLICY)
        try:
            await worker.take(0, 1)
            world.broker.fuse = world.random.choice((25, 60, 150))
            while any(world.left(worker, number) for number in range(2)):
                await step(world, worker, world.random.randrange(2))
            await worker.flush()
        except Crashed:
            return True
        finally:
            world.broker.fuse = None
            await worker.end()
        alive.append(worker)
        return False

    async def play() -> None:
        while await life():
            pass

    with readers_of(world):
        asyncio.run(play())
    kept = alive[0].engine._alerting._desk.rows.cases
    keys = {key for number in range(2) for key in kept.keys_of(number)}
    decided = [one for number in range(2) for one in published(world, TOPICS.decisions, number)]
    members = members_of([*parts[0], *parts[1]], decided)
    assert sorted(sum(part.count for part in kept.of(key).values()) for key in keys) == sorted(members.values())
    assert all(len({part.first_ms for part in kept.of(key).values()}) == 1 for key in keys)
    made = told(world)
    assert {one.dedup_key.split(":")[1] for one in made} == {entity}
    assert len({(one.dedup_key, one.severity) for one in made}) == len(made), "no alert is raised twice"
