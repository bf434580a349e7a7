"""A cryptogram or dsTransID that was used before breaks the rules that the oracle finds, also after a restart."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import pytest

from scoring.engine import Engine
from scoring.outputs import Outputs
from scoring.profile import Entity
from tests.bundles import small_bundle
from tests.engine.test_engine import POLICY, SETTINGS, new_engine, score
from tests.events import event, request_of, token
from tests.examples import is_quick, sample
from tests.threeds.replays.replay_oracle import Json, Memory

PARTITIONS: Final = 3
RESTART: Final = 14 if is_quick() else 7
"""Steps between two restarts from all rows that were logged."""
RULES: Final = ("TDS08", "TDS09", "TDS10")
BEGIN: Final = datetime(2026, 5, 1, 3, tzinfo=UTC)
IDS: Final = (
    *(f"3f2504e0-4f89-41d3-9a0c-0305e82c33{n:02x}" for n in range(6)),
    *(None, "", "no uuid", "00000000-0000-0000-0000-000000000000", "3F2504E0-4F89-41D3-9A0C-0305E82C3399"),
)


def new() -> Engine:
    engine = new_engine()
    engine.set_partitions(PARTITIONS)
    for partition in range(PARTITIONS):
        engine.changelog.own(partition)
    return engine


def found(outputs: Outputs) -> list[dict[str, int]]:
    """Give the replay rules that each decision names, with the time of the first use."""
    sections = [orjson.loads(value)["tds"] for _, value in outputs.decisions]
    return [
        {
            rule["id"]: rule["evidence"]["first_use_ms"]
            for rule in section.get("broken_rules", ())
            if rule["id"] in RULES
        }
        for section in sections
    ]


def wanted(memory: Memory, made: Json, partition: int) -> dict[str, int]:
    return {rule: round(at.timestamp()) * 1_000 for rule, at in memory.judge(made, partition).items()}


def payment(draw: random.Random, number: int, at: datetime, proofs: int) -> Json:
    cavv = draw.choice((None, *(token(f"cavv-{n}") for n in range(proofs))))
    return event(
        event_id=f"e-{number}",
        event_ts=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        acquirer={"id": draw.choice(("acq-1", "acq-1", "acq-2"))},
        merchant={"id": f"m-{draw.randrange(2)}"},
        card={"pan_hmac": token(f"card-{draw.randrange(2)}")},
        txn={
            "type": draw.choice(("purchase",) * 6 + ("refund", "reversal", "cash", "account_verification")),
            "initiator": draw.choice(("CIT", "CIT", "MIT")),
            "order_ref_hmac": draw.choice((None, token("o-1"), token("o-2"))),
        },
        tds=draw.choice(
            (
                None,
                {"cavv_hmac": cavv},
                *(
                    {"cavv_hmac": cavv, "ds_trans_id": draw.choice(IDS), "device_channel": draw.choice(("02", "03"))}
                    for _ in range(6)
                ),
            )
        ),
    )


def restarted(engine: Engine) -> Engine:
    """Flush everything and start another engine from the rows."""
    again = new()
    for partition in range(PARTITIONS):
        for packed in engine.changelog.flush(partition):
            again.changelog.restore(partition, packed)
    return again


@pytest.mark.parametrize(("seed", "proofs"), sample([(1, 3), (2, 8), (3, 40)]))
def test_replays_are_those_of_the_oracle_for_any_batches_and_restarts(seed: int, proofs: int) -> None:
    draw, memory, engine = random.Random(seed), Memory(), new()  # noqa: S311 -- seeded
    logged: list[list[Any]] = [[] for _ in range(PARTITIONS)]
    at, number, kinds = BEGIN, 0, dict.fromkeys(RULES, 0)
    for step in range(30 if is_quick() else 60):
        partition, batch = draw.randrange(PARTITIONS), []
        for _ in range(draw.randrange(1, 12)):
            at += draw.choice((timedelta(0), timedelta(seconds=7), timedelta(days=4), timedelta(milliseconds=400)))
            batch.append(payment(draw, number, at, proofs))
            number += 1
        expected = [wanted(memory, made, partition) for made in batch]
        assert found(score(engine, [orjson.dumps(made) for made in batch], partition=partition)) == expected, step
        for rules in expected:
            for rule in rules:
                kinds[rule] += 1
        if step % RESTART == RESTART - 1:  # every row of the log so far, in the order in which it was written
            again = new()
            for where in range(PARTITIONS):
                logged[where] += engine.changelog.flush(where)
                for packed in logged[where]:
                    again.changelog.restore(where, packed)
            engine = again
    assert all(kinds.values()), kinds


def replay(**changes: Any) -> list[dict[str, int]]:
    """Score a payment and a later one with the same proofs; give the rules that the later one breaks."""
    engine = new()
    proofs = {"cavv_hmac": token("cavv"), "ds_trans_id": IDS[0]}
    first = event(tds=proofs, txn={"order_ref_hmac": token("o-1")})
    tds = {**proofs, **changes.pop("tds", {})}
    txn = {"order_ref_hmac": token("o-1"), **changes.pop("txn", {})}
    later = event(event_id="e-2", event_ts="2026-05-01T03:01:00.500Z", tds=tds, txn=txn, **changes)
    assert found(score(engine, [orjson.dumps(first)])) == [{}]
    return found(score(restarted(engine), [orjson.dumps(later)], partition=1))


FIRST_MS: Final = 1_777_604_400_000


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({}, []),  # a technical retry of the same authorization
        ({"card": {"pan_hmac": token("card-2")}}, ["TDS08"]),
        ({"merchant": {"id": "m-2"}}, ["TDS09"]),
        ({"card": {"pan_hmac": token("card-2")}, "merchant": {"id": "m-2"}}, ["TDS08", "TDS09"]),
        ({"acquirer": {"id": "acq-2"}}, ["TDS09"]),
        ({"acquirer": {"id": "acq-2"}, "card": {"pan_hmac": token("card-2")}}, ["TDS09"]),
        ({"txn": {"order_ref_hmac": token("o-2")}}, ["TDS10"]),
        ({"txn": {"order_ref_hmac": None}}, []),
        ({"txn": {"order_ref_hmac": token("o-2")}, "merchant": {"id": "m-2"}}, ["TDS09"]),
        ({"txn": {"type": "refund"}, "merchant": {"id": "m-2"}}, []),
        ({"txn": {"type": "reversal"}, "merchant": {"id": "m-2"}}, []),
        ({"tds": {"cavv_hmac": None}, "merchant": {"id": "m-2"}}, ["TDS09"]),
        ({"tds": {"cavv_hmac": None}, "card": {"pan_hmac": token("card-2")}}, []),
        ({"tds": {"cavv_hmac": None}, "txn": {"initiator": "MIT"}, "merchant": {"id": "m-2"}}, []),
        ({"tds": {"cavv_hmac": None, "device_channel": "03"}, "merchant": {"id": "m-2"}}, []),
        ({"tds": {"device_channel": "03"}, "merchant": {"id": "m-2"}}, ["TDS09"]),  # the cryptogram is used again too
        ({"tds": {"cavv_hmac": token("other")}, "merchant": {"id": "m-2"}}, ["TDS09"]),
        ({"tds": {"cavv_hmac": IDS[0], "ds_trans_id": token("cavv")}, "merchant": {"id": "m-2"}}, []),
    ],
)
def test_each_rule_in_its_plain_cases_after_a_restart_in_another_partition(changes: Json, rules: list[str]) -> None:
    assert replay(**changes) == [dict.fromkeys(rules, FIRST_MS)]


def test_a_repeat_and_the_issuers_answer_do_not_count_as_uses() -> None:
    engine = new()
    asked = request_of(orjson.dumps(event()))
    answer, repeat = (orjson.dumps(event(tds={"cavv_hmac": token(name)})) for name in ("answer", "repeat"))
    others = [
        orjson.dumps(event(event_id=f"e-{name}", merchant={"id": "m-2"}, tds={"cavv_hmac": token(name)}))
        for name in ("answer", "repeat")
    ]
    assert found(score(engine, [asked, answer, repeat])) == [{}]
    assert found(score(engine, others)) == [{}, {}]


def test_a_merchant_shared_by_two_acquirers_breaks_the_rule_of_another_acquirer() -> None:
    settings = replace(SETTINGS, decode=replace(SETTINGS.decode, joined=frozenset({Entity.MERCHANT})))
    engine = Engine(small_bundle(), POLICY, settings, "test")
    made = [
        orjson.dumps(event(event_id=name, acquirer={"id": name}, tds={"cavv_hmac": token("cavv")}))
        for name in ("a", "b")
    ]
    assert [set(rules) for rules in found(score(engine, made))] == [set(), {"TDS09"}]


def test_an_event_whose_clock_is_wrong_leaves_no_use() -> None:
    engine = new()
    made = orjson.dumps(event(tds={"cavv_hmac": token("cavv")}))
    other = orjson.dumps(event(event_id="e-2", merchant={"id": "m-2"}, tds={"cavv_hmac": token("cavv")}))
    score(engine, [made], stamp_ms=FIRST_MS + 30 * 86_400_000)
    assert found(score(engine, [other])) == [{}]


def test_a_follower_finds_what_another_worker_wrote() -> None:
    owner, follower = new_engine(), new_engine()
    for engine, own in ((owner, 0), (follower, 1)):
        engine.set_partitions(PARTITIONS)
        engine.changelog.own(own)
    score(owner, [orjson.dumps(event(tds={"cavv_hmac": token("cavv")}))])
    follower.changelog.restore(0, owner.changelog.flush(0)[1])
    other = event(event_id="e-2", card={"pan_hmac": token("card-2")}, tds={"cavv_hmac": token("cavv")})
    assert found(score(follower, [orjson.dumps(other)], partition=1)) == [{"TDS08": FIRST_MS}]
