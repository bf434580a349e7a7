"""Every offset of a refused batch is accounted for once, for any number of records that it claims."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.dead_letter import DeadLetter
from scoring.outputs import Emitted, Outputs
from streams.records.batches import Refused
from streams.worker.refused import LETTERS_MAX, as_one, outputs_of


def refused(first: int, end: int, *, is_whole: bool = True) -> Refused:
    return Refused(reason="OVERSIZE_BATCH", first=first, end=end, size=300, last_ms=7_000, is_whole=is_whole)


def letters(one: Refused, emitted: Iterable[int] = ()) -> tuple[Outputs, list[DeadLetter]]:
    emitted_before = Emitted(dead_letters=frozenset(emitted))
    outputs = outputs_of("authorizations", 2, one, received_at_ms=9_000, emitted=emitted_before)
    found = [msgspec.json.decode(value, type=DeadLetter) for _, value in outputs.dead_letters]
    assert [key for key, _ in outputs.dead_letters] == [b"authorizations/2/%d" % one.offset for one in found]
    return outputs, found


def test_a_batch_of_a_few_records_gives_a_letter_for_each() -> None:
    outputs, found = letters(refused(5, 8))
    assert [(one.offset, one.last_offset) for one in found] == [(5, None), (6, None), (7, None)]
    assert {(one.reason, one.path, one.size_bytes, one.record_ms, one.received_ms) for one in found} == {
        ("OVERSIZE_BATCH", "$", 300, 7_000, 9_000)
    }
    assert b"last_offset" not in outputs.dead_letters[0][1]
    assert (outputs.tally.events, outputs.tally.replayed, outputs.tally.dead_letters) == (3, 0, {"OVERSIZE_BATCH": 3})


@pytest.mark.parametrize("one", [refused(5, 5 + LETTERS_MAX + 1), refused(0, 2**31 - 1), refused(5, 9, is_whole=False)])
def test_a_batch_of_more_or_of_an_unknown_number_gives_one_letter_for_the_range(one: Refused) -> None:
    outputs, found = letters(one)
    assert [(letter.offset, letter.last_offset) for letter in found] == [(one.first, one.end - 1)]
    assert (outputs.tally.events, outputs.tally.dead_letters) == (len(one), {"OVERSIZE_BATCH": len(one)})


@given(st.integers(0, 5), st.integers(1, 30), st.sets(st.integers(0, 40)), st.booleans())
def test_a_batch_with_a_letter_from_before_a_restart_gets_no_second_one(
    first: int, count: int, emitted: set[int], is_whole: bool
) -> None:
    one = refused(first, first + count, is_whole=is_whole)
    outputs, found = letters(one, emitted)
    tally = outputs.tally
    assert tally.events == count == sum(tally.dead_letters.values()) + tally.replayed
    assert not {letter.offset for letter in found} & emitted
    accounted = {
        offset for letter in found for offset in range(letter.offset, (letter.last_offset or letter.offset) + 1)
    }
    every = set(range(first, first + count))
    assert accounted == ((every - emitted) if is_whole else (set() if first in emitted else every))


def test_a_refused_batch_counts_as_one_for_the_limit_on_dead_letters() -> None:
    tally = as_one(refused(0, 2**31 - 1))
    assert (tally.events, tally.dead_letters, tally.letter_runs) == (1, {"OVERSIZE_BATCH": 1}, (1, 1, 1))
