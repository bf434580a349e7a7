"""Incidents between the engine and the registry: which events count, what was published before, and the alerts."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from typing import Final

import numpy as np
import orjson
from msgspec import Struct
from msgspec.json import decode
from numpy.typing import NDArray

from scoring.contract.alert import Enumeration
from scoring.contract.authorization import Authorization
from scoring.contract.codes import Band, ChannelCode, Kind, NetworkCode, OutcomeResult, PhaseCode
from scoring.contract.decision import Reason
from scoring.contract.faults import FAULTS
from scoring.contract.types import EventId, ShortText
from scoring.decide.alerts import SEVERITIES, subject_about
from scoring.decide.decisions import BAND_NAMES, as_dict
from scoring.decide.published import PUBLISHED_MAX, PublishedIds
from scoring.decode import Col, Decoded
from scoring.decode.hashing import BIN_KEY, CARD_KEY, MERCHANT_KEY
from scoring.incidents import opening
from scoring.incidents.part import ID_BYTES, Answer, Scope, level_of
from scoring.incidents.registry import NOTHING, Attempts, Registry, Step, Taken
from scoring.observer import Observed
from scoring.outputs import Record
from scoring.policy.policy import AlertRules

_ABSENT_CARD: Final = (int(ChannelCode.ECOM), int(ChannelCode.MOTO))


class _Published(Struct):
    """What a published alert of an incident tells a worker that starts."""

    dedup_key: ShortText
    alert_id: EventId
    incident: Enumeration


class IncidentDesk:
    """The incidents of one worker. `rules`: when they open and end, and the lowest band that raises an alert."""

    def __init__(self, rules: AlertRules, partitions: int = 1) -> None:
        self._rules = rules.incidents
        self._quiet_ms = rules.incident_quiet_minutes * 60_000
        self.registry = Registry(self._quiet_ms, int(Band[rules.minimum_band]), partitions)
        self._published = PublishedIds()
        self._openings: OrderedDict[str, tuple[bytes, int, int]] = OrderedDict()  # by dedup key: id, start and end

    def use(self, rules: AlertRules) -> None:
        """Follow other rules from now on; the quiet minutes stay, which are part of the ids of incidents."""
        self._rules = rules.incidents
        self.registry.minimum_band = int(Band[rules.minimum_band])

    def take(self, observed: Observed, bands: NDArray[np.int64], partition: int) -> Taken:
        """Take a batch that was observed and judged into the incidents that its attempts belong to."""
        openings = opening.find(observed.matrix, self._rules)
        if not openings and not self.registry.parts.of_merchant:
            return NOTHING
        decoded = observed.decoded
        ints, hashes = decoded.ints, decoded.hashes
        at_ms, merchants = observed.trusted_ms, hashes[:, MERCHANT_KEY]
        if not self.registry.rows(merchants, at_ms, openings, partition):
            return NOTHING  # most batches: what follows costs more than half a microsecond an event
        passed_over = observed.passed_over
        batch = Attempts(
            merchants=merchants,
            bins=hashes[:, BIN_KEY],
            cards=hashes[:, CARD_KEY],
            at_ms=at_ms,
            outcomes=np.where(ints[:, Col.PHASE] == PhaseCode.PRE_AUTH, 0, ints[:, Col.OUTCOME]),
            bands=bands,
            counted=(ints[:, Col.KIND] == Kind.ATTEMPT) & ~passed_over,
            answered=observed.answers,
            visa=(ints[:, Col.NETWORK] == NetworkCode.VISA) & np.isin(ints[:, Col.CHANNEL], _ABSENT_CARD),
            openings=openings,
        )

        def known(row: int, scope: Scope) -> tuple[bytes, int] | None:
            found = self._openings.get(_dedup_key(decoded.event(row), scope))
            if found is None or not found[1] - self._quiet_ms <= at_ms[row] <= found[2] + self._quiet_ms:
                return None
            return found[0], found[1]

        return self.registry.take(batch, partition, known)

    def answer(self, decoded: Decoded, results: NDArray[np.int8], partition: int) -> None:
        """Count outcomes of a partition that changed profiles, int8[n] of `OutcomeResult`, in the mix of answers."""
        counted = np.isin(results, (OutcomeResult.COUNTED, OutcomeResult.UNMATCHED))
        if not self.registry.parts.of_merchant or not counted.any():
            return
        ints, hashes = decoded.ints[counted], decoded.hashes[counted]
        self.registry.answer(
            hashes[:, MERCHANT_KEY], hashes[:, BIN_KEY], ints[:, Col.OUTCOME], ints[:, Col.EVENT_MS], partition
        )

    def absorb(self, published: AbstractSet[str]) -> None:
        """Remember ids of alerts that an earlier owner of a partition published after its last marker."""
        self._published.absorb(published)

    def restore(self, value: bytes) -> bool:
        """Remember a published alert. Return whether the value is one of an incident."""
        try:
            found = decode(value, type=_Published)
            name = bytes.fromhex(found.incident.incident_id)
        except (*FAULTS, ValueError):
            return False
        if len(name) != ID_BYTES:
            return False
        self._published.remember(found.alert_id)
        if found.incident.state == "CLOSED":
            self._openings.pop(found.dedup_key, None)
            return True
        self._openings[found.dedup_key] = name, found.incident.start_ms, found.incident.last_ms
        if len(self._openings) > PUBLISHED_MAX:
            self._openings.popitem(last=False)
        return True

    def encode(
        self,
        step: Step,
        event: Authorization,
        decision: Mapping[str, object],
        amount_jpy: int | None,
        reasons: Sequence[Reason],
        contradicts: Sequence[str],
    ) -> Record | None:
        """Encode the alert of a step; None if it was published before. All but the step is of the event of its row.

        `decision`: the fields that an alert shares with its decision. `contradicts`: items of the checklist that the
        merchant declares as in place, and that an attack contradicts.
        """
        lead = step.lead
        scope = step.incident.scope
        if step.is_of_event:
            lead.base = orjson.dumps(
                {
                    "schema_version": "alert.v1",
                    "alert_id": "",
                    "dedup_key": _dedup_key(event, scope),
                    "type": "INCIDENT",
                    "severity": "",
                    "event_id": event.event_id,
                    "acquirer_id": event.acquirer.id,
                    "merchant_id": event.merchant.id,
                    "pan_hmac": event.card.pan_hmac,
                    "entity": scope.name,
                    "band": "",
                    "reasons": [as_dict(reason) for reason in reasons],
                    "count": 0,
                    "first_seen_ms": 0,
                    "last_seen_ms": 0,
                    "amount_jpy": amount_jpy,
                    **decision,
                    "incident": {
                        "bin": event.card.bin if scope == Scope.MERCHANT_BIN else None,
                        "contradicts": list(contradicts),
                    },
                }
            )
        alert = _told(step, orjson.loads(lead.base))
        if str(alert["alert_id"]) in self._published:
            return None
        return str(alert["dedup_key"]).encode(), orjson.dumps(alert)


def _dedup_key(event: Authorization, scope: Scope) -> str:
    return f"INCIDENT:{subject_about(event, scope.name).dedup_key.partition(':')[2]}"


def _told(step: Step, alert: dict[str, object]) -> dict[str, object]:
    """Say in an alert what is told of an incident."""
    incident, name = step.incident, step.incident.incident.hex()
    grown = f"{level_of(incident.attempts)}\x1f{incident.band}" if step.state == "GREW" else ""
    alert_id = f"{name}\x1f{step.state}\x1f{grown}".encode()
    known = alert["incident"]
    assert isinstance(known, dict)
    return alert | {
        "alert_id": blake2b(alert_id, digest_size=16).hexdigest(),
        "severity": SEVERITIES[Band(max(incident.band, Band.REVIEW))],
        "band": BAND_NAMES[incident.band],
        "count": incident.flagged,
        "first_seen_ms": incident.start_ms,
        "last_seen_ms": incident.last_ms,
        "incident": {
            "incident_id": name,
            "state": step.state,
            "bin": known["bin"],
            "start_ms": incident.start_ms,
            "last_ms": incident.last_ms,
            "attempts": incident.attempts,
            "cards": min(incident.cards, incident.attempts),
            "approved": incident.answers[Answer.APPROVED],
            "declined_card_data": incident.answers[Answer.CARD_DATA],
            "declined_funds": incident.answers[Answer.FUNDS],
            "declined_risk": incident.answers[Answer.RISK],
            "declined_other": incident.answers[Answer.OTHER],
            "visa_estimate": incident.visa,
            "contradicts": known["contradicts"],
        },
    }
