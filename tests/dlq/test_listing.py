"""Dead letters listed in groups or one by one, for people and for machines."""

import asyncio
import json

import pytest

from streams.dlq import listing
from streams.dlq.letters import DlqError, Filter
from streams.dlq.listing import Listing, list_letters
from streams.kafka.errors import UnreadableError
from streams.records.batches import Refused
from tests.dlq.fakes import RECEIVED_MS, FakeReader

HOUR_MS = 3_600_000


def shown(
    reader: FakeReader, chosen: Filter | None = None, *, each: bool = False, as_json: bool = False
) -> tuple[list[str], Listing]:
    lines: list[str] = []
    work = list_letters(
        reader,  # type: ignore[arg-type]  # what is used of it
        "dead-letters",
        chosen or Filter(),
        lines.append,
        each=each,
        as_json=as_json,
    )
    found = asyncio.run(work)
    return "\n".join(lines).splitlines(), found


@pytest.fixture
def reader() -> FakeReader:
    """Four letters about two topics; one of the refused records no longer exists."""
    made = FakeReader()
    for _ in range(4):
        made.put("authorizations", 1, b"secret")
    made.begins["authorizations", 1] = 1
    made.add_letter("authorizations", 1, 0, "WRONG_TYPE", "$.amount.minor")
    made.add_letter("authorizations", 1, 2, "WRONG_TYPE", "$.amount.minor", received_ms=RECEIVED_MS + HOUR_MS)
    made.add_letter("authorizations", 1, 3)
    made.add_letter("fraud-reports", 0, 9)
    return made


def test_letters_are_grouped_the_largest_group_first(reader: FakeReader) -> None:
    lines, found = shown(reader)
    assert lines == [
        "topic           reason      path            letters  gone  first                 last",
        "authorizations  WRONG_TYPE  $.amount.minor        2     1  2026-05-03T03:09:37Z  2026-05-03T04:09:37Z",
        "authorizations  EMPTY       $                     1     0  2026-05-03T03:09:37Z  2026-05-03T03:09:37Z",
        "fraud-reports   EMPTY       $                     1     1  2026-05-03T03:09:37Z  2026-05-03T03:09:37Z",
    ]
    assert (found.read, found.foreign) == (4, 0)


def test_each_letter_has_a_line_with_its_coordinates(reader: FakeReader) -> None:
    lines, _ = shown(reader, each=True)
    assert lines == [
        "2026-05-03T03:09:37Z  authorizations/1/0  WRONG_TYPE  $.amount.minor  gone",
        "2026-05-03T04:09:37Z  authorizations/1/2  WRONG_TYPE  $.amount.minor",
        "2026-05-03T03:09:37Z  authorizations/1/3  EMPTY  $",
        "2026-05-03T03:09:37Z  fraud-reports/0/9  EMPTY  $  gone",
    ]


def test_machines_get_lines_of_json(reader: FakeReader) -> None:
    lines, _ = shown(reader, as_json=True)
    assert json.loads(lines[0]) == {
        "topic": "authorizations",
        "reason": "WRONG_TYPE",
        "path": "$.amount.minor",
        "letters": 2,
        "gone": 1,
        "first_ms": RECEIVED_MS,
        "last_ms": RECEIVED_MS + HOUR_MS,
    }
    lines, _ = shown(reader, each=True, as_json=True)
    assert json.loads(lines[1]) == {
        "topic": "authorizations",
        "partition": 1,
        "offset": 2,
        "reason": "WRONG_TYPE",
        "path": "$.amount.minor",
        "size_bytes": 6,
        "record_ms": 1_002,
        "received_ms": RECEIVED_MS + HOUR_MS,
        "gone": False,
    }


def test_only_matching_letters_are_shown(reader: FakeReader) -> None:
    lines, _ = shown(reader, Filter(since_ms=RECEIVED_MS + 1), each=True)
    assert [line.split()[1] for line in lines] == ["authorizations/1/2"]
    lines, found = shown(reader, Filter(partitions=frozenset({7})))
    assert lines == []
    assert found.read == 4


def test_records_that_are_no_letters_are_counted_and_skipped(reader: FakeReader) -> None:
    reader.put("dead-letters", 0, b"{}")
    lines, found = shown(reader, each=True)
    assert (len(lines), found.foreign) == (4, 1)


def test_no_control_character_reaches_the_terminal() -> None:
    reader = FakeReader()
    reader.add_letter("authorizations", 0, 0, path="$\x1b[2J\n")
    for each in (False, True):
        lines, _ = shown(reader, each=each)
        assert "$?[2J?" in lines[-1]


def test_a_missing_topic_names_the_way_out() -> None:
    with pytest.raises(UnreadableError, match="'dead-letters' does not exist: run `sekisho topics create`"):
        shown(FakeReader())


def test_groups_are_bounded(reader: FakeReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "GROUPS_MAX", 2)
    with pytest.raises(DlqError, match="more than 2 kinds of refusal: narrow them"):
        shown(reader)


def test_a_letter_for_a_range_counts_with_every_record_of_it() -> None:
    reader = FakeReader()
    for _ in range(2_100):
        reader.put("authorizations", 1, b"secret")
    reader.add_letter("authorizations", 1, 100, "OVERSIZE_BATCH", last_offset=2_099)
    lines, _ = shown(reader)
    assert "OVERSIZE_BATCH  $       2,000     0" in lines[1]
    lines, _ = shown(reader, each=True)
    assert "  authorizations/1/100-2099  OVERSIZE_BATCH  $" in lines[0]
    lines, _ = shown(reader, each=True, as_json=True)
    assert json.loads(lines[0])["last_offset"] == 2_099
    reader.parts["authorizations", 1].pop()
    lines, _ = shown(reader, each=True)
    assert lines[0].endswith("  gone"), "the topic was recreated"


def test_a_batch_of_dead_letters_that_cannot_be_read_is_skipped(reader: FakeReader) -> None:
    reader.refusals["dead-letters", 0] = [
        Refused(reason="OVERSIZE_BATCH", first=1, end=3, size=9, last_ms=0, is_whole=True)
    ]
    lines, found = shown(reader, each=True)
    assert (len(lines), found.foreign) == (2, 2)
