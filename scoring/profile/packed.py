"""Rows in the format of changelogs: a packed batch, and the error for a row that cannot be read."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

ROW_FORMAT: Final = 6
"""Version of the bytes of a row: a new one for each `LAYOUT` of `scoring.profile.changelog`. A test checks that."""

KEY_WORDS: Final = 3
"""uint32 words of a row's key: entity (or REPORTED) << 24 | partition, then the key's lower and upper half."""

PARTITION_BITS: Final = 24

SIDE_KINDS: Final = 192
"""Kinds of rows, in place of the entity in their keys: from this one on they are `SideRows`, not rows of profiles."""

SIGHTING: Final = 255  # a card was seen in a partition: `profile.sightings`
PROOF: Final = 254  # the first use of a proof that a partition saw: `profile.proofs`
MONTH: Final = 253  # what a partition heard of a merchant's month: `merchants.months`
AUTHENTICATION: Final = 252  # results of 3-D Secure, and claims: `threeds.authentications`
INCIDENT: Final = 251  # the part of an incident that a partition saw: `incidents`
CLAIM: Final = 250  # what was reported of an event: `merchants.months`
STANDING: Final = 249  # where a merchant stands: `merchants.standings`
SHARE: Final = 248  # authentications of a merchant by day, and those of A or U: `threeds.shares`
OVERDUE: Final = 247  # what was told of a merchant's record: `merchants.overdue`
PAID: Final = 246  # payments by 3RI that name an authentication: `threeds.sums`
BLOCKED: Final = 245  # payments that a rule blocked, by hour: `policy.rules.counts`
POLICY: Final = 244  # the content of a policy, in pieces: `policy.record`
WATCH: Final = 243  # what a partition saw of the model, and of payments that it decided: `watching`
CASE: Final = 242  # the part of a case of alerts that a partition saw: `decide.cases`
OUTCOME: Final = 241  # payments of an experiment, and what was reported of them: `watching.outcomes`

SIGHTING_WORDS: Final = 2
"""uint32 words of the value of a sighting: ROW_FORMAT, and 1 if it was reported as a conflict, else 0."""

PROOF_WORDS: Final = 8
"""uint32 words of the value of a proof: ROW_FORMAT, number of the use (lower half, upper half), its columns. The last
column is in the upper bits of the number's upper half."""

_LOW: Final = np.uint64(0xFFFFFFFF)
_32: Final = np.uint64(32)


class RowFormatError(Exception):
    """Raised when a logged row cannot be read: it is of another version, or damaged."""


class Packed(NamedTuple):
    """Hold n rows: `keys` uint32[n, KEY_WORDS], `values` uint32[m] back to back, `ends` int64[n] of each value in them.

    A value of no words is a tombstone. In bytes all of it is little-endian, on every machine.
    """

    keys: NDArray[np.uint32]
    values: NDArray[np.uint32]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)


NO_ROWS: Final = Packed(
    np.empty((0, KEY_WORDS), dtype=np.uint32), np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int64)
)


class SideRows(Protocol):
    """Rows that are logged beside those of the profiles, in the same flushes, under a kind of their own.

    `Changelog.attach` adds them. Each row belongs to one partition of the input. The changelog checks the version and
    the length of each row, and that it is of the partition of its log.
    """

    @property
    def kind(self) -> int:
        """The kind in the keys of these rows, at least SIDE_KINDS."""

    @property
    def name(self) -> str:
        """The kind in words, for errors."""

    @property
    def words(self) -> int:
        """uint32 words of the value of each row; 0 where lengths differ, and `restore` checks them."""

    @property
    def is_shared(self) -> bool:
        """Whether the rows are in `shared-profiles`, which other workers follow, or in `card-profiles`."""

    def own(self, partition: int) -> None:
        """Begin to write the rows of a partition, also before its first batch."""

    def leave(self, partition: int) -> None:
        """Stop writing the rows of a partition: it was revoked, or is about to be restored. Shared rows stay."""

    def forget(self, partition: int) -> None:
        """Forget the rows of a partition: they are restored from its log, or are not shared and it was revoked."""

    def flush(self, partition: int) -> Packed:
        """Pack the rows of a partition that changed since the last flush, and tombstones of those removed."""

    def restore(self, partition: int, packed: Packed) -> None:
        """Take the rows of this kind among logged rows; of two with one key the later counts.

        `packed` is NO_ROWS where none is of this kind.

        Raises:
            RowFormatError: a row of this kind is damaged.
        """

    def rewrite(self, partition: int, keys: NDArray[np.uint32]) -> None:
        """Note the rows of this kind among keys, so that the next flush writes them or their tombstones."""


class OwnRows:
    """The part of `SideRows` that says which rows the next flush of each owned partition writes."""

    def __init__(self, kind: int) -> None:
        self._kind = kind
        self._changed: dict[int, set[int]] = {}  # by owned partition: keys

    def own(self, partition: int) -> None:
        """Begin to write a partition."""
        self._changed.setdefault(partition, set())

    def leave(self, partition: int) -> None:
        """Stop writing a partition."""
        self._changed.pop(partition, None)

    def owns(self, partition: int) -> bool:
        """Say whether rows of a partition are written."""
        return partition in self._changed

    def is_due(self, partition: int) -> bool:
        """Say whether rows of a partition await a flush."""
        return bool(self._changed.get(partition))

    def note(self, partition: int, keys: Iterable[int]) -> None:
        """Note rows that changed or are gone. Those of a partition that is not owned are not written."""
        if self.owns(partition):
            self._changed[partition].update(keys)

    def rewrite(self, partition: int, keys: NDArray[np.uint32]) -> None:
        """Note rows by the keys of their log, so that the next flush writes them or their tombstones."""
        self.note(partition, side_keys_of(self._kind, keys))

    def take_changed(self, partition: int) -> list[int]:
        """Return the keys to write now, in order; they are noted no longer."""
        changed = self._changed.get(partition)
        if not changed:
            return []
        self._changed[partition] = set()
        return sorted(changed)


def joined(parts: Iterable[Packed]) -> Packed:
    """Put the rows of several batches behind each other."""
    some = [part for part in parts if len(part)]
    if len(some) < 2:
        return some[0] if some else NO_ROWS
    before = np.cumsum([0, *(len(part.values) for part in some[:-1])])
    return Packed(
        np.concatenate([part.keys for part in some]),
        np.concatenate([part.values for part in some]),
        np.concatenate([part.ends + words for part, words in zip(some, before.tolist(), strict=True)]),
    )


def side_keys(kind: int, partition: int, keys: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Make the keys of rows, uint32[n, KEY_WORDS], of keys of 64 bits, uint64[n]."""
    made = np.empty((len(keys), KEY_WORDS), dtype=np.uint32)
    made[:, 0] = kind << PARTITION_BITS | partition
    made[:, 1] = keys & _LOW
    made[:, 2] = keys >> _32
    return made


def side_keys_of(kind: int, keys: NDArray[np.uint32]) -> list[int]:
    """Return the keys of 64 bits of the rows of a kind, in their order, from the keys of all rows."""
    return _halves_joined(keys[_places(kind, keys)])


def side_rows_of(kind: int, packed: Packed) -> Iterator[tuple[int, int, int, int]]:
    """Return the rows of a kind in their order: number, key of 64 bits, begin and end of its value."""
    if not len(packed):
        return iter(())
    places = _places(kind, packed.keys)
    begins = np.where(places > 0, packed.ends[places - 1], 0)
    keys = _halves_joined(packed.keys[places])
    return zip(places.tolist(), keys, begins.tolist(), packed.ends[places].tolist(), strict=True)


def _places(kind: int, keys: NDArray[np.uint32]) -> NDArray[np.int64]:
    return np.flatnonzero(keys[:, 0] >> np.uint32(PARTITION_BITS) == kind)


def _halves_joined(keys: NDArray[np.uint32]) -> list[int]:
    joined: list[int] = (keys[:, 2].astype(np.uint64) << _32 | keys[:, 1]).tolist()
    return joined
