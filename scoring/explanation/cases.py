"""Remember the alerts that a run raised, and find the one that a decision belongs to."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from msgspec import DecodeError
from msgspec.json import decode

from scoring.contract.alert import Alert
from scoring.contract.authorization import Authorization
from scoring.contract.codes import Band
from scoring.contract.decision import Decision
from scoring.decide.alerts import subject_of
from scoring.decide.cases.desk import CASES_MAX
from scoring.explanation.record import CasePart, CaseState
from scoring.outputs import Outputs, Record

ALERTS_MAX: Final = CASES_MAX
"""Most alerts that are remembered, of cases and of incidents each: as many as a worker has open cases."""


class Alerts:
    """The last alert of each case and of each incident, by dedup key."""

    def __init__(self) -> None:
        self._cases: OrderedDict[bytes, bytes] = OrderedDict()
        self._incidents: OrderedDict[bytes, bytes] = OrderedDict()

    def take(self, alerts: Iterable[Record]) -> None:
        """Remember alerts in the order in which they were raised."""
        for key, value in alerts:
            kept = self._incidents if b'"incident":{' in value else self._cases
            kept.pop(key, None)
            kept[key] = value
            if len(kept) > ALERTS_MAX:
                kept.popitem(last=False)

    def case_of(self, decision: Decision, event: Authorization, outputs: Outputs) -> CasePart:
        """Return what became of a decision that was made alone; `outputs` are those of its batch.

        The alerts of `outputs` must have been taken.
        """
        tally = outputs.tally
        if tally.alerts_suppressed_by_policy:
            return CasePart(state="SUPPRESSED_BY_POLICY")
        if tally.incident_attempts:
            found = self._incident_of(event)
            return CasePart(state="OF_INCIDENT") if found is None else _part("OF_INCIDENT", found)
        for _, value in outputs.alerts:
            alert = decode(value, type=Alert)
            if alert.incident is None and alert.sensitive is None and alert.digest is None:
                return _part("RAISED", alert)
        if tally.alerts_in_digests:
            return CasePart(state="IN_DIGEST")
        if not tally.alerts_suppressed or decision.band == Band.ALLOW.name:
            return CasePart(state="NONE")
        case = self._cases.get(subject_of(event, decision.reasons).dedup_key.encode())
        return CasePart(state="IN_CASE") if case is None else _part("IN_CASE", decode(case, type=Alert))

    def _incident_of(self, event: Authorization) -> Alert | None:
        """Return the last alert of an incident at the merchant, with the card's BIN or of many BINs."""
        for value in reversed(self._incidents.values()):
            try:
                alert = decode(value, type=Alert)
            except DecodeError:
                continue
            incident = alert.incident
            is_there = (alert.acquirer_id, alert.merchant_id) == (event.acquirer.id, event.merchant.id)
            if is_there and incident is not None and incident.bin in {None, event.card.bin}:
                return alert
        return None


def _part(state: CaseState, alert: Alert) -> CasePart:
    return CasePart(
        state=state,
        alert_id=alert.alert_id,
        incident_id=None if alert.incident is None else alert.incident.incident_id,
        severity=alert.severity,
        entity=alert.entity,
        count=alert.count,
        first_seen_ms=alert.first_seen_ms,
        last_seen_ms=alert.last_seen_ms,
    )
