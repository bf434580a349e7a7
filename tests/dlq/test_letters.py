"""The choice of dead letters by conditions."""

import pytest

from scoring.contract.dead_letter import DeadLetter
from streams.dlq.letters import Coordinates, DlqError, Filter, Selection, letter_of, name_of, offsets_of, since

NOW_MS = 1_777_777_777_000


def letter(**changes: object) -> DeadLetter:
    fields = {
        "schema_version": "dead-letter.v1",
        "topic": "authorizations",
        "partition": 3,
        "offset": 17,
        "reason": "EMPTY",
        "path": "$",
        "size_bytes": 0,
        "record_ms": 5,
        "received_ms": NOW_MS,
    }
    return DeadLetter(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chosen", "is_meant"),
    [
        (Filter(), True),
        (Filter(topics=frozenset({"authorizations", "x"}), partitions=frozenset({3})), True),
        (Filter(topics=frozenset({"fraud-reports"})), False),
        (Filter(partitions=frozenset({0})), False),
        (Filter(reasons=frozenset({"EMPTY"})), True),
        (Filter(reasons=frozenset({"OVERSIZE"})), False),
        (Filter(since_ms=NOW_MS), True),
        (Filter(since_ms=NOW_MS + 1), False),
    ],
)
def test_every_condition_must_hold(chosen: Filter, is_meant: bool) -> None:
    assert chosen.admits(letter()) is is_meant


def test_a_misspelt_reason_names_the_right_one() -> None:
    with pytest.raises(DlqError, match=r"--reason MISING_FIELD: unknown; did you mean MISSING_FIELD\?"):
        Filter(reasons=frozenset({"MISING_FIELD"}))


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("90s", NOW_MS - 90_000),
        ("2h", NOW_MS - 7_200_000),
        ("7d", NOW_MS - 7 * 86_400_000),
        ("999999d", 0),
        ("2026-05-01T03:00:00Z", 1_777_604_400_000),
        ("2026-05-01T12:00:00+09:00", 1_777_604_400_000),
        ("2026-05-01T03:00", 1_777_604_400_000),
        ("2026-05-01", 1_777_593_600_000),
    ],
)
def test_since_is_a_duration_or_a_time(text: str, time_ms: int) -> None:
    assert since(text, NOW_MS) == time_ms


@pytest.mark.parametrize("text", ["yesterday", "2", "2w", "-2h", "", "2026-13-01"])
def test_a_wrong_since_is_refused_with_the_allowed_forms(text: str) -> None:
    with pytest.raises(DlqError, match=r"neither a duration \(90s, 15m, 2h, 7d\) nor a time"):
        since(text, NOW_MS)


DEEP = b'{"x":' + b"[" * 9_999


@pytest.mark.parametrize(
    "value", [None, b"", b"{}", b"not json", b"\xff", b'{"topic": "\xff"}', b'{"schema_version": "alert.v1"}', DEEP]
)
def test_other_records_are_no_letters(value: bytes | None) -> None:
    assert letter_of(value) is None


def test_a_record_is_chosen_once_and_the_limit_names_the_way_out() -> None:
    selection = Selection(2)
    for offset in (5, 7, 5, 7):
        selection.add(letter(offset=offset))
    assert len(selection) == 2
    assert sorted(selection.offsets(("authorizations", 3))) == [5, 7]
    assert list(selection.offsets(("authorizations", 4))) == []
    with pytest.raises(DlqError, match=r"more than 2 dead letters match: narrow them with --since.* or raise --limit"):
        selection.add(letter(offset=9))


def test_a_letter_is_about_one_record_and_not_another_at_its_offset() -> None:
    selection = Selection(2)
    selection.add(letter(size_bytes=9, record_ms=4))
    selection.add(letter(size_bytes=10, record_ms=5))
    here = Coordinates("authorizations", 3, 17)
    assert selection.means(here, 10, 5)
    assert not selection.means(here, 9, 4)
    assert not selection.means(here, 10, 6)
    assert not selection.means(here._replace(offset=18), 10, 5)


def test_a_letter_for_a_range_chooses_every_record_of_it() -> None:
    ranged = letter(topic="t", partition=1, offset=5, last_offset=8, size_bytes=900, record_ms=7_000)
    assert (offsets_of(ranged), name_of(ranged)) == (range(5, 9), "t/1/5-8")
    assert (offsets_of(letter()), name_of(letter())) == (range(17, 18), "authorizations/3/17")
    selection = Selection(4)
    selection.add(ranged)
    assert sorted(selection.offsets(("t", 1))) == [5, 6, 7, 8]
    place = Coordinates("t", 1, 6)
    assert selection.means(place, 30, 6_990, stored=(900, 7_000)), "its size and time are those of the batch"
    assert not selection.means(place, 30, 6_990, stored=(901, 7_000))
    with pytest.raises(DlqError, match="more than 3 dead letters match"):
        Selection(3).add(ranged)
