"""What 3-D Secure remembers, on Apache Kafka: a worker that is killed and its successor judge like one that was not."""

import asyncio
import json
from collections import Counter
from typing import Any, Final

import msgspec
import orjson
import pytest

from scoring.outputs import Source
from streams.kafka.settings import Broker, Topics
from streams.worker.warmup import warm_up
from tests.brokers.load import load, stamp_ms
from tests.brokers.workers import await_applied, terminate, worker_process
from tests.bundles import small_bundle
from tests.events import event, token
from tests.integration.state.deciding import new_engine
from tests.integration.state.test_profiles import MODULE, answers, await_committed, fill, markers, new_worker
from tests.threeds.results.test_results import GRACE, at, clock, failures, name_of, result

pytestmark = pytest.mark.kafka

PAYMENTS: Final = 120
HALF: Final = 60
RULES: Final = ("TDS08", "TDS09", "TDS10", "TDS11", "TDS12", "TDS13", "TDS14", "TDS21", "TDS23")
DAY_S: Final = 86_400


def payment(number: int, seconds: float, *, merchant: int, card: int, order: int, proof: int, prefix: str) -> bytes:
    """Give a payment that proves its authentication by a cryptogram and a dsTransID."""
    return orjson.dumps(
        event(
            event_id=f"{prefix}-{number}",
            event_ts=at(seconds),
            merchant={"id": f"m-{merchant}"},
            card={"pan_hmac": token(f"card-{card}")},
            txn={"order_ref_hmac": token(f"o-{order}")},
            tds={
                "trans_status": "Y",
                "eci": "05",
                "cavv_hmac": token(f"cavv-{proof}"),
                "ds_trans_id": name_of(proof),
            },
        )
    )


def first_payments() -> list[bytes]:
    return [payment(n, 30 + n / 10, merchant=n % 5, card=n % 20, order=n, proof=n, prefix="a") for n in range(PAYMENTS)]


def later_payments() -> list[bytes]:
    """Use proofs again: for the same order, another order, another card, another merchant."""
    return [
        payment(
            n,
            2_000 + n,
            merchant=n % 5 + (n % 4 == 1),
            card=n % 20 + (n % 4 == 2),
            order=n + (n % 4 == 3),
            proof=n,
            prefix="b",
        )
        for n in range(PAYMENTS)
    ]


def first_results() -> list[bytes]:
    """Give the results of two thirds of the first payments, and the failures of one card before them."""
    failed = [
        one | {"pan_hmac": token("card-3"), "merchant_id": "m-3"}
        for one in failures(*[(-9.0 * n, {}) for n in (4, 3, 2)])
    ]
    known = [
        result(
            server_trans_id=f"s-{n}",
            ds_trans_id=name_of(n),
            merchant_id=f"m-{n % 5}",
            pan_hmac=token(f"card-{n % 20}"),
            result_ts=at(n / 10),
        )
        for n in range(PAYMENTS)
        if n % 3
    ]
    return [orjson.dumps(one) for one in (clock(-3_000), *failed, *known)]


def of_merchant(name: str, number: int, seconds: float, letter: str) -> bytes:
    """Give one of the many authentications of a merchant, of a card of its own and without a dsTransID."""
    eci = {"Y": "05", "A": "06"}[letter]
    return orjson.dumps(
        event(
            event_id=f"{name}-{number}",
            event_ts=at(seconds),
            merchant={"id": "m-9"},
            card={"pan_hmac": token(f"{name}-{number}")},
            tds={"trans_status": letter, "eci": eci},
        )
    )


def by_3ri(name: str, seconds: float, minor: int) -> bytes:
    """Give a payment by 3RI that names an authentication of the feed."""
    return orjson.dumps(
        event(
            event_id=name,
            event_ts=at(seconds),
            merchant={"id": "m-1"},
            card={"pan_hmac": token("card-1")},
            amount={"minor": minor},
            txn={"initiator": "MIT"},
            tds={"device_channel": "03", "ds_trans_id": name_of(1)},
        )
    )


BEFORE, SETTLING = first_results(), [orjson.dumps(clock(GRACE + 60, 1))]
PAID: Final = [
    *(of_merchant("c", n, n - DAY_S, "Y") for n in range(HALF)),
    *first_payments(),
    by_3ri("d-1", 60, 6_400),
]
AGAIN: Final = [
    *(value for n, later in enumerate(later_payments()) for value in (later, of_merchant("e", n, 2_000 + n, "A"))),
    by_3ri("d-2", 2_200, 6_401),
]


def uninterrupted() -> dict[str, dict[str, Any]]:
    engine, found = new_engine(), dict[str, dict[str, Any]]()
    for values in (BEFORE, PAID, SETTLING, AGAIN):
        source = Source(
            topic="t", partition=0, offsets=range(len(values)), timestamps_ms=[stamp_ms(value, -1) for value in values]
        )
        if values is BEFORE or values is SETTLING:
            engine.threeds_results(values, source, received_at_ms=1)
            continue
        for _, value in engine.score(values, source, received_at_ms=1, decided_at_ms=lambda: 1).decisions:
            made = json.loads(value)
            made["times"] = made["times"].get("record_ms")
            found[made["decision_id"]] = made
    return found


def test_proofs_and_results_are_remembered_by_the_successor_of_a_killed_worker(apache: Broker) -> None:
    warm_up(small_bundle())
    settings = new_worker(apache, 1, names=Topics(threeds_results="threeds-results"))
    settings = msgspec.structs.replace(settings, consume=msgspec.structs.replace(settings.consume, batch_max_events=10))
    topic = settings.topics.threeds_results
    assert topic is not None
    asyncio.run(load(apache, topic, {0: BEFORE}))
    with worker_process(settings, module=MODULE) as worker:
        await_applied(settings, topic, len(BEFORE), 1, worker)
        fill(settings, PAID)
        await_committed(settings, 10, 1, worker)
        worker.kill()
    with worker_process(settings, module=MODULE) as worker:
        await_committed(settings, len(PAID), 1, worker)
        asyncio.run(load(apache, topic, {0: SETTLING}))
        await_applied(settings, topic, len(BEFORE) + len(SETTLING), 1, worker)
        fill(settings, AGAIN[:HALF])
        await_committed(settings, len(PAID) + 10, 1, worker)
        worker.kill()
    fill(settings, AGAIN[HALF:])
    with worker_process(settings, module=MODULE) as worker:
        await_committed(settings, len(PAID) + len(AGAIN), 1, worker)
        assert terminate(worker) == 0
    found, expected = answers(settings), uninterrupted()
    assert {name: len(made) for name, made in found.items() if len(made) > 1} == {}, "each is decided once"
    assert {name: made[0] for name, made in found.items()} == expected
    sums = [rule["evidence"].get("three_ri_sum") for rule in expected["d-2"]["tds"]["broken_rules"]]
    assert 12_801 in sums, "the sum includes what was paid before the first kill"
    broken = Counter(rule["id"] for made in expected.values() for rule in made["tds"].get("broken_rules", ()))
    assert min(broken[rule] for rule in RULES) > 0, broken
    states = Counter(made["tds"].get("result") for made in expected.values())
    assert states == {"MATCHED": 160, "PENDING": 80, None: HALF + PAYMENTS + 2}
    assert markers(settings, 0, 1)[-1].inputs["threeds_results"] == len(BEFORE) + len(SETTLING)
