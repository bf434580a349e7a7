"""High-risk goods are rows of a table: a change counts from its day on, in decisions and in the inputs of models."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from scoring.contract.merchant import MerchantRecord
from scoring.features import amount
from scoring.merchants import store as stores
from scoring.merchants import summaries
from scoring.merchants.goods import CLASSES, GoodsSteps, bits_of, goods_of, goods_steps
from scoring.merchants.store import UNKNOWN, MerchantStore
from scoring.reference.goods import GoodsCategory, ListedGoods
from scoring.reference.table import DatedTable, start_ms, table_from
from tests.features.test_declared import payment

CHANGES = (date(2026, 4, 1), date(2026, 10, 1))


def rows_of(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"title": "T", "rows": [{"source": ["DES"]} | row for row in rows]}


def classes() -> DatedTable[ListedGoods]:
    """Tickets until the end of March, digital goods always, electronic money from October on."""
    told = {"text_en": "a", "text_ja": "a"}
    return table_from(
        rows_of(
            {"goods": "DIGITAL", "effective_from": "2020-03-01"} | told,
            {"goods": "TICKETS", "effective_from": "2020-03-01", "effective_to": "2026-03-31"} | told,
            {"goods": "E_MONEY", "effective_from": "2026-10-01"} | told,
        ),
        ListedGoods,
        "goods_classes.yaml",
    )


def categories() -> DatedTable[GoodsCategory]:
    """Category 5000 sells tickets and, from April on, digital goods; 5001 to 5002 electronic money."""
    return table_from(
        rows_of(
            {"goods": "TICKETS", "first": "5000", "last": "5000", "effective_from": "2020-03-01"},
            {"goods": "DIGITAL", "first": "5000", "last": "5001", "effective_from": "2026-04-01"},
            {"goods": "E_MONEY", "first": "5001", "last": "5002", "effective_from": "2020-03-01"},
        ),
        GoodsCategory,
        "goods_categories.yaml",
    )


def listed(day: date) -> set[str]:
    return {"DIGITAL"} | ({"TICKETS"} if day < CHANGES[0] else set()) | ({"E_MONEY"} if day >= CHANGES[1] else set())


def sold(mcc: int, day: date) -> set[str]:
    later = {"DIGITAL"} if day >= CHANGES[0] else set()
    return {5000: {"TICKETS"} | later, 5001: {"E_MONEY"} | later, 5002: {"E_MONEY"}}.get(mcc, set())


DAYS = [date(2019, 1, 1), *(day + timedelta(off) for day in CHANGES for off in (-1, 0)), date(2030, 1, 1)]
MCCS = (4999, 5000, 5001, 5002, 5003)
DECLARED: tuple[tuple[Any, ...], ...] = ((), ("OTHER",), ("E_MONEY",), ("TICKETS", "OTHER"), ("DIGITAL", "E_MONEY"))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> GoodsSteps:
    made = goods_steps(classes(), categories())
    monkeypatch.setattr(stores, "STEPS", made)
    monkeypatch.setattr(summaries, "goods_classes", classes)
    eras = summaries.eras.__wrapped__()
    monkeypatch.setattr(summaries, "eras", lambda: eras)
    names = ("_GOODS_FROM_MS", "_HIGH_RISK", "_GOODS_OF_MCC")
    for name, value in zip(names, made[:3], strict=True):
        monkeypatch.setattr(amount, name, value)
    return made


def is_high_risk(declared: tuple[str, ...], mcc: int, day: date) -> bool:
    return bool(listed(day) & (set(declared) or sold(mcc, day)))


def test_decisions_and_inputs_follow_the_tables_of_the_day(steps: GoodsSteps) -> None:
    assert steps.starts_ms.tolist() == [start_ms(day) for day in CHANGES]
    written = getattr(amount.goods_high_risk, "py_func", amount.goods_high_risk)
    times = [(day, start_ms(day) + off) for day in DAYS for off in (0, 86_399_999)]
    seen = set()
    for declared in DECLARED:
        store = MerchantStore()
        store.upsert(MerchantRecord(acquirer_id="a", merchant_id="m", goods_class=list(declared)))
        places = [(mcc, day, at_ms) for mcc in MCCS for day, at_ms in times]
        texts = store.summaries(
            np.ones(len(places), dtype=np.int64),
            np.array([at_ms for *_, at_ms in places]),
            np.array([mcc for mcc, *_ in places]),
            np.zeros(len(places), dtype=np.bool_),
        )
        for (mcc, day, at_ms), text in zip(places, texts, strict=True):
            expected = is_high_risk(declared, mcc, day)
            assert (b'"high_risk_goods":true' in text) == expected, (declared, mcc, day)
            paid = payment(MCC=mcc, EVENT_MS=at_ms)
            paid.merchant[:] = store.table[1]
            assert written(paid) == float(expected), (declared, mcc, day)
            seen.add((bool(declared), expected))
    assert len(seen) == 4


def test_goods_are_bits_in_the_order_of_their_classes() -> None:
    for number, one in enumerate(CLASSES):
        assert (bits_of([one, one]), goods_of(1 << number)) == (1 << number, (one,))
    assert goods_of(bits_of(reversed(CLASSES))) == CLASSES
    assert (bits_of([]), goods_of(0)) == (0, ())
    store = MerchantStore()
    store.upsert(MerchantRecord(acquirer_id="a", merchant_id="m"))
    assert store.table[1, stores.MerchantCol.GOODS] == UNKNOWN
