"""The tier of a month: every condition of a row, no comparison by floating point, unknown is never met."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.merchants.months.columns import MonthCol
from scoring.merchants.programmes.tiers import (
    Measured,
    Membership,
    Ratio,
    SalesBasis,
    headroom,
    judge,
    membership,
    sales_of,
    tiers_on,
)
from scoring.reference.monitoring import ProgrammeTier, programme_tiers
from scoring.reference.table import TableError, table_from
from tests.compliance.figures import figures

TABLE = programme_tiers()
RATES = {"USD": Fraction(3, 2), "EUR": Fraction(8, 5)}  # 150 yen to the dollar, 160 to the euro: per cent
DAY = date(2026, 11, 1)


def tier(name: str, **columns: Any) -> dict[str, Any]:
    row = {"programme": "VAMP", "subject": "MERCHANT", "tier": name, "region": "AP", "ratio_min_bps": 100}
    return row | {"effective_from": "2025-01-01", "source": ["DES"]} | columns


def tiers(*rows: dict[str, Any]) -> tuple[ProgrammeTier, ...]:
    table = table_from({"title": "Tiers", "rows": list(rows)}, ProgrammeTier, "tiers.yaml")
    return tiers_on(table, "VAMP", "MERCHANT", "AP", DAY)


@pytest.mark.parametrize(
    ("programme", "subject", "region", "day", "expected"),
    [
        ("VAMP", "ACQUIRER", "AP", date(2025, 5, 31), []),
        ("VAMP", "ACQUIRER", "AP", date(2025, 12, 1), [("EXCESSIVE", 70)]),
        ("VAMP", "ACQUIRER", "MENA", date(2026, 1, 1), [("EXCESSIVE", 70), ("ABOVE_STANDARD", 50)]),
        ("VAMP", "MERCHANT", "AP", date(2026, 3, 31), [("EXCESSIVE", 220)]),
        ("VAMP", "MERCHANT", "AP", date(2026, 4, 1), [("EXCESSIVE", 150)]),
        ("VAMP", "MERCHANT", "LAC", date(2025, 6, 1), [("EXCESSIVE", 150)]),
        ("VAMP", "MERCHANT", "MENA", date(2026, 4, 1), [("EXCESSIVE", 220)]),
        ("ECM", "MERCHANT", "ALL", DAY, [("HECM", 300), ("ECM", 150)]),
        ("EFM", "MERCHANT", "AU", DAY, [("EFM", 20)]),
        ("EFM", "ACQUIRER", "AU", DAY, []),
    ],
)
def test_the_tiers_of_a_region_on_a_day_come_worst_first(
    programme: str, subject: str, region: str, day: date, expected: list[tuple[str, int]]
) -> None:
    assert [(row.tier, row.ratio_min_bps) for row in tiers_on(TABLE, programme, subject, region, day)] == expected


COUNTS = st.one_of(st.integers(0, 5_000), st.sampled_from([99, 100, 149, 150, 151, 1_499, 1_500, 1_501, 100_000]))


@given(COUNTS, COUNTS, st.integers(0, 10_000))
@example(150, 10_000, 150)
@example(0, 0, 0)
def test_a_ratio_reaches_what_the_exact_fraction_reaches(items: int, sales: int, bps: int) -> None:
    ratio = Ratio(items=items, sales=sales)
    if sales == 0:
        assert ratio.bps is None
        assert not ratio.reaches(bps)
    else:
        assert ratio.bps == Fraction(items, sales) * 10_000
        assert ratio.reaches(bps) == (Fraction(items, sales) >= Fraction(bps, 10_000))


@given(
    st.integers(0, 30),
    st.integers(0, 2_000),
    st.one_of(st.none(), st.integers(148, 152)),
    st.one_of(st.none(), st.tuples(st.integers(0, 11), st.integers(0, 100))),
    st.booleans(),
)
@example(20, 2_000, 150, (10, 100), True)
@example(20, 2_000, 150, (9, 100), True)
@example(20, 2_000, 149, (9, 100), True)
def test_a_tier_holds_if_all_that_it_asks_for_holds(
    items: int, sales: int, amount: int | None, share: tuple[int, int] | None, has_rate: bool
) -> None:
    """At least 100 bps, 10 items, 1,000 sales, 100 US cents, and less than 10 per cent of 3-D Secure."""
    asked = tiers(
        tier("FULL", items_min=10, sales_min=1_000, amount_min_minor=100, amount_currency="USD", tds_below_bps=1_000)
    )
    tds = None if share is None else Ratio(items=min(share), sales=max(share))
    measured = Measured(ratio=Ratio(items=items, sales=sales), amount_jpy=amount, tds=tds)
    verdict = judge(asked, measured, RATES if has_rate else {}, DAY)
    counts = sales >= 1_000 and items >= 10 and items * 100 >= sales
    amount_holds = None if amount is None or not has_rate else amount >= 150
    share_holds = None if share is None or max(share) == 0 else 10 * min(share) < max(share)
    is_out = not counts or amount_holds is False or share_holds is False
    is_open = not is_out and (amount_holds is None or share_holds is None)
    assert verdict.tier == (None if is_out or is_open else "FULL")
    assert verdict.unjudged == (("FULL",) if is_open else ())


def test_the_worst_tier_that_holds_is_named_and_what_may_be_worse_stands_beside_it() -> None:
    both = tiers(
        tier("LOW", ratio_min_bps=50),
        tier("HIGH", ratio_min_bps=70, amount_min_minor=1, amount_currency="GBP", enforced_from="2026-11-02"),
    )
    measured = Measured(ratio=Ratio(items=70, sales=10_000), amount_jpy=10)
    verdict = judge(both, measured, RATES, DAY)
    assert (verdict.tier, verdict.is_enforced, verdict.unjudged) == ("LOW", True, ("HIGH",))
    known = judge(both, measured, {"GBP": Fraction(2)}, DAY)
    assert (known.tier, known.is_enforced, known.unjudged) == ("HIGH", False, ())
    assert judge(both, measured, {"GBP": Fraction(2)}, date(2026, 11, 2)).is_enforced
    below = judge(both, Measured(ratio=Ratio(items=49, sales=10_000)), RATES, DAY)
    assert (below.tier, below.is_enforced, below.unjudged) == (None, False, ())


@given(st.integers(0, 400), st.integers(0, 20_000), st.integers(0, 300), st.integers(1, 300))
def test_headroom_is_how_many_items_may_come_before_the_first_tier_is_reached(
    items: int, sales: int, items_min: int, bps: int
) -> None:
    rows = tiers(tier("HIGH", ratio_min_bps=bps + 50, items_min=0), tier("LOW", ratio_min_bps=bps, items_min=items_min))
    found = headroom(rows, Ratio(items=items, sales=sales))
    if sales == 0:
        assert found is None
        return
    more = 0
    while judge(rows, Measured(ratio=Ratio(items=items + more + 1, sales=sales)), {}, DAY).tier is None:
        more += 1
    assert found == more
    assert headroom((), Ratio(items=items, sales=sales)) is None


@pytest.mark.parametrize(
    ("months", "tier_name", "below"),
    [
        ([], None, 0),
        (["ECM"], "ECM", 0),
        (["ECM", None, None], "ECM", 2),
        (["ECM", None, None, None], None, 0),
        (["ECM", None, None, "HECM", None], "HECM", 1),
        (["ECM", None, None, None, None, "ECM"], "ECM", 0),
        ([None, None, None, None], None, 0),
    ],
)
def test_a_merchant_leaves_a_programme_after_three_months_in_a_row_below(
    months: list[str | None], tier_name: str | None, below: int
) -> None:
    assert membership(months, 3) == Membership(tier=tier_name, months_below=below)


def test_sales_are_settled_or_approved_less_reversed_and_never_negative() -> None:
    columns = MonthCol.VISA_SETTLED_N, MonthCol.VISA_APPROVED_N, MonthCol.VISA_REVERSED_N
    month = figures(1, VISA_SETTLED_N=5, VISA_APPROVED_N=9, VISA_REVERSED_N=2)
    assert sales_of(month, SalesBasis.SETTLED, *columns) == 5
    assert sales_of(month, SalesBasis.APPROVED, *columns) == 7
    assert sales_of(figures(1, VISA_REVERSED_N=2), SalesBasis.APPROVED, *columns) == 0


@pytest.mark.parametrize(("yen", "expected"), [(11_250_000, None), (11_250_001, "EXCESSIVE")])
def test_more_than_75_000_dollars_is_more_by_a_single_yen(yen: int, expected: str | None) -> None:
    """At 150 yen to the dollar: VAMP in MENA asks for more than 100 items and more than USD 75,000."""
    mena = tiers_on(TABLE, "VAMP", "MERCHANT", "MENA", DAY)
    measured = Measured(ratio=Ratio(items=101, sales=1_000), amount_jpy=yen)
    assert judge(mena, measured, RATES, DAY).tier == expected


@pytest.mark.parametrize("amounts", [{"amount_min_minor": 1}, {"amount_currency": "USD"}, {"both": 1}])
def test_an_amount_is_at_least_or_more_than_and_has_its_currency(amounts: dict[str, Any]) -> None:
    if "both" in amounts:
        amounts = {"amount_min_minor": 1, "amount_over_minor": 1, "amount_currency": "USD"}
    with pytest.raises(TableError, match="amount_currency"):
        tiers(tier("HIGH", **amounts))
