"""Alerts about merchants of the engine: as the contract has them, named by what they say, and told once."""

import json
from datetime import date
from importlib import resources
from typing import Any

import msgspec
import orjson
import pytest
from jsonschema import Draft202012Validator

from scoring.contract.alert import Alert, OverdueRecord
from scoring.contract.decision import Decision
from scoring.engine import Engine
from scoring.outputs import Outputs, Source
from tests.engine.test_engine import NOW_MS, new_engine, score, source
from tests.events import encoded
from tests.merchants.months.test_standings import LINE, noon, report

SCHEMA = json.loads((resources.files("scoring.contract") / "schemas" / "alert.v1.json").read_text(encoding="utf-8"))


def told(engine: Engine, *reports: dict[str, Any], known: frozenset[str] = frozenset()) -> Outputs:
    values = [orjson.dumps(one) for one in reports]
    engine.report(values, source(len(values), topic="fraud-reports"), received_at_ms=NOW_MS)
    return engine.judge_merchants(0, known)


def alerts(outputs: Outputs) -> list[Alert]:
    for key, value in outputs.alerts:
        document = json.loads(value)
        assert list(Draft202012Validator(SCHEMA).iter_errors(document)) == []
        assert document["dedup_key"].encode() == key
    return [msgspec.json.decode(value, type=Alert) for _, value in outputs.alerts]


@pytest.fixture
def engine() -> Engine:
    made = new_engine()
    made.changelog.own(0)
    record = {"acquirer_id": "acq-1", "merchant_id": "m-1", "tds": {"mode": "NONE"}}
    made.merchant([b"acq-1/m-1"], [orjson.dumps(record)], source(1, topic="merchants"), received_at_ms=NOW_MS)
    return made


THREE = [report(date(2026, month, 20), LINE + 1, month) for month in (8, 9, 10)]


def test_an_entry_and_the_lack_of_3d_secure_are_told_with_the_evidence(engine: Engine) -> None:
    outputs = told(engine, *THREE)
    entered, without = alerts(outputs)
    assert outputs.tally.alerts == {("MERCHANT", "CRITICAL"): 1, ("MERCHANT", "HIGH"): 1}
    assert (entered.type, entered.entity, entered.severity) == ("MERCHANT", "STANDING", "CRITICAL")
    assert (entered.acquirer_id, entered.merchant_id, entered.event_id) == ("acq-1", "m-1", entered.alert_id)
    assert (entered.score, entered.band, entered.action, set(entered.pan_hmac)) == (0, "ALLOW", "none", {"0"})
    assert entered.standing is not None
    assert (entered.standing.what, entered.standing.on, entered.standing.limit_jpy) == (
        "ENTERED",
        date(2026, 10, 20),
        LINE,
    )
    assert entered.standing.now == entered.compliance.standing
    assert entered.standing.now.fraud_jpy == [LINE + 1] * 3
    assert (entered.standing.now.status, entered.standing.now.run_to) == ("ACTUALISED", "2026-10")
    assert without.standing is not None
    assert (without.standing.what, without.standing.days) == ("WITHOUT_TDS", 0)
    assert entered.alert_id != without.alert_id


def test_what_was_published_is_not_told_again_and_another_standing_is(engine: Engine) -> None:
    first = alerts(told(engine, *THREE[:1]))
    again = new_engine()
    again.changelog.own(0)
    known = frozenset(one.alert_id for one in first)
    assert told(again, *THREE[:1], known=known).alerts == []
    later = new_engine()
    later.changelog.own(0)
    assert [one.standing and one.standing.now.status for one in alerts(told(later, *THREE[:2], known=known))] == [
        "WARNING"
    ]


def test_a_forecast_is_told_with_its_day_and_what_it_comes_to(engine: Engine) -> None:
    (one,) = alerts(told(engine, report(date(2026, 8, 11), 300_000, 1)))
    assert one.standing is not None
    assert (one.severity, one.standing.what, one.standing.now.status) == ("MEDIUM", "FORECAST", "NORMAL")
    assert (one.standing.crosses_on, one.standing.becomes) == (date(2026, 8, 18), "WATCH")
    assert one.standing.projected_jpy == 300_000 * 31 * 24 // (10 * 24 + 12)


def test_decisions_show_the_standing_and_the_clock_of_the_input_moves_it(engine: Engine) -> None:
    told(engine, *THREE[:2])
    decided = [shown(engine, at) for at in (date(2026, 10, 31), date(2026, 11, 1))]
    assert decided == ["WARNING", None]


def shown(engine: Engine, day: date) -> str | None:
    event = encoded(event_id=f"e-{day}", merchant={"id": "m-1"}, acquirer={"id": "acq-1"})
    outputs = score(engine, [event], stamp_ms=noon(day))
    (value,) = [value for _, value in outputs.decisions]
    standing = msgspec.json.decode(value, type=Decision).compliance.standing
    return None if standing is None else standing.status


def test_a_record_that_is_dated_ahead_of_its_receipt_does_not_end_a_run(engine: Engine) -> None:
    told(engine, *THREE[:2])
    ahead = Source(topic="fraud-reports", partition=0, offsets=[0], timestamps_ms=[noon(date(2099, 1, 1))])
    engine.report([orjson.dumps(THREE[1])], ahead, received_at_ms=noon(date(2026, 10, 5)))
    assert shown(engine, date(2026, 10, 31)) == "WARNING"


def test_what_is_overdue_is_told_with_its_days_and_with_the_duty_that_is_owed() -> None:
    made = new_engine()
    made.changelog.own(0)
    record = {"acquirer_id": "acq-1", "merchant_id": "m-1", "country": "JP", "contracted_on": "2025-04-01"}
    record |= {"tds": {"mode": "NONE"}, "checklist": {"version": "6.0", "attested_at": "2025-10-18T15:00:00Z"}}
    made.merchant([b"acq-1/m-1"], [orjson.dumps(record)], source(1, topic="merchants"), received_at_ms=NOW_MS)
    assert made.judge_merchants(0).alerts == [], "no clock yet"
    shown(made, date(2026, 10, 20))
    assert made.is_due(0) is False
    outputs = made.judge_merchants(0)
    contract, stale = alerts(outputs)
    assert made.is_due(0), "rows await their flush"
    assert outputs.tally.alerts == {("MERCHANT", "HIGH"): 1, ("MERCHANT", "MEDIUM"): 1}
    for one in (contract, stale):
        assert (one.type, one.entity, one.acquirer_id, one.merchant_id) == ("MERCHANT", "OVERDUE", "acq-1", "m-1")
        assert (one.event_id, one.score, set(one.pan_hmac), one.standing) == (one.alert_id, 0, {"0"}, None)
        assert one.compliance.owed == ["TDS", "TDS_CONTRACT"]
    assert contract.overdue == OverdueRecord(
        what="CONTRACTED_WITHOUT_TDS",
        on=date(2026, 10, 20),
        since=date(2025, 4, 1),
        last=date(2025, 3, 31),
        days=567,
    )
    assert stale.overdue == OverdueRecord(
        what="ATTESTATION_STALE", on=date(2026, 10, 20), since=date(2025, 10, 19), last=date(2026, 10, 19), days=366
    )
    assert contract.alert_id != stale.alert_id
    again = new_engine()
    again.changelog.own(0)
    again.merchant([b"acq-1/m-1"], [orjson.dumps(record)], source(1, topic="merchants"), received_at_ms=NOW_MS)
    shown(again, date(2026, 10, 25))
    (left,) = alerts(again.judge_merchants(0, frozenset({contract.alert_id})))
    assert left.alert_id == stale.alert_id, "named by the attestation, whenever it is judged"
