"""All alerts of a worker: of decisions and their cases, of incidents, and of sensitive data that came in."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from scoring.contract.authorization import Authorization
from scoring.contract.codes import CHECKLIST_ITEMS, Band, Clock, ItemState
from scoring.contract.decision import Reason
from scoring.decide.alerts import SEVERITIES, Case, Subject, encode_alert, subject_of
from scoring.decide.cases.desk import AlertDesk
from scoring.decide.cases.digest import DigestDesk, Fired, Raised
from scoring.decide.decisions import Decided, DecisionEncoder
from scoring.decide.leaks import SEVERITY, TYPE, LeakDesk, encode_leak, is_leak
from scoring.decode import Col, Decoded
from scoring.decode.hashing import MERCHANT_KEY
from scoring.incidents.desk import IncidentDesk
from scoring.incidents.part import Scope
from scoring.incidents.registry import Step, Taken
from scoring.merchants.store import MerchantCol, MerchantStore
from scoring.observer import Observed
from scoring.outputs import Emitted, Record, Tally
from scoring.policy import PolicyTable
from scoring.policy.experiment import Arm
from scoring.policy.policy import AlertRules
from scoring.profile.packed import SideRows
from scoring.refused import kinds_of

_CREDMASTER: Final = "SC5_CREDMASTER"
_CREDMASTER_COLUMN: Final = MerchantCol.ITEM_FIRST + CHECKLIST_ITEMS.index(_CREDMASTER)


class Joined(NamedTuple):
    """An event with the entity of its alert and its case. `fires`: the case raises an alert here."""

    event: Authorization
    subject: Subject
    case: Case
    fires: bool


class Alerting:
    """Decide which alerts a batch raises, and encode them. An attempt of an incident raises none of its own."""

    def __init__(self, rules: AlertRules, encoder: DecisionEncoder, tables: Sequence[PolicyTable]) -> None:
        """`tables`: of the policy that decides, by `Arm`; the first one alone without an experiment."""
        self._rules = rules
        self._tables = tables
        self._encoder = encoder
        self._desk = AlertDesk(rules)
        self._digests = DigestDesk(rules, self._desk.rows)
        self._leaks = LeakDesk(rules)
        self.incidents = IncidentDesk(rules)

    def use(self, rules: AlertRules, encoder: DecisionEncoder, tables: Sequence[PolicyTable]) -> None:
        """Follow other rules from now on. Open cases and incidents stay."""
        self._rules, self._encoder, self._tables = rules, encoder, tables
        self._desk.use(rules)
        self._digests.use(rules)
        self._leaks.use(rules)
        self.incidents.use(rules)

    def set_partitions(self, partitions: int) -> None:
        """Keep the cases and incidents of each partition apart. Before the first event only."""
        self._desk = AlertDesk(self._rules, partitions=partitions)
        self._digests = DigestDesk(self._rules, self._desk.rows, partitions)
        self.incidents = IncidentDesk(self._rules, partitions)

    @property
    def rows(self) -> tuple[SideRows, ...]:
        """The rows of incidents and of cases, for the changelog."""
        return self.incidents.registry.parts, self._desk.rows

    @property
    def open_incidents(self) -> Mapping[str, int]:
        """Number of open incidents that this worker leads, by what they are about. Also for another thread."""
        led = Counter(part.scope.name for part in self.incidents.registry.parts.led_by_this_worker())
        return {scope.name: led[scope.name] for scope in Scope}

    @property
    def open_digests(self) -> int:
        """Number of open digests that this worker leads. Also for another thread."""
        return self._desk.rows.led_floods

    @property
    def reach_of_cases_ms(self) -> int:
        """Largest age in ms, before an input record's timestamp, of an alert whose case is open to its event."""
        return self._desk.reach_of_cases_ms

    def restore_cases(self, alerts: Sequence[bytes]) -> int:
        """Open the cases of published alerts. Return the number of values that are no alerts."""
        others = [alert for alert in alerts if not (self.incidents.restore(alert) or self._digests.restore(alert))]
        return sum(not (self._leaks if is_leak(alert) else self._desk).restore_case(alert) for alert in others)

    def raise_all(
        self,
        observed: Observed,
        decided: Decided,
        merchants: MerchantStore,
        incidents: Taken,
        emitted: Emitted,
        tally: Tally,
        partition: int,
    ) -> list[Record]:
        """Return the alerts of incidents, and of decisions that belong to none, in the order of the events."""
        decoded = observed.decoded
        self.incidents.absorb(emitted.incidents)
        self._digests.absorb(emitted.incidents)
        tally.incident_attempts = len(incidents.rows)
        steps: dict[int, list[Step]] = {}
        for step in incidents.steps:
            steps.setdefault(step.row, []).append(step)
        alerts: list[Record] = []
        seen = 0
        for row in sorted(decided.reasons.keys() | steps.keys()) if steps else decided.reasons:
            alerts += self._digests_over(observed, seen, row + 1, partition, tally)
            seen = row + 1
            for step in steps.get(row, ()):
                declared = merchants.table[observed.rows[step.row]]
                alerts += self._incident_alert(decoded, decided, declared, step, tally)
            if row in decided.reasons:  # every row above ALLOW that is an event of its own
                of_incident = row in incidents.rows
                alerts += self._alert(decoded, decided, row, emitted, tally, partition, is_of_incident=of_incident)
        return alerts + self._digests_over(observed, seen, len(observed.trusted_ms), partition, tally)

    def _digests_over(self, observed: Observed, begin: int, end: int, partition: int, tally: Tally) -> list[Record]:
        """Close the digests that were quiet until an event of rows `begin` to `end`. Return their last alerts."""
        due_ms = self._digests.due_ms(partition)
        if due_ms is None or begin == end:
            return []
        highest_ms = int(observed.trusted_ms[begin:end].max())
        if highest_ms <= due_ms:
            return []
        return self._new(self._digests.close(partition, highest_ms), tally)

    def _alert(
        self,
        decoded: Decoded,
        decided: Decided,
        row: int,
        emitted: Emitted,
        tally: Tally,
        partition: int,
        *,
        is_of_incident: bool,
    ) -> list[Record]:
        band, reasons = int(decided.bands[row]), decided.reasons[row]
        if band < self._desk.minimum:
            return []
        if is_of_incident:
            tally.alerts_suppressed += 1
            return []
        arm = decided.arm(row)
        amount_jpy, is_published = _amount_jpy(decoded, row), decoded.names[row][0] in emitted.alerts
        joined = self.join(
            decoded,
            row,
            _case_ms(decided, row),
            band,
            reasons,
            arm,
            partition=partition,
            amount_jpy=amount_jpy or 0,
            is_published=is_published,
        )
        if joined is None:
            tally.alerts_suppressed_by_policy += 1
            return []
        event, subject, case, fires = joined
        if not fires:
            tally.alerts_suppressed += 1
            return []
        record = encode_alert(
            event=event,
            subject=subject,
            case=case,
            decision=self._shared(decided, row),
            amount_jpy=amount_jpy,
            reasons=reasons,
        )
        fired = Fired(
            merchant=int(decoded.hashes[row, MERCHANT_KEY]),
            at_ms=_case_ms(decided, row),
            band=case.band,
            amount_jpy=amount_jpy or 0,
            reason=reasons[0].id if reasons else "",
            event_id=event.event_id,
            record=record,
            is_published=is_published,
        )
        is_taken, raised = self._digests.admit(fired, partition)
        if is_taken:
            tally.alerts_in_digests += 1
            return self._new(raised, tally)
        if is_published:
            return []
        kind = (subject.type, SEVERITIES[Band(case.band)])
        tally.alerts[kind] = tally.alerts.get(kind, 0) + 1
        if arm:
            name = Arm(arm).name
            tally.arm_alerts[name] = tally.arm_alerts.get(name, 0) + 1
        return [record]

    def _new(self, raised: Iterable[Raised], tally: Tally) -> list[Record]:
        """Return and count the alerts of digests that were not published before."""
        new = [one for one in raised if self._digests.is_new(one)]
        for one in new:
            kind = ("MERCHANT", one.severity)
            tally.alerts[kind] = tally.alerts.get(kind, 0) + 1
            tally.digests[one.state] = tally.digests.get(one.state, 0) + 1
        return [one.record for one in new]

    def join(
        self,
        decoded: Decoded,
        row: int,
        at_ms: int,
        band: int,
        reasons: Sequence[Reason],
        arm: int = 0,
        *,
        partition: int = 0,
        amount_jpy: int = 0,
        is_published: bool = False,
    ) -> "Joined | None":
        """Add an event of at least the lowest band that raises an alert to its case. It belongs to no incident.

        `at_ms`: its time for cases. `arm`: whose suppressions count. `is_published`: its alert was published before a
        takeover. None if a suppression of the policy covers its alert.
        """
        main = reasons[0].id if reasons else ""
        if self._tables[arm].is_suppressed(decoded.ints[row], decoded.hashes[row], at_ms, band, main):
            return None
        event = decoded.event(row)
        subject = subject_of(event, reasons)
        case, fires = self._desk.admit(
            subject, at_ms, band, partition=partition, amount_jpy=amount_jpy, is_published=is_published
        )
        return Joined(event, subject, case, fires)

    def _incident_alert(
        self, decoded: Decoded, decided: Decided, declared: NDArray[np.int64], step: Step, tally: Tally
    ) -> list[Record]:
        """Return the alert of a step, if it was not published before. `declared` int64[MerchantCol]: the merchant."""
        row, incident = step.row, step.incident
        alert = self.incidents.encode(
            step,
            decoded.event(row),
            self._shared(decided, row),
            _amount_jpy(decoded, row),
            decided.reasons.get(row, ()),
            [_CREDMASTER] if declared[_CREDMASTER_COLUMN] == ItemState.IN_PLACE else [],
        )
        if alert is None:
            return []
        kind = ("INCIDENT", SEVERITIES[Band(max(incident.band, Band.REVIEW))])
        tally.alerts[kind] = tally.alerts.get(kind, 0) + 1
        name = (incident.scope.name, step.state)
        tally.incidents[name] = tally.incidents.get(name, 0) + 1
        return [alert]

    def raise_leaks(
        self, observed: Observed, decided: Decided, silent: NDArray[np.bool_], emitted: Emitted, tally: Tally
    ) -> list[Record]:
        """Return the SYSTEM alerts for data that the guard removed from events, without repeats, in order."""
        decoded, alerts = observed.decoded, []
        shown = [row for row in decoded.findings if not silent[row]]
        tally.stripped = kinds_of(decoded.findings[row] for row in shown)
        for row in sorted(decoded.findings):
            if observed.repeats[row]:
                continue
            name = decoded.names[row]
            for finding in decoded.findings[row]:
                leak = self._leaks.admit(name[1].decode(), finding, _case_ms(decided, row))
                if leak is None:
                    tally.alerts_suppressed += 1
                elif leak.alert_id not in emitted.leaks:
                    known, band = _amount_jpy(decoded, row), int(decided.bands[row])
                    alerts.append(encode_leak(leak, name, band, known, self._shared(decided, row)))
                    tally.alerts[TYPE, SEVERITY] = tally.alerts.get((TYPE, SEVERITY), 0) + 1
        return alerts

    def _shared(self, decided: Decided, row: int) -> dict[str, object]:
        """Return the fields that an alert shares with the decision of its event."""
        told: dict[str, object] = {}
        if row in decided.fallen:
            state, is_scored = decided.fallen[row]
            told = {"model_state": state} | ({} if is_scored else {"status": "DEGRADED"})
        return {
            **told,
            "score": int(decided.scores[row]),
            "probability": float(decided.probabilities[row]),
            "action": self._encoder.actions[int(decided.bands[row])],
            "tds": orjson.Fragment(decided.tds[row]),
            "compliance": orjson.Fragment(decided.compliance[row]),
            **self._encoder.shared[decided.arm(row)],
        }


def _case_ms(decided: Decided, row: int) -> int:
    """Return the time for cases: that of the event, or that of its record if the event's is not trusted."""
    return int((decided.event_ms if decided.clocks[row] < Clock.LATE else decided.record_ms)[row])


def _amount_jpy(decoded: Decoded, row: int) -> int | None:
    amount = int(decoded.ints[row, Col.AMOUNT_JPY])
    return amount if amount >= 0 else None
