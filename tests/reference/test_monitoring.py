"""The tables of monitoring say what the specification says, row by row and column by column."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from scoring.reference.compliance import GuidelineVersion, guidelines
from scoring.reference.goods import (
    GoodsCategory,
    LineMeasure,
    ListedGoods,
    goods_categories,
    goods_classes,
    line_measures,
)
from scoring.reference.limits import Limit
from scoring.reference.monitoring import ProgrammeTier, monitoring_limits, programme_tiers
from scoring.reference.table import DatedRow, DatedTable, TableError, table_from

Told = dict[tuple[Any, ...], tuple[Any, ...]]
FIRST, SMMP = date(2020, 3, 1), date(2026, 7, 24)
OLDER, IN_FORCE, BEGUN, FROM_2026, APRIL_2026 = (
    date(2025, 1, 1),
    date(2025, 4, 1),
    date(2025, 6, 1),
    date(2026, 1, 1),
    date(2026, 4, 1),
)
ENFORCED = date(2025, 10, 1)

JP: Told = {
    ("JP", "1.0"): (date(2020, 3, 1), "month", "W02"),
    ("JP", "3.0"): (date(2022, 3, 9), "day", "W03"),
    ("JP", "4.0"): (date(2023, 3, 1), "month", "W05 W06"),
    ("JP", "5.0"): (date(2024, 3, 14), "day", "S751"),
    ("JP", "6.0"): (date(2025, 3, 5), "day", "W07 W08 C01"),
    ("JP", "6.1"): (date(2026, 3, 11), "day", "C02 C03"),
}
LIMITS: Told = {
    ("SCAM_MERCHANT", "attempts_min"): (25, SMMP, "W40 W41 W42"),
    ("SCAM_MERCHANT", "fall_min_bps"): (5_000, SMMP, "W40 W41 W42"),
    ("SCAM_MERCHANT", "approved_below_bps"): (3_000, SMMP, "W40 W41 W42"),
    ("SCAM_MERCHANT", "young_below_months"): (6, SMMP, "W40 W41 W42"),
    ("SCAM_MERCHANT", "returned_over_bps"): (500, SMMP, "W40 W41 W42"),
    ("SCAM_MERCHANT", "purchases_min"): (500, SMMP, "W40 W41 W42"),
    ("SCAM_MERCHANT", "clock_hours"): (72, SMMP, "W40 W41 W42"),
    ("SCAM_MERCHANT", "attack_min_bps"): (5_000, SMMP, "DES"),
    ("SCAM_MERCHANT", "scam_max_bps"): (2_000, SMMP, "DES"),
    ("VAMP_GRACE", "grace_days"): (90, IN_FORCE, "W25B DES"),
    ("VAMP_GRACE", "clean_months"): (12, IN_FORCE, "W25B"),
    ("ENUMERATION", "attempts_min"): (30, FIRST, "DES"),
    ("ENUMERATION", "bad_min_bps"): (5_000, FIRST, "DES"),
    ("CONTRADICTION", "enumerations_min"): (1, FIRST, "DES"),
    ("CONTRADICTION", "takeovers_min"): (3, FIRST, "DES"),
    ("CONTRADICTION", "without_tds_min_bps"): (3_333, FIRST, "DES"),
    ("CONTRADICTION", "due_min"): (30, FIRST, "DES"),
    ("ISSUER", "payments_min"): (50, FIRST, "DES"),
}
NO_AMOUNT = (None, None, None)
MORE_THAN_1_500 = (1_501, 0, *NO_AMOUNT, None)
TIERS: Told = {
    # programme, subject, tier, region, day: bps, items, sales, at least, more than, currency, 3DS below, enforced, exit
    ("VAMP", "ACQUIRER", "EXCESSIVE", "ALL", BEGUN): (70, 1_500, 0, *NO_AMOUNT, None, ENFORCED, 1, "W30 W24 W31 UNV"),
    ("VAMP", "ACQUIRER", "ABOVE_STANDARD", "ALL", FROM_2026): (
        *(50, 1_500, 0, *NO_AMOUNT, None, FROM_2026, 1, "W30 W24 W32 UNV"),
    ),
    ("VAMP", "MERCHANT", "EXCESSIVE", "LAC", BEGUN): (150, *MORE_THAN_1_500, ENFORCED, 1, "W30 W31"),
    ("VAMP", "MERCHANT", "EXCESSIVE", "MENA", BEGUN): (
        *(220, 101, 0, None, 7_500_000, "USD", None, ENFORCED, 1, "W30"),
    ),
    ("VAMP_ENUMERATION", "MERCHANT", "EXCESSIVE", "ALL", IN_FORCE): (
        *(2_000, 300_000, 0, *NO_AMOUNT, None, None, 1, "W33 W34 UNV"),
    ),
    ("ECM", "MERCHANT", "ECM", "ALL", OLDER): (150, 100, 0, *NO_AMOUNT, None, None, 3, "W36 W37 D25"),
    ("ECM", "MERCHANT", "HECM", "ALL", OLDER): (300, 300, 0, *NO_AMOUNT, None, None, 3, "W36 W37"),
    ("EFM", "MERCHANT", "EFM", "NON_REGULATED", OLDER): (
        *(50, 0, 1_000, 5_000_000, None, "USD", 1_000, None, 3, "D26 W38 W39"),
    ),
    ("EFM", "MERCHANT", "EFM", "REGULATED", OLDER): (
        *(50, 0, 1_000, 5_000_000, None, "EUR", 5_000, None, 3, "D26 W38 W39"),
    ),
    ("EFM", "MERCHANT", "EFM", "AU", OLDER): (
        *(20, 0, 1_000, 1_500_000, None, "AUD", 1_000, None, 3, "D26 W38 W39 UNV"),
    ),
    **{
        ("VAMP", "MERCHANT", "EXCESSIVE", region, BEGUN): (220, *MORE_THAN_1_500, ENFORCED, 1, "W30")
        for region in ("AP", "CA", "EU", "US")
    },
    **{
        ("VAMP", "MERCHANT", "EXCESSIVE", region, APRIL_2026): (150, *MORE_THAN_1_500, APRIL_2026, 1, sources)
        for region, sources in (("AP", "W30 W31 UNV"), ("CA", "W30 W31"), ("EU", "W30 W31"), ("US", "W30 W31"))
    },
}


def sources(row: DatedRow) -> str:
    return " ".join(row.source)


def versions(rows: Iterable[GuidelineVersion]) -> Told:
    return {(r.guideline, r.version): (r.effective_from, r.known_to, sources(r)) for r in rows}


def limits(rows: Iterable[Limit]) -> Told:
    return {(r.scope, r.name): (r.value, r.effective_from, sources(r)) for r in rows}


def tiers(rows: Iterable[ProgrammeTier]) -> Told:
    return {
        (r.programme, r.subject, r.tier, r.region, r.effective_from): (
            *(r.ratio_min_bps, r.items_min, r.sales_min, r.amount_min_minor, r.amount_over_minor, r.amount_currency),
            *(r.tds_below_bps, r.enforced_from, r.exit_months, sources(r)),
        )
        for r in rows
    }


GOODS: Told = {
    ("DIGITAL",): (FIRST, "W14 W16"),
    ("APPLIANCES",): (FIRST, "W14 W16"),
    ("E_MONEY",): (FIRST, "W14 W16"),
    ("TICKETS",): (FIRST, "W14 W16"),
    ("LODGING",): (FIRST, "UNV"),
}
CATEGORIES: Told = {
    (goods, first, last): (FIRST, "UNV")
    for goods, spans in {
        "DIGITAL": ["5815-5818"],
        "APPLIANCES": ["5722", "5732", "5045"],
        "E_MONEY": ["6540", "6051"],
        "TICKETS": ["7922", "4111-4112", "4511", "4722", "7941", "7991"],
        "LODGING": ["7011", "3501-3999"],
    }.items()
    for first, last in ((span[:4], span[-4:]) for span in spans)
}
LINE: Told = {
    ("PRE", "SC5_CREDMASTER"): ("CHECKLIST", "", FIRST, "W17 DES"),
    ("PRE", "SC6_LOGIN"): ("CHECKLIST", "", FIRST, "W17 DES"),
    ("PRE", "TDS_REGISTRATION"): ("TDS", "CARD_REGISTRATION", FIRST, "W17 DES"),
    ("AT", "TDS_PAYMENT"): ("TDS", "EVERY_PAYMENT RECURRING_INITIAL RISK_BASED", FIRST, "W17 DES"),
    **{("AT", name): ("RECORD", "", FIRST, "W17 DES") for name in ("SECURITY_CODE", "SCORING")},
    **{
        ("POST", name): ("RECORD", "", FIRST, "W17 DES")
        for name in ("DELIVERY_HOLD", "SHIPMENT_CHECK", "REFUND_CONTROL", "CHARGEBACK_LOOP")
    },
}


def goods(rows: Iterable[ListedGoods]) -> Told:
    return {(r.goods,): (r.effective_from, sources(r)) for r in rows}


def categories(rows: Iterable[GoodsCategory]) -> Told:
    return {(r.goods, r.first, r.last): (r.effective_from, sources(r)) for r in rows}


def along(rows: Iterable[LineMeasure]) -> Told:
    return {(r.phase, r.measure): (r.told_by, " ".join(r.modes), r.effective_from, sources(r)) for r in rows}


CASES: list[tuple[Any, Any, Told]] = [
    (goods_classes(), goods, GOODS),
    (goods_categories(), categories, CATEGORIES),
    (line_measures(), along, LINE),
    (guidelines(), versions, JP),
    (monitoring_limits(), limits, LIMITS),
    (programme_tiers(), tiers, TIERS),
]


def mutated(row: DatedRow) -> Iterator[tuple[str, DatedRow]]:
    """Change each column of a row by itself, but for texts that only people read."""
    for column in row.__struct_fields__:
        value = getattr(row, column)
        if column in {"text", "text_en", "text_ja", "unit", "effective_to"} or column.startswith("amount_"):
            continue
        if isinstance(value, tuple):
            other: object = (*value, "UNV")
        elif isinstance(value, date):
            other = value + timedelta(1)
        elif isinstance(value, int):
            other = value + 1
        else:
            other = date(2025, 1, 1) if column == "enforced_from" else 1 if value is None else f"{value}X"
        with suppress(ValueError):  # the row itself forbids it
            yield column, msgspec.structs.replace(row, **{column: other})


@pytest.mark.parametrize(("table", "told", "expected"), CASES)
def test_a_table_says_what_the_specification_says_and_no_row_changes_unnoticed(
    table: DatedTable[Any], told: Any, expected: Told
) -> None:
    rows = table.rows
    assert told(rows) == expected
    assert all(row.effective_to is None for row in rows)
    assert set(table.sources) == {tag for row in rows for tag in row.source} - {"UNV", "DES"}
    for number, row in enumerate(rows):
        assert told([*rows[:number], *rows[number + 1 :]]) != expected
        for column, changed in mutated(row):
            assert told([*rows[:number], changed, *rows[number + 1 :]]) != expected, (number, column)


@pytest.mark.parametrize(
    ("record", "row", "complaint"),
    [
        (GoodsCategory, {"goods": "DIGITAL", "first": "5818", "last": "5815"}, "first is a later category than last"),
        (LineMeasure, {"phase": "AT", "measure": "A", "told_by": "TDS"}, "modes stand beside told_by TDS"),
        (
            LineMeasure,
            {"phase": "AT", "measure": "A", "told_by": "RECORD", "modes": ["NONE"]},
            "modes stand beside told_by TDS, and only there",
        ),
        (LineMeasure, {"phase": "PRE", "measure": "SC7", "told_by": "CHECKLIST"}, "has the name of an item"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(record: Any, row: dict[str, Any], complaint: str) -> None:
    texts = {} if record is GoodsCategory else {"text_en": "a", "text_ja": "a"}
    rows = [row | texts | {"effective_from": "2026-04-01", "source": ["DES"]}]
    with pytest.raises(TableError, match=complaint):
        table_from({"title": "T", "rows": rows}, record, "t.yaml")
