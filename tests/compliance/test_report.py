"""A report says what a recount in plain Python says, whatever the batches and repeats."""

from collections import Counter
from datetime import date, datetime, timedelta

import orjson
import pytest

from scoring.compliance.report import Report
from tests.compliance import recount
from tests.compliance.history import AS_OF, END, MERCHANTS, MODES, TOKYO, History, ms, stamp
from tests.compliance.made import report, report_of, told
from tests.events import event
from tests.examples import sample


def test_batches_and_the_order_of_what_came_together_change_nothing() -> None:
    assert report_of(told(), 1_111) == report()
    shuffled = History(
        events=sorted(told().events, key=lambda row: (row[0] // 3_600_000, row[1])),
        reports=told().reports[::-1],
        merchants=told().merchants,
    )
    found = report_of(shuffled)
    for name in Report.__struct_fields__:
        if name != "head":  # a request after its answer counts as a repeat
            assert getattr(found, name) == getattr(report(), name), name


def test_coverage_is_what_a_recount_finds() -> None:
    expected = recount.coverage(told())
    assert {line.merchant_id for line in report().coverage} == set(MERCHANTS)
    for line in report().coverage:
        counts = expected[line.merchant_id]
        for name in ("due", "without", "untold", "unclear", "not_due", "authenticated", "attempted"):
            assert getattr(line, name) == counts[name], (line.merchant_id, name)
        of = counts["due"] - counts["untold"]
        assert (line.covered.items, line.covered.of) == (of - counts["without"], of)
        assert line.covered.bps == recount.bps(of - counts["without"], of)
    order = [(-line.without, -line.due) for line in report().coverage]
    assert order == sorted(order)
    assert all(expected["m-every"][name] for name in ("due", "without", "untold", "not_due"))


def test_fraud_of_months_is_what_a_recount_finds() -> None:
    expected = recount.reported(told())
    seen = 0
    for line in report().pipeline:
        assert [month.month for month in line.months] == recount.FIRST_MONTHS
        for month in line.months:
            counts = expected.get((line.merchant_id, month.month), Counter())
            assert (month.frauds, month.jpy) == (counts["frauds"], counts["jpy"]), (line.merchant_id, month.month)
            assert month.is_over == (month.jpy > 500_000)
            seen += month.frauds
    assert seen == sum(counts["frauds"] for (_, month), counts in expected.items() if month in recount.FIRST_MONTHS)
    assert seen > 100


def test_a_merchant_stands_where_its_months_put_it() -> None:
    ranks = ["NORMAL", "WATCH", "WARNING", "ACTUALISED"]
    for line in report().pipeline:
        over = [month.is_over for month in line.months]
        longest = run = 0
        for is_over in over:
            run = run + 1 if is_over else 0
            longest = max(longest, run)
        assert (line.status == "ACTUALISED") == (longest >= 3)
        if longest < 3:
            now = over if over[-1] else over[:-1]
            trailing = next((n for n, is_over in enumerate(reversed(now)) if not is_over), len(now))
            assert line.status == ranks[min(trailing, 3)]
        passed = 14
        assert line.forecast is not None
        assert line.forecast.projected_jpy == line.months[-1].jpy * 31 * 86_400_000 // (passed * 86_400_000 - 1)
        assert (line.days_without_tds is not None) == (
            line.merchant_id in ("m-none", "m-later") and line.status in ("WARNING", "ACTUALISED")
        )
    assert {line.status for line in report().pipeline} >= {"ACTUALISED"}
    order = [-ranks.index(line.status) for line in report().pipeline]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("status", "on", "expected"),
    [
        ("MONITORED", "2026-08-15", "MONITORED"),
        ("MONITORED", "2026-10-15", "ACTUALISED"),  # after the report's day
        ("MONITORED", None, "ACTUALISED"),
        ("WARNING", "2026-08-15", "ACTUALISED"),
        ("NORMAL", "2026-10-01", "NORMAL"),
        ("NORMAL", "2026-04-01", "ACTUALISED"),  # before it was
    ],
)
def test_an_act_of_the_acquirer_ends_actualised_fraud(status: str, on: str | None, expected: str) -> None:
    made = History()
    for month in (5, 6, 7):
        at = datetime(2026, month, 20, tzinfo=TOKYO)
        label = told().labels[0] | {"acquirer_id": "acq-1", "merchant_id": "m-1", "label": "FRAUD", "source": "ISSUER"}
        label |= {"event_id": f"e-{month}", "label_id": f"l-{month}", "amount_jpy": 500_001, "received_ts": stamp(at)}
        made.reports.append((ms(at), orjson.dumps(label)))
    record = {"acquirer_id": "acq-1", "merchant_id": "m-1", "fraud_status": status, "fraud_status_on": on}
    made.merchants.append((0, b"acq-1/m-1", orjson.dumps(record)))
    (line,) = report_of(made).pipeline
    assert (line.status, line.declared) == (expected, status)


def test_a_month_in_vamp_is_what_a_recount_finds() -> None:
    items, sold = recount.reported(told()), recount.sales(told(), recount.is_visa)
    assert [found.month for found in report().vamp] == ["2026-09", "2026-10"]
    for found in report().vamp:
        frauds = {m: items.get((m, found.month), Counter())["visa frauds"] for m in MERCHANTS}
        disputes = {m: items.get((m, found.month), Counter())["visa disputes"] for m in MERCHANTS}
        sales = {m: sold.get((m, found.month), 0) for m in MERCHANTS}
        whole, all_sales = sum(frauds.values()) + sum(disputes.values()), sum(sales.values())
        assert (found.frauds, found.disputes) == (sum(frauds.values()), sum(disputes.values()))
        assert (found.ratio.items, found.ratio.of, found.ratio.bps) == (whole, all_sales, recount.bps(whole, all_sales))
        assert {part.merchant_id for part in found.merchants} == {m for m in MERCHANTS if frauds[m] + disputes[m]}
        for part in found.merchants:
            own, name = frauds[part.merchant_id] + disputes[part.merchant_id], part.merchant_id
            assert (part.frauds, part.disputes, part.ratio.of) == (frauds[name], disputes[name], sales[name])
            assert part.marginal_bps == recount.bps(own, all_sales)
            assert part.without_bps == recount.bps(whole - own, all_sales - sales[name])
        assert found.headroom == max(1_500 - 1 - whole, 0)  # at so few sales the count decides
        assert found.tier.tier is None
    last = report().vamp[1]
    assert last.projected is not None
    assert last.projected.items == last.ratio.items * 31 // 14
    assert report().head.basis == "APPROVED"


def test_mastercard_is_judged_by_the_month_before() -> None:
    items = recount.reported(told())
    sold, ecom = recount.sales(told(), recount.is_mastercard), recount.sales(told(), recount.is_mastercard_ecom)
    before = {"2026-09": "2026-08", "2026-10": "2026-09"}
    sales = [e for e in recount.inside(told().plain) if recount.is_mastercard_ecom(e) and recount.is_sale(e)]
    lines = {(line.merchant_id, line.programme, line.month): line for line in report().mastercard}
    assert len(lines) == len(report().mastercard) == 4 * len(MERCHANTS)
    for (merchant, programme, month), line in lines.items():
        counts, last = items.get((merchant, month), Counter()), (merchant, before[month])
        if programme == "ECM":
            assert (line.ratio.items, line.ratio.of) == (counts["chargebacks"], sold.get(last, 0))
            assert (line.amount_jpy, line.tds) == (None, None)
        else:
            assert (line.ratio.items, line.ratio.of) == (counts["fraud chargebacks"], ecom.get(last, 0))
            assert line.amount_jpy == counts["fraud jpy"]
            assert line.tds is not None
            paid = [e for e in sales if (e["merchant"]["id"], recount.month(recount.when(e))) == (merchant, month)]
            assert (line.tds.items, line.tds.of) == (sum(recount.tds(e) in ("Y", "A") for e in paid), len(paid))
        assert (line.tier.tier, line.member) == (None, None)


def test_enumeration_is_found_by_hours_and_marked_as_an_estimate() -> None:
    expected = recount.enumerated(told())
    assert sorted(len(events) for events in expected.values()) == [30, 40]
    assert {name for name, _, _ in expected} == {"m-every"}
    (line,) = report().enumeration
    attempts = [e for e in recount.inside(told().plain) if recount.is_visa(e) and recount.is_answered(e)]
    attempts = [e for e in attempts if e["merchant"]["id"] == "m-every" and recount.month(recount.when(e)) == "2026-10"]
    attempts = [e for e in attempts if e["txn"]["type"] in ("purchase", "account_verification")]
    assert (line.merchant_id, line.month, line.is_estimate) == ("m-every", "2026-10", True)
    assert (line.ratio.items, line.ratio.of, line.tier.tier) == (70, len(attempts), None)


def test_issuers_are_judged_by_thirty_days() -> None:
    expected = recount.issuers(told())
    assert {line.bin for line in report().issuers} == set(expected)
    for line in report().issuers:
        counts, home = expected[line.bin], recount.home(line.bin)
        assert (line.enrolled.items, line.enrolled.of) == (counts["enrolled"], counts["judged"])
        assert (line.static.items, line.static.of) == (counts["static"], counts["typed"])
        assert line.is_japanese == home
        if home:
            met = "MET" if 10 * counts["enrolled"] >= 8 * counts["judged"] else "MISSED"
            assert line.enrolment == (met if counts["judged"] >= 50 else "UNKNOWN")
            assert line.no_static == ("MISSED" if counts["static"] else "UNKNOWN")
        else:
            assert line.enrolment == line.no_static == ("UNKNOWN" if home is None else "NOT_BOUND")
    assert {line.is_japanese for line in report().issuers} == {True, False, None}


def test_the_checklist_is_judged_and_what_nobody_told_is_unknown() -> None:
    lines = {line.merchant_id: line for line in report().checklist}
    assert set(lines) == set(MERCHANTS)
    for name, line in lines.items():
        assert list(line.gaps) == recount.gaps(name)
        assert line.is_known == (name in MODES)
        assert line.has_checklist == (MODES.get(name) is not None)
    assert lines["m-later"].unknown == ("SC6_LOGIN",)
    assert len(lines["m-unknown"].unknown) == 6
    assert lines["m-unknown"].score is None
    assert lines["m-none"].score == round(4 / 8, 4)
    assert lines["m-every"].score == 1.0
    every, later = lines["m-every"], lines["m-later"]
    assert (every.age_days, every.is_stale, every.is_self_declared) == ((AS_OF - date(2025, 6, 1)).days, True, False)
    assert (later.is_stale, later.is_outdated, later.version) == (False, False, "6.0")
    assert set(lines["m-none"].owed) == {"CHECKLIST", "LOGIN", "TDS", "TDS_AT_ONCE", "TDS_CONTRACT"}
    frequent = {line.merchant_id for line in report().pipeline if line.status in ("WARNING", "ACTUALISED")}
    assert set(later.owed) == {"CHECKLIST", "TDS"} | ({"TDS_AT_ONCE"} if "m-later" in frequent else set())
    assert lines["m-unknown"].owed == ()
    summary = report().summary
    assert (summary.merchants, summary.known, summary.with_gaps, summary.stale) == (6, 5, 2, 1)
    assert summary.gaps == {"SC1_ADMIN": 1, "SC5_CREDMASTER": 1, "SC6_LOGIN": 1}
    assert summary.owed["CHECKLIST"] == 2


@pytest.mark.parametrize(("country", "owed"), [("JP", ("TDS",)), ("US", ()), (None, ())])
def test_only_a_merchant_in_japan_owes_what_the_guidelines_ask(country: str | None, owed: tuple[str, ...]) -> None:
    record = {"acquirer_id": "acq-1", "merchant_id": "m-1", "country": country, "tds": {"mode": "NONE"}}
    made = History(merchants=[(0, b"acq-1/m-1", orjson.dumps(record))])
    (line,) = report_of(made).checklist
    assert line.owed == owed


def test_what_payments_belie_is_named() -> None:
    found = {(line.merchant_id, line.declared): line for line in report().contradictions}
    assert set(found) == {("m-every", "SC5_CREDMASTER"), ("m-liar", "TDS_EVERY_PAYMENT")}
    assert (found["m-every", "SC5_CREDMASTER"].observed, found["m-every", "SC5_CREDMASTER"].of) == (2, None)
    liar = [
        e
        for e in recount.inside(told().plain)
        if e["merchant"]["id"] == "m-liar" and recount.when(e) >= END - timedelta(days=30)
    ]
    needed = [e for e in liar if e["txn"]["type"] == "purchase" and recount.due(e) == "REQUIRED"]
    line = found["m-liar", "TDS_EVERY_PAYMENT"]
    assert line.of == sum(recount.tds(e) != "UNKNOWN" for e in needed)
    assert line.observed == sum(recount.tds(e) == "ABSENT" for e in needed)


def test_what_was_read_is_accounted_for() -> None:
    inputs = {one.name: one for one in report().head.inputs}
    events, ours = inputs["authorizations"], recount.inside(told().plain)
    assert events.read == len(told().events)
    assert events.counts["refused"] == 1
    assert events.counts["requests"] == len(ours)
    assert events.counts["answers"] == sum(map(recount.is_answered, ours))
    mine = [row for row in told().events if row[1] != b"{}" and orjson.loads(row[1])["acquirer"]["id"] == "acq-1"]
    assert events.counts["others"] == len(told().events) - 1 - len(mine)
    within = [one for one in map(orjson.loads, (row[1] for row in mine)) if recount.inside([one])]
    assert events.counts["outside"] == len(mine) - len(within)
    distinct = {(one["event_id"], one["outcome"]["phase"]) for one in within}
    assert events.counts["repeats"] == len(within) - len(distinct)
    merchants = inputs["merchants"].counts
    assert (inputs["merchants"].read, merchants["later"], merchants["others"]) == (9, 1, 1)
    labels = inputs["fraud-reports"]
    mine = [label for label in told().labels if label["acquirer_id"] == "acq-1"]
    known = [label for label in mine if recount.received(label) < END]
    assert labels.counts["later"] >= len(mine) - len(known)
    assert labels.counts["counted"] == len(known)
    assert labels.read == len(told().reports)
    head = report().head
    assert (head.is_complete, head.months) == (True, tuple(recount.FIRST_MONTHS))
    assert (head.made.guideline_version, head.made.guideline_from) == ("6.1", date(2026, 3, 11))
    assert {"guidelines", "monitoring_tiers", "limits", "threeds_eci"} <= {table.name for table in head.made.tables}


def test_what_was_written_more_than_an_hour_after_the_day_was_not_known() -> None:
    for late_ms, is_known in ((3_599_999, True), (3_600_000, False)):
        value = orjson.dumps(event(event_id="e-1", event_ts=stamp(END - timedelta(minutes=1))))
        label = told().labels[0] | {"acquirer_id": "acq-1", "received_ts": stamp(END - timedelta(minutes=1))}
        made = History(events=[(ms(END) + late_ms, value)], reports=[(ms(END) + late_ms, orjson.dumps(label))])
        events, labels, _ = report_of(made).head.inputs
        assert (events.counts["requests"], labels.counts["later"]) == (int(is_known), int(not is_known))


def test_a_report_is_complete_if_payments_of_anyone_reach_back_to_the_first_day() -> None:
    begin = datetime(2026, 5, 1, tzinfo=TOKYO)
    day = timedelta(days=1)
    for other, at, is_complete in (("acq-2", begin + day, False), ("acq-2", begin - day, True), ("acq-1", begin, True)):
        late = event(event_id="e-1", event_ts=stamp(begin + 9 * day))
        early = event(event_id="e-2", event_ts=stamp(at), acquirer={"id": other})
        made = History(events=[(0, orjson.dumps(late)), (0, orjson.dumps(early))])
        assert report_of(made).head.is_complete == is_complete


def test_payments_are_looked_at_for_reports_from_120_days_before_the_first_month() -> None:
    begin = END - timedelta(days=167)  # 2026-05-01
    for before, unknown in ((timedelta(days=120), 0), (timedelta(days=120, milliseconds=1), 1)):
        payment = event(event_id="e-1", event_ts=stamp(begin - before))
        label = told().labels[0] | {"event_id": "e-1", "acquirer_id": "acq-1", "received_ts": stamp(begin)}
        made = History(events=[(0, orjson.dumps(payment))], reports=[(ms(begin), orjson.dumps(label))])
        assert report_of(made).head.inputs[1].counts["payment_unknown"] == unknown


def test_a_report_of_a_day_does_not_know_the_next() -> None:
    """Made later from the same topics, a report of an earlier day is the same."""
    day = date(2026, 9, 30)
    end_ms = ms(END) - 14 * 86_400_000
    early = History(
        events=[row for row in told().events if row[0] < end_ms + 10_000],
        reports=[row for row in told().reports if row[0] < end_ms],
        merchants=[row for row in told().merchants if row[0] < end_ms],
    )
    whole, cut = report_of(told(), as_of=day), report_of(early, as_of=day)
    for name in Report.__struct_fields__:
        if name != "head":
            assert getattr(whole, name) == getattr(cut, name), name


@pytest.mark.parametrize("ids_max", sample([2, 1 << 20]))
def test_repeats_are_known_within_a_limit(ids_max: int) -> None:
    found = report_of(told(), ids_max=ids_max).head.inputs[0].counts["repeats"]
    expected = report().head.inputs[0].counts["repeats"]
    assert (found == expected) == (ids_max > 2)
    assert expected > 100
