"""Scripted episodes: a merchant becomes fraud-frequent month by month, and a result of 3-D Secure is replayed."""

from collections import defaultdict
from datetime import datetime, timedelta
from functools import cache

import msgspec
import pytest

from models.simulator import EpisodeRates, Planned, Simulator, SimulatorConfig, demo
from models.simulator.config import DAY_MS, HOUR_MS
from models.simulator.stream import Item
from scoring.contract.authorization import Authorization
from scoring.contract.label import FraudReport
from scoring.contract.merchant import MerchantRecord
from tests.examples import sample

_CALM = EpisodeRates(t1=0, t2=0, t3=0, t4=0, t8=0, t9=0, t11=0)
PLAN = (
    Planned(name="spree", typology="T3", at_ms=9 * HOUR_MS, severity=0.7),
    Planned(name="frequent", typology="T3", at_ms=2 * HOUR_MS, script="FRAUD_FREQUENT"),
    Planned(name="replayed", typology="T11", at_ms=13 * HOUR_MS, script="REPLAYED_RESULTS"),
    Planned(name="abuse", typology="T11", at_ms=15 * HOUR_MS, severity=0.7),
)
decode = msgspec.json.Decoder(Authorization).decode
decode_report = msgspec.json.Decoder(FraudReport).decode


@cache
def stream(seed: int, plan: tuple[Planned, ...] = PLAN) -> tuple[Item, ...]:
    config = SimulatorConfig(
        seed=seed,
        days=2,
        events_per_day=2_000,
        cards=3_000,
        merchants=400,
        episodes=_CALM,
        planned=plan,
        report_share=0.0,
        first_party_share=0.0,
    )
    return tuple(Simulator(config))


def of_episode(items: tuple[Item, ...], name: str) -> list[Authorization]:
    return [decode(item.value) for item in items if item.truth is not None and item.truth.episode == name]


@pytest.mark.parametrize("seed", sample([1, 2, 3]))
def test_three_months_of_reports_are_each_above_the_limit_and_make_a_run_that_grows_by_one(seed: int) -> None:
    items = stream(seed)
    start_ms = SimulatorConfig().start_ms
    reports = [(item.at_ms, decode_report(item.value)) for item in items if item.topic == "fraud-reports"]
    months: defaultdict[str, int] = defaultdict(int)
    delivered: defaultdict[str, list[int]] = defaultdict(list)
    for at_ms, report in reports:
        month = f"{report.received_ts + timedelta(hours=9):%Y-%m}"
        months[month] += report.amount_jpy or 0
        delivered[month].append(at_ms - start_ms)
        assert (report.label, report.source) == ("FRAUD", "ISSUER")
        assert report.received_ts.timestamp() * 1000 <= at_ms
    assert list(months) == ["2025-05", "2025-04", "2025-06"]
    assert min(months.values()) > 500_000
    assert set(delivered["2025-05"]) == {2 * HOUR_MS}
    assert set(delivered["2025-04"]) == {7 * HOUR_MS}
    assert 11 * HOUR_MS < min(delivered["2025-06"]) <= max(delivered["2025-06"]) < DAY_MS
    assert len({(report.acquirer_id, report.merchant_id) for _, report in reports}) == 1
    assert len({report.event_id for _, report in reports}) == len(reports)


@pytest.mark.parametrize("seed", sample([1, 2, 3]))
def test_the_merchant_has_no_threeds_and_issuers_telephone_about_every_payment_within_the_hour(seed: int) -> None:
    items = stream(seed)
    events = {event.event_id: event for event in of_episode(items, "frequent")}
    told: dict[str, datetime] = {}
    for item in items:
        if item.topic == "fraud-reports":
            report = decode_report(item.value)
            told[report.event_id] = report.received_ts
    assert set(events) == {event_id for event_id in told if not event_id.startswith("earlier-")}
    for event_id, event in events.items():
        assert timedelta(minutes=10) <= told[event_id] - event.event_ts <= timedelta(minutes=40)
        assert event.outcome.approved
        assert event.tds is None or not event.tds.performed
    (name,) = {(event.acquirer.id, event.merchant.id) for event in events.values()}
    records = {
        (record.acquirer_id, record.merchant_id): record
        for item in items
        if item.topic == "merchants"
        for record in [msgspec.json.decode(item.value, type=MerchantRecord)]
    }
    programme = records[name].tds
    assert programme is not None
    assert programme.mode == "NONE"
    assert records[name].fraud_status == "NORMAL"


@pytest.mark.parametrize("seed", sample([1, 2, 3]))
def test_one_authentication_is_used_with_other_cards_at_other_shops_and_for_other_orders(seed: int) -> None:
    """As a reader of domain.md would tell the rules: each payment beside the first one."""
    first, *others = of_episode(stream(seed), "replayed")
    assert first.tds is not None
    broken: defaultdict[str, int] = defaultdict(int)
    for event in others:
        assert event.tds is not None
        assert (event.tds.cavv_hmac, event.tds.ds_trans_id) == (first.tds.cavv_hmac, first.tds.ds_trans_id)
        assert event.tds.auth_ts == first.tds.auth_ts
        assert (event.acquirer.id, event.card.network) == (first.acquirer.id, first.card.network)
        assert event.event_ts - first.event_ts >= timedelta(hours=3)
        is_other_card = event.card.pan_hmac != first.card.pan_hmac
        is_other_shop = event.merchant.id != first.merchant.id
        broken["TDS08"] += is_other_card
        broken["TDS09"] += is_other_shop
        broken["TDS10"] += not (is_other_card or is_other_shop) and event.txn.order_ref_hmac != first.txn.order_ref_hmac
    assert dict(broken) == {"TDS08": 4, "TDS09": 3, "TDS10": 3}


def test_all_other_episodes_and_reports_are_the_same_without_scripts() -> None:
    """Draws of other episodes do not depend on scripts: training, which plans none, has the traffic that it had."""
    with_scripts, without = stream(1), stream(1, tuple(plan for plan in PLAN if plan.script is None))
    for name in ("spree", "abuse"):
        # An event id counts all events before it.
        one, other = (
            [msgspec.structs.replace(event, event_id="", ids=None) for event in of_episode(items, name)]
            for items in (with_scripts, without)
        )
        assert one == other
        assert one
    assert not [item for item in without if item.topic == "fraud-reports"]


def test_the_demonstration_has_both() -> None:
    planned = {plan.script: plan.name for plan in demo().planned if plan.script}
    assert planned == {"FRAUD_FREQUENT": "fraud-frequent-shop", "REPLAYED_RESULTS": "threeds-results-replayed"}
