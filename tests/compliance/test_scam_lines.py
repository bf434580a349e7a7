"""The tests for scam merchants over generated payments, day by day, against a recount."""

from datetime import timedelta
from fractions import Fraction

import orjson

from tests.compliance import recount
from tests.compliance.history import AS_OF, END, History, ms, stamp
from tests.compliance.made import report, report_of, told
from tests.events import event, token


def test_scam_tests_are_made_day_by_day_and_their_clock_runs() -> None:
    lines = {line.merchant_id: line for line in report().scams}
    silent = lines["m-silent"]
    first = None
    for day in [AS_OF - timedelta(days=back) for back in range(29, -1, -1)]:
        now = recount.answers(told(), "m-silent", day - timedelta(days=2), day)
        before = recount.answers(told(), "m-silent", day - timedelta(days=32), day - timedelta(days=3))
        judged, judged_before = now["attempts"] - now["tech"], before["attempts"] - before["tech"]
        if judged < 25:
            continue
        rate = Fraction(now["approved"], judged)
        fell = judged_before >= 25 and Fraction(before["approved"], judged_before) - rate >= Fraction(1, 2)
        if first is None and (fell or rate < Fraction(3, 10)):
            first = day
    assert first is not None
    assert (silent.opened_on, silent.begin_by) == (first, first + timedelta(days=3))
    assert silent.is_overdue == (first + timedelta(days=3) < AS_OF)
    now = recount.answers(told(), "m-silent", AS_OF - timedelta(days=2), AS_OF)
    assert (silent.approvals.items, silent.approvals.of) == (now["approved"], now["attempts"] - now["tech"])
    assert silent.bad_card.items == now["bad"]


def test_approvals_are_compared_with_the_thirty_days_before_and_no_older_ones() -> None:
    """All approved for 30 days, all declined before them: now that half is declined, approvals fell by 50 points."""
    made = History()
    times = [END - timedelta(days=33, hours=1) - timedelta(hours=number) for number in range(40)]
    times += [END - timedelta(days=33) + timedelta(hours=number) for number in range(40)]
    times += [END - timedelta(days=3) + timedelta(hours=number) for number in range(30)]
    for number, at in enumerate(times):
        is_approved = 40 <= number < 80 or (number >= 80 and number % 2 == 0)
        told = event(
            event_id=f"e-{number}",
            event_ts=stamp(at),
            card={"network": "mastercard", "bin": "520000", "pan_hmac": token(str(number))},
            outcome={"approved": is_approved, "response_code": "00" if is_approved else "51"},
        )
        made.events.append((ms(at), orjson.dumps(told)))
    (line,) = report_of(made).scams
    assert (line.tests, line.tests_since) == (("APPROVALS_FELL",), ("APPROVALS_FELL",))
    assert (line.approvals.items, line.approvals.of, line.reading) == (15, 30, "SCAM")


def test_a_merchant_that_returns_much_is_judged_if_it_is_young_and_is_named_if_others_name_it() -> None:
    made = History()
    for merchant in ("m-old", "m-young", "m-silent"):
        for number in range(526):
            at = END - timedelta(days=20) + timedelta(minutes=number)
            told = event(
                event_id=f"{merchant}-{number}",
                event_ts=stamp(at),
                merchant={"id": merchant},
                card={"network": "mastercard", "bin": "520000", "pan_hmac": token(str(number))},
                txn={"type": "refund" if number >= 500 else "purchase"},
            )
            made.events.append((ms(at), orjson.dumps(told)))
        if merchant != "m-silent":
            began = "2026-04-15" if merchant == "m-young" else "2026-04-14"
            record = {"acquirer_id": "acq-1", "merchant_id": merchant, "contracted_on": began}
            made.merchants.append((0, f"acq-1/{merchant}".encode(), orjson.dumps(record)))
    label = {
        **{"label_id": "l-1", "event_id": "m-old-1", "acquirer_id": "acq-1", "merchant_id": "m-old"},
        **{
            "pan_hmac": token("1"),
            "label": "MERCHANT_FRAUD",
            "source": "ISSUER",
            "received_ts": stamp(END - timedelta(2)),
        },
    }
    made.reports.append((ms(END) - 1, orjson.dumps(label)))
    lines = {line.merchant_id: line for line in report_of(made).scams}
    assert {name: (line.tests, line.unjudged) for name, line in lines.items()} == {
        "m-old": (("NAMED",), ()),
        "m-young": (("RETURNS_HIGH",), ()),
        "m-silent": ((), ("RETURNS_HIGH",)),
    }
    assert lines["m-old"].opened_on == lines["m-young"].opened_on == (END - timedelta(20)).date()
    assert lines["m-old"].tests_since == ("RETURNS_HIGH", "NAMED")  # the contract was not six months old then
    assert lines["m-silent"].opened_on is None
    exactly = [row for row in made.events if b"-525" not in row[1]]
    found = report_of(History(events=exactly, merchants=made.merchants))
    assert "m-young" not in {line.merchant_id for line in found.scams}
    disputed = label | {"event_id": "m-young-1", "merchant_id": "m-young", "label": "FRAUD", "source": "CHARGEBACK"}
    reports = [(ms(END) - 1, orjson.dumps(disputed))]
    found = report_of(History(events=exactly, merchants=made.merchants, reports=reports))
    assert "m-young" in {line.merchant_id for line in found.scams}
