"""Lines of lists, made at random."""

from collections.abc import Iterator

import numpy as np

END = b",2027-01-01T00:00:00+09:00\n"
CHUNK = 4_096


def chunks(entries: int) -> Iterator[bytes]:
    """Give lines of random tokens."""
    rng = np.random.default_rng(1)
    for start in range(0, entries, CHUNK):
        count = min(CHUNK, entries - start)
        text = rng.bytes(32 * count).hex().encode()
        yield b"".join(text[at : at + 64] + END for at in range(0, 64 * count, 64))
