"""A marker names the input offsets of the rows; one of another version, layout or input is refused with a way out."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.profile.changelog import LAYOUT
from scoring.profile.packed import ROW_FORMAT
from streams.state.log.marker import KEY, Marker, StateFormatError, decode, encode
from streams.state.log.packing import KEY_SIZE

FIELDS: dict[str, Any] = {
    "format": ROW_FORMAT,
    "layout": LAYOUT,
    "partitions": 6,
    "inputs": {"authorizations": 1_000, "fraud_reports": 7},
    "decisions": 990,
    "alerts": {0: 3},
    "dead_letters": {0: 12, 1: 0},
    "shared": 5_000,
    "eviction_cursors": [1, 0, 5],
    "time_ms": 1_767_225_600_000,
    "code": "0.3.0",
}
WAY_OUT = "stop all workers, delete and create both topics of profiles"

offset = st.integers(0, 2**62)


@given(st.fixed_dictionaries({"decisions": offset, "shared": offset, "alerts": st.dictionaries(offset, offset)}))
def test_a_marker_is_read_as_it_was_written(changes: dict[str, Any]) -> None:
    marker = Marker(**{**FIELDS, **changes})
    assert decode(encode(marker), "here", 6) == marker


def test_a_marker_is_no_row() -> None:
    assert len(KEY) != KEY_SIZE


def refused(value: bytes | None, *words: str) -> None:
    with pytest.raises(StateFormatError) as caught:
        decode(value, "card-profiles[3]", 6)
    for word in ("card-profiles[3]", *words):
        assert word in str(caught.value)


def written(**changes: Any) -> bytes:
    return msgspec.json.encode({**FIELDS, **changes})


def test_another_format_or_layout_names_the_version_that_wrote_it() -> None:
    refused(written(format=ROW_FORMAT + 1, code="9.1.4"), f"{ROW_FORMAT + 1}-", "9.1.4", "Run that version", WAY_OUT)
    refused(written(layout="00000000"), "-00000000", "0.3.0", f"{ROW_FORMAT}-{LAYOUT}", WAY_OUT)


def test_a_later_version_may_have_other_fields_altogether() -> None:
    refused(msgspec.json.encode({"format": ROW_FORMAT + 1}), f"{ROW_FORMAT + 1}-", "Run that version", WAY_OUT)


def test_another_number_of_partitions_moved_the_cards() -> None:
    refused(written(partitions=12), "12 partitions", "now it has 6", "cards have moved", WAY_OUT[1:])


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b'{"format": "one"}'])
def test_a_record_that_is_no_marker_is_refused(value: bytes | None) -> None:
    refused(value, "cannot be read", WAY_OUT)


@pytest.mark.parametrize(
    "change", [{"inputs": {"authorizations": -1}}, {"shared": None}, {"alerts": {"a": 1}}, {"eviction_cursors": "x"}]
)
def test_a_damaged_marker_is_refused(change: dict[str, Any]) -> None:
    refused(written(**change), "cannot be read", WAY_OUT)
