"""Workers with experiments are killed around changes of them: what is published equals an uninterrupted run."""

import asyncio
from functools import partial

import pytest

from scoring.policy import Policy, policy_from
from tests.examples import is_quick
from tests.experiment.made import SIGNED, levels
from tests.state.fakes import TOPICS
from tests.state.policies.world import (
    MILD,
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


def pair(version: str, review: int, candidate: int, share: int, **more: object) -> Policy:
    experiment = {
        "id": f"of-{version}",
        "share_per_mille": share,
        "effective_from": "2026-01-01T00:00:00Z",
        "effective_to": "2026-12-31T00:00:00Z",
        "approver": "k.sato",
        "candidate": {"version": f"{version}-c", "global": levels(candidate, candidate + 100, candidate + 200)},
    }
    document = {"version": version, "global": levels(review, review + 100, review + 200)}
    return policy_from(document | {"experiment": experiment | SIGNED | more})


LOUD = pair("loud", 700, 100, 400)
SOFT = pair("soft", 100, 790, 600)
"""The same arms, the other way round: a change that mixed both policies would show in each decision."""
FILES = {one.identity: one for one in (MILD, LOUD, SOFT)}


@pytest.mark.parametrize("seed", range(1 if is_quick() else 20))
def test_any_schedule_of_changes_and_kills_alters_no_decision_of_either_arm(seed: int) -> None:
    world = World(seed, traffic(100))
    files = list(FILES.values())
    step = partial(step_or_change, files=files)
    play_with_kills(world, lambda: world.random.choice(files), step, (20, 60, 120, 250))
    check(world, policies=FILES)
    assert {one.policy for one in recorded(world, 0)} <= FILES.keys(), "both arms are of one recorded policy"
    for made in published(world, TOPICS.decisions):
        said = made.get("experiment")
        if said is not None:
            declared = FILES[said["policy"]]
            assert declared.candidate is not None
            name = declared.identity if said["arm"] == "A" else declared.candidate.identity
            assert made["versions"]["policy"] == name


def test_a_successor_with_other_files_decides_nothing_again_and_recalls_the_pair() -> None:
    world = World(0, traffic(60))

    async def run() -> PolicyWorker:
        first = PolicyWorker(world, LOUD)
        await first.take(0)
        first.apply(0, 20)
        await first.flush()
        first.apply(0, 20)
        await first.end()
        second = PolicyWorker(world, SOFT)
        await second.take(0)
        while world.left(second, 0):
            second.apply(0, 7)
        await second.flush()
        return second

    with readers_of(world):
        second = asyncio.run(run())
    check(world, policies=FILES)
    assert (second.telemetry.recorded, second.telemetry.missing) == (20, 0)
    arms = {made["experiment"]["arm"] for made in published(world, TOPICS.decisions)}
    assert arms == {"A", "B"}
