"""A redriven record keeps its place, key and time, and names its original."""

from streams.dlq.copies import outgoing
from streams.kafka.sending.bulk import Placed
from tests.dlq.fakes import record


def test_a_copy_has_the_place_the_key_and_the_time_of_the_original() -> None:
    assert outgoing(record("t", 2, 1, b"old"), b"b") == Placed(
        topic="t",
        partition=2,
        key=b"k",
        value=b"b",
        timestamp_ms=1_001,
        headers=(
            ("sekisho-redrive-topic", b"t"),
            ("sekisho-redrive-partition", b"2"),
            ("sekisho-redrive-offset", b"1"),
        ),
    )


def test_a_copy_names_its_own_original_only() -> None:
    first = outgoing(record("t", 2, 5, b"v"), b"v")
    copy = outgoing(record("t", 2, 9, b"v", headers=first.headers), b"v")
    assert len(copy.headers) == 3
    assert dict(copy.headers)["sekisho-redrive-offset"] == b"9"
