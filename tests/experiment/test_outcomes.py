"""What became of the payments of an experiment, compared with a recount that keeps everything."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.decode.hashing import entity_keys
from scoring.engine import Engine
from scoring.outputs import Source
from scoring.profile.packed import OUTCOME, ROW_FORMAT, Packed, RowFormatError, side_keys
from scoring.watching.outcomes import ArmOutcomes, Outcome
from tests.bundles import small_bundle
from tests.decode.test_side_inputs import report
from tests.engine.test_engine import SETTINGS
from tests.events import encoded, token
from tests.examples import examples
from tests.experiment.made import arm_of, experiment, levels, policy, rule

BANDS = ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")
Figures = dict[tuple[str, ...], tuple[int, int]]


def figures(payments: Iterable[Outcome], number: int, last: int) -> Figures:
    """Count payments by hand."""
    found: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for one in payments:
        for age in (7, 30, 60):
            if one.number == number and last - one.day >= age:
                cell = found[f"{age}d", "?AB"[one.arm], BANDS[one.band], "FRAUD" if one.is_fraud else "NONE"]
                cell[0] += 64 if one.is_sampled else 1
                cell[1] += one.yen * (64 if one.is_sampled else 1)
    return {key: (payments, yen) for key, (payments, yen) in found.items()}


def shown(of: ArmOutcomes, number: int, last: int) -> Figures:
    made = of.figures(number, last)
    assert len(made) == 3 * 2 * 4 * 2
    return {key: value for key, value in made.items() if value != (0, 0)}


PAYMENTS = st.builds(
    Outcome,
    number=st.sampled_from([1, 2**32 - 1]),
    day=st.integers(0, 200),
    arm=st.sampled_from([1, 2]),
    band=st.integers(0, 3),
    yen=st.sampled_from([1, 2**32 - 1, 2**32, 10**12 - 1]),
    is_sampled=st.booleans(),
    is_fraud=st.booleans(),
)
KEYS = st.sampled_from([1, 2, 3, 2**64 - 1, 2**63, 77])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pay"), KEYS, PAYMENTS),
        st.tuples(st.just("report"), KEYS, st.booleans()),
        st.tuples(st.just("day"), st.integers(60, 300), st.none()),
        st.tuples(st.just("flush"), st.just(0), st.booleans()),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=examples(150), deadline=None)
def test_figures_are_those_of_a_recount_through_restarts(steps: list[tuple[str, int, object]]) -> None:
    of, kept = ArmOutcomes(1), dict[int, Outcome]()
    of.own(0)
    log: list[Packed] = []
    for what, key, said in steps:
        if what == "pay":
            assert isinstance(said, Outcome)
            of.remember(0, key, said)
            if not kept or said.day >= min(one.day for one in kept.values()):
                kept.setdefault(key, said)
        elif what == "report":
            of.judge(0, key, is_fraud=bool(said))
            if key in kept:
                kept[key] = kept[key]._replace(is_fraud=bool(said))
        elif what == "day":
            of.pass_to(0, key)
            kept = {name: one for name, one in kept.items() if one.day > key - 88}
        else:
            log.append(of.flush(0))
            if said:
                of = ArmOutcomes(1)
                for packed in log:
                    of.restore(0, packed)
                of.own(0)
        for number in (1, 2**32 - 1):
            assert shown(of, number, 250) == figures(kept.values(), number, 250)
    of.forget(0)
    assert shown(of, 1, 250) == {}


def outcome(day: int = 1, **changes: int) -> Outcome:
    return Outcome(7, day, 1, 1, 10, is_sampled=False, is_fraud=False)._replace(**changes)


def test_a_payment_is_of_an_age_from_that_day_on_and_forgotten_after_88_days() -> None:
    of = ArmOutcomes(1)
    of.remember(0, 1, outcome(day=100))
    for age in (7, 30, 60):
        ages = {key[0] for day in (99 + age, 100 + age) for key in shown(of, 7, day) if key[0] == f"{age}d"}
        assert (f"{age}d" in {key[0] for key in shown(of, 7, 99 + age)}, ages) == (False, {f"{age}d"})
    of.pass_to(0, 187)
    assert shown(of, 7, 200)
    of.pass_to(0, 188)
    assert not shown(of, 7, 200)


def test_a_payment_whose_row_was_written_twice_counts_once() -> None:
    of, after = ArmOutcomes(1), ArmOutcomes(1)
    of.own(0)
    of.remember(0, 1, outcome())
    first = of.flush(0)
    of.judge(0, 1, is_fraud=True)
    for packed in (first, of.flush(0)):
        after.restore(0, packed)
    assert shown(after, 7, 99) == figures([outcome()._replace(is_fraud=True)], 7, 99)


def test_a_full_partition_drops_its_oldest_day_and_its_rows() -> None:
    of = ArmOutcomes(2, payments_max=6)
    of.own(1)
    for key in range(2):
        of.remember(1, key, outcome(day=1))
    of.remember(1, 2, outcome(day=2))
    of.flush(1)
    of.remember(1, 3, outcome(day=2))
    assert shown(of, 7, 99) == figures([outcome(day=2)] * 2, 7, 99)
    packed = of.flush(1)
    lengths = np.diff(packed.ends, prepend=0).tolist()
    assert sorted(lengths) == [0, 0, 5], "two tombstones and a payment"
    of.remember(1, 4, outcome(day=1))
    of.remember(1, 5, outcome(day=2))
    of.remember(1, 6, outcome(day=2))
    assert shown(of, 7, 99) == figures([outcome(day=2)] * 3, 7, 99), "a full day takes no more"


def test_the_oldest_day_is_known_after_each_change() -> None:
    """Partitions do not share it, and a day that has no payment any more is no day."""
    of = ArmOutcomes(2, payments_max=4)
    of.remember(0, 1, outcome(day=50))
    of.remember(1, 2, outcome(day=9))
    of.remember(1, 3, outcome(day=10))
    of.judge(1, 2, is_fraud=True)
    kept = [outcome(day=50), outcome(day=9)._replace(is_fraud=True), outcome(day=10)]
    assert shown(of, 7, 200) == figures(kept, 7, 200)
    of.remember(1, 4, outcome(day=10))  # the ninth day goes
    of.remember(1, 5, outcome(day=9))
    assert shown(of, 7, 200) == figures([outcome(day=50), outcome(day=10), outcome(day=10)], 7, 200)
    of.pass_to(1, 98)
    assert shown(of, 7, 200) == figures([outcome(day=50)], 7, 200)
    of.remember(1, 6, outcome(day=3))
    assert shown(of, 7, 200) == figures([outcome(day=50), outcome(day=3)], 7, 200)
    of.forget(1)
    of.remember(1, 7, outcome(day=2))
    assert shown(of, 7, 200) == figures([outcome(day=50), outcome(day=2)], 7, 200)


@pytest.mark.parametrize("bits", [0, 3 << 2, 1 << 24 | 1 << 2])
def test_a_damaged_row_is_refused(bits: int) -> None:
    keys = side_keys(OUTCOME, 0, np.array([5], dtype=np.uint64))
    packed = Packed(keys, np.array([ROW_FORMAT, 1, bits, 1, 0], dtype=np.uint32), np.array([5], dtype=np.int64))
    with pytest.raises(RowFormatError, match="row 0 of OUTCOME is damaged"):
        ArmOutcomes(1).restore(0, packed)


# -- in the engine

START = datetime(2026, 5, 1, 3, tzinfo=UTC)


def engine() -> Engine:
    said = experiment(500, effective_from="2026-01-01T00:00:00Z", effective_to="2026-12-01T00:00:00Z")
    said["candidate"] = {"version": "c", "rules": [rule("r", "payment.amount_jpy > 200", "step_up")]}
    off = levels(1000, 1000, 1000)
    quiet = rule("r", "payment.amount_jpy > 200", "review", "shadow")
    return Engine(
        small_bundle(), policy(500, **{"global": off, "rules": [quiet], "experiment": said}), SETTINGS, "test"
    )


def card_of(number: int) -> str:
    return token(f"card-{number}")


def pay(made: Engine, numbers: Iterable[int], days: float = 0.0) -> None:
    at = START + timedelta(days=days)
    values = [
        encoded(
            event_id=f"e-{number}",
            event_ts=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            card={"pan_hmac": card_of(number)},
            amount={"minor": 100 + number},
        )
        for number in numbers
    ]
    _send(made.score, values, at, decided_at_ms=lambda: 2**43)


def tell(made: Engine, number: int, label: str, days: float) -> None:
    at = START + timedelta(days=days)
    value = report(
        label_id=f"l-{number}-{label}",
        event_id=f"e-{number}",
        pan_hmac=card_of(number),
        label=label,
        received_ts=at.isoformat().replace("+00:00", "Z"),
    )
    _send(made.report, [value], at)


def _send(take: object, values: list[bytes], at: datetime, **more: object) -> None:
    stamp_ms = int(at.timestamp() * 1000)
    n = len(values)
    source = Source(topic="t", partition=0, offsets=range(n), timestamps_ms=[stamp_ms] * n)
    assert callable(take)
    take(values, source, received_at_ms=stamp_ms, **more)


def test_an_engine_tells_caught_and_missed_frauds_by_arm_after_a_restart() -> None:
    made = engine()
    made.changelog.own(0)
    pay(made, range(300))
    for number in (5, 105, 150, 250, 260):
        tell(made, number, "FRAUD", 10)
    tell(made, 260, "LEGIT", 11)
    packed = made.changelog.flush(0)
    after = engine()
    for part in packed:
        after.changelog.restore(0, part)
    tell(after, 270, "FRAUD", 12)
    pay(after, range(1000, 1010), days=31)
    expected: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for number in range(300):
        yen, key = 100 + number, int(entity_keys((f"e-{number}", *[""] * 8), frozenset())[0, 0])
        arm = arm_of(json.loads(encoded(card={"pan_hmac": card_of(number)})), 500, "x")
        is_hit = yen > 200
        if not is_hit and key // 256 % 64:
            continue
        band = "STEP_UP" if is_hit and arm == "B" else "ALLOW"
        label = "FRAUD" if number in (5, 105, 150, 250, 270) else "NONE"
        for age in ("7d", "30d"):
            cell = expected[age, arm, band, label]
            cell[0] += 1 if is_hit else 64
            cell[1] += yen * (1 if is_hit else 64)
    assert after.in_use.experiment is not None
    found = after.watch.figures_of_arms(after.in_use.experiment.assignment.number)
    assert {key: list(value) for key, value in found.items() if value != (0, 0)} == expected
    assert {cell[1:] for cell in expected} >= {("A", "ALLOW", "FRAUD"), ("B", "STEP_UP", "FRAUD")}
    other = after.watch.figures_of_arms(1)
    assert set(other.values()) == {(0, 0)}
