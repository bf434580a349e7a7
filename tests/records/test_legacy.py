"""Message sets of old segments are read as by aiokafka itself, and have the same limit."""

import gzip
from typing import Any

import pytest
from aiokafka.record.legacy_records import LegacyRecordBatch, LegacyRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from streams.records.batches import Fetched, Refused, unpack
from streams.records.columns import Records
from streams.records.legacy import MessageSet
from tests.records.build import values

LIMIT = 1 << 20
GZIP, SNAPPY, LZ4 = 1, 2, 3


def messages(contents: list[tuple[bytes | None, bytes | None]], *, magic: int, codec: int, offset: int) -> bytes:
    builder = LegacyRecordBatchBuilder(magic, codec, 1 << 24)
    for k, (key, value) in enumerate(contents):
        builder.append(k, 1_000 + k, key, value)
    raw = bytearray(builder.build())
    raw[0:8] = offset.to_bytes(8, "big")  # as brokers do: that of the last message of a set
    return bytes(raw)


def unpacked(raw: bytes, limit: int = LIMIT) -> Records | Refused:
    one = Fetched(raw).next()
    assert isinstance(one, MessageSet)
    assert one.header.validate_crc()
    return unpack(one, 0, limit)


TEXT = st.one_of(st.none(), st.binary(max_size=30))


@given(
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=20),
    st.sampled_from([(0, 0), (0, GZIP), (0, SNAPPY), (1, 0), (1, GZIP), (1, SNAPPY), (1, LZ4)]),
)
def test_messages_equal_those_of_aiokafka(
    contents: list[tuple[bytes | None, bytes | None]], kind: tuple[int, int]
) -> None:
    magic, codec = kind
    contents = contents if codec else contents[:1]
    raw = messages(contents, magic=magic, codec=codec, offset=99 if magic else len(contents) - 1)
    theirs = list(LegacyRecordBatch(raw, magic))
    ours = unpacked(raw)
    assert isinstance(ours, Records)
    assert list(ours.offsets) == [one.offset for one in theirs]
    assert ours.timestamps_ms == [-1 if one.timestamp is None else one.timestamp for one in theirs]
    assert (ours.keys, ours.values) == ([one.key for one in theirs], [one.value for one in theirs])


@pytest.mark.parametrize("magic", [0, 1])
def test_a_bomb_is_refused(magic: int) -> None:
    raw = messages([(b"k", bytes(20 * LIMIT))], magic=magic, codec=GZIP, offset=70)
    found = unpacked(raw)
    assert isinstance(found, Refused)
    assert (found.reason, found.first, found.end, found.is_whole) == ("OVERSIZE_BATCH", 0, 71, False)
    assert found.last_ms == (-1 if magic == 0 else 0)


def test_many_messages_are_a_bomb_too() -> None:
    found = unpacked(messages([(None, None)] * 20_000, magic=1, codec=GZIP, offset=19_999))
    assert isinstance(found, Refused)
    assert found.reason == "OVERSIZE_BATCH"


def wrapped(payload: bytes | None, *, attributes: int) -> bytes:
    raw = bytearray(messages([(None, payload)], magic=1, codec=0, offset=0))
    raw[17] = attributes
    return bytes(raw)


@pytest.mark.parametrize(
    "raw",
    [
        wrapped(b"garbage", attributes=GZIP),
        wrapped(None, attributes=GZIP),
        wrapped(gzip.compress(b""), attributes=GZIP),
        wrapped(gzip.compress(b"abc"), attributes=GZIP),
        wrapped(gzip.compress(messages([(b"a", b"b")], magic=1, codec=0, offset=0)[:-1]), attributes=GZIP),
        wrapped(gzip.compress(messages([(b"a", b"b")], magic=1, codec=GZIP, offset=0)), attributes=GZIP),
        wrapped(gzip.compress(messages([(b"a", b"b")], magic=1, codec=0, offset=5) * 2), attributes=GZIP),
        wrapped(gzip.compress(values(b"a")), attributes=GZIP),
    ],
    ids=["no gzip", "null", "empty", "no set", "cut off", "wrapped twice", "an offset twice", "the other format"],
)
def test_bytes_that_are_no_message_set_are_refused(raw: bytes) -> None:
    found = unpack(Fetched(raw).next(), 0, LIMIT)
    assert isinstance(found, Refused)
    assert found.reason == "MALFORMED_BATCH"


def test_a_fetch_may_hold_both_formats() -> None:
    old, new = messages([(b"k", b"old")], magic=1, codec=0, offset=0), values(b"new", base=1)
    for raw in (old + new, new + old):
        found: list[Any] = [unpack(one, 0, LIMIT) for one in Fetched(raw)]
        assert sorted(records.payloads[0] for records in found) == [b"new", b"old"]
        assert all(one.header.validate_crc() for one in Fetched(raw))
