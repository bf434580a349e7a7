"""Read decisions, alerts and dead letters into the state."""

import time
from collections.abc import Sequence

import aiokafka
import msgspec
from aiokafka.structs import ConsumerRecord

from scoring.decide.merchants import OVERDUE, STANDING
from streams.demo.findings.incidents import Incident, Language
from streams.demo.findings.replays import broken_by, in_words
from streams.demo.findings.standings import Merchant, Notice
from streams.demo.state import SCORE_BINS, AlertLine, State
from streams.kafka.settings import Topics


class _Rule(msgspec.Struct, frozen=True, gc=False):
    id: str


class _ThreeDs(msgspec.Struct, frozen=True, gc=False):
    broken_rules: list[_Rule] | None = None


_NOTHING_BROKEN = _ThreeDs()


class _Decision(msgspec.Struct, frozen=True, gc=False):
    decision_id: str
    score: int
    probability: float
    band: str
    tds: _ThreeDs = _NOTHING_BROKEN


class _Reason(msgspec.Struct, frozen=True, gc=False):
    en: str
    ja: str


class _Alert(msgspec.Struct, frozen=True, gc=False):
    alert_id: str
    dedup_key: str
    event_id: str
    severity: str
    entity: str
    merchant_id: str
    score: int
    amount_jpy: int | None
    last_seen_ms: int
    reasons: list[_Reason]
    acquirer_id: str = ""
    type: str = ""
    tds: _ThreeDs = _NOTHING_BROKEN
    incident: Incident | None = None
    standing: Notice | None = None


class _Letter(msgspec.Struct, frozen=True, gc=False):
    topic: str
    reason: str


_decode_decision = msgspec.json.Decoder(_Decision).decode
_decode_alert = msgspec.json.Decoder(_Alert).decode
_decode_letter = msgspec.json.Decoder(_Letter).decode


class Watcher:
    """Read the three output topics into the state."""

    def __init__(self, consumer: aiokafka.AIOKafkaConsumer, topics: Topics, state: State, language: Language) -> None:
        self._consumer = consumer
        self._state = state
        self._language = language
        self._topics = topics
        self._take = {
            topics.decisions: self._decisions,
            topics.alerts: self._alerts,
            topics.dead_letters: self._dead_letters,
        }

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            for tp, records in (await self._consumer.getmany(timeout_ms=100)).items():
                self._take[tp.topic](records)

    def _decisions(self, records: Sequence[ConsumerRecord]) -> None:
        state, now_s = self._state, time.monotonic()
        find, live_from = state.places.find, state.live_from
        latencies = []
        for record in records:
            decision = _decode_decision(record.value)
            position = find(decision.decision_id)
            state.ledger.decided(position, decision.probability)
            if (live_from is None) or position >= live_from:
                state.bands[decision.band] += 1
                state.scores[decision.score * SCORE_BINS // 1000] += 1
                if decision.band != "ALLOW":
                    state.flagged.add(decision.decision_id)
                if decision.tds.broken_rules and (replays := _replays(decision.tds)):
                    state.replays[decision.decision_id] = replays
                if live_from is not None:
                    latencies.append(state.latency_ms(position, now_s))
        state.latency.add(latencies, now_s)
        state.read(len(records))

    def _alerts(self, records: Sequence[ConsumerRecord]) -> None:
        state = self._state
        for record in records:
            alert = _decode_alert(record.value)
            if alert.type == "SYSTEM" or alert.entity == OVERDUE:  # about a field or a merchant's record
                continue
            if alert.standing is not None:
                self._standing(alert, alert.standing)
            elif state.live_from is not None and not state.is_live(alert.event_id):
                continue
            elif alert.incident is not None:
                self._incident(alert, alert.incident)
            else:
                replays = _replays(alert.tds)
                reasons = [in_words(replays, self._language)] if replays else []
                reasons += [str(getattr(reason, self._language)) for reason in alert.reasons]
                state.alert(self._line(alert, reasons))

    def _incident(self, alert: _Alert, incident: Incident) -> None:
        """Show what is known of an incident; an alert that was published twice says it once."""
        name = self._state.incidents.take(alert.alert_id, alert.dedup_key, alert.merchant_id, incident)
        if name is not None:
            self._state.alert(self._line(alert, [incident.in_words(self._language)], name))

    def _line(self, alert: _Alert, reasons: Sequence[str], about: str | None = None) -> AlertLine:
        """Describe an alert about a payment, or about an incident of this name."""
        return AlertLine(
            event_id=alert.event_id,
            at_ms=alert.last_seen_ms,
            severity=alert.severity,
            kind=alert.entity,
            merchant_id=alert.merchant_id,
            amount_jpy=alert.amount_jpy if about is None else None,
            score=alert.score,
            reasons=tuple(reasons),
            about=about,
        )

    def _standing(self, alert: _Alert, notice: Notice) -> None:
        """Show where a merchant stands, at the time of the demonstration: the alert is of a day."""
        state, key = self._state, f"{STANDING}:{alert.acquirer_id}/{alert.merchant_id}"
        merchant = state.standings.setdefault(key, Merchant(alert.merchant_id))
        merchant.add(notice, alert.severity)
        state.alert(
            AlertLine(
                event_id=alert.event_id,
                at_ms=state.clock_ms,
                severity=merchant.severity,
                kind=alert.type,
                merchant_id=alert.merchant_id,
                amount_jpy=None,
                score=None,
                reasons=(merchant.in_words(self._language),),
                about=key,
            )
        )

    def _dead_letters(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            letter = _decode_letter(record.value)
            if letter.topic == self._topics.authorizations:
                self._state.ledger.refused(letter.reason)


def _replays(tds: _ThreeDs) -> tuple[str, ...]:
    return broken_by(rule.id for rule in tds.broken_rules or ())
