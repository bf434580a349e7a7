"""Rows of results and claims: bounded, logged once for each change, and restored where they were."""

import random
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pytest

from scoring.profile.packed import AUTHENTICATION, ROW_FORMAT, Packed, RowFormatError
from scoring.threeds import authentications
from scoring.threeds.authentications import SECOND, Authentications, Result, Settled
from tests.profile.rows.test_changelog import one_row

PARTITIONS: Final = 2
BOUNDS: Final = {"FAILED_CARDS_MAX": 6, "CLAIMS_MAX": 8, "MERCHANTS_MAX": 4}
RESULTS: Final = 10


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, bound in BOUNDS.items():
        monkeypatch.setattr(authentications, name, bound)


def new(partitions: int = PARTITIONS) -> Authentications:
    made = Authentications(partitions, RESULTS)
    for partition in range(partitions):
        made.own(partition)
    return made


def result(transaction: int, second: int, *, card: int = 5, server: int = 0, fails: bool = False) -> Result:
    return Result(transaction, server or transaction, card, 7, 8, second, ord("Y"), 12_800, 0, 392, fails)


class Log:
    """Rows as a compacted topic keeps them: the last value of each key, in the order of its writing."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, ...], list[int]] = {}

    def take(self, packed: Packed) -> None:
        assert len({tuple(key) for key in packed.keys.tolist()}) == len(packed), "no key twice"
        for n in range(len(packed)):
            row = one_row(packed, n)
            key = tuple(row.keys[0].tolist())
            self.rows.pop(key, None)
            if len(row.values):
                assert row.values[0] == ROW_FORMAT
                self.rows[key] = row.values.tolist()

    @property
    def packed(self) -> Packed:
        keys = np.array(list(self.rows), dtype=np.uint32).reshape(-1, 3)
        values = np.array([word for row in self.rows.values() for word in row], dtype=np.uint32)
        return Packed(keys, values, np.cumsum([len(row) for row in self.rows.values()], dtype=np.int64))


def state(auths: Authentications, partitions: Iterable[int] = range(PARTITIONS)) -> Any:
    """Give all that is remembered, rows in the order in which they are forgotten."""
    parts = [auths._part(partition) for partition in partitions]
    return [([list(table.items()) for table in part.tables], part.horizon, part.feed) for part in parts]


@pytest.mark.parametrize("seed", range(8))
def test_what_is_remembered_is_the_same_after_restarts_and_moves_and_within_its_bounds(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 -- seeded
    auths, twin = new(), new()
    logs = [Log() for _ in range(PARTITIONS)]
    second = 1_700_000_000
    for step in range(150):
        second += draw.choice((0, 1, 40))
        partition = draw.randrange(PARTITIONS)
        keys = [draw.getrandbits(64) if draw.random() < 0.3 else draw.randrange(1, 30) for _ in range(3)]
        batch = [
            result(key, second - draw.randrange(60), card=draw.randrange(1, 9), fails=draw.random() < 0.5)
            for key in keys
        ]
        told = []
        for one in (auths, twin):
            taken = one.take(batch, partition)
            for key in keys:
                one.wait(key + 1, key % 6 + 1, second + 60, second, partition)
            reported = one.report([step % 6 + 1], partition)
            told.append((taken, reported, one.find([*keys, 4], 0), one.failures(range(9))))
        assert told[0] == told[1], step
        for part in auths._of.values():
            sizes = [len(table) for table in part.tables]
            assert all(
                size <= bound // PARTITIONS for size, bound in zip(sizes, (RESULTS, *BOUNDS.values()), strict=True)
            )
            assert len(part.due) <= 2 * BOUNDS["CLAIMS_MAX"] // PARTITIONS
        for where, log in enumerate(logs):
            log.take(auths.flush(where))
        if step % 10 == 9:
            if draw.random() < 0.5:
                auths = new()
            else:
                auths.leave(partition)
                auths.forget(partition)
            for where, log in enumerate(logs):
                if where == partition or not auths._of.get(where) or not state(auths, [where])[0][2]:
                    auths.restore(where, log.packed)
                    auths.own(where)
            assert state(auths) == state(twin), step
            assert all(len(auths.flush(where)) == 0 for where in range(PARTITIONS))


def test_a_follower_knows_what_the_owner_knows_and_writes_nothing() -> None:
    owner, follower = Authentications(PARTITIONS, RESULTS), Authentications(PARTITIONS, RESULTS)
    owner.own(1)
    for step in range(40):
        owner.take([result(step + 1, 1_000 + step, card=step % 4 + 1, fails=True)], 1)
        owner.wait(step + 500, step % 3 + 1, 1_000 + step + 3, 1_000 + step, 1)
        if step % 3 == 0:
            owner.report([step % 3 + 1], 1)
        follower.restore(1, owner.flush(1))
        assert sorted(map(str, state(follower, [1]))) == sorted(map(str, state(owner, [1])))
        assert len(follower.flush(1)) == 0


def test_the_horizon_is_the_first_result_and_then_the_newest_one_that_was_forgotten() -> None:
    auths = new(1)
    assert auths.clock(0) == (-1, 0)
    auths.take([result(1, 100)], 0)
    assert auths.clock(0) == (100, 100)
    auths.take([result(n, 200 - n) for n in range(2, RESULTS + 1)], 0)
    assert auths.clock(0) == (100, 198)
    auths.take([result(50, 150), result(51, 151)], 0)  # the results of 100 and 198 are forgotten
    assert auths.clock(0) == (198, 198)
    assert auths.find([1, 2, 3], 0)[:2] == [None, None]
    assert auths.find([3], 0) != [None]


def test_of_one_partition_all_is_kept_under_the_first() -> None:
    auths = Authentications(1, RESULTS)
    auths.own(0)
    auths.take([result(1, 100)], 4)
    auths.wait(2, 1, 101, 100, 5)
    assert auths.take([result(3, 101)], 2) == Settled(0, 1)
    assert auths.report([9, 1], 3) == {1: (1, 100)}
    assert auths.flush(0).keys[:, 0].tolist() == [AUTHENTICATION << 24] * 5


def test_a_result_that_comes_again_is_the_newest_and_counts_once() -> None:
    auths = new(1)
    for n in range(9):
        auths.take([result(n + 1, 100 + n, card=3, server=n % 2 + 1, fails=True)], 0)
    assert auths.failures([3, 4]) == {0: [100, 101]}
    auths.take([result(1, 500)], 0)
    (row,) = auths.find([1], 0)
    assert row is not None
    assert int.from_bytes(row[4 * SECOND : 4 * SECOND + 4], "little") == 500
    for n in range(20):
        auths.take([result(0, 600 + n, card=4, server=100 + n, fails=True)], 0)
    assert auths.failures([4]) == {0: list(range(612, 620))}


def test_rows_that_a_crash_left_behind_are_written_again_or_buried() -> None:
    auths, log = new(1), Log()
    auths.take([result(1, 100), result(2, 101)], 0)
    log.take(auths.flush(0))
    known = log.packed.keys
    other = np.array([[AUTHENTICATION << 24, 77, 0]], dtype=np.uint32)
    auths.rewrite(0, np.concatenate([other, known[:1], np.array([[1 << 24, 1, 0]], dtype=np.uint32)]))
    again = auths.flush(0)
    assert again.keys.tolist() == [other[0].tolist(), known[0].tolist()]
    assert np.diff(again.ends, prepend=0).tolist()[0] == 0
    log.take(again)
    restored = new(1)
    restored.restore(0, log.packed)
    assert state(restored, [0]) == state(auths, [0])


@pytest.mark.parametrize("table", range(4))
def test_a_row_of_another_length_is_refused(table: int) -> None:
    auths = new(1)
    for length in (2, 4, 6, 8, 10):
        row = Packed(
            np.array([[AUTHENTICATION << 24, 9, table << 30]], dtype=np.uint32),
            np.full(length, ROW_FORMAT, dtype=np.uint32),
            np.array([length], dtype=np.int64),
        )
        with pytest.raises(RowFormatError, match="AUTHENTICATION"):
            auths.restore(0, row)
