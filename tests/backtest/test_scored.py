"""A scored history has the scores, bands and reasons that a worker gives, and knows what happened to each payment."""

import math
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from models.backtest.judged import judge
from models.backtest.scored import Fate, Scored, Why, scored
from models.training.history import processed
from models.training.matrix import Samples
from models.training.records import Record
from scoring.contract.codes import NetworkCode, OutcomeClass
from scoring.engine import Engine
from scoring.outputs import Source
from scoring.policy import policy_from
from tests.bundles import small_bundle
from tests.examples import is_quick
from tests.training.history.test_history import MATURITY_MS, Recorded, late, traffic
from tests.training.test_training import SETTINGS

BACK = {"refund", "reversal"}
POLICY = policy_from(
    {
        "version": "t",
        "global": {"review": 506, "step_up": 600, "block": 780},
        "goods": [{"goods": "digital", "thresholds": {"review": 781, "step_up": 790, "block": 1000}}],
        "limits": [{"amount_jpy": 30_000, "band": "STEP_UP"}],
    }
)


def history(directory: Path, records: list[Record], since_ms: int | None = None) -> tuple[Scored, Samples]:
    run = processed(Recorded(records), directory, SETTINGS, tell=lambda _: None)
    samples = run.samples(MATURITY_MS)
    return scored(samples, run.particulars(), small_bundle(), since_ms=since_ms), samples


def decided(records: list[Record]) -> list[dict[str, Any]]:
    """Decide the records as a worker does."""
    engine, found = Engine(small_bundle(), POLICY, SETTINGS, "test"), []
    for topic, run in groupby(records, key=lambda record: record.topic):
        batch = list(run)
        stamps = [record.at_ms for record in batch]
        source = Source(topic=topic, partition=0, offsets=range(len(batch)), timestamps_ms=stamps)
        values = [record.value or b"" for record in batch]
        if topic == "authorizations":
            outputs = engine.score(values, source, received_at_ms=batch[-1].at_ms, decided_at_ms=lambda: 0)
            found += [orjson.loads(value) for _, value in outputs.decisions]
        elif topic == "fraud-reports":
            engine.report(values, source, received_at_ms=batch[-1].at_ms)
        else:
            engine.merchant(
                [record.key for record in batch], [record.value for record in batch], source, received_at_ms=0
            )
    return found


def test_scores_bands_and_reasons_are_those_of_live_decisions(tmp_path: Path) -> None:
    records = traffic()[: 2_000 if is_quick() else 4_000]
    rows, _ = history(tmp_path, records)
    why = Why(small_bundle(), rows.matrix)
    judged = judge(rows, POLICY, why)
    live = decided(records)
    assert [decision["score"] for decision in live] == rows.scores.tolist()
    bands = ["ALLOW", "REVIEW", "STEP_UP", "BLOCK"]
    assert [decision["band"] for decision in live] == [bands[band] for band in judged.bands]
    assert {decision["band"] for decision in live} == set(bands)
    assert judged.alerts.tolist() == [decision["band"] != "ALLOW" for decision in live]
    ids = rows.particulars.event_ids(set(range(len(live))))
    assert [decision["decision_id"] for decision in live] == [ids[row] for row in range(len(live))]
    for row in np.flatnonzero(judged.alerts)[:200].tolist():
        told = judged.reasons(row, why)
        assert orjson.loads(orjson.dumps([reason.id for reason in told])) == [r["id"] for r in live[row]["reasons"]]
    assert judged.added


def test_what_happened_is_a_report_then_a_decline_then_a_refund(tmp_path: Path) -> None:
    refused = [
        orjson.loads(record.value or b"")
        for record in traffic()
        if record.topic == "authorizations" and b'"approved":false' in (record.value or b"")
    ]
    records = [*traffic(), *(late(event, traffic()[-1].at_ms) for event in refused[:5])]
    rows, samples = history(tmp_path, records)
    events: dict[str, dict[str, Any]] = {}
    for record in records:
        if record.topic == "authorizations":
            event = orjson.loads(record.value or b"")
            events.setdefault(event["event_id"], event)
    backs = {
        (event["merchant"]["id"], event["card"]["pan_hmac"], event["txn"]["order_ref_hmac"])
        for event in events.values()
        if event["txn"]["type"] in BACK and "order_ref_hmac" in event["txn"]
    }
    reported = {
        report["event_id"]
        for report in (orjson.loads(record.value or b"") for record in records if record.topic == "fraud-reports")
        if report["label"] == "FRAUD"
    }
    expected = []
    for event in events.values():
        key = (event["merchant"]["id"], event["card"]["pan_hmac"], event["txn"].get("order_ref_hmac"))
        if event["event_id"] in reported:
            expected.append("FRAUD")
        elif event["outcome"].get("approved") is False:
            expected.append("DECLINED")
        elif key in backs and event["txn"]["type"] not in BACK:
            expected.append("REFUNDED")
        else:
            expected.append("GOOD")
    assert [Fate(fate).name for fate in rows.fates.tolist()] == expected
    assert set(expected) == {fate.name for fate in Fate}
    declined = [event["outcome"].get("approved") is False for event in events.values()]
    assert rows.is_declined.tolist() == declined
    assert (rows.is_declined & (rows.fates == Fate.FRAUD)).any()
    assert samples.mature_ms is not None
    assert rows.is_within.all()
    assert rows.is_counted.tolist() == [ms < samples.mature_ms for ms in rows.event_ms.tolist()]
    assert 0 < rows.is_counted.sum() < len(expected)


def test_a_payment_without_an_answer_is_not_declined_and_maturity_is_a_moment(tmp_path: Path) -> None:
    run = processed(Recorded(traffic()[:1_000]), tmp_path, SETTINGS, tell=lambda _: None)
    samples, particulars = run.samples(MATURITY_MS), run.particulars()
    mature_ms = int(samples.event_ms[400])
    outcome = np.arange(len(samples.event_ms)) % len(OutcomeClass)
    rows = scored(
        replace(samples, mature_ms=mature_ms), replace(particulars, outcome=outcome), small_bundle(), since_ms=None
    )
    assert rows.is_declined.tolist() == [code not in (0, 1) for code in outcome.tolist()]
    assert rows.is_counted.tolist() == [ms < mature_ms for ms in samples.event_ms.tolist()]
    complete = scored(replace(samples, mature_ms=None), particulars, small_bundle())
    assert complete.is_counted.all()
    assert complete.mature_ms is None


def test_a_period_begins_with_its_first_moment(tmp_path: Path) -> None:
    records = traffic()[:1_000]
    whole, samples = history(tmp_path, records)
    since_ms = int(whole.event_ms[300])
    rows, _ = history(tmp_path, records, since_ms)
    assert rows.is_within.tolist() == [ms >= since_ms for ms in rows.event_ms.tolist()]
    assert samples.mature_ms is not None
    assert rows.is_counted.tolist() == [since_ms <= ms < samples.mature_ms for ms in rows.event_ms.tolist()]
    assert rows.scores.tolist() == whole.scores.tolist()
    assert rows.yen.tolist() == [max(yen, 0) for yen in rows.amount_jpy.tolist()]


def test_networks_and_ages_of_contracts_are_those_of_the_records(tmp_path: Path) -> None:
    traffic_of = traffic()[: 1_500 if is_quick() else 3_000]
    contracts: dict[tuple[str, str], str | None] = {}
    for place, record in enumerate(traffic_of):
        if record.topic == "authorizations":
            merchant = orjson.loads(record.value or b"")
            name = (merchant["acquirer"]["id"], merchant["merchant"]["id"])
            contracts.setdefault(name, None if len(contracts) % 3 == 0 else f"2025-0{1 + place % 6}-15")
    records = [
        Record(
            "merchants",
            f"{acquirer}/{name}".encode(),
            orjson.dumps({"acquirer_id": acquirer, "merchant_id": name, "contracted_on": on}),
            0,
        )
        for (acquirer, name), on in contracts.items()
    ]
    payments = [record for record in traffic_of if record.topic != "merchants"]
    rows, _ = history(tmp_path, [*records, *payments])
    events: dict[str, dict[str, Any]] = {}
    for record in payments:
        if record.topic == "authorizations":
            event = orjson.loads(record.value or b"")
            events.setdefault(event["event_id"], event)
    ages = []
    for ms, event in zip(rows.event_ms.tolist(), events.values(), strict=True):
        on = contracts[event["acquirer"]["id"], event["merchant"]["id"]]
        since = None if on is None else datetime.fromisoformat(f"{on}T00:00:00+09:00").timestamp()
        ages.append(math.nan if since is None else (ms / 1000 - since) / 86_400)
    np.testing.assert_allclose(rows.age_days, ages, rtol=1e-9)
    assert 0 < np.isnan(rows.age_days).sum() < len(ages)
    networks = [event["card"].get("network", "unknown").upper() for event in events.values()]
    assert [NetworkCode(code).name for code in rows.network.tolist()] == networks
    assert len(set(networks)) > 2
