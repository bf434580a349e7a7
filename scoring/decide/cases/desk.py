"""Which decisions raise an alert: the first of a case, and each that raises its severity.

A case of a card is in one partition, and depends on the events of that partition alone. Devices, addresses, merchants
and the like are met in several: their case is the sum of the parts that the worker knows.
"""

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from msgspec import Struct
from msgspec.json import decode

from scoring.clock import AHEAD_MAX_MS, BEHIND_MAX_MS
from scoring.contract.codes import Band
from scoring.contract.decision import BandName
from scoring.contract.faults import FAULTS
from scoring.contract.types import Count, ShortText, TimeMs
from scoring.decide.alerts import Case, Subject
from scoring.decide.cases.part import AT_RISK_MAX, Part
from scoring.decide.cases.rows import CaseRows
from scoring.policy.policy import AlertRules

CASES_MAX: Final = 200_000
"""Most published alerts that are remembered from before a start. Beyond it the oldest is dropped."""

PARTS_MAX: Final = 20_000
"""Most open cases of a partition. Beyond it the one that was idle longest is dropped, which can repeat an alert."""

_COUNT_MAX: Final = 2**31 - 1


class _Published(Struct):
    """The fields of a published alert with the state of its case."""

    dedup_key: ShortText
    band: BandName
    count: Count
    first_seen_ms: TimeMs
    last_seen_ms: TimeMs


class AlertDesk:
    """Open cases of one worker; decides which alerts fire. Only event time is used.

    `parts_max`: most cases of a partition. `partitions`: those of the input; with one, all cases are kept under 0.
    """

    def __init__(self, rules: AlertRules, parts_max: int = PARTS_MAX, partitions: int = 1) -> None:
        self.use(rules)
        self.rows = CaseRows(parts_max)
        self._partitions = partitions
        self._known: OrderedDict[str, Case] = OrderedDict()  # cases of published alerts

    def use(self, rules: AlertRules) -> None:
        """Follow other rules from now on. `minimum`: the lowest band that can raise an alert."""
        self.minimum = int(Band[rules.minimum_band])
        self._window_ms = rules.dedup_minutes * 60_000
        self._quiet_ms = rules.incident_quiet_minutes * 60_000

    def admit(
        self,
        subject: Subject,
        event_ms: int,
        band: int,
        *,
        partition: int = 0,
        amount_jpy: int = 0,
        is_published: bool = False,
    ) -> tuple[Case, bool]:
        """Add a decision to its case. Return the case, and whether an alert fires.

        `is_published`: an alert of this event was published before a takeover. If that alert opened the case, the case
        is opened again as it was, and not taken from the published alert.
        """
        partition = 0 if self._partitions == 1 else partition
        key = _key(subject.dedup_key)
        parts = self.rows.cases.of(key)
        part, fires = self._part_of(parts, subject, event_ms, band, partition, is_published=is_published)
        part.count += 1
        part.at_risk_jpy = min(part.at_risk_jpy + amount_jpy, AT_RISK_MAX)
        part.last_ms = max(part.last_ms, event_ms)
        if band > part.band:
            known = None if self._is_exact(subject, partition) else self._known.get(subject.dedup_key)
            is_told = known is not None and known.first_ms == part.first_ms and band <= known.band
            part.band, part.serial, fires = band, part.serial + 1, is_published or not is_told
        dropped = self.rows.cases.touch(key, partition, part, event_ms - self.reach_of_cases_ms)
        self.rows.note(partition, (key, *dropped))
        return _added_up(part, self.rows.cases.of(key)), fires

    def _part_of(
        self,
        parts: Mapping[int, Part],
        subject: Subject,
        event_ms: int,
        band: int,
        partition: int,
        *,
        is_published: bool,
    ) -> tuple[Part, bool]:
        """Return the own part of the case of an event, without the event, and whether the case is new."""
        own, found = parts.get(partition), self._open_one(parts, subject, event_ms, partition)
        if found is None:
            found = self._known_of(subject, event_ms, partition, is_published=is_published)
        if found is None:
            return Part(first_ms=event_ms, last_ms=event_ms, band=band), True
        if own is None or self._is_over(_added_up(own, parts), subject, event_ms):
            own = Part(first_ms=found.first_ms, last_ms=event_ms, band=found.band, serial=found.serial)
        own.first_ms = found.first_ms
        if found.band > own.band:
            own.band, own.serial = found.band, found.serial
        return own, False

    def _known_of(self, subject: Subject, event_ms: int, partition: int, *, is_published: bool) -> Case | None:
        """Return the case of a published alert to which an event belongs, of which no row tells.

        An alert of a case that began with this event, or later, is of what is applied again: the event opens its case.
        """
        known = self._known.get(subject.dedup_key)
        if known is None or self._is_over(known, subject, event_ms):
            return None
        is_again = is_published or self._is_exact(subject, partition)
        return None if is_again and known.first_ms >= event_ms else known

    def _is_exact(self, subject: Subject, partition: int) -> bool:
        """Say whether the rows of a partition alone tell all of a case, also while input is applied again."""
        return self.rows.owns(partition) and (self._partitions == 1 or subject.entity == "CARD")

    def _open_one(self, parts: Mapping[int, Part], subject: Subject, event_ms: int, partition: int) -> Case | None:
        """Return the open case of an event: the own one, unless another partition opened it before, too."""
        own = parts.get(partition)
        if own is not None and len(parts) == 1:  # every case of a card
            case = _case(own)
            return None if self._is_over(case, subject, event_ms) else case
        cases = {part.first_ms: _added_up(part, parts) for part in parts.values()}
        found = [cases[first] for first in sorted(cases) if not self._is_over(cases[first], subject, event_ms)]
        mine = next((case for case in found if own is not None and case.first_ms == own.first_ms), None)
        if mine is not None:
            return next(case for case in found if not self._is_over(case, subject, mine.first_ms))
        return found[0] if found else None

    @property
    def reach_of_cases_ms(self) -> int:
        """Largest age in ms, before the timestamp of an input record, of an alert whose case is open to its event.

        It is the sum of three times. The event may be up to BEHIND_MAX_MS before its record. Its case may have begun up
        to the window before that. The event that raised the alert may be up to AHEAD_MAX_MS after its own record.
        """
        return max(self._window_ms, self._quiet_ms) + BEHIND_MAX_MS + AHEAD_MAX_MS

    def restore_case(self, value: bytes) -> bool:
        """Remember the case of a published alert, for events whose case no row tells of. Return whether it is an alert.

        A key keeps its latest alert, in any order of calls.
        """
        try:
            alert = decode(value, type=_Published)
        except FAULTS:
            return False
        case = self._known.get(alert.dedup_key)
        if case is not None and (alert.last_seen_ms, alert.count) <= (case.last_ms, case.count):
            return True
        self._known[alert.dedup_key] = Case(
            first_ms=alert.first_seen_ms,
            last_ms=alert.last_seen_ms,
            count=alert.count,
            band=int(Band[alert.band]),
            serial=0 if alert.count == 1 else 1 if case is None else case.serial + 1,
            at_risk_jpy=0,
        )
        if len(self._known) > 2 * CASES_MAX:
            latest = sorted(self._known.items(), key=lambda item: item[1].last_ms)[-CASES_MAX:]
            self._known = OrderedDict(latest)
        return True

    def _is_over(self, case: Case, subject: Subject, event_ms: int) -> bool:
        if subject.type == "INCIDENT":  # an incident lasts until it was quiet for `incident_quiet_minutes`
            return event_ms - case.last_ms > self._quiet_ms
        return event_ms - case.first_ms > self._window_ms


def _key(dedup_key: str) -> int:
    """Return the key of the rows of a case. Two of 240,000 open cases are equal with a probability of 2e-9."""
    return int.from_bytes(blake2b(dedup_key.encode(), digest_size=8).digest(), "little")


def _case(part: Part) -> Case:
    return Case(part.first_ms, part.last_ms, min(part.count, _COUNT_MAX), part.band, part.serial, part.at_risk_jpy)


def _added_up(of: Part, parts: Mapping[int, Part]) -> Case:
    """Add up the parts of one case, which began at the same time."""
    if len(parts) == 1:
        return _case(of)
    same = [part for part in parts.values() if part.first_ms == of.first_ms]
    return Case(
        first_ms=of.first_ms,
        last_ms=max(part.last_ms for part in same),
        count=min(sum(part.count for part in same), _COUNT_MAX),
        band=max(part.band for part in same),
        serial=max(part.serial for part in same),
        at_risk_jpy=min(sum(part.at_risk_jpy for part in same), AT_RISK_MAX),
    )
