"""A merchant's share of A or U jumps where plain Python says so, whatever the batches, partitions and restarts."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import orjson
import pytest

from scoring.engine import Engine
from scoring.outputs import Outputs
from scoring.profile.packed import ROW_FORMAT, SHARE, Packed, RowFormatError
from scoring.threeds.shares import DAYS, Shares
from tests.engine.test_engine import new_engine, score
from tests.events import event, token
from tests.examples import is_quick, sample
from tests.threeds.shares.share_oracle import Counts, Json
from tests.threeds.test_rules import NETWORKS

PARTITIONS: Final = 3
RESTART: Final = 75 if is_quick() else 25
"""Batches between two restarts from all rows that were logged."""
BEGIN: Final = datetime(2026, 5, 1, 15, tzinfo=UTC)
"""Midnight in Tokyo."""
DAY: Final = timedelta(days=1)


def new(partitions: int = PARTITIONS) -> Engine:
    engine = new_engine()
    engine.set_partitions(partitions)
    for partition in range(partitions):
        engine.changelog.own(partition)
    return engine


def found(outputs: Outputs) -> list[Json | None]:
    """Give of each decision the evidence of TDS21."""
    made = []
    for _, value in outputs.decisions:
        rules = {rule["id"]: rule for rule in orjson.loads(value)["tds"].get("broken_rules", ())}
        rule = rules.get("TDS21", {"severity": "MEDIUM", "code": "SHARE_JUMP", "evidence": None})
        assert (rule["severity"], rule["code"]) == ("MEDIUM", "SHARE_JUMP")
        made.append(rule["evidence"])
    return made


def iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def payment(name: str, at: datetime, letter: str | None, **changes: Any) -> Json:
    tds = {"trans_status": letter} | changes.pop("tds", {})
    return event(**{"event_id": name, "event_ts": iso(at), "tds": tds} | changes)


def traffic(draw: random.Random, days: int, each_day: int) -> Iterator[tuple[int, Json]]:
    """Draw payments of several merchants with a partition each; some days have more of A or U, and some none."""
    number = 0
    for day in range(days):
        rate = {name: draw.choice((0.0, 0.05, 0.1, 0.1, 0.1, 0.25, 0.6)) for name in ("m-0", "m-1", "m-2")}
        for _ in range(draw.choice((each_day, each_day, each_day // 4))):
            merchant = draw.choice(("m-0", "m-0", "m-0", "m-1", "m-1", "m-2"))
            edge = draw.choice((timedelta(0), DAY - timedelta(milliseconds=1), None, None, None, None))
            at = BEGIN + day * DAY + (draw.random() * DAY if edge is None else edge)
            at -= DAY if draw.random() < 0.03 else timedelta(0)
            letter = draw.choice("AU") if draw.random() < rate[merchant] else draw.choice("YYYYYNRIC")
            made = payment(
                f"e-{number}",
                at,
                letter if draw.random() < 0.95 else None,
                merchant={"id": merchant},
                acquirer={"id": draw.choice(("acq-1",) * 9 + ("acq-2",))},
                card={"pan_hmac": token(f"card-{draw.randrange(50)}")},
                txn={
                    "type": draw.choice(("purchase",) * 9 + ("refund", "cash")),
                    "initiator": draw.choice(("CIT",) * 9 + ("MIT",)),
                },
                tds={"device_channel": draw.choice(("02",) * 9 + ("03",))},
            )
            number += 1
            yield draw.randrange(PARTITIONS), made


@pytest.mark.parametrize(("seed", "days"), sample([(1, 14), (2, 30), (3, 14)]))
def test_jumps_are_those_of_plain_python_for_any_batches_and_restarts(seed: int, days: int) -> None:
    draw, counts, engine = random.Random(seed), Counts(), new()  # noqa: S311 -- seeded
    logged: list[list[Packed]] = [[] for _ in range(PARTITIONS)]
    events, kinds, step = list(traffic(draw, days, 260)), Counter[bool](), 0
    while events:
        partition, batch = events[0][0], []
        for _ in range(draw.choice((1, 5, 40))):
            batch += [made for _, made in events[:1]]
            events = events[1:]
        wanted = [counts.judge(made) for made in batch]
        assert found(score(engine, [orjson.dumps(made) for made in batch], partition=partition)) == wanted, step
        kinds.update(each is not None for each in wanted)
        step += 1
        if step % RESTART == 0:  # every row of the log so far, in the order in which it was written
            engine, before = new(), engine
            for where in range(PARTITIONS):
                logged[where] += before.changelog.flush(where)
                for packed in logged[where]:
                    engine.changelog.restore(where, packed)
    assert min(kinds[True], kinds[False]) > 20, kinds


def days_of(*each: tuple[int, int], **changes: Any) -> list[Json]:
    """Make payments: of each day, the oldest first, so many of them, and so many of A among them."""
    return [
        payment(f"e-{day}-{n}", BEGIN + day * DAY + timedelta(seconds=n), "A" if n < few else "Y", **changes)
        for day, (size, few) in enumerate(each)
        for n in range(size)
    ]


def last_of(*each: tuple[int, int], **changes: Any) -> Json | None:
    """Judge a payment of A at the end of the last day, which counts in it."""
    engine, (*_, (size, few)) = new(1), each
    batch = days_of(*each[:-1], (size - 1, few - 1), **changes)
    batch.append(payment("last", BEGIN + (len(each) - 1) * DAY + timedelta(hours=23), "A", **changes))
    values = [orjson.dumps(made) for made in batch]
    for first in range(0, len(values) - 1, 4_000):
        score(engine, values[:-1][first : first + 4_000])
    return found(score(engine, values[-1:]))[0]


NONE: Final = ((0, 0),)
STEADY: Final = ((50, 5),) * 7


@pytest.mark.parametrize(
    ("days", "jumps"),
    sample(
        [
            ((*STEADY, (50, 10)), False),  # twice the base, and no more
            ((*STEADY, (50, 11)), True),
            ((*STEADY, (49, 20)), False),  # too few on the day
            (((49, 5), (50, 20)), False),  # too few before it
            (((50, 5), (50, 20)), True),
            (((50, 5), *NONE * 6, (50, 20)), True),  # seven days before
            (((50, 5), *NONE * 7, (50, 20)), False),  # eight
            (((400, 120), (400, 147)), False),  # 3 deviations are 27.5 of 400
            (((400, 120), (400, 148)), True),
            (((400, 80), (400, 160), (400, 160)), False),  # its days differ by as much
            (((400, 80), (400, 160), (400, 181)), False),
            (((100, 10), (100, 30), (400, 161)), True),  # more than twice
            (((1_000, 300), (1_000, 500), (1_000, 699)), False),  # 3 deviations of its days are 300 of 1,000
            (((1_000, 300), (1_000, 500), (1_000, 701)), True),
            (((50, 0), (50, 2)), False),  # a base of none counts as one with one
            (((50, 0), (50, 3)), True),
            (((60, 60), (60, 60)), False),
        ],
        step=5,
    ),
)
def test_a_share_jumps_over_twice_its_base_or_three_deviations(days: tuple[tuple[int, int], ...], jumps: bool) -> None:
    counts, size = Counts(), len(days) - 1
    for made in days_of(*days[:-1], (days[-1][0] - 1, days[-1][1] - 1)):
        counts.judge(made)
    oracle = counts.judge(payment("last", BEGIN + size * DAY + timedelta(hours=23), "A"))
    said = last_of(*days)
    assert said == oracle
    assert (said is not None) == jumps


@pytest.mark.parametrize("network", sample(NETWORKS))
@pytest.mark.parametrize(("letter", "jumps"), [("A", True), ("U", True), *((other, False) for other in "YNRICDS")])
def test_only_payments_of_a_or_u_break_the_rule(network: str, letter: str, jumps: bool) -> None:
    engine, card = new(1), {"network": network}
    score(engine, [orjson.dumps(made) for made in days_of(*STEADY, (60, 40), card=card)])
    last = payment("last", BEGIN + 7 * DAY + timedelta(hours=1), letter, card=card)
    evidence = {
        "day_authentications": 61,
        "day_attempted_or_unavailable": 41,
        "base_authentications": 350,
        "base_attempted_or_unavailable": 35,
    }
    assert found(score(engine, [orjson.dumps(last)])) == [evidence if jumps else None]


@pytest.mark.parametrize(
    "changes",
    [
        {"txn": {"initiator": "MIT"}},
        {"tds": {"device_channel": "03"}},
        {"txn": {"type": "refund"}},
        {"tds": {"trans_status": None, "eci": "06"}},
        {"merchant": {"id": "m-2"}},
        {"acquirer": {"id": "acq-2"}},
    ],
)
def test_payments_that_are_no_authentications_of_the_cardholder_at_the_merchant_do_not_count(changes: Json) -> None:
    engine = new(1)
    score(engine, [orjson.dumps(made) for made in days_of(*STEADY, (49, 40))])
    other, last = (
        payment(name, BEGIN + 7 * DAY + timedelta(hours=1), "A", **more)
        for name, more in (("other", changes), ("last", {}))
    )
    (first, second) = found(score(engine, [orjson.dumps(other), orjson.dumps(last)]))
    assert first is None
    assert second is not None
    assert second["day_authentications"] == 50


def test_a_repeat_and_an_event_whose_clock_is_wrong_do_not_count() -> None:
    engine = new(1)
    made = [orjson.dumps(each) for each in days_of(*STEADY, (49, 40))]
    score(engine, made)
    score(engine, made[-1:])
    late = payment("late", BEGIN + 7 * DAY + timedelta(hours=1), "A")
    stamp = round((BEGIN + 30 * DAY).timestamp()) * 1_000
    assert found(score(engine, [orjson.dumps(late)], stamp_ms=stamp)) == [None]
    last = payment("last", BEGIN + 7 * DAY + timedelta(hours=1), "A")
    (said,) = found(score(engine, [orjson.dumps(last)]))
    assert said is not None
    assert said["day_authentications"] == 50


def test_what_other_workers_counted_is_added_and_not_written_again() -> None:
    owner, follower = new_engine(), new_engine()
    for engine, own in ((owner, 0), (follower, 1)):
        engine.set_partitions(PARTITIONS)
        engine.changelog.own(own)
    score(owner, [orjson.dumps(made) for made in days_of(*STEADY, (59, 39))])
    last = orjson.dumps(payment("last", BEGIN + 7 * DAY + timedelta(hours=1), "A"))
    assert found(score(follower, [last], partition=1)) == [None]
    follower.changelog.restore(0, owner.changelog.flush(0)[1])
    again = orjson.dumps(payment("again", BEGIN + 7 * DAY + timedelta(hours=1), "A"))
    (said,) = found(score(follower, [again], partition=1))
    assert said is not None
    assert (said["day_authentications"], said["base_authentications"]) == (61, 350)
    kinds = follower.changelog.flush(1)[1].keys[:, 0] >> 24
    assert np.count_nonzero(kinds == SHARE) == 1
    assert len(follower.changelog.flush(0)[1]) == 0


def test_a_day_that_is_behind_the_days_of_its_row_is_not_counted() -> None:
    engine = new(1)
    first, newest = payment("first", BEGIN, "Y"), payment("newest", BEGIN + DAYS * DAY, "Y")
    score(engine, [orjson.dumps(made) for made in (first, newest, *days_of((50, 5)))])
    shares = engine.observer.shares
    row = shares.data[shares.rows()[0]]
    assert row["counts"].tolist().count([1, 0]) == 1
    assert row["counts"].sum() == 1
    assert row["at"] == row["days"].max()


def test_a_full_table_forgets_the_merchants_seen_longest_ago_and_leaves_tombstones() -> None:
    shares = Shares(1, 4)
    shares.own(0)
    for day, key in enumerate((11, 12, 13, 14, 15, 16), start=100):
        assert shares.rows_of([key, key], [day, day], 0).tolist() == [shares.find(0, key)] * 2
    assert [key for key in range(11, 17) if shares.find(0, key) is not None] == [13, 14, 15, 16]
    assert shares.flush(0).keys[:, 1].tolist() == [11, 12]
    crowded = shares.rows_of(list(range(20, 30)), [200] * 10, 0)
    assert np.count_nonzero(crowded >= 0) == 4


def test_a_row_of_another_length_is_refused() -> None:
    changelog = new(1).changelog
    keys = np.array([[SHARE << 24, 9, 0]], dtype=np.uint32)
    with pytest.raises(RowFormatError, match="SHARE"):
        changelog.restore(0, Packed(keys, np.full(5, ROW_FORMAT, np.uint32), np.array([5], dtype=np.int64)))
