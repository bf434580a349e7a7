"""Siblings are remembered by stem, in any order of their rows, and within a limit."""

import random
from itertools import permutations

import numpy as np
import pytest

from scoring.profile import siblings
from scoring.profile.proofs import IS_ID, Proofs
from scoring.profile.siblings import MIX, SIBLINGS_MAX, Siblings, earlier


def tag_of(acquirer: int, merchant: int, stem: int) -> int:
    return (merchant * MIX + acquirer) % 2**32 << 32 | stem


def entry_of(key: int, second: int) -> int:
    return second << 32 | key % 2**32


class Naive:
    """Ids by stem in a dictionary."""

    def __init__(self) -> None:
        self.of: dict[int, tuple[int, ...]] = {}

    def observe(self, tag: int, entry: int, is_new: bool) -> tuple[int, ...]:
        before = self.of.get(tag, ())
        if is_new:
            mine = max([entry, *(one for one in before if one % 2**32 == entry % 2**32)])
            others = [one for one in before if one % 2**32 != entry % 2**32]
            self.of[tag] = tuple(sorted([*others, mine])[-SIBLINGS_MAX:])
        return before


def observed(
    of: Siblings, tags: list[int], entries: list[int], is_new: list[bool]
) -> list[tuple[int, tuple[int, ...]]]:
    columns = np.array(tags, dtype=np.uint64), np.array(entries, dtype=np.uint64), np.array(is_new, dtype=np.bool_)
    return list(of.observe(*columns))


def test_the_newest_of_a_stem_stay_in_whatever_order_they_come() -> None:
    rows = [entry_of(key // 2 + 3 * (key % 2), 100 + key // 2) for key in range(5)]
    found = set()
    for order in permutations([*rows, entry_of(0, 500)]):
        of = Siblings(4)
        for entry in order:
            observed(of, [5], [entry], [True])
        found.add(of._ids(5))
    assert len(found) == 1
    assert (500 << 32) in next(iter(found))
    many = Siblings(4)
    observed(many, [5] * 20, [entry_of(key, 100 + key) for key in range(20)], [True] * 20)
    assert [one >> 32 for one in many._ids(5)] == list(range(120 - SIBLINGS_MAX, 120))


@pytest.mark.parametrize("seed", range(6))
def test_ids_of_any_batches_are_those_of_a_plain_dictionary(seed: int) -> None:
    draw, naive, of = random.Random(seed), Naive(), Siblings(1 << 10)  # noqa: S311 -- seeded
    for step in range(80):
        size = draw.randrange(1, 9)
        tags = [draw.randrange(1, draw.choice((40, 4_000))) for _ in range(size)]
        entries = [
            entry_of(draw.getrandbits(40) if draw.random() < 0.2 else draw.randrange(5), step + draw.randrange(1, 4))
            for _ in range(size)
        ]
        is_new = [draw.random() < 0.8 for _ in range(size)]
        told = dict(observed(of, tags, entries, is_new))
        for place, each in enumerate(zip(tags, entries, is_new, strict=True)):
            before = naive.observe(*each)
            wanted = earlier(before, each[1], 2**32)
            assert earlier(told.get(place, ()), each[1], 2**32) == wanted, step
            assert place not in told or told[place] == before
        for tag in tags:
            assert of._ids(tag) == naive.of.get(tag, ()), step
    assert max(map(len, naive.of.values())) > 3


def test_others_in_the_time_before_count() -> None:
    of = Siblings()
    for key, second in ((1, 100), (1, 200), (2, 150), (3, 90), (4, 301)):
        observed(of, [5], [entry_of(key, second)], [True])
    before = of._ids(5)
    assert earlier(before, entry_of(9, 300), 200) == 2
    assert earlier(before, entry_of(9, 300), 210) == 3
    assert earlier(before, entry_of(9, 301), 211) == 4
    assert earlier(before, entry_of(1 | 7 << 32, 300), 210) == 2


def test_at_least_so_many_stems_are_remembered_and_at_most_twice_as_many() -> None:
    of = Siblings(8)
    for tag in range(1, 100):
        observed(of, [tag], [entry_of(1, tag)], [True])
        known = [other for other in range(1, 100) if of._ids(other)]
        assert known == list(range(tag + 1 - len(known), tag + 1))
        assert min(tag, 8) <= len(known) <= 16
    long = list(range(200, 240))
    assert observed(of, long, [entry_of(1, tag) for tag in long], [True] * 40) == []
    assert all(of._ids(tag) for tag in range(232, 240))


def test_stems_with_several_ids_have_a_limit_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siblings, "SEVERAL_MAX", 4)
    of = Siblings(64)
    for tag in range(1, 7):
        observed(of, [tag, tag], [entry_of(1, 5), entry_of(2, 6)], [True, True])
    assert [tag for tag in range(1, 7) if of._ids(tag)] == [3, 4, 5, 6]


def test_a_partition_that_is_forgotten_takes_its_ids_with_it_and_brings_them_back() -> None:
    owner, proofs = Proofs(3, 24), Proofs(3, 24)
    for partition in range(3):
        owner.own(partition)
        uses = np.array([(9, 7, 0, 8, 100 + k, IS_ID if k % 2 else 0) for k in range(4)], dtype=np.uint32)
        owner.observe(np.array([10 * partition + k for k in range(1, 5)], dtype=np.uint64), uses, partition)
    logged = [owner.flush(partition) for partition in range(3)]
    for partition in range(3):
        proofs.restore(partition, logged[partition])
    ids = [entry_of(10 * partition + k + 1, 100 + k) for k in (1, 3) for partition in range(3)]
    assert proofs.siblings()._ids(tag_of(8, 7, 9)) == tuple(sorted(ids))
    proofs.forget(1)
    assert proofs.siblings()._ids(tag_of(8, 7, 9)) == tuple(sorted(set(ids) - {ids[1], ids[4]}))
    proofs.forget(2)
    for partition in (1, 2):
        proofs.restore(partition, logged[partition])
    assert proofs.siblings()._ids(tag_of(8, 7, 9)) == tuple(sorted(ids))
