"""What merchants sell and their measures along the line, as the record has them, counted anew in plain Python."""

from datetime import date
from itertools import product
from typing import Any

import msgspec
import orjson
import pytest

from scoring.compliance.merchants import line_line
from scoring.compliance.report import LineLine
from scoring.contract.merchant import MerchantRecord
from tests.compliance.history import AS_OF, History
from tests.compliance.made import report, report_of
from tests.events import event

DAY = date(2026, 10, 14)
HIGH_RISK = {"DIGITAL", "APPLIANCES", "E_MONEY", "TICKETS", "LODGING"}
BY_CATEGORY = {5816: ("DIGITAL",), 5732: ("APPLIANCES",), 3999: ("LODGING",), 4112: ("TICKETS",), 6051: ("E_MONEY",)}
ITEMS = (None, "IMPLEMENTED", "ALTERNATIVE", "NOT_IMPLEMENTED", "NOT_APPLICABLE", "UNKNOWN")
TDS: tuple[Any, ...] = (
    None,
    *({"mode": mode} for mode in ("UNKNOWN", "NONE", "CARD_REGISTRATION", "RECURRING_INITIAL", "RISK_BASED")),
    {"mode": "EVERY_PAYMENT", "introduced_on": "2026-10-14"},
    {"mode": "EVERY_PAYMENT", "introduced_on": "2026-10-15"},
)
NAMED: tuple[Any, ...] = (None, [], ["security_code"], ["Scoring", "REFUND_CONTROL"], ["DELIVERY_HOLD", "x"])
POST = ("DELIVERY_HOLD", "SHIPMENT_CHECK", "REFUND_CONTROL", "CHARGEBACK_LOOP")


def in_place(status: str | None) -> bool | None:
    return None if status in (None, "UNKNOWN") else status in ("IMPLEMENTED", "ALTERNATIVE")


def oracle(record: dict[str, Any], sc5: str | None, sc6: str | None) -> dict[str, dict[str, bool | None]]:
    """By phase and measure: whether it is in place; None where nobody told."""
    mode = (record.get("tds") or {}).get("mode")
    is_later = (record.get("tds") or {}).get("introduced_on") == "2026-10-15"
    has = None if mode in (None, "UNKNOWN") and not is_later else not (mode == "NONE" or is_later)
    at_registration = has and mode == "CARD_REGISTRATION"
    at_payment = has and mode != "CARD_REGISTRATION"
    named = record.get("line_measures")

    def told(name: str) -> bool | None:
        return None if named is None else name in [one.upper() for one in named]

    return {
        "PRE": {"SC5_CREDMASTER": in_place(sc5), "SC6_LOGIN": in_place(sc6), "TDS_REGISTRATION": at_registration},
        "AT": {"TDS_PAYMENT": at_payment, "SECURITY_CODE": told("SECURITY_CODE"), "SCORING": told("SCORING")},
        "POST": {name: told(name) for name in POST},
    }


def test_the_line_of_a_merchant_is_what_its_record_says() -> None:
    seen = set()
    for sc5, sc6, tds, named in product(ITEMS, ITEMS, TDS, NAMED):
        items = {name: {"status": status} for name, status in (("SC5_CREDMASTER", sc5), ("SC6_LOGIN", sc6)) if status}
        record: dict[str, Any] = {"acquirer_id": "a", "merchant_id": "m", "tds": tds, "line_measures": named}
        record["checklist"] = {"version": "6.0", "items": items} if items else None
        line = line_line("m", msgspec.convert(record, MerchantRecord), 0, DAY)
        expected = oracle(record, sc5, sc6)
        for phase, shown in (("PRE", line.pre), ("AT", line.at), ("POST", line.post)):
            assert list(shown) == [name for name, has in expected[phase].items() if has], (record, phase)
        assert line.covered == sum(any(states.values()) for states in expected.values())
        vague = [
            phase
            for phase, states in expected.items()
            if not any(states.values()) and any(has is None for has in states.values())
        ]
        assert list(line.unknown) == vague
        seen.add((line.covered, len(line.unknown)))
    assert {covered for covered, _ in seen} == {0, 1, 2, 3}


@pytest.mark.parametrize("declared", [[], ["OTHER"], ["E_MONEY", "DIGITAL"], ["OTHER", "LODGING"]])
@pytest.mark.parametrize("own", [None, "5816", "5411"])
@pytest.mark.parametrize("paid", [0, 3999, 5999])
def test_goods_are_those_that_are_declared_else_those_of_the_category(
    declared: list[str], own: str | None, paid: int
) -> None:
    value = {"acquirer_id": "a", "merchant_id": "m", "goods_class": declared, "mcc": own}
    line = line_line("m", msgspec.convert(value, MerchantRecord), paid, DAY)
    category = paid if own is None else int(own)
    goods = tuple(sorted(declared)) if declared else BY_CATEGORY.get(category, ())
    assert tuple(sorted(line.goods)) == goods
    assert line.goods_by == ("RECORD" if declared else "CATEGORY" if category else None)
    known = bool(declared or category)
    assert line.is_high_risk == (bool(HIGH_RISK & set(goods)) if known else None)


def test_of_a_merchant_without_a_record_the_category_of_its_payments_is_known_and_nothing_else() -> None:
    made = History(events=[(0, orjson.dumps(event(event_id="e-1", event_ts="2026-10-01T00:00:00Z")))])
    (line,) = report_of(made).line
    assert (line.goods_by, line.covered, line.unknown) == ("CATEGORY", 0, ("PRE", "AT", "POST"))


def test_high_risk_goods_and_few_phases_come_first() -> None:
    made = History()
    for name, more in {
        "a": {"goods_class": ["OTHER"]},
        "b": {"goods_class": ["TICKETS"], "tds": {"mode": "EVERY_PAYMENT"}},
        "c": {"goods_class": ["TICKETS"]},
        "d": {},
    }.items():
        value = {"acquirer_id": "acq-1", "merchant_id": name, **more}
        made.merchants.append((0, f"acq-1/{name}".encode(), orjson.dumps(value)))
    lines = report_of(made).line
    assert [line.merchant_id for line in lines] == ["c", "b", "a", "d"]
    assert {line.merchant_id for line in report().line} == {line.merchant_id for line in report().checklist}
    assert isinstance(lines[0], LineLine)
    assert AS_OF == DAY
