"""Offsets are committed up to the first unfinished alert; what is no alert is finished at once."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.webhook.alerts import BYTES_MAX, Offsets, read_alert
from tests.examples import examples
from tests.webhook.made import body, record


@settings(max_examples=examples(300))
@given(st.integers(0, 5), st.lists(st.tuples(st.booleans(), st.integers(1, 3), st.integers(0, 30)), max_size=40))
def test_the_committed_offset_equals_a_recount(begin: int, steps: list[tuple[bool, int, int]]) -> None:
    offsets, end = Offsets(begin), begin
    unfinished: list[int] = []
    committed = begin
    for reads, gap, choice in steps:
        if reads or not unfinished:
            end += gap - 1
            offsets.begin(end)
            unfinished.append(end)
            end += 1
        else:
            offsets.finish(unfinished.pop(choice % len(unfinished)))
        expected = min(unfinished) if unfinished else end
        assert offsets.committable == expected
        moved = offsets.advance()
        assert moved == (None if expected == committed else expected)
        committed = expected
        assert offsets.advance() is None


def test_an_alert_keeps_the_bytes_of_its_record() -> None:
    offsets, value = Offsets(5), body(7, "acq-9")
    found = read_alert(record(value, 5), offsets)
    assert found is not None
    assert (found.alert_id, found.acquirer, found.body, found.offset) == (f"{7:032x}", "acq-9", value, 5)
    assert offsets.committable == 5
    found.finish()
    assert offsets.committable == 6


def changed(**values: object) -> bytes:
    return orjson.dumps({"alert_id": "a", "acquirer_id": "b"} | values)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"\xff",
        b"[]",
        changed(alert_id=""),
        changed(alert_id="a.b"),
        changed(alert_id="a\r\nx: y"),
        changed(alert_id="a\n"),
        changed(alert_id="x" * 65),
        changed(alert_id=1),
        changed(acquirer_id=""),
        changed(acquirer_id="x" * 33),
        changed(deep=None)[:-5] + b"[" * 5_000 + b"]" * 5_000 + b"}",
        changed(note="x" * BYTES_MAX),
    ],
    ids=range(15),
)
def test_a_record_that_is_no_alert_is_finished_at_once(value: bytes | None) -> None:
    offsets = Offsets(3)
    assert read_alert(record(value, 3), offsets) is None
    assert offsets.committable == 4


def test_the_largest_alert_is_read() -> None:
    value = changed(note="x" * (BYTES_MAX - len(changed(note=""))))
    assert len(value) == BYTES_MAX
    assert read_alert(record(value), Offsets(0)) is not None
