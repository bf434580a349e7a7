"""Siblings are remembered by stem, in any order of their rows, and within a limit."""

import random
from itertools import permutations

import numpy as np
import pytest

from scoring.profile import siblings
from scoring.profile.proofs import IS_ID, Proofs
from scoring.profile.siblings import SIBLINGS_MAX, Siblings, earlier, entry_of, tag_of


def state(of: Siblings) -> dict[int, tuple[int, ...]]:
    return {tag: of._ids(tag) for tag in sorted(of._of)}


def observed(
    of: Siblings, tags: list[int], entries: list[int], is_new: list[bool]
) -> list[tuple[int, tuple[int, ...]]]:
    columns = np.array(tags, dtype=np.uint64), np.array(entries, dtype=np.uint64), np.array(is_new, dtype=np.bool_)
    return list(of.observe(*columns))


def test_a_tag_joins_merchant_acquirer_and_stem() -> None:
    assert len({tag_of(*each) for each in permutations((1, 2, 3))}) == 6
    assert tag_of(2**32 - 1, 2**32 - 1, 2**32 - 1) < 2**64


def test_the_newest_of_a_stem_stay_in_whatever_order_they_come() -> None:
    rows = [entry_of(key // 2 + 3 * (key % 2), 100 + key // 2) for key in range(6)]
    found = set()
    for order in permutations([*rows[:5], entry_of(0, 500)]):
        of = Siblings()
        for entry in order:
            of.put(5, entry)
        found.add(of._ids(5))
    assert len(found) == 1
    assert (500 << 32) in next(iter(found))
    many = Siblings()
    for key in range(20):
        many.put(5, entry_of(key, 100 + key))
    assert [one >> 32 for one in many._ids(5)] == list(range(120 - SIBLINGS_MAX, 120))


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_gives_what_its_ids_give_one_by_one(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    cut, whole = Siblings(), Siblings()
    for step in range(80):
        size = draw.randrange(1, 6)
        tags = [draw.randrange(1, draw.choice((40, 4_000))) for _ in range(size)]
        entries = [entry_of(draw.randrange(5), step + draw.randrange(3)) for _ in range(size)]
        is_new = [draw.random() < 0.8 for _ in range(size)]
        told = observed(whole, tags, entries, is_new)
        each = [observed(cut, tags[k : k + 1], entries[k : k + 1], is_new[k : k + 1]) for k in range(size)]
        one_by_one = [(k, before) for k, one in enumerate(each) for _, before in one]
        assert [one for one in told if earlier(one[1], entries[one[0]], 2**32)] == [
            one for one in one_by_one if earlier(one[1], entries[one[0]], 2**32)
        ]
        assert state(cut) == state(whole)
    assert max(map(len, state(whole).values())) > 3


def test_others_in_the_time_before_count() -> None:
    of = Siblings()
    for key, second in ((1, 100), (1, 200), (2, 150), (3, 90), (4, 301)):
        of.put(5, entry_of(key, second))
    before = of._ids(5)
    assert earlier(before, entry_of(9, 300), 200) == 2
    assert earlier(before, entry_of(9, 300), 210) == 3
    assert earlier(before, entry_of(9, 301), 211) == 4
    assert earlier(before, entry_of(1 | 7 << 32, 300), 210) == 2


def test_beyond_the_limit_the_older_half_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(siblings, "STEMS_MAX", 6)
    of = Siblings()
    for tag in range(1, 7):
        assert observed(of, [tag], [tag], [True]) == []
    of.put(1, 99)
    observed(of, [7], [7], [True])
    assert sorted(state(of)) == [1, 5, 6, 7]


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
