"""The merchant store keeps the newest record of each merchant. Unknown counts as neither good nor bad."""

from datetime import UTC, date, datetime

import numpy as np
import orjson
import pytest

from scoring.contract.merchant import Checklist, ChecklistItem, MerchantRecord, ThreeDsProgramme
from scoring.decode import Name
from scoring.merchants.store import (
    UNKNOWN_ROW,
    MerchantCol,
    MerchantStore,
)
from scoring.merchants.summaries import UNKNOWN, Attributes, Summaries

ATTESTED = datetime(2026, 1, 1, tzinfo=UTC)
ATTESTED_MS = int(ATTESTED.timestamp() * 1000)


STATUSES = ("NORMAL", "WATCH", "WARNING", "ACTUALISED", "MONITORED")


def record(merchant: str = "m-1", acquirer: str = "acq-1", **changes: object) -> MerchantRecord:
    return MerchantRecord(acquirer_id=acquirer, merchant_id=merchant, **changes)  # type: ignore[arg-type]


def name(merchant: str, acquirer: str = "acq-1") -> Name:
    return b"e-1", acquirer.encode(), b"card", merchant.encode()


def summary(
    store: MerchantStore, merchant: str = "m-1", at_ms: int = ATTESTED_MS, mcc: int = 5411
) -> dict[str, object]:
    rows = store.rows([name(merchant)])
    (text,) = store.summaries(rows, np.array([at_ms]), np.array([mcc]), np.array([False]))
    summarised: dict[str, object] = orjson.loads(text)
    return summarised


def test_an_unknown_merchant_has_no_gaps_and_says_so() -> None:
    store = MerchantStore()
    assert summary(store) == {
        "known": False,
        "tds_mode": "UNKNOWN",
        "gaps": [],
        "stale": None,
        "high_risk_goods": False,
        "fraud_status": "UNKNOWN",
        "checklist_known": None,
        "unknown_items": None,
    }
    assert (store.table[UNKNOWN_ROW] == UNKNOWN).all()


def test_a_gap_is_what_the_merchant_declares_and_an_alternative_is_a_legal_answer() -> None:
    items = {
        "SC1_ADMIN": ChecklistItem(status="IMPLEMENTED"),
        "SC2_DIR": ChecklistItem(status="ALTERNATIVE", alternative_text="waf"),
        "SC5_CREDMASTER": ChecklistItem(status="NOT_IMPLEMENTED"),
        "SC6_LOGIN": ChecklistItem(status="UNKNOWN"),
    }
    store = MerchantStore()
    store.upsert(record(checklist=Checklist(version="jp-6.0", attested_at=ATTESTED, items=items)))  # type: ignore[arg-type]
    assert summary(store)["gaps"] == ["SC5_CREDMASTER"]


def test_an_attestation_turns_stale_after_a_year_of_event_time() -> None:
    store = MerchantStore()
    store.upsert(record(checklist=Checklist(version="jp-6.0", attested_at=ATTESTED)))
    assert summary(store, at_ms=ATTESTED_MS + 365 * 86_400_000)["stale"] is False
    assert summary(store, at_ms=ATTESTED_MS + 365 * 86_400_000 + 1)["stale"] is True


def test_the_newest_record_replaces_the_older_one_whole() -> None:
    store = MerchantStore()
    store.upsert(record(tds=ThreeDsProgramme(mode="NONE"), goods_class=["E_MONEY"], contracted_on=date(2020, 1, 1)))
    assert summary(store)["high_risk_goods"] is True
    store.upsert(record(tds=ThreeDsProgramme(mode="EVERY_PAYMENT")))
    assert summary(store)["tds_mode"] == "EVERY_PAYMENT"
    assert summary(store)["high_risk_goods"] is False
    assert store.table[1, MerchantCol.CONTRACTED_MS] == UNKNOWN


def test_a_removed_merchant_is_unknown_again_and_its_row_is_reused() -> None:
    store = MerchantStore()
    store.upsert(record("m-1", fraud_status="ACTUALISED"))
    store.forget("acq-1", "m-1")
    store.forget("acq-1", "never-known")
    assert summary(store)["known"] is False
    store.upsert(record("m-2"))
    assert summary(store, "m-2")["known"] is True
    assert summary(store, "m-2")["fraud_status"] == "UNKNOWN"
    assert len(store) == 1


def test_merchants_of_two_acquirers_with_one_id_are_two_merchants() -> None:
    store = MerchantStore()
    store.upsert(record(acquirer="acq-1", fraud_status="ACTUALISED"))
    store.upsert(record(acquirer="acq-2", fraud_status="NORMAL"))
    rows = store.rows([name("m-1", "acq-1"), name("m-1", "acq-2"), name("m-1", "acq-3")])
    statuses = store.table[rows, MerchantCol.FRAUD_STATUS].tolist()
    assert statuses == [3, 0, UNKNOWN]


def test_the_store_grows_to_its_limit_and_refuses_new_merchants_beyond_it() -> None:
    store = MerchantStore(merchants_max=3000)
    assert all(store.upsert(record(f"m-{n}", fraud_status=STATUSES[n % 5])) for n in range(3000))
    rows = store.rows([name(f"m-{n}") for n in range(3000)])
    assert store.table[rows, MerchantCol.FRAUD_STATUS].tolist() == [n % 5 for n in range(3000)]
    assert summary(store, "m-2999")["known"] is True
    assert store.upsert(record("one-too-many")) is False
    assert summary(store, "one-too-many")["known"] is False
    assert len(store) == 3000


def test_the_row_of_a_forgotten_merchant_is_given_to_the_next_one() -> None:
    """Memory follows the number of merchants that are known now."""
    store = MerchantStore(merchants_max=2)
    at_first = len(store.table)
    for n in range(3 * at_first):
        assert store.upsert(record(f"m-{n}", fraud_status="WATCH"))
        store.forget("acq-1", f"m-{n - 1}")
    assert (len(store), len(store.table)) == (1, at_first)
    kept, lost = store.rows([name(f"m-{n}"), name(f"m-{n - 1}")]).tolist()
    assert (store.table[kept, MerchantCol.FRAUD_STATUS], lost) == (1, 0)


def test_merchants_with_equal_attributes_share_their_texts() -> None:
    """A text of its own for each of a million merchants would not fit into memory."""
    store = MerchantStore()
    for merchant in ("m-1", "m-2"):
        store.upsert(record(merchant, fraud_status="WATCH"))
    rows, times = store.rows([name("m-1"), name("m-2")]), np.array([0, 0])
    one, other = store.summaries(rows, times, np.array([5732, 5732]), times > 0)
    assert one is other


def test_a_kind_is_held_while_a_merchant_is_of_it_and_is_judged_again_afterwards() -> None:
    summaries = Summaries()
    watch, normal = Attributes(known=True, fraud_status=1), Attributes(known=True, fraud_status=0)
    first, second, other = summaries.hold(watch), summaries.hold(watch), summaries.hold(normal)
    assert first == second != other
    summaries.release(first)
    assert len(summaries) == 2
    summaries.release(first)
    assert len(summaries) == 1
    assert summaries.hold(watch) not in {first, other}


def test_records_that_change_leave_no_kinds_behind() -> None:
    store, held = MerchantStore(), []
    for number in range(40):
        store.upsert(record("m-1", fraud_status=STATUSES[number % 5]))
        store.upsert(record("m-2", contracted_on=date(2020, 1, 1)))
        held.append(len(store._summaries))
    store.forget("acq-1", "m-1")
    assert held == [3] * 40
    assert len(store._summaries) == 2
    assert summary(store, "m-2")["known"] is True


def test_more_texts_than_are_kept_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoring.merchants.summaries.TEXTS_MAX", 3)
    store = MerchantStore()
    for number in range(9):
        store.upsert(record(f"m-{number}", fraud_status=STATUSES[number % 5], contracted_on=date(2020, 1, 1 + number)))
    for _ in range(2):
        for number in range(9):
            assert summary(store, f"m-{number}")["fraud_status"] == STATUSES[number % 5]
            assert len(store._summaries._texts) <= 3
            assert len(store._summaries._heads) <= 3


def test_a_full_store_takes_changes_of_those_it_holds_and_a_new_one_for_each_that_is_forgotten() -> None:
    store = MerchantStore(merchants_max=2)
    assert store.upsert(record("m-1"))
    assert store.upsert(record("m-2"))
    assert store.upsert(record("m-1", fraud_status="ACTUALISED"))
    assert summary(store, "m-1")["fraud_status"] == "ACTUALISED"
    assert not store.upsert(record("m-3"))
    store.forget("acq-1", "m-3")
    assert not store.upsert(record("m-3"))
    store.forget("acq-1", "m-2")
    assert store.upsert(record("m-3"))
    assert [summary(store, name)["known"] for name in ("m-1", "m-2", "m-3")] == [True, False, True]


def test_gaps_are_counted_for_each_event_of_a_merchant_that_declares_them() -> None:
    store = MerchantStore()
    for merchant, missing in (("m-1", ("SC1_ADMIN", "SC5_CREDMASTER")), ("m-2", ("SC5_CREDMASTER",)), ("m-3", ())):
        items = {code: ChecklistItem(status="NOT_IMPLEMENTED") for code in missing}
        store.upsert(record(merchant, checklist=Checklist(version="jp-6.0", items=items)))  # type: ignore[arg-type]
    rows = store.rows([name(merchant) for merchant in ("m-1", "m-2", "m-2", "m-3", "unknown")]).tolist()
    assert store.gap_counts(rows) == {"SC1_ADMIN": 1, "SC5_CREDMASTER": 3}
    assert store.gap_counts([]) == {}
