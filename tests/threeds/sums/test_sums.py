"""Payments by 3RI add up to what was authenticated, as plain Python adds them, for any batches and restarts."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import orjson
import pytest

from scoring.engine import Engine
from scoring.outputs import Outputs
from scoring.profile.packed import PAID, Packed
from scoring.threeds.settings import ThreeDsSettings
from scoring.threeds.sums import Sums as Table
from tests.bundles import small_bundle
from tests.engine.test_engine import POLICY, score
from tests.events import event, token
from tests.examples import is_quick, sample
from tests.threeds.results.test_results import FEED, result, take
from tests.threeds.sums.sum_oracle import Json, Sums
from tests.threeds.test_rules import NETWORKS

PARTITIONS: Final = 3
RESTART: Final = 21 if is_quick() else 7
"""Steps between two restarts from all rows that were logged."""
BEGIN: Final = datetime(2026, 5, 1, 3, tzinfo=UTC)
SUM: Final = ("three_ri_sum", "first_amount", "first_exponent")


def new(**changes: Any) -> Engine:
    engine = Engine(small_bundle(), POLICY, replace(FEED, **changes), "test")
    engine.set_partitions(PARTITIONS)
    for partition in range(PARTITIONS):
        engine.changelog.own(partition)
    return engine


def found(outputs: Outputs) -> list[tuple[int, ...] | None]:
    """Give of each decision what TDS14 says of the sum."""
    made = []
    for _, value in outputs.decisions:
        rules = {rule["id"]: rule for rule in orjson.loads(value)["tds"].get("broken_rules", ())}
        evidence = rules["TDS14"]["evidence"] if "TDS14" in rules else {}
        made.append(tuple(evidence[name] for name in SUM) if SUM[0] in evidence else None)
    return made


def name_of(number: int) -> str:
    return f"3f2504e0-4f89-41d3-{number:04x}-0305e82c3301"


def payment(number: int, seconds: float, minor: int, **changes: Any) -> Json:
    stamp = (BEGIN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    tds = {"ds_trans_id": name_of(0), "device_channel": "03"} | changes.pop("tds", {})
    txn = {"initiator": "MIT"} | changes.pop("txn", {})
    amount = {"minor": minor} | changes.pop("amount", {})
    return event(**{"event_id": f"e-{number}", "event_ts": stamp, "tds": tds, "txn": txn, "amount": amount} | changes)


def drawn(draw: random.Random, number: int) -> Json:
    by_3ri, dollars = draw.random() < 0.7, draw.random() < 0.15
    approved = draw.choice((True, True, True, None, False))
    answers: dict[bool | None, Json] = {
        True: {"approved": True, "response_code": "00"},
        False: {"approved": False, "response_code": "51"},
        None: {"phase": "PRE_AUTH", "approved": None, "response_code": None},
    }
    made = payment(
        number,
        number * 7,
        draw.choice((0, 400, 1_000, 2_600)),
        amount={"currency": "USD", "exponent": 2} if dollars else {},
        card={"pan_hmac": token(f"card-{draw.randrange(5)}")},
        txn={
            "type": draw.choice(("purchase",) * 9 + ("refund",)),
            "initiator": "MIT" if by_3ri else "CIT",
            "recurring": draw.choice((None,) * 8 + (True, False)),
        },
        tds={
            "ds_trans_id": draw.choice((name_of(draw.randrange(number // 40, number // 40 + 6)), None, "no uuid")),
            "device_channel": "03" if by_3ri else draw.choice(("02", None)),
            "three_ri_ind": draw.choice((None, "02", "06", "06", "11", "01", "07", "12", "98")),
            "purchase_amount": draw.choice((None, 3_000, 3_000, 2_000, 300_000)),
            "purchase_exponent": draw.choice((None, 0, 2)),
            "purchase_currency": draw.choice((None, "JPY", "392", "USD")),
            "message_category": draw.choice((None, "01", "01", "02")),
        },
    )
    made["outcome"] = {name: said for name, said in (made["outcome"] | answers[approved]).items() if said is not None}
    made["tds"] = {name: said for name, said in made["tds"].items() if said is not None}
    return made


@pytest.mark.parametrize("seed", sample([1, 2, 3]))
def test_sums_are_those_of_plain_python_for_any_batches_and_restarts(seed: int) -> None:
    draw, oracle, engine = random.Random(seed), Sums(), new()  # noqa: S311 -- seeded
    logged: list[list[Packed]] = [[] for _ in range(PARTITIONS)]
    number, fired = 0, 0
    for step in range(180):
        partition, size = draw.randrange(PARTITIONS), draw.randrange(1, 8)
        known = name_of(number // 40 + draw.randrange(6))
        if step % 9 == 4 and known not in oracle.results:
            amount, exponent = draw.choice((2_000, 5_000)), draw.choice((0, 2))
            stamp = (BEGIN + timedelta(seconds=number * 7)).isoformat()
            said = {"purchase_amount": amount, "purchase_exponent": exponent, "result_ts": stamp}
            take(engine, [result(ds_trans_id=known, **said)], partition)
            oracle.results[known] = {"minor": amount, "exponent": exponent, "currency": "392"}
        batch = [drawn(draw, number + n) for n in range(size)]
        number += size
        wanted = [oracle.judge(made, partition) for made in batch]
        assert found(score(engine, [orjson.dumps(made) for made in batch], partition=partition)) == wanted, step
        fired += sum(each is not None for each in wanted)
        if step % RESTART == RESTART - 1:  # every row of the log so far, in the order in which it was written
            engine, before = new(), engine
            for where in range(PARTITIONS):
                logged[where] += before.changelog.flush(where)
                for packed in logged[where]:
                    engine.changelog.restore(where, packed)
    assert 10 < fired < number / 2, fired


def paid(*each: Json, settings: Json | None = None, results: tuple[Json, ...] = ()) -> list[tuple[int, ...] | None]:
    engine = new(**settings or {})
    if results:
        take(engine, list(results))
    return found(score(engine, [orjson.dumps(made) for made in each]))


def first(**changes: Any) -> Json:
    """Give the cardholder's payment, of which 10,000 yen were authenticated."""
    tds = {"device_channel": "02", "purchase_amount": 10_000, "purchase_currency": "JPY", "purchase_exponent": 0}
    tds |= changes.pop("tds", {})
    return payment(0, 0, 4_000, **{"txn": {"initiator": "CIT"}, "tds": tds} | changes)


@pytest.mark.parametrize("network", sample(NETWORKS))
@pytest.mark.parametrize(
    ("second", "third", "said"),
    [
        ({}, {}, (10_001, 10_000, 0)),
        ({}, {"amount": {"minor": 5_000}}, None),
        ({"tds": {"purchase_amount": 5_000}}, {"tds": {"purchase_amount": 5_001}}, (10_001, 10_000, 0)),
        ({}, {"tds": {"three_ri_ind": "06"}}, (10_001, 10_000, 0)),
        ({}, {"tds": {"three_ri_ind": "11"}}, (10_001, 10_000, 0)),
        *(({}, {"tds": {"three_ri_ind": kind}}, None) for kind in ("01", "07", "12")),
        ({"tds": {"three_ri_ind": "01"}}, {}, None),
        ({"txn": {"recurring": True}}, {}, None),
        ({}, {"txn": {"recurring": True}}, None),
        ({"tds": {"device_channel": "02"}}, {}, None),
        ({}, {"tds": {"device_channel": None}}, None),
        ({"outcome": {"approved": False, "response_code": "51"}}, {}, None),
        ({"outcome": {"phase": "PRE_AUTH", "approved": None, "response_code": None}}, {}, (10_001, 10_000, 0)),
        ({}, {"outcome": {"approved": False, "response_code": "51"}}, (10_001, 10_000, 0)),
        ({"tds": {"ds_trans_id": name_of(1)}}, {}, None),
        ({"txn": {"type": "refund"}}, {}, None),
        ({}, {"txn": {"initiator": "CIT"}}, (10_001, 10_000, 0)),
        ({"amount": {"currency": "USD", "exponent": 2}}, {}, None),
        ({}, {"amount": {"currency": "USD", "exponent": 2}}, None),
    ],
)
def test_payments_by_3ri_count_against_the_first_authentication(
    network: str, second: Json, third: Json, said: tuple[int, ...] | None
) -> None:
    card = {"network": network}
    each = payment(1, 60, 5_000, card=card, **second), payment(2, 120, 5_001, card=card, **third)
    assert paid(first(card=card), *each) == [None, None, said]


@pytest.mark.parametrize(
    ("tds", "said"),
    [
        ({"purchase_amount": None}, None),
        ({"purchase_amount": 1_000_000, "purchase_exponent": 2}, (10_001, 1_000_000, 2)),
        ({"purchase_exponent": None}, (10_001, 10_000, 0)),
        ({"purchase_currency": None}, (10_001, 10_000, 0)),
        ({"purchase_currency": "USD"}, None),
        ({"message_category": "02"}, None),
        ({"purchase_amount": 10_001}, None),
        ({"purchase_amount": 2**32 + 9_000}, None),
        ({"purchase_amount": 0}, (10_001, 0, 0)),
    ],
)
def test_what_the_first_payment_says_was_authenticated_is_the_limit(tds: Json, said: tuple[int, ...] | None) -> None:
    told = paid(first(tds=tds), payment(1, 60, 5_000), payment(2, 120, 5_001))
    assert told[2] == said


def test_a_result_of_the_feed_counts_before_what_the_payment_says() -> None:
    one = result(ds_trans_id=name_of(0), purchase_amount=9_000, result_ts="2026-05-01T02:59:00Z")
    assert paid(first(), payment(1, 60, 5_000), payment(2, 120, 5_000), results=(one,)) == [
        None,
        None,
        (10_000, 9_000, 0),
    ]


def test_without_a_first_payment_the_first_payment_by_3ri_says_what_was_authenticated() -> None:
    one, two = payment(1, 60, 5_000, tds={"purchase_amount": 9_000}), payment(2, 120, 5_000)
    assert paid(one, two) == [None, (10_000, 9_000, 0)]
    own = payment(2, 120, 5_000, tds={"purchase_amount": 9_000})
    assert paid(payment(1, 60, 5_000), own) == [None, (10_000, 9_000, 0)]


def test_an_exponent_of_the_first_authentication_may_be_another_than_that_of_the_payment() -> None:
    dollars = {"amount": {"currency": "USD", "exponent": 2}}
    said = {"purchase_amount": 100, "purchase_currency": "USD", "purchase_exponent": 0}
    each = first(**dollars, tds=said), payment(1, 60, 5_000, **dollars), payment(2, 120, 5_001, **dollars)
    assert paid(*each) == [None, None, (10_001, 100, 0)]


def test_the_tolerance_holds_for_sums() -> None:
    settings = {"threeds": ThreeDsSettings(amount_tolerance=0.1)}
    each = first(), payment(1, 60, 5_000), payment(2, 120, 6_000), payment(3, 180, 1)
    assert paid(*each, settings=settings) == [None, None, None, (11_001, 10_000, 0)]


def test_a_first_use_from_before_the_amounts_says_nothing() -> None:
    """A row of an earlier version has a card and an order in their places."""
    before, after = new(), new()
    score(before, [orjson.dumps(first())])
    _, shared = before.changelog.flush(0)
    old = Packed(shared.keys, shared.values.copy(), shared.ends)
    for place in np.flatnonzero(old.keys[:, 0] >> 24 == 254).tolist():
        old.values[old.ends[place] - 6] &= (1 << 10) - 1
    after.changelog.restore(0, old)
    own = payment(2, 60, 50_000, tds={"purchase_amount": 60_000})
    values = [orjson.dumps(made) for made in (payment(1, 60, 50_000), own)]
    assert found(score(after, values)) == [None, (100_000, 60_000, 0)]


def test_sums_of_other_workers_count_and_a_repeat_does_not() -> None:
    owner, follower = new(), new()
    score(owner, [orjson.dumps(made) for made in (first(), payment(1, 60, 5_000))])
    score(owner, [orjson.dumps(payment(1, 60, 5_000))])
    follower.changelog.restore(0, owner.changelog.flush(0)[1])
    late = orjson.dumps(payment(2, 120, 5_001))
    assert found(score(follower, [late], partition=1)) == [(10_001, 10_000, 0)]
    kinds = follower.changelog.flush(1)[1].keys[:, 0] >> 24
    assert np.count_nonzero(kinds == PAID) == 1


def test_of_first_uses_in_two_partitions_the_earlier_one_counts() -> None:
    known, follower = (first(), first(event_ts="2026-05-01T03:00:10Z", tds={"purchase_amount": 20_000})), new()
    for partition in (1, 0):
        owner = new()
        score(owner, [orjson.dumps(known[partition])], partition=partition)
        follower.changelog.restore(partition, owner.changelog.flush(partition)[1])
    said = found(score(follower, [orjson.dumps(payment(2, 120, 15_000))], partition=2))
    assert said == [(15_000, 10_000, 0)]


def test_a_sum_has_one_currency_and_an_end() -> None:
    table = Table(2, 3)
    table.add(7, 5, 392, 1, 0)
    table.add(7, 6, 392, 2, 1)
    table.add(7, 9, 840, 3, 1)
    assert (table.total(7, 392), table.total(7, 840), table.total(8, 392)) == (11, 0, 0)
    for key in (8, 9):
        table.add(key, 1, 392, key, 0)
    assert [table.total(key, 392) for key in (7, 8, 9)] == [6, 1, 1]
    single = Table(1)
    single.add(7, 2**62, 392, 1, 5)
    single.add(7, 2**62, 392, 1, 3)
    assert single.total(7, 392) == 2**62
