"""Entries of lists that come from the topic `lists`, each with the time from which it counts.

A record counts from a fixed delay after its timestamp on, by the time of the events. So a worker that reads it sooner
or later, or again after a restart, decides the same, as long as it reads within the delay.

    key     ID/VALUE                                             of the list and the value
    value   {"kind":"card","effective_to":"2027-01-01T00:00:00Z"}    null removes the entry
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.contract.decision import ListKind
from scoring.contract.faults import FAULTS
from scoring.contract.types import AcquirerId
from scoring.lists.changes import ChangingSlots
from scoring.lists.kinds import LISTS_MAX, VALUE_MAX
from scoring.lists.reading import read_lines
from scoring.lists.slots import copy, empty_slots
from scoring.lists.table import LookUps

Result = Literal["ADDED", "REMOVED", "BAD_KEY", "BAD_VALUE", "BAD_ENTRY", "UNDATED", "TOO_MANY_LISTS", "NO_ROOM"]

RESULTS: Final[tuple[Result, ...]] = get_args(Result)
REFUSED: Final = frozenset(RESULTS) - {"ADDED", "REMOVED"}

_KEY: Final = re.compile(rb"([a-z0-9][a-z0-9_-]{0,47})/([^\x00-\x20\",\x7f]{1,%d})" % VALUE_MAX)
_TIME: Final = re.compile(r"[0-9T:Z+.-]{1,40}")


@dataclass(frozen=True, slots=True)
class DatedLimits:
    """Settings of entries from the topic. `delay_ms`: from the timestamp of a record to the time it counts from."""

    delay_ms: int = 30_000
    entries_max: int = 1_000_000


class ListEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a record of `lists`. `kind` and `acquirer` must be those of the list in the policy."""

    kind: ListKind
    effective_to: str
    effective_from: str = ""
    acquirer: AcquirerId | None = None


class ListName(NamedTuple):
    """A list as records name it: its id, and whose values its entries are."""

    id: str
    kind: str
    acquirer: str | None


class _Change(NamedTuple):
    """A change of one entry: of record `row`, in the list of a number; `period` is empty for a removal."""

    row: int
    number: int
    value: bytes
    period: bytes


_decode = msgspec.json.Decoder(ListEntry).decode
_GONE: Final = b",1971-01-02T00:00:00Z,"
"""The period of a removal: over before the first record."""


class DatedEntries:
    """The entries of the topic. One thread changes them between batches and looks them up."""

    def __init__(self, limits: DatedLimits, joined: frozenset[int]) -> None:
        self.limits = limits
        self._entries: ChangingSlots | None = None
        self._look_ups = LookUps(joined)
        self._numbers: dict[ListName, int] = {}
        self.names: list[ListName] = []
        """By number, the lists that records have named."""

    def __len__(self) -> int:
        return 0 if self._entries is None else self._entries.count

    def take(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], stamps_ms: Sequence[int]
    ) -> Mapping[Result, int]:
        """Apply records in their order; return their results. One that is refused adds nothing, and is counted.

        A refused record removes the entry of its key, if the key can be read: the topic is compacted, so a restart
        would not find the entry either. Cost: some us a record.
        """
        if self._entries is None:
            self._entries = ChangingSlots(self.limits.entries_max)
            read_lines([], "card", 0, None)  # compiles its kernel now, and not while payments wait
        results: list[Result] = []
        changes: list[_Change] = []
        for row, (key, value, stamp_ms) in enumerate(zip(keys, values, stamps_ms, strict=True)):
            result, found = self._changes_of(row, key, value, stamp_ms)
            results.append(result)
            changes += found
        if changes:
            self._apply(changes, results, stamps_ms)
        return Counter(results)

    def find(self, ints: NDArray[np.int64], hashes: NDArray[np.uint64], at_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return pairs of event and list as `ListTable.find` does; numbers are those of `names`."""
        slots = empty_slots(1) if self._entries is None else self._entries.slots
        return self._look_ups.find(slots, ints, hashes, at_ms)

    def _changes_of(self, row: int, key: bytes, value: bytes | None, stamp_ms: int) -> tuple[Result, list[_Change]]:
        named = _KEY.fullmatch(key)
        if named is None:
            return "BAD_KEY", []
        if stamp_ms < 0:
            return "UNDATED", []
        list_id, text = named[1].decode(), named[2]
        ends = [_Change(row, number, text, _GONE) for name, number in self._numbers.items() if name.id == list_id]
        if value is None:
            return "REMOVED", ends
        try:
            entry = _decode(value)
        except FAULTS:
            return "BAD_ENTRY", ends
        times = (entry.effective_to, entry.effective_from)
        if not all(_TIME.fullmatch(stamp) for stamp in times if stamp) or not times[0]:
            return "BAD_ENTRY", ends
        if entry.kind == "merchant" and entry.acquirer is None:
            return "BAD_ENTRY", ends
        number = self._number_of(ListName(list_id, entry.kind, entry.acquirer))
        if number is None:
            return "TOO_MANY_LISTS", ends
        others = [change for change in ends if change.number != number]
        return "ADDED", [*others, _Change(row, number, text, f",{times[0]},{times[1]}".encode())]

    def _number_of(self, name: ListName) -> int | None:
        """Return the number of a list, None beyond LISTS_MAX."""
        if name not in self._numbers:
            if len(self.names) >= LISTS_MAX:
                return None
            self._numbers[name] = len(self.names)
            self.names.append(name)
            self._look_ups.seek(name.kind, name.acquirer is not None)
        return self._numbers[name]

    def _apply(self, changes: list[_Change], results: list[Result], stamps_ms: Sequence[int]) -> None:
        assert self._entries is not None
        at_s = np.array([-(-(stamps_ms[one.row] + self.limits.delay_ms) // 1000) for one in changes], dtype=np.int64)
        slots = empty_slots(len(changes))
        by_list: dict[int, list[int]] = {}
        for place, change in enumerate(changes):
            by_list.setdefault(change.number, []).append(place)
        for number, places in by_list.items():
            name = self.names[number]
            read, faults = read_lines(
                [changes[at].value + changes[at].period for at in places], name.kind, number, name.acquirer
            )
            if any(faults):
                ended, _ = read_lines([changes[at].value + _GONE for at in places], name.kind, number, name.acquirer)
                bad = [line for line, fault in enumerate(faults) if fault]
                copy(ended, bad, read, bad)
                for line in bad:
                    results[changes[places[line]].row] = "BAD_VALUE" if faults[line] == "value" else "BAD_ENTRY"
            copy(read, range(len(places)), slots, places)
        for place in np.flatnonzero(self._entries.change(slots, at_s)).tolist():
            results[changes[place].row] = "NO_ROOM"
