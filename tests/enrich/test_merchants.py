"""The directory keeps the newest record of each merchant, and unknown is not guilt."""

from datetime import UTC, date, datetime

import orjson
import pytest

from scoring.contract.merchant import Checklist, ChecklistItem, MerchantRecord, ThreeDsProgramme
from scoring.decode import Name
from scoring.enrich.merchants import (
    STALE_AFTER_MS,
    UNKNOWN,
    UNKNOWN_ROW,
    DirectoryFullError,
    MerchantCol,
    MerchantDirectory,
)

ATTESTED = datetime(2026, 1, 1, tzinfo=UTC)
ATTESTED_MS = int(ATTESTED.timestamp() * 1000)


def record(merchant: str = "m-1", acquirer: str = "acq-1", **changes: object) -> MerchantRecord:
    return MerchantRecord(acquirer_id=acquirer, merchant_id=merchant, **changes)  # type: ignore[arg-type]


def name(merchant: str, acquirer: str = "acq-1") -> Name:
    return b"e-1", acquirer.encode(), b"card", merchant.encode()


def summary(directory: MerchantDirectory, merchant: str = "m-1", at_ms: int = ATTESTED_MS) -> dict[str, object]:
    rows = directory.rows([name(merchant)])
    (text,) = directory.summaries(rows.tolist(), [at_ms])
    summarised: dict[str, object] = orjson.loads(text)
    return summarised


def test_an_unknown_merchant_has_no_gaps_and_says_so() -> None:
    directory = MerchantDirectory()
    assert summary(directory) == {
        "known": False,
        "tds_mode": "UNKNOWN",
        "gaps": [],
        "stale": False,
        "high_risk_goods": False,
        "fraud_status": "UNKNOWN",
    }
    assert (directory.table[UNKNOWN_ROW] == UNKNOWN).all()


def test_a_gap_is_what_the_merchant_declares_and_an_alternative_is_a_legal_answer() -> None:
    items = {
        "SC1_ADMIN": ChecklistItem(status="IMPLEMENTED"),
        "SC2_DIR": ChecklistItem(status="ALTERNATIVE", alternative_text="waf"),
        "SC5_CREDMASTER": ChecklistItem(status="NOT_IMPLEMENTED"),
        "SC6_LOGIN": ChecklistItem(status="UNKNOWN"),
    }
    directory = MerchantDirectory()
    directory.upsert(record(checklist=Checklist(version="jp-6.0", attested_at=ATTESTED, items=items)))  # type: ignore[arg-type]
    assert summary(directory)["gaps"] == ["SC5_CREDMASTER"]


def test_an_attestation_turns_stale_after_a_year_of_event_time() -> None:
    directory = MerchantDirectory()
    directory.upsert(record(checklist=Checklist(version="jp-6.0", attested_at=ATTESTED)))
    assert summary(directory, at_ms=ATTESTED_MS + STALE_AFTER_MS)["stale"] is False
    assert summary(directory, at_ms=ATTESTED_MS + STALE_AFTER_MS + 1)["stale"] is True


def test_the_newest_record_replaces_the_older_one_whole() -> None:
    directory = MerchantDirectory()
    directory.upsert(record(tds=ThreeDsProgramme(mode="NONE"), goods_class=["E_MONEY"], contracted_on=date(2020, 1, 1)))
    assert summary(directory)["high_risk_goods"] is True
    directory.upsert(record(tds=ThreeDsProgramme(mode="EVERY_PAYMENT")))
    assert summary(directory)["tds_mode"] == "EVERY_PAYMENT"
    assert summary(directory)["high_risk_goods"] is False
    assert directory.table[1, MerchantCol.CONTRACTED_MS] == UNKNOWN


def test_a_forgotten_merchant_is_unknown_again_and_its_row_is_used_anew() -> None:
    directory = MerchantDirectory()
    directory.upsert(record("m-1", fraud_status="ACTUALISED"))
    directory.forget("acq-1", "m-1")
    directory.forget("acq-1", "never-known")
    assert summary(directory)["known"] is False
    directory.upsert(record("m-2"))
    assert summary(directory, "m-2")["fraud_status"] == "NORMAL"
    assert len(directory) == 1


def test_merchants_of_two_acquirers_with_one_id_are_two_merchants() -> None:
    directory = MerchantDirectory()
    directory.upsert(record(acquirer="acq-1", fraud_status="ACTUALISED"))
    directory.upsert(record(acquirer="acq-2"))
    rows = directory.rows([name("m-1", "acq-1"), name("m-1", "acq-2"), name("m-1", "acq-3")])
    statuses = directory.table[rows, MerchantCol.FRAUD_STATUS].tolist()
    assert statuses == [3, 0, UNKNOWN]


def test_the_directory_grows_to_its_limit_and_names_the_way_out() -> None:
    directory = MerchantDirectory(merchants_max=3000)
    for number in range(3000):
        directory.upsert(record(f"m-{number}"))
    assert summary(directory, "m-2999")["known"] is True
    with pytest.raises(DirectoryFullError, match="raise merchants_max"):
        directory.upsert(record("one-too-many"))
