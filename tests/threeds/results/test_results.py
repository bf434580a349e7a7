"""The feed of results breaks the rules that plain Python finds, whatever the batches, partitions and restarts."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import pytest

from scoring.engine import Engine
from scoring.outputs import Emitted, Outputs
from tests.bundles import small_bundle
from tests.engine.test_engine import NOW_MS, POLICY, SETTINGS, score, source
from tests.events import event, token
from tests.examples import is_quick, sample
from tests.threeds.results.feed_oracle import Feed, Json
from tests.threeds.test_rules import NETWORKS

PARTITIONS: Final = 3
RESTART: Final = 16 if is_quick() else 8
"""Steps between two restarts from all rows that were logged."""
GRACE: Final = 900
RULES: Final = ("TDS12", "TDS13", "TDS14", "TDS23")
BEGIN: Final = datetime(2026, 5, 1, 3, tzinfo=UTC)
FEED: Final = replace(SETTINGS, has_results=True)
ODD_IDS: Final = (None, "", "no uuid", "00000000-0000-0000-0000-000000000000")


def name_of(number: int) -> str:
    return f"3f2504e0-4f89-41d3-9a0c-{number:012x}"


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new(*, feed: bool = True) -> Engine:
    engine = Engine(small_bundle(), POLICY, FEED if feed else SETTINGS, "test")
    engine.set_partitions(PARTITIONS)
    for partition in range(PARTITIONS):
        engine.changelog.own(partition)
    return engine


def result(**changes: Any) -> Json:
    """Give a result of the plain event's payment."""
    made = {
        "server_trans_id": "s-1",
        "result_ts": iso(BEGIN),
        "acquirer_id": "acq-1",
        "merchant_id": "m-1",
        "pan_hmac": token("card-1"),
        "trans_status": "Y",
        "ds_trans_id": name_of(1),
        "purchase_amount": 12_800,
        "purchase_currency": "JPY",
        "purchase_exponent": 0,
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def take(engine: Engine, results: Sequence[Json], partition: int = 0, stamp_ms: int = -1) -> Outputs:
    where = source(len(results), partition=partition, topic="threeds-results", stamp_ms=stamp_ms)
    outputs = engine.threeds_results([orjson.dumps(one) for one in results], where, received_at_ms=NOW_MS)
    assert outputs.dead_letters == []
    return outputs


EVIDENCE: Final = {
    "TDS12": lambda told: (told["unmatched"], told["unmatched_since_ms"]) if "unmatched" in told else None,
    "TDS13": lambda told: told["result_differs"],
    "TDS14": lambda told: (told["result_amount"], told["result_exponent"]),
    "TDS23": lambda told: told["failed_challenges"],
}


def found(outputs: Outputs) -> list[Json]:
    """Give of each decision what the oracle gives."""
    made = []
    for _, value in outputs.decisions:
        section = orjson.loads(value)["tds"]
        said = {"result": section["result"]} if "result" in section else {}
        for rule in section.get("broken_rules", ()):
            by_sum_only = rule["id"] == "TDS14" and "result_amount" not in rule["evidence"]  # tests/threeds/sums
            if rule["id"] in RULES and not by_sum_only:
                said[rule["id"]] = (rule["severity"], EVIDENCE[rule["id"]](rule["evidence"]))
        made.append(said)
    return made


def payment(draw: random.Random, number: int, at: datetime, names: int) -> Json:
    letter, eci = draw.choice((("Y", "05"), ("Y", "05"), ("A", "06"), ("N", "07"), (None, "05"), (None, "06")))
    tds: Json = {"trans_status": letter, "eci": eci, "device_channel": draw.choice(("02", "02", "02", "03"))}
    name = draw.choice((*map(name_of, range(names)), *ODD_IDS))
    tds["ds_trans_id"] = draw.choice((name, name.upper(), f" {name}")) if name else name
    if draw.random() < 0.5:
        tds["auth_ts"] = iso(at - draw.choice((timedelta(seconds=20), timedelta(minutes=20), timedelta(hours=5))))
    return event(
        event_id=f"e-{number}",
        event_ts=iso(at),
        acquirer={"id": draw.choice(("acq-1",) * 5 + ("acq-2",))},
        merchant={"id": f"m-{draw.randrange(3)}"},
        card={"pan_hmac": token(f"card-{draw.randrange(3)}")},
        amount=draw.choice(({"minor": 12_800}, {"minor": 12_801}, {"minor": 50_000, "currency": "USD", "exponent": 2})),
        txn={
            "type": draw.choice(("purchase",) * 8 + ("refund", "cash")),
            "initiator": draw.choice(("CIT",) * 5 + ("MIT",)),
        },
        tds=draw.choice((None, *(({name: value for name, value in tds.items() if value is not None}),) * 6)),
    )


def answer(draw: random.Random, number: int, at: datetime, names: int) -> Json:
    return result(
        server_trans_id=f"s-{number // draw.choice((1, 1, 1, 2))}",
        result_ts=iso(at - draw.choice((timedelta(0), timedelta(seconds=5), timedelta(minutes=3)))),
        acquirer_id=draw.choice(("acq-1",) * 5 + ("acq-2",)),
        merchant_id=f"m-{draw.randrange(3)}",
        pan_hmac=token(f"card-{draw.randrange(3)}"),
        trans_status=draw.choice("YYYNNNAUR"),
        challenge_cancel=draw.choice((None, None, None, "01", "03", "04", "05", "06", "07", "08")),
        ds_trans_id=draw.choice((*map(name_of, range(names)), *ODD_IDS)),
        purchase_amount=draw.choice((None, 12_800, 499)),
        purchase_currency=draw.choice((None, "JPY", "JPY", "USD")),
        purchase_exponent=draw.choice((None, 0, 2)),
        message_category=draw.choice((None, "01", "02")),
    )


@pytest.mark.parametrize(("seed", "names"), sample([(1, 150), (2, 200), (3, 1_000), (4, 400)]))
def test_what_the_feed_says_is_what_plain_python_says(seed: int, names: int) -> None:
    draw, feed, engine = random.Random(seed), Feed(PARTITIONS, GRACE), new()  # noqa: S311 -- seeded
    logged: list[list[Any]] = [[] for _ in range(PARTITIONS)]
    at, number, kinds = BEGIN, 0, Counter[str]()
    for step in range(80 if is_quick() else 160):
        partition, size = draw.randrange(PARTITIONS), draw.randrange(1, 10)
        at += draw.choice((timedelta(seconds=9), timedelta(seconds=70), timedelta(minutes=8)))
        if draw.random() < 0.4:
            results = [answer(draw, number + n, at + timedelta(seconds=n), names) for n in range(size)]
            claims = take(engine, results, partition).tally.claims
            assert claims == feed.take(results, partition), step
            kinds.update(claims)
        else:
            batch = [payment(draw, number + n, at + timedelta(seconds=n), names) for n in range(size)]
            wanted = [feed.judge(made, partition) for made in batch]
            outputs = score(engine, [orjson.dumps(made) for made in batch], partition=partition)
            assert found(outputs) == wanted, step
            states = Counter(said["result"] for said in wanted if "result" in said)
            assert outputs.tally.claims == states
            kinds.update(f"{name} {said[name][0] if name in RULES else said[name]}" for said in wanted for name in said)
        number += size
        if step % RESTART == RESTART - 1:  # every row of the log so far, in the order in which it was written
            engine, before = new(), engine
            for where in range(PARTITIONS):
                logged[where] += before.changelog.flush(where)
                for packed in logged[where]:
                    engine.changelog.restore(where, packed)
            assert engine.observer.authentications.sizes() == before.observer.authentications.sizes()
    wanted_kinds = {f"result {state}" for state in ("MATCHED", "PENDING", "MISSING")}
    wanted_kinds |= {"SETTLED_MATCHED", "SETTLED_MISSING", "TDS12 MEDIUM", "TDS12 INFO", "TDS13 HIGH", "TDS14 MEDIUM"}
    assert set(kinds) >= wanted_kinds | {"TDS23 HIGH"}, kinds


def at(seconds: float) -> str:
    return iso(BEGIN + timedelta(seconds=seconds))


def paid(seconds: float = 30, **changes: Any) -> bytes:
    """Give the payment of the plain result, so many seconds after it; visa unless the card says otherwise."""
    network = changes.get("card", {}).get("network", "visa")
    tds = {"trans_status": "Y", "eci": "02" if network == "mastercard" else "05", "ds_trans_id": name_of(1)}
    return orjson.dumps(event(**{"event_ts": at(seconds)} | changes | {"tds": tds | changes.get("tds", {})}))


def said_of(engine: Engine, *values: bytes, partition: int = 0) -> list[Json]:
    return found(score(engine, list(values), partition=partition))


@pytest.mark.parametrize("network", sample(NETWORKS))
@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({}, None),
        ({"card": {"pan_hmac": token("card-2")}}, "card"),
        ({"merchant": {"id": "m-2"}}, "merchant"),
        ({"acquirer": {"id": "acq-2"}}, "merchant"),
        ({"amount": {"currency": "USD", "exponent": 2}}, "currency"),
        ({"card": {"pan_hmac": token("card-2")}, "merchant": {"id": "m-2"}}, "card, merchant"),
        ({"merchant": {"id": "m-2"}, "txn": {"initiator": "MIT"}}, None),
        ({"merchant": {"id": "m-2"}, "tds": {"device_channel": "03"}}, None),
    ],
)
def test_a_result_is_that_of_the_payments_own_card_merchant_and_currency(
    network: str, changes: Json, differs: str | None
) -> None:
    engine = new()
    take(engine, [result()])
    card = {"network": network} | changes.get("card", {})
    (said,) = said_of(engine, paid(**changes | {"card": card}))
    assert said == {"result": "MATCHED"} | ({"TDS13": ("HIGH", differs)} if differs else {})


def failures(*each: tuple[float, Json]) -> list[Json]:
    return [
        result(
            **{"server_trans_id": f"f-{n}", "result_ts": at(seconds), "ds_trans_id": None, "trans_status": "N"}
            | changes
        )
        for n, (seconds, changes) in enumerate(each)
    ]


THREE: Final = ((-300.0, {}), (-200.0, {}), (-100.0, {}))


@pytest.mark.parametrize("network", sample(NETWORKS))
@pytest.mark.parametrize(
    ("failed", "changes", "number"),
    [
        (THREE, {}, 3),
        ((*THREE, (-50.0, {"trans_status": "R", "challenge_cancel": "08"})), {}, 4),
        (THREE[1:], {}, None),
        (((-600.0, {}), *THREE[1:]), {}, 3),
        (((-601.0, {}), *THREE[1:]), {}, None),
        (((1.0, {}), *THREE[1:]), {}, None),
        *((((-300.0, {"challenge_cancel": code}), *THREE[1:]), {}, 3) for code in ("01", "03", "04", "08")),
        *((((-300.0, {"challenge_cancel": code}), *THREE[1:]), {}, None) for code in ("05", "06", "07", "99", "x")),
        *((((-300.0, {"trans_status": letter}), *THREE[1:]), {}, None) for letter in "UARICDS"),
        (((-300.0, {"trans_status": "U", "challenge_cancel": "04"}), *THREE[1:]), {}, None),
        (((-300.0, {"pan_hmac": token("card-2")}), *THREE[1:]), {}, None),
        (((-300.0, {"acquirer_id": "acq-2"}), *THREE[1:]), {}, None),
        (((-300.0, {"server_trans_id": "f-1"}), *THREE[1:]), {}, None),
        (THREE, {"tds": {"trans_status": "A"}}, None),
        (THREE, {"tds": {"trans_status": None}}, 3),
        (THREE, {"txn": {"initiator": "MIT"}}, None),
        (THREE, {"txn": {"type": "refund"}}, None),
        (THREE, {"tds": {"ds_trans_id": name_of(7), "auth_ts": at(0)}}, 3),
        (THREE, {"tds": {"ds_trans_id": name_of(7), "auth_ts": at(301)}}, None),
        (THREE, {"tds": {"ds_trans_id": None}, "event_ts": at(300)}, 3),
        (THREE, {"tds": {"ds_trans_id": None}, "event_ts": at(301)}, None),
    ],
)
def test_three_failed_challenges_of_a_card_in_ten_minutes_and_then_success_are_a_relay(
    network: str, failed: tuple[tuple[float, Json], ...], changes: Json, number: int | None
) -> None:
    engine = new()
    take(engine, [*failures(*failed), result()])
    changes = changes | {"card": {"network": network}}
    if changes.get("tds", {}).get("trans_status") == "A":
        changes["tds"] = {"trans_status": "A", "eci": "01" if network == "mastercard" else "06"}
    (said,) = said_of(engine, paid(**changes))
    assert said.get("TDS23") == (("HIGH", number) if number else None)


def test_failures_that_other_workers_read_count_with_theirs() -> None:
    """A feed that is keyed by something else than the card spreads its failures over partitions."""
    owner, follower = new(), new()
    take(owner, failures(*THREE[:2]), 0)
    take(owner, failures(THREE[0], THREE[1], THREE[2])[2:], 1)
    assert "TDS23" not in said_of(follower, paid(), partition=2)[0]
    for partition in (0, 1):
        follower.changelog.restore(partition, owner.changelog.flush(partition)[1])
    take(follower, [result()], 2)
    assert said_of(follower, paid(event_id="e-2"), partition=2) == [{"result": "MATCHED", "TDS23": ("HIGH", 3)}]


def clock(seconds: float, n: int = 0) -> Json:
    """Give a result of another card that moves the clock of the feed."""
    return result(
        server_trans_id=f"c-{n}", ds_trans_id=name_of(900 + n), pan_hmac=token("other"), result_ts=at(seconds)
    )


@pytest.mark.parametrize("network", sample(NETWORKS))
def test_a_claim_waits_for_its_result_and_is_reported_once_with_the_next_payment_of_the_merchant(network: str) -> None:
    card = {"network": network}
    engine = new()
    take(engine, [clock(-10)])
    assert said_of(engine, paid(30, card=card)) == [{"result": "PENDING"}]
    assert take(engine, [clock(30 + GRACE - 1)]).tally.claims == {}
    assert take(engine, [clock(30 + GRACE)]).tally.claims == {"SETTLED_MISSING": 1}
    later = {"tds": {"ds_trans_id": None}, "card": card}
    report = {"TDS12": ("MEDIUM", (1, round((BEGIN + timedelta(seconds=30)).timestamp()) * 1_000))}
    assert said_of(engine, paid(3_000, event_id="e-2", merchant={"id": "m-2"}, **later)) == [{}]
    assert said_of(engine, paid(3_000, event_id="e-3", txn={"type": "refund"}, **later)) == [{}]
    both = [paid(3_000, event_id=f"e-{n}", **later) for n in (4, 5)]
    assert said_of(engine, *both) == [report, {}]
    assert said_of(engine, paid(3_001, event_id="e-6", **later)) == [{}]


@pytest.mark.parametrize("partition", [0, 1])
def test_a_result_that_comes_late_settles_its_claim_also_in_another_partition(partition: int) -> None:
    engine = new()
    take(engine, [clock(-10)])
    assert said_of(engine, paid(30)) == [{"result": "PENDING"}]
    first = take(engine, [result(result_ts=at(29))], partition).tally.claims
    second = take(engine, [clock(30 + GRACE)]).tally.claims
    assert (first, second) == (({"SETTLED_MATCHED": 1}, {}), ({}, {"SETTLED_MATCHED": 1}))[partition]
    assert said_of(engine, paid(40, event_id="e-2")) == [{"result": "MATCHED"}]


@pytest.mark.parametrize(
    ("feed", "changes", "said"),
    [
        ((-10,), {}, {"result": "PENDING"}),
        ((-10, 30 + GRACE), {}, {"result": "MISSING", "TDS12": ("MEDIUM", None)}),
        ((-10, 29 + GRACE), {}, {"result": "PENDING"}),
        ((-10,), {"tds": {"auth_ts": at(30 - GRACE)}}, {}),  # before the feed began
        ((-9_000,), {"tds": {"auth_ts": at(30 - GRACE)}}, {"result": "PENDING", "TDS12": ("INFO", None)}),
        ((-9_000,), {"tds": {"auth_ts": at(31 - GRACE)}}, {"result": "PENDING"}),
        ((-9_000, 30), {"tds": {"auth_ts": at(30 - GRACE)}}, {"result": "MISSING", "TDS12": ("MEDIUM", None)}),
        ((30,), {}, {}),  # as old as the feed
        ((29,), {}, {"result": "PENDING"}),
        ((), {}, {}),
        ((-10, 5_000), {"tds": {"ds_trans_id": None}}, {}),
        ((-10, 5_000), {"tds": {"trans_status": "N", "eci": "07"}}, {}),
        ((-10, 5_000), {"tds": {"trans_status": "U", "eci": "07"}}, {}),
        ((-10, 5_000), {"tds": {"performed": False, "trans_status": None, "eci": None}}, {}),
        ((-10, 5_000), {"txn": {"initiator": "MIT"}}, {}),
        ((-10, 5_000), {"tds": {"device_channel": "03"}}, {}),
        (
            (-10, 5_000),
            {"txn": {"initiator": "MIT"}, "tds": {"auth_ts": at(0)}},
            {"result": "MISSING", "TDS12": ("MEDIUM", None)},
        ),
        ((-10, 5_000), {"txn": {"type": "refund"}}, {}),
        ((-10, 5_000), {"tds": {"trans_status": "A", "eci": "06"}}, {"result": "MISSING", "TDS12": ("MEDIUM", None)}),
    ],
)
def test_a_claim_without_a_result_is_judged_by_what_the_feed_has_read(
    feed: tuple[float, ...], changes: Json, said: Json
) -> None:
    engine = new()
    for n, seconds in enumerate(feed):
        take(engine, [clock(seconds, n)])
    assert said_of(engine, paid(**changes)) == [said]


def test_a_result_from_the_future_moves_no_clock_and_is_counted() -> None:
    engine = new()
    take(engine, [clock(-10)])
    stamp = round(BEGIN.timestamp()) * 1_000
    outputs = take(engine, [result(result_ts=at(86_400))], stamp_ms=stamp)
    assert outputs.tally.result_clocks == {"EARLY": 1}
    assert outputs.tally.results == {"Y": 1}
    assert said_of(engine, paid(30)) == [{"result": "PENDING"}]


def test_without_a_feed_a_decision_says_nothing_of_it() -> None:
    engine = new(feed=False)
    take(engine, [result(), *failures(*THREE)])
    assert said_of(engine, paid()) == [{}]


def test_a_result_that_is_refused_has_a_dead_letter_and_one_known_before_has_none() -> None:
    engine, values = new(), [b"{", orjson.dumps(result()), orjson.dumps(result(result_ts="1999-12-31T23:59:59Z"))]
    where = source(3, topic="threeds-results")
    outputs = engine.threeds_results(values, where, received_at_ms=NOW_MS)
    letters = [orjson.loads(value) for _, value in outputs.dead_letters]
    assert [(one["offset"], one["topic"]) for one in letters] == [(0, "threeds-results"), (2, "threeds-results")]
    assert letters[1]["reason"] == "OUT_OF_RANGE"
    refused = engine.threeds_results(values[:1], source(1, topic="threeds-results"), received_at_ms=NOW_MS)
    assert (len(refused.dead_letters), refused.tally.results) == (1, {})
    again = engine.threeds_results(values, where, received_at_ms=NOW_MS, emitted=Emitted(dead_letters=frozenset({0})))
    assert (len(again.dead_letters), again.tally.replayed) == (1, 1)
    assert outputs.tally.events == 3 == sum(outputs.tally.results.values()) + len(letters)
