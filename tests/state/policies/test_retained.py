"""Contents of policies that are not used any more stay as long as published decisions may name them, and no longer."""

import random
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
from aiokafka.structs import TopicPartition

from scoring.policy import Policy
from scoring.policy import record as records
from scoring.policy.record import PolicyRecord, PolicyRows, record_of
from scoring.profile.packed import Packed
from streams.config.settings import Settings
from streams.explain.every.contents import Contents
from streams.kafka.settings import TopicRetention
from streams.kafka.topics import TopicsSettings
from streams.kafka.types import DAY_MS
from streams.state import changelog_writer
from streams.worker.settings import WorkerSettings
from tests.examples import examples, is_quick
from tests.state.fakes import TOPICS
from tests.state.policies.test_use import contents, ends_of, key_of, play
from tests.state.policies.world import (
    BLIND,
    MILD,
    STRICT,
    PolicyWorker,
    World,
    play_with_kills,
    policy,
    published,
    step_or_change,
    traffic,
)
from tests.state.rows import pairs

KEPT_MS = 1_000
MANY = [policy(f"p{number}", 500 + number) for number in range(8)]
MADE = [record_of(one.identity, one.content) for one in MANY]


def owner(log: dict[bytes, bytes | None] | None = None) -> PolicyRows:
    """Make a new owner of partition 0, with the rows of a compacted log."""
    rows = PolicyRows()
    rows.own(0)
    filled = {key: value for key, value in (log or {}).items() if value is not None}
    if filled:
        keys = np.frombuffer(b"".join(filled), dtype="<u4").reshape(-1, 3)
        ends = np.cumsum([len(value) // 4 for value in filled.values()], dtype=np.int64)
        rows.restore(0, Packed(keys, np.frombuffer(b"".join(filled.values()), dtype="<u4"), ends))
    return rows


def there(rows: PolicyRows, of: Sequence[Policy] = MANY) -> set[int]:
    return {number for number, one in enumerate(of) if rows.content(0, one.identity) is not None}


@pytest.mark.parametrize("seed", range(examples(40)))
def test_a_content_stays_for_its_time_after_it_was_last_in_use_through_restores(seed: int) -> None:
    """The oracle remembers when each policy was last said to be in use at a flush."""
    choose = random.Random(seed)  # noqa: S311 -- a seed, no secret
    rows, log, now_ms = owner(), dict[bytes, bytes | None](), 10_000
    unused_since: dict[int, int | None] = {}  # None: in use
    for _ in range(60):
        now_ms += choose.choice((0, 1, 200, 999))
        used = set(choose.sample(range(len(MANY)), choose.randint(1, 2)))
        others = {n for n in set(choose.sample(range(len(MANY)), 1)) - used if n in unused_since}
        names = [MANY[number].identity for number in others]
        rows.keep(0, [MADE[number] for number in used], names, now_ms=now_ms, kept_ms=KEPT_MS)
        for number in used | others:
            unused_since[number] = None
        for number, since_ms in list(unused_since.items()):
            if number in used | others:
                continue
            if since_ms is None:
                unused_since[number] = now_ms
            elif since_ms + KEPT_MS <= now_ms:
                del unused_since[number]
        log.update(pairs(rows.flush(0)))
        assert there(rows) == set(unused_since)
        if choose.random() < 0.2:  # another worker takes over
            rows = owner(log)
            assert there(rows) == set(unused_since)
    assert len([value for value in log.values() if value is not None]) == len(unused_since) + sum(
        since_ms is not None for since_ms in unused_since.values()
    )


def test_nothing_is_written_while_nothing_changes_or_ends() -> None:
    rows = owner()
    rows.keep(0, [MADE[0]], now_ms=0, kept_ms=KEPT_MS)
    rows.keep(0, [MADE[1]], now_ms=5, kept_ms=KEPT_MS)
    assert len(rows.flush(0)) == 3, "two contents, and since when one is not used"
    for now_ms in (6, 500, 1_004):
        rows.keep(0, [MADE[1]], now_ms=now_ms, kept_ms=KEPT_MS)
        assert not rows.is_due(0)
    rows.keep(0, [MADE[1]], now_ms=1_005, kept_ms=KEPT_MS)
    assert [value for _, value in pairs(rows.flush(0))] == [None, None]


def test_a_policy_that_is_used_again_is_no_longer_past() -> None:
    rows = owner()
    for now_ms, number in ((0, 0), (10, 1), (500, 0), (600, 1)):
        rows.keep(0, [MADE[number]], now_ms=now_ms, kept_ms=KEPT_MS)
    rows.keep(0, [MADE[1]], now_ms=1_500, kept_ms=KEPT_MS)
    assert there(rows) == {0, 1}
    rows.keep(0, [MADE[1]], now_ms=1_600, kept_ms=KEPT_MS)
    assert there(rows) == {1}


def test_a_clock_that_goes_back_keeps_no_content_for_longer_than_from_now() -> None:
    rows = owner()
    for now_ms, number in ((0, 0), (9_000, 1), (50, 1)):
        rows.keep(0, [MADE[number]], now_ms=now_ms, kept_ms=KEPT_MS)
    rows.keep(0, [MADE[2]], now_ms=60, kept_ms=KEPT_MS)
    rows.keep(0, [MADE[2]], now_ms=1_059, kept_ms=KEPT_MS)
    assert there(rows) == {0, 1, 2}
    rows.keep(0, [MADE[2]], now_ms=1_060, kept_ms=KEPT_MS)
    assert there(rows) == {2}


def test_beyond_a_number_the_contents_that_were_unused_longest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "PAST_MAX", 3)
    rows = owner()
    for now_ms, number in enumerate((5, 0, 1, 2, 3)):
        rows.keep(0, [MADE[number]], now_ms=now_ms, kept_ms=KEPT_MS)
    assert there(rows) == {0, 1, 2, 3}
    rows.keep(0, [MADE[4]], now_ms=6, kept_ms=KEPT_MS)
    assert there(rows) == {1, 2, 3, 4}


def test_beyond_so_many_bytes_the_contents_that_were_unused_longest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = owner()
    for now_ms, number in enumerate((0, 1, 2, 3)):
        rows.keep(0, [MADE[number]], now_ms=now_ms, kept_ms=KEPT_MS)
    sizes = [sum(map(len, one.rows.values())) for one in MADE]
    monkeypatch.setattr(records, "PAST_BYTES_MAX", sizes[2] + sizes[3] + 20)
    rows.keep(0, [MADE[4]], now_ms=4, kept_ms=KEPT_MS)
    assert there(rows) == {2, 3, 4}
    monkeypatch.setattr(records, "PAST_BYTES_MAX", sizes[4])
    rows.keep(0, [MADE[5]], now_ms=5, kept_ms=KEPT_MS)
    assert there(rows) == {4, 5}


def test_a_content_that_is_written_anew_has_none_of_its_old_pieces() -> None:
    rows, first = owner(), min(MADE[0].rows)
    rows.keep(0, [PolicyRecord(MADE[0].identity, {**MADE[0].rows, first + 1: MADE[0].rows[first]})])
    rows.keep(0, [MADE[0]])
    assert len({key for key, value in pairs(rows.flush(0)) if value is not None}) == 1


@pytest.mark.parametrize("seed", range(1 if is_quick() else 12))
def test_after_kills_and_compaction_every_policy_that_a_decision_names_is_on_the_log(seed: int) -> None:
    world = World(seed, traffic(150))
    step = partial(step_or_change, files=MANY)
    play_with_kills(world, lambda: world.random.choice(MANY), step, (20, 60, 120, 250))
    tp = TopicPartition(TOPICS.card_profiles, 0)
    world.broker.compact(tp)
    found = Contents()
    for record in world.broker.logs[tp]:
        found.take(0, [record.key], [record.value])
    named = {one["versions"]["policy"] for one in published(world, TOPICS.decisions)}
    assert len(named) > 1
    for one in MANY:
        if one.identity in named:
            assert found.of(one.identity) == one.content


def test_a_new_owner_ends_what_a_killed_one_used_and_deletes_it_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, now_ms = World(1, traffic(40)), 1_000_000
    kept_ms = PolicyWorker(world, MILD).writer.policies._kept_ms
    monkeypatch.setattr(changelog_writer, "_now_ms", lambda: now_ms)

    async def scenario() -> None:
        nonlocal now_ms
        for own in (MILD, STRICT):
            worker = PolicyWorker(world, own)
            await worker.take(0)
            worker.apply(0, 9)
            await worker.end()  # it is killed
        worker = PolicyWorker(world, BLIND)
        await worker.take(0)
        worker.apply(0, 20)
        worker.apply(0, 20)  # nothing of the killed ones is applied again any more
        now_ms += 5_000
        await worker.flush()
        past = {key_of(MILD), ends_of(MILD), key_of(STRICT), ends_of(STRICT)}
        assert contents(world) == {key_of(BLIND), *past}
        now_ms += kept_ms - 5_001
        await worker.flush()
        assert contents(world) == {key_of(BLIND), *past}
        now_ms += 5_001
        await worker.flush()
        assert contents(world) == {key_of(BLIND)}

    play(world, scenario)


@pytest.mark.parametrize("days", [1, 30, 3_650])
def test_contents_outlive_decisions_by_ten_days(days: int) -> None:
    topics = TopicsSettings(retention_ms=TopicRetention(decisions=days * DAY_MS))
    assert Settings(topics=topics).worker.policies_kept_ms == (days + 10) * DAY_MS
    assert Settings().worker == WorkerSettings(), "40 days are the default"
