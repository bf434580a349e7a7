"""Records of stored batches equal aiokafka's own; a batch that cannot be unpacked is refused by its coordinates."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams.records.batches import Fetched, RecordBatch, Refused, unpack
from streams.records.columns import HEADERS_MAX, RECORD_BYTES, Records
from tests.records.build import APPEND_TIME, CODECS, Row, batch, bomb, record, stored, values

LIMIT = 1 << 20
TEXT = st.one_of(st.none(), st.binary(max_size=40))
NAME = st.text(max_size=5).map(str.encode)
SMALL = st.integers(-(2**40), 2**40)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Records of which compaction has removed some."""
    offsets = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=25)))
    headers = st.lists(st.tuples(NAME, TEXT), max_size=3)
    return [Row(offset, draw(TEXT), draw(TEXT), draw(SMALL), draw(headers)) for offset in offsets]


def first(raw: bytes) -> Any:
    return Fetched(raw).next()


def refused(raw: bytes, position: int = 0, limit: int = LIMIT) -> Refused:
    found = unpack(first(raw), position, limit)
    assert isinstance(found, Refused)
    return found


def unpacked(raw: bytes, position: int = 0, limit: int = LIMIT) -> Records:
    found = unpack(first(raw), position, limit)
    assert isinstance(found, Records)
    return found


@given(rows(), st.sampled_from(sorted(CODECS)), st.integers(0, 2**40), st.integers(0, 70), st.booleans())
def test_records_equal_those_of_aiokafka(
    made: list[Row], codec: str, base: int, into: int, is_append_time: bool
) -> None:
    attributes = APPEND_TIME if is_append_time else 0
    raw = batch(made, codec=codec, base=base, last=60, attributes=attributes)
    theirs = [one for one in DefaultRecordBatch(raw) if one.offset >= base + into]
    ours = unpacked(raw, base + into)
    assert len(ours) == len(theirs)
    assert list(ours.offsets) == [one.offset for one in theirs]
    assert ours.timestamps_ms == [one.timestamp for one in theirs]
    assert ours.values == [one.value for one in theirs]
    assert ours.payloads == [one.value or b"" for one in theirs]
    assert ours.keys == [one.key for one in theirs]
    assert [ours.headers(k) for k in range(len(ours))] == [tuple(one.headers) for one in theirs]


def test_offsets_without_a_gap_are_a_range() -> None:
    assert unpacked(values(b"a", b"b", b"c", base=7)).offsets == range(7, 10)
    assert unpacked(values(b"a", b"b", b"c", base=7), position=8).offsets == range(8, 10)


def test_a_time_that_the_producer_does_not_know_stays_unknown() -> None:
    assert unpacked(values(b"a", first_ms=-1)).timestamps_ms == [-1]


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "none"])
def test_a_batch_that_expands_beyond_the_limit_is_refused_by_its_coordinates(codec: str) -> None:
    raw = bomb(codec, 20 * LIMIT, base=40, max_ms=5_000)
    assert refused(raw) == Refused(
        reason="OVERSIZE_BATCH", first=40, end=41, size=len(raw), last_ms=5_000, is_whole=True
    )


def test_a_batch_without_compression_has_the_same_limit() -> None:
    assert refused(values(bytes(LIMIT))).reason == "OVERSIZE_BATCH"
    assert len(unpacked(values(bytes(LIMIT // 2)))) == 1


def test_each_record_counts_with_its_size_in_memory() -> None:
    one = len(record(Row(8_000, b"")))
    fits = LIMIT // (RECORD_BYTES + one)
    assert len(unpacked(values(*[b""] * fits, codec="gzip"))) == fits
    assert refused(values(*[b""] * (LIMIT // RECORD_BYTES), codec="gzip")).reason == "OVERSIZE_BATCH"


def test_a_header_that_claims_two_billion_records_is_refused_unread() -> None:
    raw = stored(b"\x00" * 20, count=2**31 - 1, codec=1)
    found = refused(raw)
    assert (found.reason, found.first, found.end, len(found)) == ("OVERSIZE_BATCH", 0, 2**31 - 1, 2**31 - 1)
    assert found.is_whole
    found = refused(stored(record(Row(0, b"a")), count=7_000, last=0))
    assert (found.reason, len(found), found.is_whole) == ("MALFORMED_BATCH", 1, False)
    assert refused(stored(record(Row(0, b"a")), count=-5, last=0)).reason == "MALFORMED_BATCH"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        record(Row(0, b"a"))[:-1],
        record(Row(0, b"a")) + b"\x00",
        b"\x0c\x00\x00\x00\x01\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00",  # a value of 2**63 - 1 bytes
        b"\xff" * 30,
        record(Row(1, b"a")),  # beyond the last offset
        record(Row(-1, b"a")),
    ],
)
def test_invalid_records_are_refused(payload: bytes) -> None:
    for codec in ("none", "lz4"):
        raw = batch([], codec=codec)
        raw = stored(payload, count=1) if codec == "none" else stored(_lz4(payload), count=1, codec=3)
        assert refused(raw).reason == "MALFORMED_BATCH"


def _lz4(payload: bytes) -> bytes:
    from aiokafka.codec import lz4_encode

    return lz4_encode(payload)


def test_offsets_that_do_not_rise_are_refused() -> None:
    assert refused(batch([Row(1, b"a"), Row(1, b"b")], last=1)).reason == "MALFORMED_BATCH"


def test_a_header_that_is_not_utf8_or_a_million_headers_do_no_harm() -> None:
    odd = batch([Row(0, b"a", headers=[(b"\xff", b"x")])])
    with pytest.raises(UnicodeDecodeError):
        list(DefaultRecordBatch(odd))
    assert first(odd).few() is None
    assert unpacked(odd).payloads == [b"a"]
    assert unpacked(odd).headers(0) == (("�", b"x"),)
    many = unpacked(batch([Row(0, b"a", headers=[(b"", None)] * 100_000)], codec="zstd"))
    assert many.payloads == [b"a"]
    assert many.headers(0) == (("", None),) * HEADERS_MAX


def test_a_batch_that_compaction_has_emptied_is_empty() -> None:
    for codec in (0, 1):
        assert len(unpacked(stored(b"", count=0, last=9, codec=codec, base=5))) == 0


def test_a_refused_batch_that_was_begun_is_refused_from_there() -> None:
    raw = stored(b"garbage", base=10, count=20, codec=4)
    found = refused(raw, position=25)
    assert (found.first, found.end, len(found), found.is_whole) == (25, 30, 5, True)


def test_aiokafka_itself_reads_few_records_and_not_many() -> None:
    assert [row.value for row in first(values(b"a", b"b")).few() or ()] == [b"a", b"b"]
    for raw in (values(*[b"a"] * 17), values(b"a", codec="gzip"), values(bytes(40_000)), values(b"a") + b"rest"):
        assert first(raw).few() is None or raw.endswith(b"rest")
    assert first(stored(b"garbage")).few() is None


def test_a_walk_ends_before_a_batch_that_is_cut_off() -> None:
    whole = values(b"a") + values(b"b", base=1)
    assert [one.header.base_offset for one in Fetched(whole)] == [0, 1]
    for cut in (1, 30, len(values(b"b")) - 1):
        assert [one.header.base_offset for one in Fetched(whole[: len(values(b"a")) + cut])] == [0]


def test_an_impossible_length_is_an_error_of_the_transport() -> None:
    for length in (-5, 0, 13):
        raw = bytearray(values(b"a"))
        raw[8:12] = length.to_bytes(4, "big", signed=True)
        with pytest.raises(CorruptRecordException):
            list(Fetched(bytes(raw)))
    short = bytearray(values(b"a"))
    short[8:12] = (20).to_bytes(4, "big")
    with pytest.raises(CorruptRecordException):
        list(Fetched(bytes(short)))


def test_the_bytes_of_a_fetch_are_found_in_aiokafkas_object() -> None:
    raw = values(b"a") + values(b"b", base=1)
    source = SimpleNamespace(_records=MemoryRecords(raw))
    walk = Fetched.of(source)
    assert isinstance(walk.next(), RecordBatch)
    assert Fetched.of(source) is walk
    assert [one.header.base_offset for one in walk] == [1]
