"""The first use of a proof is remembered by partition, up to a limit, logged once and restored at its place."""

import random
from collections.abc import Callable
from typing import Final

import numpy as np
import pytest

from scoring.profile import Profiles
from scoring.profile.packed import PROOF, PROOF_WORDS, ROW_FORMAT, Packed, RowFormatError
from scoring.profile.proofs import AGE_MAX_S, IS_ID, SAID_BITS, SECOND, Proofs
from tests.profile.events import SMALL, at
from tests.profile.rows.test_changelog import feed, one_row

PARTITIONS: Final = 3
SIZE: Final = 8
SAID: Final = (0, 1, IS_ID, (1 << SAID_BITS) - 1)
Use = tuple[int, ...]


class Naive:
    """Uses by partition in dictionaries that keep the order of insertion."""

    def __init__(self) -> None:
        self.uses: list[dict[int, Use]] = [{} for _ in range(PARTITIONS)]
        self.spent = [0] * PARTITIONS
        self.numbers: list[dict[int, int]] = [{} for _ in range(PARTITIONS)]

    def observe(self, key: int, now: Use, partition: int) -> list[Use]:
        known = [uses[key] for uses in self.uses if key in uses]
        recent = [use for use in known if now[SECOND] - use[SECOND] <= AGE_MAX_S]
        if not recent:
            self.uses[partition].pop(key, None)
            self.numbers[partition].pop(key, None)
            number = self.spent[partition]
            for old, given in list(self.numbers[partition].items()):
                if given <= number - SIZE:
                    del self.uses[partition][old], self.numbers[partition][old]
            self.uses[partition][key], self.numbers[partition][key] = now, number
            self.spent[partition] += 1
        return recent


def observed(proofs: Proofs, uses: list[tuple[int, Use]], partition: int) -> list[list[Use]]:
    """Observe a batch; give the known uses of each proof, sorted."""
    keys, kept = np.array([key for key, _ in uses], dtype=np.uint64), np.array([f for _, f in uses], dtype=np.uint32)
    found: list[list[Use]] = [[] for _ in uses]
    replays = proofs.observe(keys, kept.reshape(-1, 6), partition)
    for place, known in zip(replays.places.tolist(), replays.known.tolist(), strict=True):
        found[place].append(tuple(known))
    return [sorted(known) for known in found]


def live(proofs: Proofs) -> list[tuple[int, int, int, list[int]]]:
    """Give all uses that are remembered: partition, number, key, columns. Check that the index finds exactly these."""
    made = []
    for partition, ring in proofs._rings.items():
        for position in np.flatnonzero(ring.numbers).tolist():
            key = int(ring.keys[position])
            made.append((partition, int(ring.numbers[position]) - 1, key, ring.uses[position].tolist()))
            assert partition * proofs._size + position in proofs._codes(key)
    assert sum(len(proofs._codes(key)) for key in proofs._places) == len(made)
    assert {key for _, _, key, _ in made} == set(proofs._places)
    return sorted(made)


def batch(draw: random.Random, keys: int, second: int) -> list[tuple[int, Use]]:
    times = (second, second, second, second + AGE_MAX_S // 2)
    return [
        (
            draw.randrange(1, keys),
            (draw.randrange(4), draw.randrange(4), draw.randrange(3), 1, draw.choice(times), draw.choice(SAID)),
        )
        for _ in range(draw.randrange(1, 6))
    ]


@pytest.mark.parametrize("seed", range(12))
def test_uses_are_those_of_plain_dictionaries_across_flushes_restarts_and_moves(seed: int) -> None:
    draw, naive = random.Random(seed), Naive()  # noqa: S311 -- seeded
    proofs = Proofs(PARTITIONS, SIZE * PARTITIONS + 2)
    logs: list[dict[int, list[int]]] = [{} for _ in range(PARTITIONS)]  # as a compacted topic keeps them
    for partition in range(PARTITIONS):
        proofs.own(partition)
    second = 1_700_000_000
    for step in range(120):
        second += draw.choice((0, 1, 3_600, AGE_MAX_S // 3))
        partition, uses = draw.randrange(PARTITIONS), batch(draw, draw.choice((6, 60)), second)
        wanted = [sorted(naive.observe(key, use, partition)) for key, use in uses]
        assert observed(proofs, uses, partition) == wanted, step
        for flushed in range(PARTITIONS):  # all partitions at once: a worker that stops flushes everything
            take_rows(logs[flushed], proofs.flush(flushed), flushed)
        known = [
            (where, naive.numbers[where][key], key, list(use))
            for where, uses_of in enumerate(naive.uses)
            for key, use in uses_of.items()
        ]
        assert live(proofs) == sorted(known)
        assert {(where, key) for where, log in enumerate(logs) for key in log} == {(row[0], row[2]) for row in known}
        if step % 10 == 9:
            proofs = draw.choice((restarted, moved))(draw, proofs, logs)
            assert live(proofs) == sorted(known)


def take_rows(log: dict[int, list[int]], packed: Packed, partition: int) -> None:
    """Append rows to a log and compact it: the last value of each key, at its place."""
    assert len({tuple(key) for key in packed.keys.tolist()}) == len(packed), "a flush must hold each key once"
    for n in range(len(packed)):
        row = one_row(packed, n)
        assert row.keys[0, 0] == PROOF << 24 | partition
        key = int(row.keys[0, 2]) << 32 | int(row.keys[0, 1])
        log.pop(key, None)
        if len(row.values):
            log[key] = row.values.tolist()


def rows_of(log: dict[int, list[int]], partition: int) -> Packed:
    keys = np.array([[PROOF << 24 | partition, key & 0xFFFFFFFF, key >> 32] for key in log], dtype=np.uint32)
    values = np.array([word for value in log.values() for word in value], dtype=np.uint32)
    return Packed(keys.reshape(-1, 3), values, np.cumsum([len(value) for value in log.values()], dtype=np.int64))


def restarted(draw: random.Random, _: Proofs, logs: list[dict[int, list[int]]]) -> Proofs:
    """Start again from the logs: partitions come in any order, and rows too, because some were written again."""
    again = Proofs(PARTITIONS, SIZE * PARTITIONS + 2)
    for partition in draw.sample(range(PARTITIONS), PARTITIONS):
        rows = draw.sample(list(logs[partition].items()), len(logs[partition]))
        again.restore(partition, rows_of(dict(rows), partition))
        again.own(partition)
    return again


def moved(draw: random.Random, proofs: Proofs, logs: list[dict[int, list[int]]]) -> Proofs:
    """Revoke a partition and assign it again."""
    partition = draw.randrange(PARTITIONS)
    proofs.leave(partition)
    proofs.forget(partition)
    proofs.restore(partition, rows_of(logs[partition], partition))
    proofs.own(partition)
    return proofs


def test_a_follower_that_reads_each_flush_knows_what_the_owner_knows() -> None:
    draw = random.Random(5)  # noqa: S311 -- seeded
    owner, follower = Proofs(PARTITIONS, SIZE * PARTITIONS), Proofs(PARTITIONS, SIZE * PARTITIONS)
    owner.own(1)
    for step in range(200):
        observed(owner, batch(draw, 40, 1_700_000_000 + step * 40_000), 1)
        if step % 3 == 0:
            follower.restore(1, owner.flush(1))
            assert live(follower) == live(owner)
            assert len(follower.flush(1)) == 0, "only the owner may write"


def test_a_use_is_logged_once_and_uses_of_other_owners_get_no_tombstone() -> None:
    proofs = Proofs(1, 4)
    uses = [(key, (1, 1, 0, 1, 100, 0)) for key in range(1, 10)]
    observed(proofs, uses, 0)
    assert len(proofs.flush(0)) == 4, "only uses that are still remembered"
    assert len(proofs.flush(0)) == 0
    proofs.own(0)
    observed(proofs, [(99, (1, 1, 0, 1, 100, 0))], 0)
    packed = proofs.flush(0)
    assert [len(one_row(packed, n).values) for n in range(len(packed))] == [PROOF_WORDS, 0]
    assert packed.keys[:, 1].tolist() == [99, 6]


def test_uses_behind_the_last_marker_are_written_again_or_deleted_by_tombstones() -> None:
    first: Callable[[int], tuple[int, Use]] = lambda key: (key, (1, 1, 0, 1, 100, 0))  # noqa: E731 -- a case
    behind, again = Profiles(SMALL, PARTITIONS), Profiles(SMALL, PARTITIONS)
    feed(behind, at(0), 1, 1)
    observed(behind.changelog.proofs, [first(1), first(2)], 1)
    lost = behind.changelog.flush(1)[1]
    again.changelog.forget_shared(1)
    observed(again.changelog.proofs, [first(1)], 1)
    again.changelog.flush(1)
    again.changelog.rewrite(1, lost.keys)
    shared = again.changelog.flush(1)[1]
    mine = [one_row(shared, n) for n in range(len(shared)) if shared.keys[n, 0] >> 24 == PROOF]
    assert [(row.keys[0, 1], len(row.values)) for row in mine] == [(1, PROOF_WORDS), (2, 0)]


def test_a_use_that_is_new_and_behind_the_last_marker_is_written_once() -> None:
    proofs, lost = Proofs(1), Proofs(1)
    uses = [(key, (1, 1, 0, 1, 100, 0)) for key in (1, 2, 3)]
    observed(lost, uses, 0)
    proofs.own(0)
    observed(proofs, uses[:1], 0)
    proofs.flush(0)
    proofs.rewrite(0, lost.flush(0).keys)
    observed(proofs, uses[1:2], 0)
    packed = proofs.flush(0)
    assert packed.keys[:, 1].tolist() == [1, 2, 3]
    assert [len(one_row(packed, n).values) for n in range(3)] == [PROOF_WORDS, PROOF_WORDS, 0]


def test_a_number_of_42_bits_and_what_is_said_of_a_use_share_a_word() -> None:
    proofs, again = Proofs(1, 4), Proofs(1, 4)
    ring = proofs._ring(0)
    ring.end = ring.flushed = (1 << 42) - 3
    observed(proofs, [(1, (1, 2, 3, 4, 100, (1 << SAID_BITS) - 1)), (2, (1, 2, 3, 4, 100, 0))], 0)
    again.restore(0, proofs.flush(0))
    assert live(again) == live(proofs)
    assert [row[1] for row in live(again)] == [(1 << 42) - 3, (1 << 42) - 2]


def test_a_smaller_ring_keeps_the_latest_uses_of_a_log_in_any_order() -> None:
    larger = Proofs(1, 4)
    observed(larger, [(key, (1, 1, 0, 1, 100, 0)) for key in range(1, 5)], 0)
    log: dict[int, list[int]] = {}
    take_rows(log, larger.flush(0), 0)
    for order in ((1, 2, 3, 4), (4, 3, 2, 1), (3, 1, 4, 2)):
        smaller = Proofs(1, 2)
        smaller.restore(0, rows_of({key: log[key] for key in order}, 0))
        assert [(number, key) for _, number, key, _ in live(smaller)] == [(2, 3), (3, 4)]


def test_the_changelog_of_an_owned_partition_gets_a_tombstone_for_each_use_that_its_ring_drops() -> None:
    profiles = Profiles(SMALL, PARTITIONS)
    profiles.changelog._side[1] = profiles.changelog.proofs = Proofs(PARTITIONS, PARTITIONS)
    profiles.changelog.own(1)
    observed(profiles.changelog.proofs, [(1, (1, 1, 0, 1, 100, 0))], 1)
    profiles.changelog.flush(1)
    observed(profiles.changelog.proofs, [(2, (1, 1, 0, 1, 100, 0))], 1)
    packed = profiles.changelog.flush(1)[1]
    assert packed.keys[:, 1].tolist() == [2, 1]
    assert packed.ends.tolist() == [PROOF_WORDS, PROOF_WORDS]


def test_a_revoked_partition_is_followed_and_no_longer_written() -> None:
    profiles = Profiles(SMALL, PARTITIONS)
    profiles.changelog.own(1)
    observed(profiles.changelog.proofs, [(7, (1, 1, 0, 1, 100, 0))], 1)
    profiles.changelog.forget_cards(1)
    assert PROOF not in (profiles.changelog.flush(1)[1].keys[:, 0] >> 24).tolist()
    assert observed(profiles.changelog.proofs, [(7, (2, 1, 0, 1, 101, 0))], 0) == [[(1, 1, 0, 1, 100, 0)]]
    profiles.changelog.forget_shared(1)
    assert observed(profiles.changelog.proofs, [(7, (2, 1, 0, 1, 101, 0))], 0) == [[]]


def test_uses_are_written_behind_other_rows_and_all_are_restored() -> None:
    profiles, again = Profiles(SMALL, PARTITIONS), Profiles(SMALL, PARTITIONS)
    feed(profiles, at(0), 1, 1)
    observed(profiles.changelog.proofs, [(2**64 - 1, (1, 2, 3, 4, 100, 0)), (5, (1, 2, 3, 4, 2**32 - 1, 0))], 1)
    shared = profiles.changelog.flush(1)[1]
    assert [int(kind) for kind in shared.keys[-2:, 0] >> 24] == [PROOF, PROOF]
    again.changelog.restore(1, shared)
    assert live(again.changelog.proofs) == live(profiles.changelog.proofs)
    plain = Profiles(SMALL, PARTITIONS)
    plain.changelog.restore(1, Packed(shared.keys[:-2], shared.values[: -2 * PROOF_WORDS], shared.ends[:-2]))
    assert (again._arena.words == plain._arena.words).all()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([ROW_FORMAT + 1, *[0] * 7], f"row 0 has format {ROW_FORMAT + 1}; this version reads format {ROW_FORMAT}"),
        ([ROW_FORMAT, *[0] * 8], "row 0 of PROOF is damaged"),
        ([ROW_FORMAT, 0], "row 0 of PROOF is damaged"),
    ],
)
def test_a_use_of_another_format_is_refused_without_its_key(words: list[int], complaint: str) -> None:
    key = np.array([[PROOF << 24, 7, 7]], dtype=np.uint32)
    packed = Packed(key, np.array(words, dtype=np.uint32), np.array([len(words)]))
    target = Profiles(SMALL, PARTITIONS)
    with pytest.raises(RowFormatError) as refused:
        target.changelog.restore(0, packed)
    assert str(refused.value) == complaint
    assert live(target.changelog.proofs) == []


def test_a_use_of_another_partition_is_refused() -> None:
    proofs = Proofs(PARTITIONS)
    observed(proofs, [(1, (1, 1, 0, 1, 100, 0))], 2)
    with pytest.raises(RowFormatError, match="entity 254 and partition 2, in the log of partition 1"):
        Profiles(SMALL, PARTITIONS).changelog.restore(1, proofs.flush(2))


def test_with_one_partition_the_uses_of_any_partition_are_kept_together() -> None:
    """A worker without durable profiles keeps all rows under partition 0, whichever partitions it reads."""
    proofs = Proofs(1, SIZE)
    assert observed(proofs, [(7, (1, 2, 3, 4, 100, 0))], partition=5) == [[]]
    assert observed(proofs, [(7, (1, 9, 3, 4, 101, 0))], partition=2) == [[(1, 2, 3, 4, 100, 0)]]
