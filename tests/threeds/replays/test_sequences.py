"""UUIDs of a merchant that differ only in their last four digits break TDS11 where plain Python says so."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import pytest

from scoring.engine import Engine
from scoring.outputs import Outputs
from tests.engine.test_engine import score
from tests.events import event, token
from tests.examples import is_quick, sample
from tests.threeds.replays.replay_oracle import AGE, Json, moment
from tests.threeds.replays.test_replays import PARTITIONS, new
from tests.threeds.test_rules import NETWORKS

BEGIN: Final = datetime(2026, 5, 1, 3, tzinfo=UTC)
RESTART: Final = 21 if is_quick() else 7
"""Steps between two restarts from all rows that were logged."""
STEMS: Final = tuple(f"3f2504e{n}-4f89-41d3-9a0c-0305e82c" for n in range(3))
HOUR: Final = timedelta(hours=1)


class Oracle:
    """First uses of UUIDs."""

    def __init__(self) -> None:
        self.first: dict[str, tuple[tuple[str, str], datetime]] = {}

    def judge(self, event: Json) -> int | None:
        """Give the number of the sequence that a payment belongs to, None for none; remember its UUID."""
        uuid = (event["tds"].get("ds_trans_id") or "").strip().lower()
        if len(uuid) != 36 or event["txn"]["type"] in {"refund", "reversal"}:
            return None
        merchant, at = (event["acquirer"]["id"], event["merchant"]["id"]), moment(event["event_ts"])
        others = [
            other
            for other, (where, when) in self.first.items()
            if where == merchant and other != uuid and other[:-4] == uuid[:-4] and at - HOUR <= when <= at
        ]
        if uuid not in self.first or at - self.first[uuid][1] > AGE:
            self.first[uuid] = merchant, at
        return 1 + len(others) if len(others) >= 2 else None


def found(outputs: Outputs) -> list[int | None]:
    made = []
    for _, value in outputs.decisions:
        rules = {rule["id"]: rule for rule in orjson.loads(value)["tds"].get("broken_rules", ())}
        rule = rules.get("TDS11", {"severity": "MEDIUM", "evidence": {}})
        assert rule["severity"] == "MEDIUM"
        made.append(rule["evidence"].get("sequential_ids"))
        assert ("TDS11" in rules) == bool(made[-1])
        assert rule["evidence"].get("ds_trans_id_form", "UUID") == "UUID"
    return made


def payment(number: int, at: datetime, uuid: str | None, **changes: Any) -> Json:
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    tds = {"ds_trans_id": uuid} | changes.pop("tds", {})
    return event(**{"event_id": f"e-{number}", "event_ts": stamp, "tds": tds} | changes)


@pytest.mark.parametrize("seed", sample([1, 2, 3]))
def test_sequences_are_those_of_plain_python_for_any_batches_and_restarts(seed: int) -> None:
    draw, oracle, engine = random.Random(seed), Oracle(), new()  # noqa: S311 -- seeded
    logged: list[list[Any]] = [[] for _ in range(PARTITIONS)]
    at, number, fired = BEGIN, 0, 0
    for step in range(90):
        partition, batch = draw.randrange(PARTITIONS), []
        for _ in range(draw.randrange(1, 9)):
            at += draw.choice((timedelta(0), timedelta(seconds=9), timedelta(minutes=2), timedelta(minutes=9)))
            at += draw.choice((timedelta(0),) * 200 + (timedelta(days=91),))
            uuid = f"{step // 8:04x}{draw.choice(STEMS)[4:]}{draw.randrange(8):04x}"
            uuid = draw.choice((uuid, uuid, uuid.upper(), f" {uuid}", f"{draw.getrandbits(32):08x}{uuid[8:]}"))
            batch.append(
                payment(
                    number,
                    at - draw.choice((timedelta(0),) * 5 + (timedelta(minutes=40),)),
                    draw.choice((uuid,) * 9 + (None,)),
                    acquirer={"id": draw.choice(("acq-1",) * 5 + ("acq-2",))},
                    merchant={"id": f"m-{draw.randrange(2)}"},
                    card={"pan_hmac": token(f"card-{draw.randrange(9)}")},
                    txn={
                        "type": draw.choice(("purchase",) * 9 + ("refund",)),
                        "initiator": draw.choice(("CIT", "MIT")),
                    },
                )
            )
            number += 1
        wanted = [oracle.judge(made) for made in batch]
        assert found(score(engine, [orjson.dumps(made) for made in batch], partition=partition)) == wanted, step
        fired += sum(each is not None for each in wanted)
        if step % RESTART == RESTART - 1:  # every row of the log so far, in the order in which it was written
            again = new()
            for where in range(PARTITIONS):
                logged[where] += engine.changelog.flush(where)
                for packed in logged[where]:
                    again.changelog.restore(where, packed)
            engine = again
    assert 20 < fired < number / 2, fired


def uuid_of(tail: str) -> str:
    return STEMS[0] + tail.rjust(4, "0")


def sequence(
    *each: tuple[str, float, Json], engine: Engine | None = None, together: bool = True, partition: int = 0
) -> list[int | None]:
    """Judge payments with these last digits and seconds."""
    engine = engine or new()
    values = [
        orjson.dumps(
            payment(n, BEGIN + timedelta(seconds=seconds), uuid_of(tail), **{"event_id": f"{tail}-{n}"} | changes)
        )
        for n, (tail, seconds, changes) in enumerate(each)
    ]
    batches = [values] if together else [[value] for value in values]
    return [one for batch in batches for one in found(score(engine, batch, partition=partition))]


@pytest.mark.parametrize("network", sample(NETWORKS))
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("third", "number"),
    [
        (("3", 3_600.0, {}), 3),
        (("3", 3_601.0, {}), None),
        (("3", 0.0, {}), None),  # the second is later than this one
        (("2", 60.0, {}), None),  # the same again
        (("3", 60.0, {"merchant": {"id": "m-2"}}), None),
        (("3", 60.0, {"acquirer": {"id": "acq-2"}}), None),
        (("3", 60.0, {"txn": {"type": "refund"}}), None),
        (("3", 60.0, {"txn": {"initiator": "MIT"}}), 3),
        (("3", 60.0, {"tds": {"device_channel": "03"}}), 3),
        (("3", 60.0, {"card": {"pan_hmac": token("card-2")}}), 3),
        (("3", 60.0, {"tds": {"ds_trans_id": uuid_of("3").replace("3f25", "3f26")}}), None),
        (("3", 60.0, {"tds": {"ds_trans_id": uuid_of("3").upper()}}), 3),
    ],
)
def test_three_uuids_of_a_merchant_in_an_hour_are_a_sequence(
    network: str, together: bool, third: tuple[str, float, Json], number: int | None
) -> None:
    tail, seconds, changes = third
    changes = changes | {"card": {"network": network} | changes.get("card", {})}
    first = {"card": {"network": network}}
    assert sequence(("1", 0, first), ("2", 1, first), (tail, seconds, changes), together=together) == [
        None,
        None,
        number,
    ]


def test_a_member_of_a_sequence_that_comes_again_breaks_the_rule_again() -> None:
    assert sequence(("1", 0, {}), ("2", 1, {}), ("3", 2, {}), ("3", 3, {}), ("1", 4, {})) == [None, None, 3, 3, 3]


def test_the_ids_of_a_long_sequence_are_counted_up_to_nine() -> None:
    told = sequence(*((f"{n:x}", n, {}) for n in range(1, 15)))
    assert told == [None, None, *range(3, 10), *[9] * 5]


def test_ids_first_used_at_another_merchant_are_none_of_this_one() -> None:
    elsewhere = {"merchant": {"id": "m-2"}}
    told = sequence(("1", 0, elsewhere), ("1", 1, {}), ("2", 2, {}), ("3", 3, {}), ("4", 4, {}))
    assert told == [None, None, None, None, 3]


def test_a_follower_counts_the_ids_that_another_worker_wrote() -> None:
    owner, follower = new(), new()
    assert sequence(("1", 0, {}), ("2", 1, {}), engine=owner) == [None, None]
    follower.changelog.restore(0, owner.changelog.flush(0)[1])
    assert sequence(("3", 2, {}), engine=follower, partition=1) == [3]
    follower.changelog.forget_shared(0)
    assert sequence(("4", 3, {}), engine=follower, partition=1) == [None]
