"""What is said of one decision is what the engine did, checked by hand and by plain Python."""

import math
from collections import defaultdict
from typing import Any

import msgspec
import orjson
import pytest

from scoring.clock import UNDATED
from scoring.contract.decision import Decision
from scoring.engine import Engine
from scoring.explanation.build import Explained, explain
from scoring.explanation.cases import Alerts
from scoring.explanation.record import CasePart, Explanation, StrippedField, ThresholdLine
from scoring.features.all import FEATURES
from scoring.observer import unwatched
from scoring.outputs import Source
from scoring.policy import Policy, policy_from
from tests.engine.test_engine import SETTINGS
from tests.engine.test_engine import source as places
from tests.events import encoded, token
from tests.explain.worker import bundle

NOW_MS = 1_800_000_000_000
EVENT_MS = 1_777_604_400_000  # of the plain event
ALONE = Source(topic="authorizations", partition=0, offsets=(7,), timestamps_ms=(UNDATED,))


def policy(**changes: Any) -> Policy:
    return policy_from({"version": "t", "global": {"review": 400, "step_up": 600, "block": 800}} | changes)


def engine(made: Policy | None = None) -> Engine:
    return Engine(bundle(), made or policy(), SETTINGS, "test")


def explained(value: bytes, made: Engine | None = None, alerts: Alerts | None = None) -> Explained:
    return explain(made or engine(), value, ALONE, alerts or Alerts(), received_at_ms=NOW_MS, decided_at_ms=NOW_MS + 3)


def explanation(value: bytes, made: Engine | None = None, alerts: Alerts | None = None) -> Explanation:
    found = explained(value, made, alerts).explanation
    assert found is not None
    return found


LARGE = {"minor": 900_000}


def test_the_decision_is_the_one_that_the_engine_makes_without_the_token_of_the_card() -> None:
    value = encoded(amount=LARGE)
    found = explained(value)
    ((_, alone),) = engine().score([value], ALONE, received_at_ms=NOW_MS, decided_at_ms=lambda: NOW_MS + 3).decisions
    assert found.value == alone
    assert found.explanation is not None
    shown = orjson.loads(alone) | {"pan_hmac": "0" * 32}
    assert found.explanation.decision == _decision(shown)
    assert token("card-1") not in repr(found.explanation)


def _decision(document: dict[str, Any]) -> Decision:
    return msgspec.convert(document, Decision)


def test_nobody_watches_the_engine_afterwards_even_if_the_event_is_refused() -> None:
    made = engine()
    for value in (encoded(), b"{"):
        explained(value, made)
        assert made.observer.watch is unwatched


def test_contributions_and_base_add_up_to_the_margin_and_groups_to_their_features() -> None:
    found = explanation(encoded(amount=LARGE))
    total = math.fsum(line.contribution for line in found.features) + found.model.base
    assert total == pytest.approx(found.model.margin, abs=1e-9)
    sums: dict[str, float] = defaultdict(float)
    for line in found.features:
        sums[line.family] += line.contribution
    assert {group.family: group.contribution for group in found.groups} == pytest.approx(sums)
    order = [group.contribution for group in found.groups]
    assert order == sorted(order, reverse=True)
    assert (found.model.probability, found.model.score) == (found.decision.probability, found.decision.score)


def test_features_are_all_there_in_order_with_what_the_catalogue_says() -> None:
    found = explanation(encoded(amount={"minor": 12_800}, net=None, device=None))
    assert [(line.name, line.family, line.unit, line.doc) for line in found.features] == [
        (feature.name, feature.family, feature.unit, feature.doc) for feature in FEATURES
    ]
    by_name = {line.name: line for line in found.features}
    assert by_name["amount_log"].value == math.log1p(12_800)
    assert (by_name["amount_log"].en, by_name["amount_log"].ja) == ("12,800 yen", "12,800円")
    assert by_name["hour_jst"].value == 12
    assert by_name["device_cards_1h"].value is None
    assert by_name["device_cards_1h"].en == "unknown"


def test_the_groups_name_the_reasons_of_the_decision() -> None:
    found = explanation(encoded(amount=LARGE), engine(policy(**{"global": {"review": 1, "step_up": 2, "block": 3}})))
    assert found.decision.reasons
    named = [group.reason for group in found.groups if group.reason is not None]
    assert named == [reason.id for reason in found.decision.reasons]
    weights = {group.reason: group.contribution for group in found.groups}
    for reason in found.decision.reasons:
        assert weights[reason.id] == pytest.approx(reason.weight, abs=5e-4)


def test_thresholds_show_the_distance_and_the_scope_that_decided() -> None:
    found = explanation(encoded())
    score = found.model.score
    assert found.policy.decided_by == "global"
    assert found.policy.thresholds == [
        ThresholdLine(band="REVIEW", score=400, distance=400 - score),
        ThresholdLine(band="STEP_UP", score=600, distance=600 - score),
        ThresholdLine(band="BLOCK", score=800, distance=800 - score),
    ]
    assert (found.policy.mcc, found.policy.at_ms) == ("5732", EVENT_MS)
    assert found.policy.entries == []
    assert (found.policy.band_of_score, found.policy.limit_jpy, found.policy.limit_band) == ("ALLOW", None, None)


def test_a_merchants_thresholds_and_a_limit_are_told_apart_from_the_score() -> None:
    own = {"acquirer": "acq-1", "merchant": "m-1", "thresholds": {"review": 700, "step_up": 800, "block": 900}}
    limit = {"acquirer": "acq-1", "amount_jpy": 10_000, "band": "STEP_UP"}
    found = explanation(encoded(), engine(policy(merchants=[own], limits=[limit])))
    assert found.policy.decided_by == "merchants, acq-1/m-1"
    assert [line.score for line in found.policy.thresholds] == [700, 800, 900]
    assert (found.policy.limit_jpy, found.policy.limit_band) == (10_000, "STEP_UP")
    assert (found.policy.band_of_score, found.decision.band) == ("ALLOW", "STEP_UP")
    assert [(entry.section, entry.verdict) for entry in found.policy.entries] == [
        ("merchants", "applies"),
        ("limits", "applies"),
    ]


def levels(score: int) -> dict[str, int]:
    return {"review": max(score, 1), "step_up": max(score, 1) + 1, "block": max(score, 1) + 2}


def test_a_score_at_a_threshold_reaches_its_band() -> None:
    value = encoded(amount=LARGE)
    score = max(explanation(value).model.score, 1)
    at, above = (explanation(value, engine(policy(**{"global": levels(n)}))) for n in (score, score + 1))
    assert at.policy.band_of_score == at.decision.band == "REVIEW"
    assert above.policy.band_of_score == above.decision.band == "ALLOW"
    assert (at.policy.thresholds[0].distance, above.policy.thresholds[0].distance) == (0, 1)


def test_broken_rules_say_what_they_mean_and_by_which_elements() -> None:
    found = explanation(encoded(tds={"eci": "05", "trans_status": "N"}))
    rules = {rule.broken.id: rule for rule in found.rules}
    assert "TDS03" in rules
    assert rules["TDS03"].condition.startswith("ECI and transStatus disagree")
    assert rules["TDS03"].broken.evidence["trans_status"] == "N"
    assert [rule.broken for rule in found.rules] == found.decision.tds.broken_rules


def test_a_removed_field_is_named_and_its_value_is_not() -> None:
    number = "4" + "0" * 14 + "2"
    found = explanation(encoded(note=f"card {number}"))
    assert found.stripped == [StrippedField(path="$.note", kind="PAN")]
    assert number not in repr(found)


@pytest.mark.parametrize("value", [b"{", encoded(amount={"exponent": 2})])
def test_a_refused_event_has_a_dead_letter_and_no_explanation(value: bytes) -> None:
    found = explained(value)
    assert (found.value, found.explanation) == (None, None)
    assert len(found.outputs.dead_letters) == 1


def test_a_repeat_has_no_explanation() -> None:
    made = engine()
    assert explained(encoded(), made).value is not None
    assert explained(encoded(), made).value is None


ALL = policy(**{"global": {"review": 1, "step_up": 999, "block": 1000}})


def test_a_decision_that_raises_an_alert_names_it() -> None:
    alerts = Alerts()
    found = explained(encoded(amount=LARGE), engine(ALL), alerts)
    ((_, value),) = found.outputs.alerts
    alert = orjson.loads(value)
    assert found.explanation is not None
    assert found.explanation.case == CasePart(
        state="RAISED",
        alert_id=alert["alert_id"],
        severity=alert["severity"],
        entity=alert["entity"],
        count=1,
        first_seen_ms=EVENT_MS,
        last_seen_ms=EVENT_MS,
    )


def test_a_decision_of_an_open_case_names_the_alert_that_opened_it() -> None:
    made, alerts = engine(ALL), Alerts()
    first = explanation(encoded(amount=LARGE), made, alerts)
    second = explanation(encoded(event_id="e-2", amount=LARGE), made, alerts)
    assert (second.case.state, second.case.alert_id) == ("IN_CASE", first.case.alert_id)
    unseen = explanation(encoded(event_id="e-3", amount=LARGE), made, Alerts())
    assert unseen.case == CasePart(state="IN_CASE"), "the alert was raised before the first record that was read"


def test_a_band_below_the_lowest_that_alerts_has_no_alert_and_a_suppression_is_named() -> None:
    value = encoded(amount=LARGE)
    assert explanation(value, engine(policy())).case == CasePart(state="NONE")
    quiet = {"acquirer": "acq-1", "effective_from": "2026-01-01T00:00:00Z", "effective_to": "2026-12-31T00:00:00Z"}
    quiet |= {"author": "a", "approver": "b", "reason": "test"}
    found = explanation(
        value, engine(policy(**{"global": {"review": 1, "step_up": 999, "block": 1000}, "suppressions": [quiet]}))
    )
    assert found.case == CasePart(state="SUPPRESSED_BY_POLICY")
    assert found.policy.suppressions == 1


def test_an_attempt_of_an_incident_names_it() -> None:
    made, alerts = engine(ALL), Alerts()
    wrong = {"outcome": {"approved": False, "response_code": "14"}, "amount": {"minor": 100}}
    for number in range(60):
        value = encoded(event_id=f"x-{number}", card={"pan_hmac": token(f"card-{number}"), "bin": "453200"}, **wrong)
        outputs = made.score([value], places(1, first=number), received_at_ms=NOW_MS, decided_at_ms=lambda: NOW_MS)
        alerts.take(outputs.alerts)
    found = explanation(
        encoded(
            card={"pan_hmac": token("card-99"), "bin": "453200"}, outcome={"approved": False, "response_code": "14"}
        ),
        made,
        alerts,
    )
    assert found.case.state == "OF_INCIDENT"
    assert found.case.incident_id is not None
    assert found.case.entity in {"MERCHANT_BIN", "MERCHANT"}
