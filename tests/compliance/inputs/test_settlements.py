"""Settled sales, counted anew in plain Python: each item once, by merchant and month; each figure says its source."""

from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

import orjson
import pytest

from scoring.compliance.inputs.settlements import Settlements
from scoring.compliance.report import Report
from scoring.compliance.scope import Scope
from scoring.decode import DecodeLimits
from scoring.decode.side_inputs import parse_settlements
from scoring.merchants.months.calendar import month_of_day
from scoring.merchants.months.columns import MonthCol
from tests.compliance import recount
from tests.compliance.history import AS_OF, END, MERCHANTS, TOKYO, History, ms, stamp
from tests.compliance.made import report, report_of, told
from tests.examples import sample

FIRST = datetime(2026, 5, 1, tzinfo=TOKYO)


def item(number: int, at: datetime, **changes: Any) -> dict[str, Any]:
    plain = {"settlement_id": f"s-{number}", "settled_ts": stamp(at), "acquirer_id": "acq-1", "merchant_id": "m-every"}
    return plain | {"network": "visa", "channel": "ecom", "type": "sale", "amount_jpy": 100} | changes


def settled(whole: History, seed: int, since: datetime = FIRST) -> tuple[History, list[dict[str, Any]]]:
    """Settle most payments some days later, from a time on, some twice. Return the items that count."""
    random = Random(seed)  # noqa: S311 - a reproducible course
    made = History(
        events=whole.events,
        reports=whole.reports,
        merchants=whole.merchants,
        plain=whole.plain,
        labels=whole.labels,
    )
    items: list[dict[str, Any]] = []
    edges = [since, since - timedelta(milliseconds=1), END, END - timedelta(milliseconds=1)]
    for number, paid in enumerate(whole.plain):
        at = recount.when(paid) + timedelta(days=random.choice((1, 2, 3)), milliseconds=number)
        if number < len(edges):
            at = edges[number]
        if at < edges[1] or random.random() < 0.2:
            continue
        one = item(
            number,
            at,
            acquirer_id=paid["acquirer"]["id"],
            merchant_id=paid["merchant"]["id"],
            network=paid["card"]["network"],
            channel=paid["txn"]["channel"],
            type=random.choice(("sale", "sale", "sale", "refund", "reversal")),
            amount_jpy=random.choice((None, 1, paid["amount"]["minor"])),
        )
        written = at + timedelta(hours=random.choice((0, 1, 5)))
        made.settlements.append((ms(written), orjson.dumps(one)))
        if random.random() < 0.1:
            made.settlements.append((ms(written) + 1, orjson.dumps(one)))
        is_known = at < END and written < END + timedelta(hours=1)
        if at >= FIRST and is_known and one["acquirer_id"] == "acq-1" and one["type"] == "sale":
            items.append(one)
    made.settlements.append((ms(END), b"{}"))
    made.settlements.sort(key=lambda row: row[0])
    return made, items


def month(one: dict[str, Any]) -> str:
    return recount.month(datetime.fromisoformat(one["settled_ts"]).astimezone(TOKYO))


def counts(items: list[dict[str, Any]], network: str, channels: tuple[str, ...]) -> Counter[tuple[str, str]]:
    ours = [one for one in items if one["network"] == network and one["channel"] in channels]
    return Counter((one["merchant_id"], month(one)) for one in ours)


REMOTE, ECOM, ANY = ("ecom", "moto"), ("ecom",), ("ecom", "moto", "card_present")


@pytest.mark.parametrize("size", sample([700, 1_111]))
def test_programmes_divide_by_settled_sales_and_say_so(size: int) -> None:
    made, items = settled(told(), 1)
    found = report_of(made, size)
    visa = counts(items, "visa", REMOTE)
    assert found.head.basis == "SETTLED"
    for line in found.vamp:
        sales = {merchant: visa[merchant, line.month] for merchant in MERCHANTS}
        assert (line.basis, line.ratio.of) == ("SETTLED", sum(sales.values()))
        assert line.ratio.bps == recount.bps(line.ratio.items, sum(sales.values()))
        for part in line.merchants:
            assert (part.basis, part.ratio.of) == ("SETTLED", sales[part.merchant_id])
            rest = sum(sales.values()) - sales[part.merchant_id]
            assert part.without_bps == recount.bps(line.ratio.items - part.ratio.items, rest)
    before = {"2026-09": "2026-08", "2026-10": "2026-09"}
    whole, ecom = counts(items, "mastercard", ANY), counts(items, "mastercard", ECOM)
    for one in found.mastercard:
        sold = (whole if one.programme == "ECM" else ecom)[one.merchant_id, before[one.month]]
        assert (one.basis, one.ratio.of) == ("SETTLED", sold), (one.merchant_id, one.programme, one.month)
    assert len(found.mastercard) == len(report().mastercard)
    assert sum(visa.values()) > 500
    for name in ("checklist", "coverage", "pipeline", "enumeration", "scams", "issuers", "contradictions"):
        assert getattr(found, name) == getattr(report(), name), name


def bases(found: Report) -> dict[str, str]:
    return {line.month: line.basis for line in found.vamp}


@pytest.mark.parametrize(
    ("since", "expected"),
    sample(
        [
            (datetime(2026, 9, 1, tzinfo=TOKYO), ("SETTLED", "SETTLED")),
            (datetime(2026, 9, 1, 23, tzinfo=TOKYO), ("SETTLED", "SETTLED")),
            (datetime(2026, 9, 3, tzinfo=TOKYO), ("APPROVED", "SETTLED")),
            (datetime(2026, 10, 3, tzinfo=TOKYO), ("APPROVED", "APPROVED")),
        ],
        step=2,
    ),
)
def test_a_month_that_settlements_do_not_reach_back_to_is_counted_by_approved_sales(
    since: datetime, expected: tuple[str, str]
) -> None:
    made, items = settled(told(), 2, since)
    found = report_of(made)
    assert (found.vamp[0].basis, found.vamp[1].basis) == expected
    visa, approved = counts(items, "visa", REMOTE), recount.sales(told(), recount.is_visa)
    for line in found.vamp:
        sold = visa if line.basis == "SETTLED" else approved
        assert line.ratio.of == sum(sold.get((merchant, line.month), 0) for merchant in MERCHANTS)
    assert found.head.basis == expected[1]
    for one in found.mastercard:
        september = expected[0]
        assert one.basis == (september if one.month == "2026-10" else "APPROVED")


def test_settlements_of_another_acquirer_tell_how_far_back_they_were_read_and_count_for_nothing() -> None:
    october = datetime(2026, 10, 5, tzinfo=TOKYO)
    early = item(1, datetime(2026, 9, 30, tzinfo=TOKYO), acquirer_id="acq-2")
    for items, basis, of in (([early, item(2, october)], "SETTLED", 1), ([early], "APPROVED", 0)):
        made = History(events=told().events[:1], settlements=[(ms(october), orjson.dumps(one)) for one in items])
        (*_, line) = report_of(made).vamp
        assert (line.basis, line.ratio.of) == (basis, of)
    assert bases(report()) == {"2026-09": "APPROVED", "2026-10": "APPROVED"}


def test_what_was_read_is_accounted_for_and_every_column_is_counted() -> None:
    made, items = settled(told(), 4)
    taken = Settlements(Scope(acquirer_id="acq-1", as_of=AS_OF), DecodeLimits())
    taken.take([value for _, value in made.settlements], [at for at, _ in made.settlements])
    read = [orjson.loads(value) for _, value in made.settlements if value != b"{}"]
    ours = [one for one in read if one["acquirer_id"] == "acq-1"]
    assert taken.counts["read"] == len(made.settlements) == sum(taken.counts.values()) - taken.counts["read"]
    assert (taken.counts["refused"], taken.counts["others"]) == (1, len(read) - len(ours))
    assert taken.counts["sales"] == len(items)
    assert min(taken.counts.values()) > 0
    for merchant in MERCHANTS:
        for name in recount.FIRST_MONTHS:
            found = taken.months.get(taken.names[merchant], month_of_day(datetime.fromisoformat(f"{name}-01").date()))
            mine = [one for one in items if (one["merchant_id"], month(one)) == (merchant, name)]
            assert found is not None
            assert found[MonthCol.SETTLED_N] == len(mine)
            assert found[MonthCol.SETTLED_JPY] == sum(one["amount_jpy"] or 0 for one in mine)


@pytest.mark.parametrize(
    ("at", "written", "is_inside"),
    [
        (FIRST, FIRST, True),
        (FIRST - timedelta(milliseconds=1), FIRST, False),
        (END - timedelta(milliseconds=1), END, True),
        (END, END, False),
        (FIRST, END + timedelta(milliseconds=3_599_999), True),
        (FIRST, END + timedelta(hours=1), False),
    ],
)
def test_an_item_belongs_to_the_months_of_the_report_if_it_was_known_on_its_day(
    at: datetime, written: datetime, is_inside: bool
) -> None:
    taken = Settlements(Scope(acquirer_id="acq-1", as_of=AS_OF), DecodeLimits())
    taken.take([orjson.dumps(item(1, at))], [ms(written)])
    assert (taken.counts["sales"], taken.counts["outside"]) == (int(is_inside), int(not is_inside))


def test_what_was_written_after_the_day_does_not_tell_how_far_back_settlements_reach() -> None:
    """A report that is made later is the same."""
    october = datetime(2026, 10, 5, tzinfo=TOKYO)
    early = item(1, datetime(2026, 9, 30, tzinfo=TOKYO))
    for written, basis in (
        (END + timedelta(milliseconds=3_599_999), "SETTLED"),
        (END + timedelta(hours=1), "APPROVED"),
    ):
        told_by = [(ms(written), orjson.dumps(early)), (ms(october), orjson.dumps(item(2, october)))]
        assert report_of(History(settlements=told_by)).vamp[1].basis == basis


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"settled_ts": "2026-10-01T00:00:00"}, "INVALID_VALUE"),
        ({"settled_ts": "1999-12-31T00:00:00Z"}, "OUT_OF_RANGE"),
        ({"type": "credit"}, "INVALID_VALUE"),
        ({"amount_jpy": -1}, "OUT_OF_RANGE"),
        ({"merchant_id": ""}, "OUT_OF_RANGE"),
    ],
)
def test_a_settlement_that_breaks_its_contract_is_refused(changes: dict[str, Any], reason: str) -> None:
    parsed = parse_settlements([orjson.dumps(item(1, FIRST, **changes)), orjson.dumps(item(2, FIRST))], DecodeLimits())
    assert [(position, reject.reason) for position, reject in parsed.rejects] == [(0, reason)]
    assert (parsed.index, parsed.settlements[0].settlement_id) == ([1], "s-2")
