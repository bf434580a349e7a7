"""A log cannot set the flags of a row that exist only in memory: its partition, its sum, whether it awaits a flush."""

import numpy as np
import pytest

from scoring.profile import Entity, Profiles
from scoring.profile.entities import REPORTED
from scoring.profile.kernels import store
from scoring.profile.layout import ROW_LAYOUTS, ROW_WORDS
from scoring.profile.packed import PARTITION_BITS, Packed
from tests.profile.events import SMALL, Report, at, reports
from tests.profile.rows.test_changelog import PARTITIONS, feed, one_row

KINDS = [*Entity, REPORTED]
OF_CARDS = {Entity.CARD, REPORTED}
REPORTS = reports([Report(card=1, merchant=1), Report(card=2, merchant=1)])
FLAGS = {"dirty": (np.uint8, 1), "home": (np.uint16, 3), "seen_by": (np.uint32, 5)}


def rows_of_all_kinds(partitions: int) -> list[Packed]:
    writer = Profiles(SMALL, partitions)
    feed(writer, at(0), 1)
    writer.report(REPORTS)
    return [one_row(packed, n) for packed in writer.changelog.flush(0) for n in range(len(packed))]


def kind_of(row: Packed) -> int:
    return int(row.keys[0, 0]) >> PARTITION_BITS


def with_flags(row: Packed) -> Packed:
    """Set all flags in a packed row; a worker never writes them."""
    words = np.zeros(ROW_WORDS[kind_of(row)], dtype=np.uint64)
    cells = words.view(np.uint32)[2:]
    maps = (len(cells) + 31) // 32
    bits = np.unpackbits(row.values[2 : 2 + maps].view(np.uint8), bitorder="little")[: len(cells)]
    cells[bits == 1] = row.values[2 + maps :]
    fields = ROW_LAYOUTS[kind_of(row)].fields
    for name in FLAGS.keys() & fields.keys():
        kind, value = FLAGS[name]
        words.view(kind)[fields[name]] = value
    named = np.zeros(32 * maps, dtype=np.uint8)
    named[: len(cells)] = cells != 0
    values = np.concatenate([row.values[:2], np.packbits(named, bitorder="little").view(np.uint32), cells[cells != 0]])
    return Packed(row.keys, values, np.array([len(values)], dtype=np.int64))


@pytest.mark.parametrize("partitions", [1, PARTITIONS])
def test_a_row_whose_log_says_that_it_awaits_a_flush_is_written_when_it_changes(partitions: int) -> None:
    """Otherwise it would never be marked as changed again, and its later changes would be lost with the process."""
    rows = rows_of_all_kinds(partitions)
    assert {kind_of(row) for row in rows} == set(KINDS)
    reader = Profiles(SMALL, partitions)
    for row in rows:
        reader.changelog.restore(0, with_flags(row), in_place=partitions == 1)
    assert [len(packed) for packed in reader.changelog.flush(0)] == [0, 0]
    feed(reader, at(1), 2)
    reader.report(REPORTS)
    cards, shared = reader.changelog.flush(0)
    of_cards = sum(kind_of(row) in OF_CARDS for row in rows)
    assert (len(cards), len(shared)) == (of_cards, len(rows) - of_cards)


@pytest.mark.parametrize("partitions", [1, PARTITIONS])
def test_a_row_belongs_to_the_partition_of_its_log_and_is_never_a_sum(partitions: int) -> None:
    reader = Profiles(SMALL, partitions)
    for row in rows_of_all_kinds(partitions):
        reader.changelog.restore(0, with_flags(row), in_place=partitions == 1)
    arena = reader._arena
    for line in arena.stores:
        for number in range(int(line[store.USED])):
            word = line[store.ARENA_AT] + number * line[store.WORDS]
            assert arena.octets[8 * word + line[store.DIRTY]] == 0
            assert arena.shorts[4 * word + line[store.PARTITION]] == 1
            assert not line[store.SEEN_BY] or arena.singles[2 * word + line[store.SEEN_BY]] == 0


def test_flags_in_a_log_change_nothing_that_follows() -> None:
    plain, flagged = Profiles(SMALL, PARTITIONS), Profiles(SMALL, PARTITIONS)
    for row in rows_of_all_kinds(PARTITIONS):
        plain.changelog.restore(0, row)
        flagged.changelog.restore(0, with_flags(row))
    for number in range(6):
        event = at(1 + number, device=number % 2)
        assert feed(flagged, event, 2 + number, number % PARTITIONS) == feed(
            plain, event, 2 + number, number % PARTITIONS
        )
    for partition in range(PARTITIONS):
        for found, expected in zip(flagged.changelog.flush(partition), plain.changelog.flush(partition), strict=True):
            assert [column.tobytes() for column in found] == [column.tobytes() for column in expected]
