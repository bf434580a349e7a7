"""Record batches as a producer could send them: valid ones, and those that only an attacker sends."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from struct import Struct
from typing import Any, Final, NamedTuple

import cramjam
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.record.util import calc_crc32c, encode_varint

HEADER: Final = Struct(">qiibIhiqqqhii")
LENGTH_END, CRC_AT, CRC_END = 12, 17, 21
APPEND_TIME: Final = 8

CODECS: Final = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
ENCODE: Final[dict[str, Callable[[bytes], bytes]]] = {
    "none": bytes,
    "gzip": gzip_encode,
    "snappy": snappy_encode,  # in blocks, as Java writes it
    "lz4": lz4_encode,
    "zstd": zstd_encode,
}


class Row(NamedTuple):
    """One record; its offset and time are relative to those of the batch."""

    offset: int
    value: bytes | None
    key: bytes | None = b"key"
    time: int = 0
    headers: Sequence[tuple[bytes, bytes | None]] = ()


def varint(value: int) -> bytes:
    out = bytearray()
    encode_varint(value, out.append)
    return bytes(out)


def text(content: bytes | None) -> bytes:
    return varint(-1) if content is None else varint(len(content)) + content


def record(row: Row) -> bytes:
    body = b"\0" + varint(row.time) + varint(row.offset) + text(row.key) + text(row.value) + varint(len(row.headers))
    body += b"".join(text(name) + text(content) for name, content in row.headers)
    return varint(len(body)) + body


def stored(
    payload: bytes,
    *,
    base: int = 0,
    count: int = 1,
    last: int | None = None,
    codec: int = 0,
    attributes: int = 0,
    first_ms: int = 1_000,
    max_ms: int = 2_000,
    producer: tuple[int, int, int] = (-1, -1, -1),
) -> bytes:
    """Put a header with a correct checksum before the given records."""
    raw = bytearray(HEADER.size) + payload
    delta = count - 1 if last is None else last
    HEADER.pack_into(
        raw, 0, base, len(raw) - LENGTH_END, 0, 2, 0, attributes | codec, delta, first_ms, max_ms, *producer, count
    )
    raw[CRC_AT:CRC_END] = calc_crc32c(memoryview(raw)[CRC_END:]).to_bytes(4, "big")
    return bytes(raw)


def batch(rows: Sequence[Row], *, codec: str = "none", **header: Any) -> bytes:
    """Build a batch of some records."""
    payload = ENCODE[codec](b"".join(map(record, rows)))
    return stored(payload, count=len(rows), codec=CODECS[codec], **header)


def values(*contents: bytes | None, codec: str = "none", **header: Any) -> bytes:
    """Build a batch of some values."""
    return batch([Row(k, content) for k, content in enumerate(contents)], codec=codec, **header)


def bomb(codec: str, size: int, **header: Any) -> bytes:
    """Build a batch of one record of `size` zeros, compressed as far as the codec can; it takes little memory."""
    after = varint(0)
    before = b"\0" + varint(0) + varint(0) + text(b"key") + varint(size)
    pieces = [varint(len(before) + size + len(after)) + before, *_zeros(size), after]
    return stored(b"".join(_STREAMS[codec](pieces)), codec=CODECS[codec], **header)


def _zeros(size: int) -> Iterator[bytes]:
    piece = bytes(1 << 20)
    for at in range(0, size, len(piece)):
        yield piece[: size - at]


def _gzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    stream = zlib.compressobj(9, wbits=31)
    for piece in pieces:
        yield stream.compress(piece)
    yield stream.flush()


def _snappy(pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield b"\x82SNAPPY\0" + bytes([0, 0, 0, 1, 0, 0, 0, 1])
    for piece in pieces:
        block = bytes(cramjam.snappy.compress_raw(piece))
        yield len(block).to_bytes(4, "big") + block


def _stream(compressor: Any, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        compressor.compress(piece)
        yield bytes(compressor.flush())
    yield bytes(compressor.finish())


_STREAMS: Final[dict[str, Callable[[Iterable[bytes]], Iterator[bytes]]]] = {
    "gzip": _gzip,
    "snappy": _snappy,
    "lz4": lambda pieces: _stream(cramjam.lz4.Compressor(content_checksum=False, block_linked=False), pieces),
    "zstd": lambda pieces: _stream(cramjam.zstd.Compressor(level=3), pieces),
}
