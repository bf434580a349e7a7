"""The incidents of a worker: take attempts, open, grow and close, and say what raises an alert.

One partition opens an incident and leads it: it raises the alerts. Others join once the worker has read its row. Two
workers that open one incident before they read each other's row give it the same id, unless the quiet time by which ids
are counted ends just between them. In either case the later one steps down when it reads the row of the earlier.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.incidents.cards import add
from scoring.incidents.opening import Opening
from scoring.incidents.part import ANSWER_OF, ID_BYTES, Answer, Incident, Part, Scope, State, added_up, level_of
from scoring.incidents.rows import Parts

PARTS_MAX: Final = 10_000
"""Most parts that a worker knows, of one to four kilobytes each: beyond it no incident opens."""

KEPT_QUIETS: Final = 2
"""A part is kept for so many quiet times after the last attempt."""

LED_QUIETS: Final = 48
"""A part whose leader has not closed the incident is kept for so many more, a day by default: the leader adds up all
parts when it closes, and its partition may have no event for hours."""


class Attempts(NamedTuple):
    """A batch of n events: keys uint64[n], times in ms, outcome classes and bands int64[n], flags bool[n].

    `counted`: attempts, each once. `answered`: outcomes of earlier attempts. `visa`: on Visa without a card at hand.
    `openings`: by row, what the event may open, the narrower scope first.
    """

    merchants: NDArray[np.uint64]
    bins: NDArray[np.uint64]
    cards: NDArray[np.uint64]
    at_ms: NDArray[np.int64]
    outcomes: NDArray[np.int64]
    bands: NDArray[np.int64]
    counted: NDArray[np.bool_]
    answered: NDArray[np.bool_]
    visa: NDArray[np.bool_]
    openings: Mapping[int, Sequence[Opening]]


class Step(NamedTuple):
    """A change of an incident that raises an alert, at the event of `row`. `lead` is the part that leads it.

    `is_of_event`: the alert is made of this event, else of what the part keeps of an earlier alert.
    """

    row: int
    state: State
    incident: Incident
    lead: Part
    is_of_event: bool


class Taken(NamedTuple):
    """What became of a batch: the alerts to raise, in order, and the incident of each row that is an attempt of one."""

    steps: Sequence[Step] = ()
    rows: Mapping[int, bytes] = MappingProxyType({})


NOTHING: Final = Taken()

Known = Callable[[int, Scope], tuple[bytes, int] | None]
"""Find id and start of the incident that an event opens, if its opening was published before."""


def nothing_known(_row: int, _scope: Scope) -> None:
    """Know of no published opening."""


class Registry:
    """Call `take` with every batch of authorizations, in order. `minimum_band`: the lowest that raises an alert."""

    def __init__(self, quiet_ms: int, minimum_band: int, partitions: int = 1) -> None:
        self._quiet_ms = quiet_ms
        self.minimum_band = minimum_band
        self._partitions = partitions
        self.parts = Parts(quiet_ms)

    def take(self, batch: Attempts, partition: int, known: Known = nothing_known) -> Taken:
        """Take the attempts of a batch into the incidents that they belong to."""
        rows = self.rows(batch.merchants, batch.at_ms, batch.openings, partition)
        partition = self._kept_under(partition)
        steps, members = list(self._after_others(partition)), dict[int, bytes]()
        due_ms = self.parts.due_ms
        for row in rows:
            at_ms = int(batch.at_ms[row])
            if at_ms > due_ms.get(partition, at_ms):
                steps += self._close(partition, row, at_ms)
            if batch.answered[row]:
                key = int(batch.merchants[row]), int(batch.bins[row])
                self._answer(*key, int(batch.outcomes[row]), at_ms, partition)
            elif batch.counted[row]:
                step, incident = self._attempt(batch, row, partition, known)
                steps += [step] if step else []
                if incident:
                    members[row] = incident
        return Taken(tuple(steps), members)

    def answer(
        self,
        merchants: NDArray[np.uint64],
        bins: NDArray[np.uint64],
        outcomes: NDArray[np.int64],
        at_ms: NDArray[np.int64],
        partition: int,
    ) -> None:
        """Count outcomes that came as records of their own: arrays of length n, as in `Attempts`."""
        partition = self._kept_under(partition)
        for row, merchant in enumerate(merchants.tolist()) if self.parts.of_merchant else ():
            if merchant in self.parts.of_merchant:
                self._answer(merchant, int(bins[row]), int(outcomes[row]), int(at_ms[row]), partition)

    def _kept_under(self, partition: int) -> int:
        return 0 if self._partitions == 1 else partition

    def rows(
        self, merchants: NDArray[np.uint64], at_ms: NDArray[np.int64], openings: Iterable[int], partition: int
    ) -> Sequence[int]:
        """Return the rows to look at, rising: events at merchants with an incident; all if a part may be over.

        If there are none, other partitions may still have told one that leads of more: then the first row.
        """
        partition, openings = self._kept_under(partition), list(openings)
        if not len(at_ms) or not (openings or self.parts.of_merchant):
            return ()
        highest_ms = int(at_ms.max())
        due_ms = min(
            self.parts.due_ms.get(partition, highest_ms),
            *(int(at_ms[row]) + self._quiet_ms for row in openings),  # what opens here may be over here
            highest_ms,
        )
        if highest_ms > due_ms:
            return range(len(at_ms))
        watched = self.parts.merchants
        if openings:
            watched = np.union1d(watched, merchants[openings])
        nearest = watched[np.searchsorted(watched[:-1], merchants)]
        found: list[int] = np.flatnonzero(nearest == merchants).tolist()
        return found or ((0,) if self.parts.grown.get(partition) else ())

    # -- events

    def _attempt(self, batch: Attempts, row: int, partition: int, known: Known) -> tuple[Step | None, bytes]:
        """Add an attempt to the incident that it belongs to, or open one. Return its alert and its id, b"" for none."""
        merchant, bin_key, at_ms = int(batch.merchants[row]), int(batch.bins[row]), int(batch.at_ms[row])
        for key in (bin_key, merchant):
            lead = self._open_one(key, at_ms, partition)
            if lead is not None:
                part = self._part_of(key, lead, at_ms, partition)
                self._add(part, batch, row)
                self.parts.note(key, partition)
                return self._growth(key, part, row, by_event=True) if part.leads else None, lead.incident
        opening = self._opening(batch.openings.get(row, ()), merchant, bin_key, at_ms, partition)
        if opening is None:
            return None, b""
        key = bin_key if opening.scope == Scope.MERCHANT_BIN else merchant
        name = f"{key}\x1f{at_ms // self._quiet_ms}".encode()
        incident, start_ms = known(row, opening.scope) or (blake2b(name, digest_size=ID_BYTES).digest(), at_ms)
        part = Part(
            incident=incident,
            scope=opening.scope,
            merchant=merchant,
            start_ms=start_ms,
            last_ms=at_ms,
            leads=True,
            cards_before=opening.cards,
            attempts=opening.attempts,
            visa=opening.attempts if opening.scope == Scope.MERCHANT_BIN and batch.visa[row] else 0,
        )
        part.answers[Answer.CARD_DATA] = opening.declines
        self.parts.put(key, partition, part)
        self._add(part, batch, row)
        self.parts.note(key, partition)
        made = added_up(part, self.parts.of(key).values())
        part.told_level, part.told_band = max(level_of(made.attempts), 1), made.band
        return Step(row, "OPENED", made, part, True), incident

    def _opening(
        self, openings: Sequence[Opening], merchant: int, bin_key: int, at_ms: int, partition: int
    ) -> Opening | None:
        """Choose what an event opens. While a BIN stands out at a merchant, no incident opens about the merchant."""
        for opening in openings if openings and len(self.parts) < PARTS_MAX else ():
            if opening.scope == Scope.MERCHANT_BIN and bin_key:
                return opening
            others = self.parts.of_merchant.get(merchant, ())
            if opening.scope == Scope.MERCHANT and all(self._open_one(key, at_ms, partition) is None for key in others):
                return opening
        return None

    def _open_one(self, key: int, at_ms: int, partition: int) -> Part | None:
        """Return the part that leads the open incident of a key to which an event at a time belongs."""
        parts = self.parts.of(key)
        if not parts:
            return None
        leads = sorted((part.start_ms, number) for number, part in parts.items() if part.leads and not part.is_closed)
        found = [parts[number] for _, number in leads if self._is_within(parts[number], parts, at_ms)]
        own = parts.get(partition)
        if own is not None and len(found) > 1 and own.leads and own is not found[0]:  # opened twice, by two workers
            own.leads, own.incident, own.start_ms, own.base = False, found[0].incident, found[0].start_ms, b""
            self.parts.note(key, partition)
        return found[0] if found else None

    def _is_within(self, lead: Part, parts: Mapping[int, Part], at_ms: int) -> bool:
        last_ms = max(part.last_ms for part in parts.values() if part.incident == lead.incident)
        return lead.start_ms - self._quiet_ms <= at_ms <= last_ms + self._quiet_ms

    def _part_of(self, key: int, lead: Part, at_ms: int, partition: int) -> Part:
        """Return the own part of the incident that `lead` leads; a new one if there is none."""
        part = self.parts.of(key).get(partition)
        if part is None or part.incident != lead.incident:
            part = Part(
                incident=lead.incident,
                scope=lead.scope,
                merchant=lead.merchant,
                start_ms=lead.start_ms,
                last_ms=at_ms,
                leads=False,
            )
            self.parts.put(key, partition, part)
        return part

    def _add(self, part: Part, batch: Attempts, row: int) -> None:
        band, answer = int(batch.bands[row]), ANSWER_OF.get(int(batch.outcomes[row]))
        part.attempts += 1
        part.last_ms = max(part.last_ms, int(batch.at_ms[row]))
        part.visa += bool(batch.visa[row])
        part.band = max(part.band, band)
        part.flagged += band >= self.minimum_band
        if answer is not None:
            part.answers[answer] += 1
        add(part.cards, int(batch.cards[row]))

    def _answer(self, merchant: int, bin_key: int, outcome: int, at_ms: int, partition: int) -> None:
        """Count the answer of an earlier attempt in the incident that is open now. It is no attempt."""
        answer = ANSWER_OF.get(outcome)
        if answer is None:
            return
        for key in (bin_key, merchant):
            lead, part = self._open_one(key, at_ms, partition), self.parts.of(key).get(partition)
            if lead is not None and part is not None and part.incident == lead.incident:
                part.answers[answer] += 1
                self.parts.note(key, partition)
                return

    # -- alerts

    def _growth(self, key: int, lead: Part, row: int, *, by_event: bool) -> Step | None:
        """Return the alert that an incident raises if it has ten times the attempts, or a higher band, than told."""
        same = [part for part in self.parts.of(key).values() if part.incident == lead.incident]
        level, band = level_of(sum(part.attempts for part in same)), max(part.band for part in same)
        if level <= lead.told_level and band <= lead.told_band:
            return None
        is_of_event = by_event and lead.band > lead.told_band
        lead.told_level, lead.told_band = max(level, lead.told_level), band
        return Step(row, "GREW", added_up(lead, same), lead, is_of_event)

    def _after_others(self, partition: int) -> Iterator[Step]:
        """Raise what other partitions' attempts make of the incidents that this one leads."""
        grown = self.parts.grown.get(partition)
        while grown:
            key = min(grown)
            grown.discard(key)
            lead = self.parts.of(key)[partition]
            self._open_one(key, lead.last_ms, partition)  # it may be another's by now
            step = self._growth(key, lead, 0, by_event=False) if lead.leads else None
            if step is not None:
                self.parts.note(key, partition)
                yield step

    def _close(self, partition: int, row: int, at_ms: int) -> Iterator[Step]:
        """Close the incidents that were quiet until `at_ms`, and forget the parts of those long over."""
        due_ms = at_ms + self._quiet_ms
        for key in self.parts.keys_of(partition):
            part = self.parts.of(key)[partition]
            same = [other for other in self.parts.of(key).values() if other.incident == part.incident]
            over_ms = max(other.last_ms for other in same) + self._quiet_ms
            has_leader = any(other.leads and not other.is_closed for other in same if other is not part)
            kept_ms = over_ms + (LED_QUIETS if has_leader else KEPT_QUIETS - 1) * self._quiet_ms
            is_open = part.leads and not part.is_closed
            if at_ms > (over_ms if is_open else kept_ms):
                self.parts.note(key, partition)
                if not is_open:
                    self.parts.drop(key, partition)
                    continue
                part.is_closed, is_open = True, False
                yield Step(row, "CLOSED", added_up(part, same), part, False)
            due_ms = min(due_ms, over_ms if is_open else kept_ms)  # and looks again after a quiet time
        self.parts.due_ms[partition] = due_ms
