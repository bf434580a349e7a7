"""Unpacking a frame yields at most its limit of bytes, whatever the frame claims; a broken frame is an error."""

import subprocess
import sys
from pathlib import Path

import cramjam
import pytest
from aiokafka.codec import snappy_encode
from hypothesis import given
from hypothesis import strategies as st

from streams.records.codecs import BrokenError, TooLargeError, expand
from tests.records.build import CODECS, ENCODE, bomb

COMPRESSED = [codec for codec in CODECS if codec != "none"]
MIB = 1 << 20


@given(st.sampled_from(COMPRESSED), st.binary(max_size=300), st.integers(1, 3_000))
def test_compressed_bytes_are_unpacked(codec: str, piece: bytes, times: int) -> None:
    plain = piece * times
    assert expand(CODECS[codec], ENCODE[codec](plain), len(plain)) == plain
    assert expand(CODECS[codec], memoryview(ENCODE[codec](plain)), len(plain) + 10 * MIB) == plain
    if plain:
        with pytest.raises(TooLargeError):
            expand(CODECS[codec], ENCODE[codec](plain), len(plain) - 1)


def test_snappy_without_framing_is_unpacked_too() -> None:
    plain = b"abcd" * 100_000
    assert expand(2, bytes(snappy_encode(plain, xerial_compatible=False)), len(plain)) == plain
    with pytest.raises(TooLargeError):
        expand(2, bytes(snappy_encode(plain, xerial_compatible=False)), len(plain) - 1)


@pytest.mark.parametrize("codec", COMPRESSED)
def test_a_frame_that_is_cut_off_or_garbage_is_broken(codec: str) -> None:
    whole = ENCODE[codec](b"some text, and more of it " * 1_000)
    for payload in (whole[: len(whole) // 2], b"\x12" * 100, b"\x82SNAPPY\x00" + bytes(8) + b"\xff" * 20):
        with pytest.raises(BrokenError):
            expand(CODECS[codec], payload, MIB)


def test_an_unknown_codec_is_broken() -> None:
    for codec in (5, 6, 7):
        with pytest.raises(BrokenError, match=f"unknown codec {codec}"):
            expand(codec, b"abc", MIB)


def test_a_length_that_a_frame_claims_takes_no_memory() -> None:
    claims_4_gib = b"\xff\xff\xff\xff\x0f" + b"\x00" * 10
    with pytest.raises(TooLargeError):
        expand(2, claims_4_gib, MIB)
    blocks = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01" + len(claims_4_gib).to_bytes(4, "big") + claims_4_gib
    with pytest.raises(TooLargeError):
        expand(2, blocks, MIB)


def test_the_library_names_an_output_that_is_full_as_it_did() -> None:
    """This text distinguishes a frame that is too large from a broken one."""
    for name in ("gzip", "lz4", "zstd"):
        with pytest.raises(cramjam.DecompressionError, match=r"^failed to write whole buffer$"):
            getattr(cramjam, name).decompress_into(ENCODE[name](bytes(1_000)), bytearray(999))


MEASURE = """
import resource, sys
from streams.records.codecs import TooLargeError, expand
payloads = [open(file, "rb").read()[61:] for file in sys.argv[1:]]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for codec, payload in enumerate(payloads, 1):
    try:
        expand(codec, payload, 16 << 20)
    except TooLargeError:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_bombs_take_no_more_memory_than_the_limit_and_a_window(tmp_path: Path) -> None:
    for codec in COMPRESSED:
        (tmp_path / codec).write_bytes(bomb(codec, 100 * MIB))
    command = [sys.executable, "-c", MEASURE, *(str(tmp_path / codec) for codec in COMPRESSED)]
    grown_kib = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout.split()
    assert len(grown_kib) == len(COMPRESSED)
    assert int(grown_kib[-1]) < 40 * 1024, "16 MiB of output, and the window of the codec"
