"""Rules that reached a cap ask for REVIEW: compared with a recount, over restarts, cuts and partitions."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.contract.decision import Decision
from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.observer import Settings
from scoring.outputs import Emitted, Outputs, Source
from scoring.policy import PolicyError, policy_from
from scoring.policy.rules import counts
from scoring.policy.rules.counts import HOURS_KEPT, BlockCounts
from scoring.profile import ProfileLimits
from scoring.profile.packed import BLOCKED, ROW_FORMAT, Packed, RowFormatError, side_keys
from tests.bundles import small_bundle
from tests.examples import examples
from tests.policy.rules.capped import OFF, Caps, Pay, Recount, Told, policy
from tests.policy.rules.test_decisions import rule
from tests.state.rows import pairs

NOW_MS = 2**43


def new_engine(caps: Caps, partitions: int = 1, version: str = "t") -> Engine:
    limits = Settings(decode=DecodeLimits(), profiles=ProfileLimits())
    engine = Engine(small_bundle(), policy(caps, version), limits, "test")
    engine.set_partitions(partitions)
    return engine


def score(engine: Engine, payments: Sequence[Pay], emitted: frozenset[bytes] = frozenset()) -> Outputs:
    source = Source(
        topic="authorizations",
        partition=payments[0].partition,
        offsets=range(len(payments)),
        timestamps_ms=[pay.stamp_ms for pay in payments],
    )
    return engine.score(
        [pay.value for pay in payments],
        source,
        received_at_ms=NOW_MS,
        decided_at_ms=lambda: NOW_MS,
        emitted=Emitted(decisions=emitted),
    )


def decisions(outputs: Outputs) -> list[Decision]:
    return [msgspec.json.decode(value, type=Decision) for _, value in outputs.decisions]


def told(outputs: Outputs) -> dict[int, Told]:
    return {
        int(made.decision_id.removeprefix("e-")): Told(
            made.band, tuple((hit.id, hit.capped) for hit in made.rule_hits or ())
        )
        for made in decisions(outputs)
    }


class Logged:
    """Engines one after the other, with the log of the partitions that they share."""

    def __init__(self, caps: Caps, partitions: int) -> None:
        self._caps, self._partitions = caps, partitions
        self._log: list[tuple[int, Packed]] = []
        self.engine = self._started()

    def _started(self) -> Engine:
        engine = new_engine(self._caps, self._partitions)
        for partition in range(self._partitions):
            engine.changelog.own(partition)
        for partition, packed in self._log:
            engine.changelog.restore(partition, packed)
        return engine

    def restart(self) -> None:
        """Flush, and go on in another engine."""
        for partition in range(self._partitions):
            self._log += [(partition, packed) for packed in self.engine.changelog.flush(partition)]
        self.engine = self._started()


AMOUNTS = (5_000, 15_001, 20_000, 25_000, 25_001, 40_000, 40_001, 95_001)
PAYMENTS = st.lists(
    st.builds(
        Pay,
        number=st.integers(0, 60),
        minute=st.sampled_from((0, 5, 59, 60, 61, 119, 120, 180)),
        merchant=st.integers(0, 2),
        yen=st.sampled_from(AMOUNTS),
        partition=st.integers(0, 2),
    ),
    min_size=1,
    max_size=80,
)
CAPS = st.builds(
    Caps, st.integers(1, 8), st.integers(1, 5), st.none() | st.integers(1, 5), st.none() | st.integers(1, 3)
)


@settings(max_examples=examples(100))
@given(PAYMENTS, CAPS, st.integers(1, 3), st.sets(st.integers(0, 80), max_size=3), st.integers(1, 7))
def test_every_decision_is_that_of_a_recount(
    payments: list[Pay], caps: Caps, partitions: int, restarts: set[int], cut: int
) -> None:
    """Repeats count nothing, and neither restarts nor the cut into batches change a count."""
    mine = [pay._replace(partition=pay.partition % partitions, number=number) for number, pay in enumerate(payments)]
    mine = [pay if number % 5 else mine[number // 2] for number, pay in enumerate(mine)]
    logged, made, expected = Logged(caps, partitions), dict[int, Told](), Recount(partitions)
    waiting: list[Pay] = []
    capped: dict[str, int] = {}
    for place, pay in enumerate(mine):
        if waiting and (waiting[0].partition != pay.partition or len(waiting) == cut or place in restarts):
            outputs = score(logged.engine, waiting)
            made |= told(outputs)
            capped = {name: capped.get(name, 0) + outputs.tally.rules_capped.get(name, 0) for name in ("wide", "odd")}
            waiting = []
        if place in restarts:
            logged.restart()
        waiting.append(pay)
    outputs = score(logged.engine, waiting)
    made |= told(outputs)
    capped = {name: capped.get(name, 0) + outputs.tally.rules_capped.get(name, 0) for name in ("wide", "odd")}
    right = dict(expected.decide(mine, caps))
    assert made == right
    hits = [hit for one in right.values() for hit in one.hits if hit[1] is not None]
    assert capped == {name: sum(hit[0] == name for hit in hits) for name in ("wide", "odd")}


def test_a_capped_rule_asks_for_review_and_says_so_in_both_languages() -> None:
    engine = new_engine(Caps(1, 1))
    first, second = decisions(score(engine, [Pay(1, 0, 1, 25_000), Pay(2, 1, 2, 25_000)]))
    assert (first.band, [hit.capped for hit in first.rule_hits or ()]) == ("BLOCK", [None, None])
    assert [reason.id for reason in first.reasons[:1]] == ["RULE:wide"]
    assert (second.band, second.action) == ("REVIEW", "review")
    own, cap = second.reasons[:2]
    assert (own.id, cap.id, cap.weight) == ("RULE:wide", "RULE_CAPPED", 0.0)
    assert cap.en == "The rule wide has blocked as many payments as it may in this hour: review instead of block"
    assert cap.ja == "ルール「wide」が1時間に拒否できる件数の上限に達したため、拒否ではなく審査"
    assert cap.merchant_en == own.merchant_en
    assert "RULE_CAPPED" not in {reason.id for reason in first.reasons}


def test_the_cap_is_told_beside_the_reasons_of_a_model_that_asks_for_more() -> None:
    engine = new_engine(Caps(1, 1))
    loud = msgspec.structs.replace(engine.policy.everywhere, review=1, step_up=1)
    engine.use(engine.compile(msgspec.structs.replace(engine.policy, everywhere=loud)))
    made = decisions(score(engine, [Pay(number, 0, 1, 25_000) for number in range(3)]))
    assert [one.band for one in made] == ["BLOCK", "STEP_UP", "STEP_UP"]
    assert [reason.id for reason in made[2].reasons[-2:]] == ["RULE:wide", "RULE_CAPPED"]
    assert len(made[2].reasons) <= 5


def test_another_rule_that_may_still_block_does() -> None:
    engine = new_engine(Caps(1, 1, 5, 5))
    made = told(score(engine, [Pay(number, 0, 1, 25_001) for number in range(2)]))
    assert made[1] == Told("BLOCK", (("wide", "HOUR"), ("odd", None), ("tried", None)))


def test_published_decisions_are_counted_again_and_their_caps_are_not_told_again() -> None:
    engine, whole = new_engine(Caps(2, 2)), new_engine(Caps(2, 2))
    payments = [Pay(number, 0, 1, 25_000) for number in range(4)]
    outputs = score(engine, payments, frozenset({b"e-0", b"e-1", b"e-2"}))
    assert (told(outputs), outputs.tally.rules_capped) == (
        {3: Told("REVIEW", (("wide", "HOUR"), ("tried", None)))},
        {"wide": 1},
    )
    assert told(score(whole, payments))[3] == told(outputs)[3]


def test_counts_belong_to_the_id_of_a_rule_and_outlive_a_change_of_the_policy() -> None:
    engine = new_engine(Caps(3, 3))
    score(engine, [Pay(number, 0, 1, 25_000) for number in range(2)])
    changed = policy(Caps(3, 3), "other")
    rules = [msgspec.structs.replace(one, when="payment.amount_jpy > 21000") for one in changed.rules[::-1]]
    engine.use(engine.compile(msgspec.structs.replace(changed, rules=rules)))
    made = told(score(engine, [Pay(number, 1, 1, 25_000) for number in (3, 4)]))
    assert [dict(made[number].hits)["wide"] for number in (3, 4)] == [None, "HOUR"]


def test_merchants_of_one_id_at_two_acquirers_are_two() -> None:
    engine = new_engine(Caps(9, 1))
    source = Source(topic="authorizations", partition=0, offsets=range(3), timestamps_ms=[Pay(0, 0, 0, 0).stamp_ms] * 3)
    values = [Pay(number, 0, 1, 25_000).value for number in range(3)]
    values[1] = values[1].replace(b"acq-1", b"acq-2")
    outputs = engine.score(values, source, received_at_ms=NOW_MS, decided_at_ms=lambda: NOW_MS)
    assert [made.band for made in decisions(outputs)] == ["BLOCK", "BLOCK", "REVIEW"]


def test_payments_that_no_rule_hits_do_not_shift_merchants() -> None:
    payments = [Pay(0, 0, 1, 5_000), Pay(1, 0, 2, 25_000), Pay(2, 0, 2, 25_000), Pay(3, 0, 1, 25_000)]
    made = told(score(new_engine(Caps(9, 1)), payments))
    assert [made[number].band for number in range(4)] == ["ALLOW", "BLOCK", "REVIEW", "BLOCK"]


def test_a_decision_names_at_most_32_capped_rules_and_all_are_counted() -> None:
    engine = new_engine(Caps(1, 1))
    rules = [msgspec.structs.replace(engine.policy.rules[2], id=f"r{number}") for number in range(40)]
    engine.use(engine.compile(msgspec.structs.replace(engine.policy, rules=rules)))
    outputs = score(engine, [Pay(number, 0, 1, 25_000) for number in range(2)])
    assert [hit[1] for hit in told(outputs)[1].hits] == ["HOUR"] * 32
    assert len(outputs.tally.rules_capped) == 40


def test_the_default_caps_are_those_of_the_documentation() -> None:
    caps = policy_from({"version": "t", "global": OFF}).rule_caps
    assert (caps.blocks_per_hour, caps.merchant_blocks_per_hour) == (5_000, 500)


@pytest.mark.parametrize("value", [0, 10_000_001, "many"])
@pytest.mark.parametrize("name", ["blocks_per_hour", "merchant_blocks_per_hour"])
def test_a_cap_out_of_bounds_is_refused_with_its_place(name: str, value: Any) -> None:
    with pytest.raises(PolicyError, match=rf"\$\.rule_caps\.{name}"):
        policy_from({"version": "t", "global": OFF, "rule_caps": {name: value}})
    with pytest.raises(PolicyError, match=rf"\$\.rules\[0\]\.{name}"):
        policy_from({"version": "t", "global": OFF, "rules": [rule(action="block", **{name: value})]})


@pytest.mark.parametrize("name", ["blocks_per_hour", "merchant_blocks_per_hour"])
def test_a_cap_of_a_rule_that_does_not_block_is_refused(name: str) -> None:
    with pytest.raises(PolicyError, match=r"rule big: .* for the action block: leave them out"):
        policy_from({"version": "t", "global": OFF, "rules": [rule(action="review", **{name: 5})]})


# -- the rows

MANY = counts.Caps(1_000, 1_000)


def owner(rows_max: int = counts.ROWS_MAX) -> BlockCounts:
    made = BlockCounts(rows_max)
    made.own(0)
    return made


@pytest.mark.parametrize("partitions", [1, 2, 3, 12, 50])
@pytest.mark.parametrize("cap", [1, 2, 3, 11, 12, 13, 500, 5_000])
def test_shares_of_partitions_add_up_to_the_cap_and_none_is_empty(cap: int, partitions: int) -> None:
    dealt = [sum(unit % partitions == partition for unit in range(cap)) for partition in range(partitions)]
    shares = [counts.share_of(cap, partition, partitions) for partition in range(partitions)]
    assert shares == [max(one, 1) for one in dealt]
    assert sum(shares) == max(cap, partitions)


def test_beyond_the_pairs_that_are_counted_a_rule_blocks_at_known_merchants_only() -> None:
    made = owner(rows_max=3)
    assert [made.take(0, 1, merchant, 5, MANY) for merchant in (1, 2, 3, 1)] == [None, None, "PAIRS", None]
    assert made.take(0, 2, 1, 5, MANY) == "PAIRS"
    assert made.take(1, 2, 1, 5, MANY) is None, "each partition has its own room"


def test_counts_are_dropped_when_a_rule_blocks_so_many_hours_later() -> None:
    made = owner(rows_max=4)
    assert [made.take(0, 1, 1, hour, MANY) for hour in (5, 6)] == [None, None]
    assert made.take(0, 1, 1, 4 + HOURS_KEPT, MANY) == "PAIRS", "those of the fifth hour may still be needed"
    made.flush(0)
    assert made.take(0, 1, 1, 5 + HOURS_KEPT, MANY) is None
    assert sorted(value is None for _, value in pairs(made.flush(0))) == [False, False, True, True]
    assert made.take(0, 1, 1, 6, MANY) is None, "the sixth hour was kept"


def test_a_row_is_format_hour_and_count() -> None:
    made = owner()
    for merchant in (7, 7, 8):
        made.take(0, 1, merchant, 5, MANY)
    found = dict(pairs(made.flush(0)))
    assert {key[:4] for key in found} == {(BLOCKED << 24).to_bytes(4, "little")}
    words = sorted(np.frombuffer(value or b"", dtype="<u4").tolist() for value in found.values())
    assert words == [[ROW_FORMAT, 5, 1], [ROW_FORMAT, 5, 2], [ROW_FORMAT, 5, 3]]
    assert len(made.flush(0)) == 0, "each once"


def test_keys_that_a_crashed_flush_left_are_written_again_or_deleted() -> None:
    made, other = owner(), owner()
    made.take(0, 1, 1, 5, MANY)
    made.flush(0)
    other.take(0, 1, 1, 5, MANY)
    other.take(0, 1, 2, 5, MANY)
    made.rewrite(0, other.flush(0).keys)
    assert sorted(value is None for _, value in pairs(made.flush(0))) == [False, False, True]


def test_what_a_partition_does_not_own_is_counted_and_not_flushed() -> None:
    made = owner()
    made.take(1, 1, 1, 5, MANY)
    assert len(made.flush(1)) == 0
    made.take(0, 1, 1, 5, counts.Caps(1, 1))
    made.leave(0)
    assert len(made.flush(0)) == 0
    assert made.take(0, 1, 1, 5, counts.Caps(1, 1)) == "HOUR"
    made.forget(0)
    assert made.take(0, 1, 1, 5, counts.Caps(1, 1)) is None


def test_restored_rows_replace_and_tombstones_remove_counts() -> None:
    made, after = owner(), owner()
    made.take(0, 1, 1, 5, MANY)
    first = made.flush(0)
    made.take(0, 1, 1, 5, MANY)
    for packed in (first, made.flush(0)):
        after.restore(0, packed)
    assert after.take(0, 1, 1, 5, counts.Caps(2, 9)) == "HOUR"
    gone = Packed(first.keys, np.empty(0, dtype=np.uint32), np.zeros(len(first), dtype=np.int64))
    after.restore(0, gone)
    assert after.take(0, 1, 1, 5, counts.Caps(1, 1)) is None


def test_a_damaged_row_is_refused() -> None:
    keys = side_keys(BLOCKED, 0, np.array([1], dtype=np.uint64))
    packed = Packed(keys, np.array([ROW_FORMAT, 5, 0], dtype=np.uint32), np.array([3], dtype=np.int64))
    with pytest.raises(RowFormatError, match="row 0 of BLOCKED is damaged"):
        owner().restore(0, packed)
