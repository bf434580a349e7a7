"""Parts by key and partition: those of a worker's own partitions and those that it follows, with a limit for each."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar


class Touched(Protocol):
    """A part that says when it changed last: by number within its partition, and in ms of event time."""

    touched: int
    last_ms: int


_T = TypeVar("_T", bound=Touched)

DROPS_MAX = 2
"""Most parts that are looked at, whether they are over, whenever one is added."""


class Kept(Generic[_T]):
    """Each partition keeps at most `parts_max` parts. Beyond it the one that was idle longest is dropped.

    Idle is counted in changes of the partition, not in time, so what is dropped depends on its events alone.
    """

    def __init__(self, parts_max: int) -> None:
        self._parts_max = parts_max
        self._parts: dict[int, dict[int, _T]] = {}
        self._order: dict[int, OrderedDict[int, None]] = {}  # by partition: keys, idle longest first
        self._unsorted: set[int] = set()  # partitions that were restored and not used since
        self._last: dict[int, int] = {}  # by partition: number of the last change

    def __len__(self) -> int:
        return sum(map(len, self._order.values()))

    def of(self, key: int) -> Mapping[int, _T]:
        """Return the parts of a key by partition."""
        return self._parts.get(key, {})

    def all(self) -> list[Mapping[int, _T]]:
        """Return the parts of all keys, each by partition."""
        return list(self._parts.values())

    def keys_of(self, partition: int) -> list[int]:
        """Return the keys of which a partition has a part, idle longest first."""
        self._sort(partition)
        return list(self._order.get(partition, ()))

    def touch(self, key: int, partition: int, part: _T, over_ms: int) -> list[int]:
        """Keep a part, which changed just now. Return the keys of this partition that were dropped for it.

        If it is new, parts that ended before `over_ms` go, of the DROPS_MAX that were idle longest.
        """
        self._sort(partition)
        order = self._order.setdefault(partition, OrderedDict())
        is_new = key not in order
        self._last[partition] = part.touched = self._last.get(partition, 0) + 1
        self._parts.setdefault(key, {})[partition] = part
        order[key] = None
        order.move_to_end(key)
        dropped: list[int] = []
        while is_new and len(dropped) < DROPS_MAX and len(order) > 1:
            oldest = next(iter(order))
            if len(order) <= self._parts_max and self._parts[oldest][partition].last_ms >= over_ms:
                break
            self.drop(oldest, partition)
            dropped.append(oldest)
        return dropped

    def drop(self, key: int, partition: int) -> None:
        """Forget a part, if it is there."""
        parts = self._parts.get(key, {})
        if parts.pop(partition, None) is None:
            return
        del self._order[partition][key]
        if not parts:
            del self._parts[key]

    def forget(self, partition: int) -> None:
        """Forget the parts of a partition."""
        for key in list(self._order.get(partition, ())):
            self.drop(key, partition)
        self._order.pop(partition, None)
        self._last.pop(partition, None)
        self._unsorted.discard(partition)

    def restore(self, key: int, partition: int, part: _T) -> None:
        """Keep a part as it was logged."""
        self._parts.setdefault(key, {})[partition] = part
        self._order.setdefault(partition, OrderedDict())[key] = None
        self._last[partition] = max(self._last.get(partition, 0), part.touched)
        self._unsorted.add(partition)

    def _sort(self, partition: int) -> None:
        if partition in self._unsorted:
            self._unsorted.discard(partition)
            order = self._order[partition]
            self._order[partition] = OrderedDict.fromkeys(
                sorted(order, key=lambda key: self._parts[key][partition].touched)
            )
