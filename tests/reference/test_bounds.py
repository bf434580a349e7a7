"""Every column has bounds: the last value within is accepted, the next one is refused."""

from typing import Any

import msgspec
import pytest

from scoring.reference import DatedRow, rows

BASE = {"effective_from": "2025-04-01", "source": ["DES"]}
CODE = {"switch": "ISO", "code": "00", "outcome": "APPROVED"}
VERSION = {"guideline": "JP", "version": "6.0", "known_to": "day", "text": "x"}
DUTY = {"duty": "TDS", "party": "MERCHANT", "text": "x"}
ITEM = {"item": "SC1_ADMIN", "rule": "ANY", "weight": 1, "text_en": "x", "text_ja": "x"}
MEASURE = {"item": "SC1_ADMIN", "measure": "LOCKOUT", "text_en": "x", "text_ja": "x"}
LIMIT = {"scope": "ISSUER", "name": "payments_min", "value": 1, "unit": "payments"}
REPORT = {"report": "TC40", "network": "visa", "code": "6", "kind": "FRAUD"}
TIER = {"programme": "ECM", "subject": "MERCHANT", "tier": "ECM", "region": "ALL", "ratio_min_bps": 1}


@pytest.mark.parametrize(
    ("record", "base", "column", "within", "beyond"),
    [
        (rows.ResponseCode, CODE, "code", ["00", "G44", "ZZ"], ["0", "G444", "g1", "0 ", "00\n"]),
        (rows.ResponseCode, CODE, "switch", ["DOMESTIC", "JCB"], ["AMEX"]),
        (rows.ResponseCode, CODE, "outcome", ["STOP", "UNKNOWN"], ["DECLINED"]),
        (rows.GuidelineVersion, VERSION, "version", ["6.1", "123.456"], ["6", "1234.1", "1.1234", "6.1\n"]),
        (rows.GuidelineVersion, VERSION, "guideline", ["A" * 40, "A_1"], ["A" * 41, "", "a", "1A", "A\n"]),
        (rows.Duty, DUTY, "share_min_bps", [0, 10_000, None], [-1, 10_001]),
        (rows.Duty, DUTY, "share_max_bps", [0, 10_000, None], [-1, 10_001]),
        (rows.ChecklistItemRow, ITEM, "weight", [1, 100], [0, 101]),
        (rows.ChecklistItemRow, ITEM, "item", ["SC6_LOGIN"], ["SC7_MORE"]),
        (rows.ChecklistMeasure, MEASURE, "limit", [0, 2**31 - 1, None], [-1, 2**31]),
        (rows.Limit, LIMIT, "value", [0, 10**12], [-1, 10**12 + 1]),
        (rows.Limit, LIMIT, "name", ["a", "a" * 40, "a_1"], ["", "a" * 41, "A", "1a", "a\n"]),
        (rows.ReportCode, REPORT, "code", ["6", "10.4", "UA02", "12345678"], ["", "123456789", "a", "6\n", "6 "]),
        (rows.ReportCode, REPORT, "report", ["FLD", "CHARGEBACK"], ["ISSUER"]),
        (rows.ReportCode, REPORT, "kind", ["SUSPECTED", "OTHER"], ["LEGIT"]),
        (rows.ReportCode, REPORT, "card_present", [True, False, None], ["no"]),
        (rows.ProgrammeTier, TIER, "ratio_min_bps", [0, 10_000], [-1, 10_001]),
        (rows.ProgrammeTier, TIER, "items_min", [0, 2**31 - 1], [-1, 2**31]),
        (rows.ProgrammeTier, TIER, "sales_min", [0, 2**31 - 1], [-1, 2**31]),
        (rows.ProgrammeTier, TIER, "tds_below_bps", [0, 10_000, None], [-1, 10_001]),
        (rows.ProgrammeTier, TIER, "exit_months", [1, 24], [0, 25]),
        (
            rows.ProgrammeTier,
            TIER | {"amount_currency": "USD"},
            "amount_min_minor",
            [0, 10**12],
            [-1, 10**12 + 1, None],
        ),
        (rows.ProgrammeTier, TIER | {"amount_min_minor": 1}, "amount_currency", ["USD"], ["US", "USDT", None]),
    ],
)
def test_a_column_takes_what_is_within_its_bounds(
    record: type[DatedRow], base: dict[str, Any], column: str, within: list[Any], beyond: list[Any]
) -> None:
    for value in within:
        row = msgspec.convert({**BASE, **base, column: value}, record)
        assert getattr(row, column) == value
    for value in beyond:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**BASE, **base, column: value}, record)


def test_what_a_row_leaves_out_demands_nothing() -> None:
    tier = msgspec.convert({**BASE, **TIER}, rows.ProgrammeTier)
    assert (tier.items_min, tier.sales_min, tier.amount_min_minor, tier.tds_below_bps) == (0, 0, None, None)
    assert (tier.enforced_from, tier.exit_months, tier.effective_to) == (None, 1, None)
