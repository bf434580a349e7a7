"""Parts of incidents by key and partition, and their rows in `shared-profiles` (`profile.packed.SideRows`)."""

from collections import defaultdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.incidents.part import Part, pack, unpack
from scoring.profile.packed import INCIDENT, NO_ROWS, Packed, RowFormatError, side_keys, side_keys_of, side_rows_of


class Parts:
    """All parts that a worker knows: those of its own partitions, and those of others that it follows."""

    kind: Final = INCIDENT
    name: Final = "INCIDENT"
    words: Final = 0
    is_shared: Final = True

    def __init__(self, quiet_ms: int) -> None:
        self._quiet_ms = quiet_ms
        self._parts: dict[int, dict[int, Part]] = {}
        self._keys: defaultdict[int, set[int]] = defaultdict(set)  # by partition
        self._changed: dict[int, dict[int, None]] = {}  # by owned partition: keys whose rows the next flush writes
        self.of_merchant: dict[int, set[int]] = {}
        """By merchant: the keys of its incidents."""
        self._merchants: NDArray[np.uint64] | None = None
        self.grown: defaultdict[int, set[int]] = defaultdict(set)
        """By partition: keys of incidents that it leads, and of which other partitions saw more since it looked."""
        self.due_ms: dict[int, int] = {}
        """By partition: until then no part of it is over."""

    def __len__(self) -> int:
        return sum(map(len, self._keys.values()))

    def of(self, key: int) -> dict[int, Part]:
        """Return the parts of a key by partition."""
        return self._parts.get(key, {})

    def keys_of(self, partition: int) -> list[int]:
        """Return the keys of which a partition has a part, rising."""
        return sorted(self._keys.get(partition, ()))

    @property
    def merchants(self) -> NDArray[np.uint64]:
        """The keys of `of_merchant`, uint64[n], rising."""
        if self._merchants is None:
            self._merchants = np.sort(np.fromiter(self.of_merchant, dtype=np.uint64, count=len(self.of_merchant)))
        return self._merchants

    def _watch(self, merchant: int) -> set[int]:
        if merchant not in self.of_merchant:
            self.of_merchant[merchant] = set()
            self._merchants = None
        return self.of_merchant[merchant]

    def led_by_this_worker(self) -> list[Part]:
        """Return the parts of own partitions that lead an open incident. Also for another thread, which only reads."""
        found = [list(parts.items()) for parts in list(self._parts.values())]
        return [
            part
            for parts in found
            for partition, part in parts
            if part.leads and not part.is_closed and (partition in self._changed or not self._changed)
        ]

    def put(self, key: int, partition: int, part: Part) -> None:
        """Keep a part in place of that of the same key and partition."""
        self._parts.setdefault(key, {})[partition] = part
        self._keys[partition].add(key)
        self._watch(part.merchant).add(key)
        over_ms = part.last_ms + self._quiet_ms
        self.due_ms[partition] = min(self.due_ms.get(partition, over_ms), over_ms)

    def drop(self, key: int, partition: int) -> None:
        """Forget a part, if it is there."""
        parts = self._parts.get(key, {})
        part = parts.pop(partition, None)
        if part is None:
            return
        self._keys[partition].discard(key)
        self.grown[partition].discard(key)
        if not parts:
            del self._parts[key]
            self.of_merchant[part.merchant].discard(key)
            if not self.of_merchant[part.merchant]:
                del self.of_merchant[part.merchant]
                self._merchants = None

    def note(self, key: int, partition: int) -> None:
        """Have the next flush write a part of a partition, or its tombstone; those that lead it look again."""
        if partition in self._changed:
            self._changed[partition][key] = None
        self._tell_leaders(key, partition)

    def _tell_leaders(self, key: int, partition: int) -> None:
        for number, part in self.of(key).items():
            if number != partition and part.leads and not part.is_closed:
                self.grown[number].add(key)

    # -- rows

    def own(self, partition: int) -> None:
        """Begin to write a partition."""
        self._changed.setdefault(partition, {})

    def leave(self, partition: int) -> None:
        """Stop writing a partition; its parts are followed from now on."""
        self._changed.pop(partition, None)

    def forget(self, partition: int) -> None:
        """Forget the parts of a partition: they are restored from its log."""
        for key in self.keys_of(partition):
            self.drop(key, partition)
        self.due_ms.pop(partition, None)

    def flush(self, partition: int) -> Packed:
        """Pack the parts of a partition that changed, and tombstones of those forgotten."""
        changed = self._changed.get(partition)
        if not changed:
            return NO_ROWS
        self._changed[partition] = {}
        found = [self.of(key).get(partition) for key in changed]
        values = [b"" if part is None else pack(part) for part in found]
        known = np.fromiter(changed, dtype=np.uint64, count=len(changed))
        keys = side_keys(INCIDENT, partition, known)
        ends = np.cumsum([len(value) // 4 for value in values], dtype=np.int64)
        return Packed(keys, np.frombuffer(b"".join(values), dtype="<u4").astype(np.uint32), ends)

    def restore(self, partition: int, packed: Packed) -> None:
        """Take the parts among logged rows; of two with one key the later counts.

        Raises:
            RowFormatError: a part is damaged.
        """
        for n, key, begin, end in side_rows_of(INCIDENT, packed):
            value = packed.values[begin:end].astype("<u4").tobytes()
            part = unpack(value) if value else None
            if value and part is None:
                raise RowFormatError(f"row {n} of INCIDENT is damaged")
            self.drop(key, partition)
            if part is not None:
                self.put(key, partition, part)
                self._tell_leaders(key, partition)

    def rewrite(self, partition: int, keys: NDArray[np.uint32]) -> None:
        """Note parts by the keys of their rows, so that the next flush writes them or their tombstones."""
        if partition in self._changed:
            self._changed[partition].update(dict.fromkeys(side_keys_of(INCIDENT, keys)))
