"""Fraud in accounts of members belies measures against illegal login (SC6), counted as by hand."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import orjson
import pytest

from tests.compliance.history import END, TOKYO, History, ms, stamp
from tests.compliance.made import report_of
from tests.events import event, token

NOON = datetime(2026, 10, 10, 12, tzinfo=TOKYO)
FIRST = datetime(2026, 9, 15, tzinfo=TOKYO)
"""The first of the 30 days up to the report's, 14 October."""


def declare(made: History, status: str | None, merchant: str = "m-1") -> None:
    items = {} if status is None else {"SC6_LOGIN": {"status": status}}
    record = {
        "acquirer_id": "acq-1",
        "merchant_id": merchant,
        "checklist": {"version": "6.0", "attested_at": "2026-05-01T00:00:00Z", "items": items},
    }
    made.merchants.append((ms(FIRST), f"acq-1/{merchant}".encode(), orjson.dumps(record)))


def pay(made: History, number: int, at: datetime = NOON, labels: tuple[str, ...] = ("FRAUD",), **changes: Any) -> None:
    """Add a payment in an account of its own, and what is reported of it, one day after the other."""
    told = event(
        event_id=f"t-{number}",
        event_ts=stamp(at),
        acquirer={"id": "acq-1"},
        merchant={"id": changes.pop("merchant", "m-1")},
        card={"pan_hmac": token(f"t-{number}")},
        txn={"channel": changes.pop("channel", "ecom"), "initiator": changes.pop("initiator", "CIT")},
        shopper={
            "account_hmac": token(f"account-{changes.pop('account', number)}"),
            "account_age_ind": changes.pop("age", "05"),
        },
        credential={"stored": changes.pop("stored", True)},
    )
    assert not changes
    made.plain.append(told)
    made.events.append((ms(at), orjson.dumps(told)))
    for place, word in enumerate(labels):
        received = at + timedelta(hours=1 + place)
        label = {
            **{"schema_version": "label.v1", "label_id": f"l-{number}-{place}", "event_id": f"t-{number}"},
            **{"acquirer_id": "acq-1", "merchant_id": told["merchant"]["id"], "pan_hmac": told["card"]["pan_hmac"]},
            **{"label": word, "source": "ISSUER", "received_ts": stamp(received), "amount_jpy": 9_000},
        }
        made.labels.append(label)
        made.reports.append((ms(received), orjson.dumps(label)))


def found(made: History) -> dict[str, int]:
    lines = report_of(made).contradictions
    assert all(line.of is None for line in lines)
    return {line.merchant_id: line.observed for line in lines if line.declared == "SC6_LOGIN"}


@pytest.mark.parametrize(
    ("status", "is_belied"),
    [
        ("IMPLEMENTED", True),
        ("ALTERNATIVE", True),
        ("NOT_IMPLEMENTED", False),
        ("NOT_APPLICABLE", False),
        (None, False),
    ],
)
def test_only_what_is_declared_as_in_place_can_be_contradicted(status: str | None, is_belied: bool) -> None:
    made = History()
    declare(made, status)
    for number in range(3):
        pay(made, number)
    assert found(made) == ({"m-1": 3} if is_belied else {})


@pytest.mark.parametrize("count", [2, 3])
def test_it_takes_three_accounts(count: int) -> None:
    made = History()
    declare(made, "IMPLEMENTED")
    for number in range(6):
        pay(made, number, account=number % count)
    assert found(made) == ({"m-1": 3} if count == 3 else {})


@pytest.mark.parametrize(
    "changes",
    [
        {"age": "03"},
        {"age": "01"},
        {"stored": False},
        {"channel": "moto"},
        {"initiator": "MIT"},
        {"at": FIRST - timedelta(milliseconds=1)},
        {"labels": ("FIRST_PARTY",)},
        {"labels": ("FRAUD", "LEGIT")},
        {"labels": ()},
        {"merchant": "m-2"},
    ],
)
def test_a_third_payment_of_another_kind_does_not_count(changes: dict[str, Any]) -> None:
    made = History()
    declare(made, "IMPLEMENTED")
    pay(made, 0, FIRST)
    pay(made, 1, END - timedelta(hours=3), age="04")
    pay(made, 2, **changes)
    assert found(made) == {}
    pay(made, 3)
    assert found(made) == {"m-1": 3}


@pytest.mark.parametrize("seed", range(3))
def test_accounts_are_those_of_a_plain_recount(seed: int) -> None:
    random, made = Random(seed), History()  # noqa: S311 - no secret
    for merchant in ("m-1", "m-2"):
        declare(made, "IMPLEMENTED", merchant)
    for number in range(60):
        pay(
            made,
            number,
            FIRST + timedelta(hours=random.randrange(-240, 29 * 24)),
            random.choice([("FRAUD",), ("FRAUD",), ("FRAUD", "LEGIT"), ("LEGIT", "FRAUD"), ("FIRST_PARTY",), ()]),
            merchant=random.choice(["m-1", "m-2"]),
            account=random.randrange(25),
            age=random.choice(["01", "02", "03", "04", "05", "05"]),
            stored=random.choice([True, True, False]),
        )
    accounts: dict[str, set[str]] = {"m-1": set(), "m-2": set()}
    for told in made.plain:
        words = [label["label"] for label in made.labels if label["event_id"] == told["event_id"]]
        is_recent = told["event_ts"] >= stamp(FIRST)
        is_member = told["credential"]["stored"] and told["shopper"]["account_age_ind"] in ("04", "05")
        if is_recent and is_member and words and words[-1] == "FRAUD":
            accounts[told["merchant"]["id"]].add(told["shopper"]["account_hmac"])
    assert found(made) == {merchant: len(each) for merchant, each in accounts.items() if len(each) >= 3}
    assert max(map(len, accounts.values())) >= 3
