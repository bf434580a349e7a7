"""Particulars of rows against the records themselves: names, codes, the issuer's answer, what was taken back."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from models.training.history import processed
from models.training.particulars import Particulars, taken_back
from models.training.records import Record
from scoring.contract.codes import OutcomeClass
from scoring.decode import country_code
from tests.examples import is_quick
from tests.training.history.test_history import Recorded, traffic
from tests.training.test_training import SETTINGS

BACK = {"refund", "reversal"}


def asked(events: list[dict[str, Any]]) -> list[Record]:
    """Return each event as a request, followed by its answer three records later, if it has one."""
    records: list[Record] = []
    for place, event in enumerate(events):
        if place % 300 == 299:  # another topic ends a batch, and a batch may end with a checkpoint
            records.append(Record("merchants", b"a/m", None, records[-1].at_ms))
        at_ms = int(np.datetime64(event["event_ts"].removesuffix("Z"), "ms").astype(np.int64))
        request = orjson.dumps(event | {"outcome": {"phase": "PRE_AUTH"}})
        records.append(Record("authorizations", b"k", request, at_ms))
        if place >= 3 and place % 5:  # every fifth is never answered
            records.append(Record("authorizations", b"k", orjson.dumps(events[place - 3]), at_ms))
    return records


def events_of(records: list[Record]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        if record.topic == "authorizations":
            event = orjson.loads(record.value or b"")
            found.setdefault(event["event_id"], event)
    return list(found.values())


def read(directory: Path, records: list[Record], every: int = 1 << 18) -> Particulars:
    run = processed(Recorded(records), directory, SETTINGS, tell=lambda _: None, checkpoint_rows=every)
    return run.particulars()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Particulars:
    """Give the particulars of all records."""
    return read(tmp_path_factory.mktemp("found"), traffic())


def test_names_and_codes_are_those_of_the_records(found: Particulars) -> None:
    events = events_of(traffic())
    assert found.event_ids(set(range(len(events)))) == {row: event["event_id"] for row, event in enumerate(events)}
    assert found.event_ids({7, 900}) == {row: events[row]["event_id"] for row in (7, 900)}
    names = [found.names[key] for key in found.merchant.tolist()]
    assert names == [(event["acquirer"]["id"], event["merchant"]["id"]) for event in events]
    assert len(set(found.merchant.tolist())) == len(set(names)) > 50
    assert found.mcc.tolist() == [int(event["merchant"]["mcc"]) for event in events]
    countries = [(event["card"].get("issuer_country"), event["merchant"].get("country")) for event in events]
    codes = [tuple(country_code(name or "") for name in pair) for pair in countries]
    assert list(zip(found.issuer_country.tolist(), found.merchant_country.tolist(), strict=True)) == codes
    assert len({issuer for issuer, _ in codes}) > 2
    pairs = {(event["acquirer"]["id"], key) for event, key in zip(events, found.acquirer.tolist(), strict=True)}
    assert len(pairs) == len({name for name, _ in pairs}) == len({key for _, key in pairs})


def test_an_attempt_is_taken_back_by_a_later_refund_or_reversal_of_its_order(found: Particulars) -> None:
    orders = [
        (
            event["acquirer"]["id"],
            event["merchant"]["id"],
            event["card"]["pan_hmac"],
            event["txn"].get("order_ref_hmac"),
        )
        for event in events_of(traffic())
    ]
    is_back = [event["txn"]["type"] in BACK for event in events_of(traffic())]
    last_back = {order: row for row, order in enumerate(orders) if is_back[row] and order[-1] is not None}
    expected = [last_back.get(order, -1) > row and not is_back[row] for row, order in enumerate(orders)]
    assert found.is_taken_back.tolist() == expected
    assert sum(expected) > 20


@pytest.mark.parametrize("every", [700, 1 << 18])
def test_the_issuers_answer_is_that_of_the_row_or_of_a_later_record_also_after_an_interruption(
    tmp_path: Path, every: int
) -> None:
    events = [event for event in events_of(traffic()) if "approved" in event["outcome"]]
    events = events[: 1_000 if is_quick() else 2_500]
    records = asked(events)
    if every == 700:
        with pytest.raises(InterruptedError):
            processed(
                Recorded(records, stops_at=len(events) * 8 // 5),
                tmp_path,
                SETTINGS,
                tell=lambda _: None,
                checkpoint_rows=every,
            )
    found = read(tmp_path, records, every)
    assert found.event_ids(set(range(len(events)))) == {row: event["event_id"] for row, event in enumerate(events)}
    for row, event in enumerate(events):
        answered = (row + 3) % 5 and row + 3 < len(events) and event["txn"]["type"] not in BACK
        if not answered:
            assert found.outcome[row] == OutcomeClass.UNKNOWN
        else:
            assert (found.outcome[row] == OutcomeClass.APPROVED) == event["outcome"]["approved"]
            assert found.outcome[row] != OutcomeClass.UNKNOWN
    own = read(tmp_path / "own", [record for record in traffic() if record.topic == "authorizations"][:500])
    assert Counter((own.outcome == OutcomeClass.APPROVED).tolist()).keys() == {True, False}


def test_an_order_is_of_one_card_and_merchant_and_an_unknown_one_is_none() -> None:
    kind = np.array([0, 0, 0, 0, 2, 0, 0])
    card = np.array([1, 2, 1, 1, 1, 1, 1], np.uint64)
    merchant = np.array([5, 5, 6, 5, 5, 5, 5])
    order = np.array([9, 9, 9, 9, 9, 9, 0])
    assert taken_back(kind, card, merchant, order).tolist() == [True, False, False, True, False, False, False]
    assert not taken_back(kind, card, merchant, np.zeros(7, np.int64)).any()
