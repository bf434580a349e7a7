"""VAMP, ECM, HECM and EFM over generated months, against the rules written out in plain Python."""

from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.merchants.months.columns import MonthFigures
from scoring.merchants.programmes.mastercard import ecm, efm
from scoring.merchants.programmes.tiers import SalesBasis
from scoring.merchants.programmes.vamp import enumeration, vamp
from scoring.reference.monitoring import programme_tiers
from tests.compliance.figures import figures

TABLE = programme_tiers()
NOVEMBER = (2026 - 1970) * 12 + 10
BEGIN_MS = int(datetime(2026, 11, 1, tzinfo=timezone(timedelta(hours=9))).timestamp() * 1000)
DAY_MS = 86_400_000
END_MS = BEGIN_MS + 30 * DAY_MS
RATES = {"USD": Fraction(3, 2), "EUR": Fraction(8, 5), "AUD": Fraction(1)}

SALES = st.one_of(st.integers(0, 3), st.integers(0, 300_000), st.just(100_000))
ITEMS = st.one_of(st.integers(0, 3), st.integers(0, 2_000), st.sampled_from([749, 750, 751]))
MERCHANT = st.fixed_dictionaries(
    {
        "VISA_FRAUD_N": ITEMS,
        "VISA_DISPUTE_N": ITEMS,
        "VISA_SETTLED_N": SALES,
        "VISA_APPROVED_N": SALES,
        "VISA_REVERSED_N": st.integers(0, 5),
        "VISA_ITEMS_JPY": st.integers(0, 20_000_000),
    }
)


def acquirer_tier(month: int, items: int, sales: int) -> str | None:
    """Excessive from June 2025 at 70 bps, above standard from 2026 at 50, both from 1,500 items on."""
    if sales == 0 or items < 1_500 or month < (2025 - 1970) * 12 + 5:
        return None
    bps = Fraction(items, sales) * 10_000
    if bps >= 70:
        return "EXCESSIVE"
    return "ABOVE_STANDARD" if bps >= 50 and month >= (2026 - 1970) * 12 else None


def merchant_tier(month: int, region: str, items: int, sales: int, yen: int) -> str | None:
    """More than 1,500 items, at 220 bps, from April 2026 at 150; MENA more than 100 and USD 75,000, at 220."""
    if sales == 0 or month < (2025 - 1970) * 12 + 5:
        return None
    bps = Fraction(items, sales) * 10_000
    if region == "MENA":
        return "EXCESSIVE" if bps >= 220 and items > 100 and Fraction(yen, 150) > 75_000 else None
    line = 150 if region == "LAC" or month >= (2026 - 1970) * 12 + 3 else 220
    return "EXCESSIVE" if bps >= line and items > 1_500 else None


@given(
    st.lists(MERCHANT, max_size=6),
    st.sampled_from(SalesBasis),
    st.sampled_from(["AP", "US", "LAC", "MENA"]),
    st.sampled_from([NOVEMBER - 18, NOVEMBER - 17, NOVEMBER - 11, NOVEMBER - 10, NOVEMBER - 8, NOVEMBER - 7, NOVEMBER]),
)
@example([{"VISA_FRAUD_N": 700, "VISA_DISPUTE_N": 801, "VISA_SETTLED_N": 100_066}], SalesBasis.SETTLED, "AP", NOVEMBER)
@example(
    [{"VISA_FRAUD_N": 700, "VISA_DISPUTE_N": 800, "VISA_APPROVED_N": 300_000}], SalesBasis.APPROVED, "AP", NOVEMBER
)
def test_a_month_of_an_acquirer_is_what_the_rules_make_of_it(
    merchants: list[dict[str, int]], basis: SalesBasis, region: str, month: int
) -> None:
    months = {number: figures(month, **columns) for number, columns in enumerate(merchants, 11)}
    found = vamp(months, month, TABLE, region=region, basis=basis, rates=RATES, now_ms=END_MS + 400 * DAY_MS)
    parts: dict[int, tuple[int, int, int]] = {}
    for number, columns in enumerate(merchants, 11):
        items = columns.get("VISA_FRAUD_N", 0) + columns.get("VISA_DISPUTE_N", 0)
        approved = max(columns.get("VISA_APPROVED_N", 0) - columns.get("VISA_REVERSED_N", 0), 0)
        sales = columns.get("VISA_SETTLED_N", 0) if basis is SalesBasis.SETTLED else approved
        parts[number] = items, sales, columns.get("VISA_ITEMS_JPY", 0)
    items, sales = sum(part[0] for part in parts.values()), sum(part[1] for part in parts.values())
    assert (found.ratio.items, found.ratio.sales, found.basis, found.month) == (items, sales, basis, month)
    assert found.fraud_n == sum(columns.get("VISA_FRAUD_N", 0) for columns in merchants)
    assert found.fraud_n + found.dispute_n == items
    assert found.verdict.tier == acquirer_tier(month, items, sales)
    if found.verdict.tier is not None:
        assert found.verdict.is_enforced == (month >= (2025 - 1970) * 12 + 9)
    assert found.projection is not None
    assert (found.projection.ratio, found.projection.verdict) == (found.ratio, found.verdict)
    named = [share.merchant for share in found.merchants]
    assert named == sorted((n for n, part in parts.items() if part[:2] != (0, 0)), key=lambda n: (-parts[n][0], n))
    for share in found.merchants:
        own, sold, yen = parts[share.merchant]
        assert (share.ratio.items, share.ratio.sales) == (own, sold)
        assert share.fraud_n == merchants[share.merchant - 11].get("VISA_FRAUD_N", 0)
        assert share.fraud_n + share.dispute_n == own
        assert share.marginal_bps == (None if sales == 0 else Fraction(own, sales) * 10_000)
        rest = sales - sold
        assert share.without_bps == (None if rest == 0 else Fraction(items - own, rest) * 10_000)
        assert share.verdict.tier == merchant_tier(month, region, own, sold, yen)
    if sales:
        assert sum(share.marginal_bps or 0 for share in found.merchants) == found.ratio.bps


def month_of(now_ms: int, **columns: int) -> Any:
    return vamp(
        {1: figures(NOVEMBER, **columns)},
        NOVEMBER,
        TABLE,
        region="AP",
        basis=SalesBasis.SETTLED,
        rates=RATES,
        now_ms=now_ms,
    )


def test_a_month_is_projected_by_the_share_of_it_that_has_passed() -> None:
    columns = {"VISA_FRAUD_N": 500, "VISA_DISPUTE_N": 100, "VISA_SETTLED_N": 80_000}
    found = month_of(BEGIN_MS + 12 * DAY_MS, **columns)
    assert (found.verdict.tier, found.headroom) == (None, 899)
    assert (found.projection.ratio.items, found.projection.ratio.sales) == (1_500, 200_000)
    assert found.projection.verdict.tier == "EXCESSIVE"
    later = month_of(BEGIN_MS + 12 * DAY_MS + 1, **columns)
    assert later.projection.ratio.items == 1_499
    assert later.projection.verdict.tier is None
    assert month_of(BEGIN_MS, **columns).projection is None
    assert month_of(BEGIN_MS + 1, **columns).projection.ratio.items == 600 * 30 * DAY_MS
    assert month_of(END_MS + 1, **columns).projection.ratio == found.ratio


def test_items_that_are_projected_bring_their_amounts_along() -> None:
    """In MENA a merchant's tier asks for an amount; an acquirer's does not, so its rows are made to."""
    rows = [row for row in TABLE if (row.subject, row.region) == ("MERCHANT", "MENA")]
    assert len(rows) == 1
    found = vamp(
        {1: figures(NOVEMBER, VISA_FRAUD_N=200, VISA_SETTLED_N=1_000, VISA_ITEMS_JPY=11_250_001)},
        NOVEMBER,
        TABLE,
        region="MENA",
        basis=SalesBasis.SETTLED,
        rates={},
        now_ms=END_MS,
    )
    assert found.merchants[0].verdict.unjudged == ("EXCESSIVE",)


@given(st.integers(0, 10**6), st.integers(0, 2 * 10**6))
@example(300_000, 1_500_000)
@example(299_999, 1_499_995)
@example(300_000, 1_500_001)
def test_enumeration_is_an_estimate_from_a_fifth_and_three_hundred_thousand_on(enumerated: int, attempts: int) -> None:
    enumerated = min(enumerated, attempts)
    month = figures(NOVEMBER, VISA_ENUMERATED_N=enumerated, VISA_ATTEMPTS_N=attempts)
    found = enumeration(month, TABLE, "AP")
    assert found.is_estimate is True
    assert (found.ratio.items, found.ratio.sales) == (enumerated, attempts)
    assert found.verdict.tier == ("EXCESSIVE" if enumerated >= 300_000 and 5 * enumerated >= attempts else None)


MASTERCARD = st.fixed_dictionaries(
    {
        "MC_CHARGEBACK_N": st.one_of(st.integers(0, 700), st.sampled_from([99, 100, 299, 300])),
        "MC_APPROVED_N": st.one_of(st.integers(0, 50_000), st.just(10_000)),
        "MC_REVERSED_N": st.integers(0, 5),
        "MC_SETTLED_N": st.one_of(st.integers(0, 50_000), st.just(10_000)),
        "MC_FRAUD_CHARGEBACK_N": st.integers(0, 60),
        "MC_FRAUD_CHARGEBACK_JPY": st.one_of(st.integers(0, 10**8), st.sampled_from([7_499_999, 7_500_000, 8_000_000])),
        "MC_ECOM_APPROVED_N": st.one_of(st.integers(0, 8_000), st.sampled_from([999, 1_000])),
        "MC_ECOM_REVERSED_N": st.integers(0, 1),
        "MC_ECOM_SETTLED_N": st.one_of(st.integers(0, 8_000), st.sampled_from([999, 1_000])),
        "MC_ECOM_TDS_N": st.integers(0, 900),
    }
)


@given(MASTERCARD, MASTERCARD, st.sampled_from(SalesBasis))
@example({"MC_SETTLED_N": 10_000}, {"MC_CHARGEBACK_N": 150}, SalesBasis.SETTLED)
@example({"MC_SETTLED_N": 10_000}, {"MC_CHARGEBACK_N": 300}, SalesBasis.SETTLED)
@example({"MC_APPROVED_N": 6_667}, {"MC_CHARGEBACK_N": 100}, SalesBasis.APPROVED)
def test_chargebacks_are_judged_by_the_transactions_of_the_month_before(
    before: dict[str, int], columns: dict[str, int], basis: SalesBasis
) -> None:
    found = ecm(figures(NOVEMBER - 1, **before), figures(NOVEMBER, **columns), TABLE, basis)
    chargebacks = columns.get("MC_CHARGEBACK_N", 0)
    approved = max(before.get("MC_APPROVED_N", 0) - before.get("MC_REVERSED_N", 0), 0)
    sales = before.get("MC_SETTLED_N", 0) if basis is SalesBasis.SETTLED else approved
    expected = None
    if sales and chargebacks >= 100 and Fraction(chargebacks, sales) >= Fraction(150, 10_000):
        expected = "ECM"
    if sales and chargebacks >= 300 and Fraction(chargebacks, sales) >= Fraction(300, 10_000):
        expected = "HECM"
    assert (found.month, found.basis, found.verdict.tier) == (NOVEMBER, basis, expected)
    assert found.verdict.is_enforced == (expected is not None)
    assert (found.measured.ratio.items, found.measured.ratio.sales) == (chargebacks, sales)


EFM = {"NON_REGULATED": (50, 7_500_000, 10), "REGULATED": (50, 8_000_000, 50), "AU": (20, 1_500_000, 10)}
"""By region: basis points, yen at these rates, and the share of 3-D Secure in percent that it must be below."""


@given(MASTERCARD, MASTERCARD, st.sampled_from(SalesBasis), st.sampled_from(sorted(EFM)))
@example(
    {"MC_ECOM_SETTLED_N": 1_000},
    {
        "MC_FRAUD_CHARGEBACK_N": 5,
        "MC_FRAUD_CHARGEBACK_JPY": 7_500_000,
        "MC_ECOM_APPROVED_N": 1_000,
        "MC_ECOM_TDS_N": 99,
    },
    SalesBasis.SETTLED,
    "NON_REGULATED",
)
def test_fraud_chargebacks_are_judged_with_their_amount_and_the_share_of_3d_secure(
    before: dict[str, int], columns: dict[str, int], basis: SalesBasis, region: str
) -> None:
    found = efm(figures(NOVEMBER - 1, **before), figures(NOVEMBER, **columns), TABLE, basis, region=region, rates=RATES)
    bps, yen, percent = EFM[region]
    frauds = columns.get("MC_FRAUD_CHARGEBACK_N", 0)
    approved = max(before.get("MC_ECOM_APPROVED_N", 0) - before.get("MC_ECOM_REVERSED_N", 0), 0)
    sales = before.get("MC_ECOM_SETTLED_N", 0) if basis is SalesBasis.SETTLED else approved
    payments, secured = columns.get("MC_ECOM_APPROVED_N", 0), columns.get("MC_ECOM_TDS_N", 0)
    holds = sales >= 1_000 and Fraction(frauds, max(sales, 1)) >= Fraction(bps, 10_000)
    holds = holds and columns.get("MC_FRAUD_CHARGEBACK_JPY", 0) >= yen
    is_low = payments > 0 and 100 * secured < percent * payments
    assert found.verdict.tier == ("EFM" if holds and is_low else None)
    assert found.verdict.unjudged == (("EFM",) if holds and payments == 0 else ())
    assert (found.measured.ratio.items, found.measured.ratio.sales) == (frauds, sales)
    assert (found.month, found.basis) == (NOVEMBER, basis)


@pytest.mark.parametrize("month", [NOVEMBER - 2, NOVEMBER])
def test_a_month_that_is_not_the_one_before_is_a_bug_of_its_caller(month: int) -> None:
    before, now = figures(month), figures(NOVEMBER)
    with pytest.raises(AssertionError, match="the one before it"):
        ecm(before, now, TABLE, SalesBasis.SETTLED)
    with pytest.raises(AssertionError, match="the one before it"):
        efm(before, now, TABLE, SalesBasis.SETTLED, region="AU", rates={})


def test_a_month_before_a_programme_began_has_no_tier() -> None:
    old = (2024 - 1970) * 12
    months: tuple[MonthFigures, MonthFigures] = figures(old, MC_SETTLED_N=1), figures(old + 1, MC_CHARGEBACK_N=1_000)
    assert ecm(*months, TABLE, SalesBasis.SETTLED).verdict.tier is None
    assert date(2025, 1, 1) == min(row.effective_from for row in TABLE)
