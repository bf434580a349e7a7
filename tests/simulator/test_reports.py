"""Reports of fraud: late, incomplete, sometimes wrong, and never before the payment."""

import msgspec
import pytest

from models.simulator import EpisodeRates, Simulator, SimulatorConfig
from scoring.contract.authorization import Authorization
from scoring.contract.label import FraudReport
from tests.examples import is_quick

DAYS, DELAY, OFTEN = (3, 0.4, 3) if is_quick() else (15, 5, 1)
"""Days whose frauds are reported before the stream ends, the median delay of a report in days, and how much more often
each episode begins.
"""


def test_reports_follow_approved_payments_late_and_not_always() -> None:
    # so much fraud that the reported share has a standard deviation of a fifth of its bound
    config = SimulatorConfig(
        seed=4,
        days=DAYS + round(5 * DELAY),
        events_per_day=500,
        report_delay_days=float(DELAY),
        cards=1_500,
        merchants=150,
        first_party_share=0.01,
        episodes=EpisodeRates(t3=OFTEN * 96.0, t4=OFTEN * 36.0, t8=OFTEN * 44.0),
    )
    decode = msgspec.json.Decoder(Authorization).decode
    report = msgspec.json.Decoder(FraudReport).decode
    events, truth, reports = {}, {}, []
    for item in Simulator(config):
        if item.truth is not None:
            events[item.truth.event_id] = decode(item.value)
            truth[item.truth.event_id] = item.truth
        elif item.topic == "fraud-reports":
            reports.append(report(item.value))
            assert round(reports[-1].received_ts.timestamp() * 1000) == item.at_ms
    assert len({r.label_id for r in reports}) == len(reports)
    delays = []
    for r in reports:
        event = events[r.event_id]
        assert event.outcome.approved
        assert (r.pan_hmac, r.merchant_id, r.acquirer_id) == (event.card.pan_hmac, event.merchant.id, event.acquirer.id)
        assert r.amount_jpy == truth[r.event_id].amount_jpy
        delays.append((r.received_ts - event.event_ts).total_seconds() / 86_400)
    assert min(delays) > 0
    assert 0.6 * DELAY < sorted(delays)[len(delays) // 2] < 1.4 * DELAY
    early = {e for e, t in truth.items() if t.fraud and events[e].outcome.approved and events[e].txn.type == "purchase"}
    reported = {r.event_id for r in reports}
    old = {e for e in early if events[e].event_ts.timestamp() * 1000 < config.start_ms + DAYS * 86_400_000}
    assert len(old & reported) / len(old) == pytest.approx(0.85, abs=0.09)
    wrong = [r for r in reports if not truth[r.event_id].fraud]
    assert {r.label for r in wrong} == {"FRAUD", "FIRST_PARTY"}
    assert {r.label for r in reports if truth[r.event_id].fraud} == {"FRAUD"}
