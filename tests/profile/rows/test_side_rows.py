"""Rows beside those of the profiles: flushed, restored, rewritten and forgotten with them, each kind in its log."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from scoring.profile import Profiles
from scoring.profile.packed import KEY_WORDS, ROW_FORMAT, SIDE_KINDS, Packed, RowFormatError
from tests.profile.events import SMALL, at
from tests.profile.rows.test_changelog import feed

PARTITIONS, KIND, WORDS = 2, 200, 3


@dataclass
class Counters:
    """A number by key and partition: the value of its row is (format, number, 0)."""

    is_shared: bool
    kind: int = KIND
    name: str = "COUNTER"
    words: int = WORDS
    known: dict[tuple[int, int], int] = field(default_factory=dict)
    calls: list[tuple[str, int]] = field(default_factory=list)

    def own(self, partition: int) -> None:
        self.calls.append(("own", partition))

    def leave(self, partition: int) -> None:
        self.calls.append(("leave", partition))

    def forget(self, partition: int) -> None:
        self.calls.append(("forget", partition))
        self.known = {key: value for key, value in self.known.items() if key[0] != partition}

    def flush(self, partition: int) -> Packed:
        return rows([(key, value) for (part, key), value in sorted(self.known.items()) if part == partition], partition)

    def restore(self, partition: int, packed: Packed) -> None:
        for n in np.flatnonzero(packed.keys[:, 0] >> 24 == KIND).tolist():
            self.known[partition, int(packed.keys[n, 1])] = int(packed.values[packed.ends[n] - WORDS + 1])

    def rewrite(self, partition: int, keys: NDArray[np.uint32]) -> None:
        self.calls += [("rewrite", int(key)) for kind, key, _ in keys if kind == KIND << 24 | partition]


def rows(values: list[tuple[int, int]], partition: int, kind: int = KIND) -> Packed:
    keys = [(kind << 24 | partition, key, 0) for key, _ in values]
    cells = [cell for _, value in values for cell in (ROW_FORMAT, value, 0)]
    return Packed(
        np.array(keys, dtype=np.uint32).reshape(-1, KEY_WORDS),
        np.array(cells, dtype=np.uint32),
        np.arange(1, len(values) + 1, dtype=np.int64) * WORDS,
    )


def attached(*, is_shared: bool, words: int = WORDS) -> tuple[Profiles, Counters]:
    profiles, counters = Profiles(SMALL, PARTITIONS), Counters(is_shared, words=words)
    profiles.changelog.attach(counters)
    return profiles, counters


@pytest.mark.parametrize("is_shared", [False, True])
def test_rows_stand_last_in_their_own_log_and_come_back(is_shared: bool) -> None:
    profiles, counters = attached(is_shared=is_shared)
    feed(profiles, at(0), 1, 1)
    counters.known = {(1, 7): 70, (1, 9): 90, (0, 7): 1}
    logs = profiles.changelog.flush(1)
    mine, other = logs[is_shared], logs[not is_shared]
    assert mine.keys[-2:].tolist() == [[KIND << 24 | 1, 7, 0], [KIND << 24 | 1, 9, 0]]
    assert len(mine) > 2
    assert KIND not in (other.keys[:, 0] >> 24).tolist()
    again, restored = attached(is_shared=is_shared)
    again.changelog.restore(1, mine)
    assert restored.known == {(1, 7): 70, (1, 9): 90}
    assert len(again.changelog.flush(1)[not is_shared]) == 0, "no row of a profile is dirty"


def test_rows_that_are_not_shared_are_forgotten_with_the_cards() -> None:
    profiles, counters = attached(is_shared=False)
    profiles.changelog.own(1)
    profiles.changelog.forget_cards(1)
    profiles.changelog.forget_shared(1)
    assert counters.calls == [("own", 1), ("leave", 1), ("forget", 1), ("leave", 1)]


def test_shared_rows_are_forgotten_only_before_they_are_restored() -> None:
    profiles, counters = attached(is_shared=True)
    profiles.changelog.own(1)
    profiles.changelog.forget_cards(1)
    profiles.changelog.forget_shared(1)
    assert counters.calls == [("own", 1), ("leave", 1), ("leave", 1), ("forget", 1)]


def test_rows_after_the_last_marker_are_noted_by_their_keys() -> None:
    profiles, counters = attached(is_shared=True)
    profiles.changelog.rewrite(1, rows([(3, 0), (4, 0)], 1).keys)
    assert counters.calls == [("rewrite", 3), ("rewrite", 4)]


@pytest.mark.parametrize(
    ("kind", "format_", "words", "message"),
    [
        (KIND, ROW_FORMAT, WORDS + 1, "row 1 of COUNTER is damaged"),
        (KIND, ROW_FORMAT, 1, "row 1 of COUNTER is damaged"),
        (KIND, ROW_FORMAT - 1, WORDS, f"row 1 has format {ROW_FORMAT - 1}; this version reads format {ROW_FORMAT}"),
        (KIND + 1, ROW_FORMAT, WORDS, f"row 1 is of entity {KIND + 1} and partition 1, in the log of partition 1"),
        (SIDE_KINDS, ROW_FORMAT, WORDS, f"row 1 is of entity {SIDE_KINDS} and partition 1, in the log of partition 1"),
        (KIND + 1, ROW_FORMAT, 0, f"row 1 is of entity {KIND + 1} and partition 1, in the log of partition 1"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(kind: int, format_: int, words: int, message: str) -> None:
    profiles, _ = attached(is_shared=True)
    keys = np.array([[KIND << 24 | 1, 1, 0], [kind << 24 | 1, 2, 0], [KIND << 24 | 1, 3, 0]], dtype=np.uint32)
    values = np.array([ROW_FORMAT, 1, 0, *[format_, *[0] * words][:words], ROW_FORMAT, 1, 0], dtype=np.uint32)
    ends = np.array([WORDS, WORDS + words, 2 * WORDS + words], dtype=np.int64)
    with pytest.raises(RowFormatError) as caught:
        profiles.changelog.restore(1, Packed(keys, values, ends))
    assert str(caught.value) == message


def test_a_damaged_row_is_named_by_its_place_among_all_rows_of_the_log() -> None:
    profiles, counters = attached(is_shared=True)
    feed(profiles, at(0), 1, 1)
    counters.known = {(1, 7): 70, (1, 9): 90}
    log = profiles.changelog.flush(1)[True]
    values = log.values.copy()
    values[log.ends[-2]] = ROW_FORMAT + 1
    again, restored = attached(is_shared=True)
    with pytest.raises(RowFormatError, match=f"^row {len(log) - 1} has format {ROW_FORMAT + 1}"):
        again.changelog.restore(1, Packed(log.keys, values, log.ends))
    assert len(log) > 3, "rows of profiles come first"
    assert restored.known == {}


def test_rows_whose_lengths_differ_are_checked_by_their_owner_only() -> None:
    profiles, counters = attached(is_shared=True, words=0)
    keys = np.array([[KIND << 24 | 1, 1, 0]], dtype=np.uint32)
    profiles.changelog.restore(1, Packed(keys, np.array([ROW_FORMAT, 0, 0, 5, 0], np.uint32), np.array([5], np.int64)))
    assert counters.known == {(1, 1): 5}, "the second of the last three words"
