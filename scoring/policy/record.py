"""Contents of policies as rows of `card-profiles`: a worker that restores a partition finds the policies that decided.

A content is compressed and cut into pieces. The key of a piece holds the digest of the content, so a content that is
written again has the same keys. A content counts only if all its pieces are there and their digest is right.

A content stays for a time after its policy was used last, so that a replay finds what published decisions name. The
row behind its pieces says since when it is not used. Releases before it pass over this row.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from scoring.policy.policy import digest_of
from scoring.profile.packed import (
    NO_ROWS,
    POLICY,
    ROW_FORMAT,
    OwnRows,
    Packed,
    RowFormatError,
    side_keys,
    side_rows_of,
)

PIECE_BYTES: Final = 8_192
"""Most compressed bytes of a row: a row is far smaller than the smallest produce (`state.batch_max_bytes`)."""

CONTENT_BYTES_MAX: Final = 1 << 28
"""Most bytes of a content. Files of a policy have at most 16 MiB in all, and their JSON is a few times as large."""

PAST_MAX: Final = 64
"""Most contents of policies that are not used any more, for each partition. Those used last stay."""

PAST_BYTES_MAX: Final = 8 << 20
"""Most bytes of their rows, for each partition."""

_NUMBER_BITS: Final = 16  # of a key: the number of the piece; the digest has the other 48
_NUMBER_MASK: Final = (1 << _NUMBER_BITS) - 1
_END: Final = _NUMBER_MASK
"""Number of the row that says since when a policy is not used; a content has fewer pieces."""

_HEADER_WORDS: Final = 2  # ROW_FORMAT, bytes of the piece
_IDENTITY: Final = re.compile(r"\+[0-9a-f]{12}\Z")


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A policy as it is recorded. `identity`: what decisions name. `rows`: values of its rows by key."""

    identity: str
    rows: Mapping[int, bytes]


class _Kept(NamedTuple):
    """What was kept last: policies in use and identities of others, and when the first of the past is to go, in ms."""

    used: tuple[list[PolicyRecord], frozenset[str]]
    until_ms: int


_NEVER_MS: Final = 1 << 62


def record_of(identity: str, content: bytes) -> PolicyRecord:
    """Make the rows of a policy. `identity`: its version and digest. Takes a second for a large one."""
    compressed = zlib.compress(content)
    pieces = [compressed[begin : begin + PIECE_BYTES] for begin in range(0, len(compressed), PIECE_BYTES)]
    assert len(pieces) <= _NUMBER_MASK, "limited by the size of the files"
    first = _first_key(identity)
    return PolicyRecord(identity, {first + number: _row(piece) for number, piece in enumerate(pieces)})


class PolicyRows(OwnRows):
    """The contents on the logs of partitions, and which of them the next flush writes or deletes (`SideRows`)."""

    kind: Final = POLICY
    name: Final = "POLICY"
    words: Final = 0
    is_shared: Final = False

    def __init__(self) -> None:
        super().__init__(POLICY)
        self._rows: dict[int, dict[int, bytes]] = {}  # by partition, by key
        self._kept: dict[int, _Kept] = {}

    def keep(
        self,
        partition: int,
        records: Iterable[PolicyRecord],
        others: Iterable[str] = (),
        *,
        now_ms: int = 0,
        kept_ms: int = 0,
    ) -> None:
        """Have the next flush write these policies, and keep `others`, which are identities: all of them are in use.

        What else is there stays until `kept_ms` after it was last in use, at most PAST_MAX contents of PAST_BYTES_MAX.
        """
        if not self.owns(partition):
            return
        records = list(records)
        used = records, frozenset(others)
        kept = self._kept.get(partition)
        if kept is not None and kept.used == used and now_ms < kept.until_ms:
            return
        before = self._rows.get(partition, {})
        written = _digests(record.identity for record in records)
        others_kept = _digests(used[1]) - written
        past = _past(before, written | others_kept, now_ms, kept_ms)
        stays = others_kept | past.keys()
        rows = {key: value for key, value in before.items() if key >> _NUMBER_BITS in stays and not _is_end(key)}
        rows |= {digest << _NUMBER_BITS | _END: _row(end_ms.to_bytes(8, "little")) for digest, end_ms in past.items()}
        for record in records:
            rows.update(record.rows)  # partitions share these, and they may be compressed otherwise than those before
        self.note(partition, (key for key in before.keys() | rows.keys() if before.get(key) != rows.get(key)))
        self._rows[partition] = rows
        self._kept[partition] = _Kept(used, min((end_ms + kept_ms for end_ms in past.values()), default=_NEVER_MS))

    def content(self, partition: int, identity: str) -> bytes | None:
        """Return the content of a policy from the rows of a partition; None if it is not there, whole and unchanged."""
        if _IDENTITY.search(identity) is None:
            return None
        first, rows = _first_key(identity), self._rows.get(partition, {})
        pieces = [rows[key] for key in sorted(rows) if first <= key < first + _END]
        inflating = zlib.decompressobj()
        try:
            content = inflating.decompress(b"".join(map(_piece, pieces)), CONTENT_BYTES_MAX)
        except zlib.error:
            return None
        return content if identity.endswith(f"+{digest_of(content)}") else None

    # -- rows

    def forget(self, partition: int) -> None:
        """Forget the rows of a partition."""
        self._rows.pop(partition, None)
        self._kept.pop(partition, None)

    def flush(self, partition: int) -> Packed:
        """Pack the rows of a partition that changed, and tombstones of those that go."""
        keys, rows = self.take_changed(partition), self._rows.get(partition, {})
        if not keys:
            return NO_ROWS
        values = [rows.get(key, b"") for key in keys]
        ends = np.cumsum([len(value) // 4 for value in values], dtype=np.int64)
        made = side_keys(POLICY, partition, np.array(keys, dtype=np.uint64))
        return Packed(made, np.frombuffer(b"".join(values), dtype="<u4").astype(np.uint32), ends)

    def restore(self, partition: int, packed: Packed) -> None:
        """Take the pieces among logged rows; of two with one key the later counts.

        Raises:
            RowFormatError: a piece is damaged.
        """
        rows = self._rows.setdefault(partition, {})
        self._kept.pop(partition, None)
        for n, key, begin, end in side_rows_of(POLICY, packed):
            if begin == end:
                rows.pop(key, None)
                continue
            value = packed.values[begin:end].astype("<u4").tobytes()
            if end - begin < _HEADER_WORDS or len(_piece(value)) != _size(value):
                raise RowFormatError(f"row {n} of POLICY is damaged")
            rows[key] = value


def _past(rows: Mapping[int, bytes], in_use: Set[int], now_ms: int, kept_ms: int) -> dict[int, int]:
    """Return the digests of contents that are not in use and stay, with the time since when they are not."""
    ends: dict[int, int] = {}
    sizes: Counter[int] = Counter()
    for key, value in rows.items():
        digest = key >> _NUMBER_BITS
        if digest not in in_use:
            sizes[digest] += len(value)
            if _is_end(key):
                ends[digest] = int.from_bytes(_piece(value), "little")
    stays: dict[int, int] = {}
    room = PAST_BYTES_MAX
    for digest in sorted(sizes, key=lambda one: (-ends.get(one, now_ms), one)):  # those used last come first
        end_ms = min(ends.get(digest, now_ms), now_ms)
        room -= sizes[digest]
        if len(stays) == PAST_MAX or room < 0 or end_ms + kept_ms <= now_ms:
            break
        stays[digest] = end_ms
    return stays


def _digests(identities: Iterable[str]) -> set[int]:
    return {_first_key(identity) >> _NUMBER_BITS for identity in identities}


def _is_end(key: int) -> bool:
    return key & _NUMBER_MASK == _END


def _first_key(identity: str) -> int:
    return int(identity.rpartition("+")[2], 16) << _NUMBER_BITS


def _row(piece: bytes) -> bytes:
    return np.array([ROW_FORMAT, len(piece)], dtype="<u4").tobytes() + piece + bytes(-len(piece) % 4)


def _size(value: bytes) -> int:
    return int.from_bytes(value[4 * (_HEADER_WORDS - 1) : 4 * _HEADER_WORDS], "little")


def _piece(value: bytes) -> bytes:
    begin = 4 * _HEADER_WORDS
    return value[begin : begin + _size(value)]
