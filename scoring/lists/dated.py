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

from scoring.contract.faults import FAULTS
from scoring.contract.merchant import TIME_MAX, ListEntry
from scoring.lists.changes import ChangingSlots
from scoring.lists.kinds import LISTS_MAX, VALUE_MAX
from scoring.lists.reading import read_lines
from scoring.lists.slots import copy, empty_slots
from scoring.lists.table import LookUps

Result = Literal["ADDED", "REMOVED", "BAD_KEY", "BAD_VALUE", "BAD_ENTRY", "UNDATED", "TOO_MANY_LISTS", "NO_ROOM"]

RESULTS: Final[tuple[Result, ...]] = get_args(Result)
REFUSED: Final = frozenset(RESULTS) - {"ADDED", "REMOVED"}

_KEY: Final = re.compile(rb"([a-z0-9][a-z0-9_-]{0,47})/([^\x00-\x20\",\x7f]{1,%d})" % VALUE_MAX)
_PERIOD: Final = re.compile(rb",[0-9T:Z+.-]{1,%d},[0-9T:Z+.-]{0,%d}" % (TIME_MAX, TIME_MAX))


@dataclass(frozen=True, slots=True)
class DatedLimits:
    """Settings of entries from the topic. `delay_ms`: from the timestamp of a record to the time it counts from."""

    delay_ms: int = 30_000
    entries_max: int = 1_000_000


class ListName(NamedTuple):
    """A list as records name it: its id, and whose values its entries are."""

    id: str
    kind: str
    acquirer: str | None


class _Changes:
    """Changes of entries in the order of their records. `rows`: the record of each."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.by_list: dict[int, tuple[list[int], list[bytes]]] = {}
        """By number of the list, places among the changes, and their lines `VALUE,EFFECTIVE_TO,EFFECTIVE_FROM`."""

    def add(self, row: int, number: int, line: bytes) -> None:
        """Add a change of record `row`, in the list of a number."""
        found = self.by_list.get(number)
        if found is None:
            found = self.by_list[number] = ([], [])
        found[0].append(len(self.rows))
        found[1].append(line)
        self.rows.append(row)


_decode = msgspec.json.Decoder(ListEntry).decode
_GONE: Final = b",1971-01-02T00:00:00Z,"
"""The period of a removal: over before the first record."""


class DatedEntries:
    """The entries of the topic. One thread changes them between batches and looks them up."""

    def __init__(self, limits: DatedLimits, joined: frozenset[int]) -> None:
        self.limits = limits
        self._entries: ChangingSlots | None = None
        self._look_ups = LookUps(joined)
        self._numbers: dict[tuple[bytes, str, str | None], int] = {}
        self._of_id: dict[bytes, tuple[int, ...]] = {}
        self.names: list[ListName] = []
        """By number, the lists that records have named."""

    def __len__(self) -> int:
        return 0 if self._entries is None else self._entries.count

    def take(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], stamps_ms: Sequence[int]
    ) -> Mapping[Result, int]:
        """Apply records in their order; return their results. One that is refused adds nothing, and is counted.

        A refused record removes the entry of its key, if the key can be read: the topic is compacted, so a restart
        would not find the entry either. Cost: about 3 us a record.
        """
        if self._entries is None:
            self._entries = ChangingSlots(self.limits.entries_max)
            read_lines([], "card", 0, None)  # compiles its kernel now, and not while payments wait
        results: list[Result] = []
        changes = _Changes()
        for row, (key, value, stamp_ms) in enumerate(zip(keys, values, stamps_ms, strict=True)):
            named = _KEY.fullmatch(key)
            if named is None or stamp_ms < 0:
                results.append("BAD_KEY" if named is None else "UNDATED")
                continue
            list_id, text = named.groups()
            result, number, period = self._said(list_id, value)
            for other in self._of_id.get(list_id, ()):
                if other != number:
                    changes.add(row, other, text + _GONE)
            if number >= 0:
                changes.add(row, number, text + period)
            results.append(result)
        if changes.rows:
            self._apply(changes, results, stamps_ms)
        return Counter(results)

    def find(self, ints: NDArray[np.int64], hashes: NDArray[np.uint64], at_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return pairs of event and list as `ListTable.find` does; numbers are those of `names`."""
        slots = empty_slots(1) if self._entries is None else self._entries.slots
        return self._look_ups.find(slots, ints, hashes, at_ms)

    def _said(self, list_id: bytes, value: bytes | None) -> tuple[Result, int, bytes]:
        """Return what a value says: the result, and the list that it adds to with the period; number -1 for none."""
        if value is None:
            return "REMOVED", -1, b""
        try:
            entry = _decode(value)
        except FAULTS:
            return "BAD_ENTRY", -1, b""
        period = f",{entry.effective_to},{entry.effective_from or ''}".encode()
        if _PERIOD.fullmatch(period) is None or (entry.kind == "merchant" and entry.acquirer is None):
            return "BAD_ENTRY", -1, b""
        number = self._number_of(list_id, entry.kind, entry.acquirer)
        return ("TOO_MANY_LISTS" if number < 0 else "ADDED"), number, period

    def _number_of(self, list_id: bytes, kind: str, acquirer: str | None) -> int:
        """Return the number of a list, -1 beyond LISTS_MAX."""
        number = self._numbers.get((list_id, kind, acquirer))
        if number is None:
            number = len(self.names)
            if number >= LISTS_MAX:
                return -1
            self._numbers[list_id, kind, acquirer] = number
            self._of_id[list_id] = (*self._of_id.get(list_id, ()), number)
            self.names.append(ListName(list_id.decode(), kind, acquirer))
            self._look_ups.seek(kind, acquirer is not None)
        return number

    def _apply(self, changes: _Changes, results: list[Result], stamps_ms: Sequence[int]) -> None:
        assert self._entries is not None
        at_ms = np.array(stamps_ms, dtype=np.int64)[changes.rows] + self.limits.delay_ms
        slots = empty_slots(len(changes.rows))
        for number, (places, lines) in changes.by_list.items():
            name = self.names[number]
            read, faults = read_lines(lines, name.kind, number, name.acquirer)
            if any(faults):
                bad = [line for line, fault in enumerate(faults) if fault]
                gone = [lines[line].partition(b",")[0] + _GONE for line in bad]
                ended, _ = read_lines(gone, name.kind, number, name.acquirer)
                copy(ended, range(len(bad)), read, bad)
                for line in bad:
                    row = changes.rows[places[line]]
                    results[row] = "BAD_VALUE" if faults[line] == "value" else "BAD_ENTRY"
            copy(read, range(len(places)), slots, places)
        for place in np.flatnonzero(self._entries.change(slots, -(-at_ms // 1000))).tolist():
            results[changes.rows[place]] = "NO_ROOM"
