"""Limits, suppressions and dated thresholds of a policy, in the decisions and alerts of the engine."""

from typing import Any

import msgspec
import orjson
import pytest

from scoring.contract.alert import Alert
from scoring.contract.decision import Decision
from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.observer import Settings
from scoring.outputs import Outputs, Source
from scoring.policy import policy_from
from scoring.profile import ProfileLimits
from tests.bundles import small_bundle
from tests.events import encoded, token

EVENT_MS = 1_777_604_400_000  # of the plain event: 2026-05-01T03:00Z
OFF = {"review": 1000, "step_up": 1000, "block": 1000}
FROM_NOW = {"effective_from": "2026-05-01T03:00:00Z", "effective_to": "2026-05-01T04:00:00Z"}
SIGNED = {"author": "t.suzuki", "reason": "known tester"}


def new_engine(**policy: Any) -> Engine:
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits())
    return Engine(small_bundle(), policy_from({"version": "t", "global": OFF, **policy}), settings, "test")


def score(engine: Engine, *values: bytes, stamp_ms: int = EVENT_MS) -> Outputs:
    n = len(values)
    source = Source(topic="authorizations", partition=0, offsets=range(n), timestamps_ms=[stamp_ms] * n)
    return engine.score(values, source, received_at_ms=2**43, decided_at_ms=lambda: 2**43)


def decisions(outputs: Outputs) -> list[Decision]:
    return [msgspec.json.decode(value, type=Decision) for _, value in outputs.decisions]


def one_yen_over(**changes: Any) -> bytes:
    return encoded(event_id="e-2", card={"pan_hmac": token("card-2")}, amount={"minor": 12801}, **changes)


def test_a_payment_above_a_limit_gets_its_band_and_says_so_first() -> None:
    engine = new_engine(limits=[{"acquirer": "acq-1", "amount_jpy": 12800, "band": "STEP_UP"}])
    outputs = score(engine, encoded(), one_yen_over())
    at_limit, over = decisions(outputs)
    assert (at_limit.band, at_limit.reasons) == ("ALLOW", [])
    assert (over.band, over.action) == ("STEP_UP", "challenge_3ds")
    assert over.reasons[0].id == "LIMIT_AMOUNT"
    assert over.reasons[0].weight == 0.0
    assert len(over.reasons) <= 5
    assert all(reason.weight >= 0.05 for reason in over.reasons[1:])
    ((_, value),) = outputs.alerts
    alert = msgspec.json.decode(value, type=Alert)
    assert (alert.reasons[0].id, alert.entity, alert.band) == ("LIMIT_AMOUNT", "CARD", "STEP_UP")


def test_a_band_that_the_score_reaches_by_itself_has_the_reasons_of_the_model_alone() -> None:
    engine = new_engine(**{"global": {"review": 1, "step_up": 2, "block": 3}}, limits=[{"amount_jpy": 1}])
    (made,) = decisions(score(engine, encoded()))
    assert made.band == "BLOCK"
    assert "LIMIT_AMOUNT" not in {reason.id for reason in made.reasons}


def test_an_amount_that_is_unknown_in_yen_is_above_no_limit() -> None:
    engine = new_engine(limits=[{"amount_jpy": 0, "band": "BLOCK"}])
    (made,) = decisions(score(engine, encoded(amount={"minor": 12800, "currency": "USD", "exponent": 2})))
    assert made.band == "ALLOW"


@pytest.mark.parametrize(
    ("entry", "fires"),
    [
        ({}, False),
        ({"merchant": "m-1", "acquirer": "acq-1"}, False),
        ({"merchant": "m-2", "acquirer": "acq-1"}, True),
        ({"reasons": ["LIMIT_AMOUNT"]}, False),
        ({"reasons": ["NIGHT"]}, True),
        ({"up_to_band": "REVIEW"}, False),
        ({"effective_to": "2026-05-01T03:00:00.001Z"}, False),
        ({"effective_from": "2026-05-01T03:00:00.001Z"}, True),
        ({"effective_from": None, "effective_to": "2026-05-01T03:00:00Z"}, True),
    ],
)
def test_a_suppression_holds_back_alerts_and_no_decision(entry: dict[str, Any], fires: bool) -> None:
    engine = new_engine(limits=[{"amount_jpy": 1}], suppressions=[FROM_NOW | SIGNED | entry])
    outputs = score(engine, encoded())
    assert [made.band for made in decisions(outputs)] == ["REVIEW"]
    assert len(outputs.alerts) == fires
    assert outputs.tally.alerts_suppressed_by_policy == (not fires)
    assert outputs.tally.alerts_suppressed == 0


def test_no_suppression_holds_back_an_alert_of_block() -> None:
    engine = new_engine(limits=[{"amount_jpy": 1, "band": "BLOCK"}], suppressions=[FROM_NOW | SIGNED])
    assert len(score(engine, encoded()).alerts) == 1


def test_a_suppressed_alert_opens_no_case() -> None:
    quiet = FROM_NOW | SIGNED | {"effective_to": "2026-05-01T03:00:01Z"}
    engine = new_engine(limits=[{"amount_jpy": 1}], suppressions=[quiet])
    later = encoded(event_id="e-2", event_ts="2026-05-01T03:00:01.000Z")
    outputs = score(engine, encoded(), later)
    ((_, value),) = outputs.alerts
    assert orjson.loads(value)["count"] == 1


def test_the_time_of_a_late_event_is_that_of_its_record() -> None:
    override = FROM_NOW | SIGNED | {"thresholds": {"review": 1, "step_up": 1000, "block": 1000}}
    bands = []
    for stamp_ms in (EVENT_MS, EVENT_MS + 3_599_999, EVENT_MS + 3_600_000 + 86_400_000):
        bands.append(decisions(score(new_engine(overrides=[override]), encoded(), stamp_ms=stamp_ms))[0].band)
    assert bands == ["REVIEW", "REVIEW", "ALLOW"]
