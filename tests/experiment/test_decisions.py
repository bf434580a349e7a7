"""Each arm is decided as by an engine that has only its policy, given the same features."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoring.clock import UNDATED
from scoring.contract.alert import Alert
from scoring.contract.decision import Decision
from scoring.contract.merchant import MerchantRecord
from scoring.engine import Engine
from scoring.merchants.summaries import StandingEvidence
from scoring.outputs import NOTHING, Emitted, Outputs, Tally, joined
from scoring.policy import Policy
from tests.bundles import small_bundle
from tests.engine.test_engine import NOW_MS, SETTINGS, TRAFFIC, source
from tests.events import encoded, token
from tests.examples import examples, is_quick
from tests.experiment.made import SIGNED, arm_of, experiment, levels, policy, rule

OWN = ("arm_bands", "arm_alerts")
OFF = levels(1000, 1000, 1000)


def engine_of(one: Policy) -> Engine:
    return Engine(small_bundle(), one, SETTINGS, "test")


def score(engine: Engine, values: Sequence[bytes], emitted: Emitted = NOTHING) -> Outputs:
    return engine.score(
        values,
        source(len(values), stamp_ms=UNDATED),
        received_at_ms=NOW_MS,
        decided_at_ms=lambda: NOW_MS + 1,
        emitted=emitted,
    )


def bare(value: bytes) -> dict[str, Any]:
    """Return a decision or an alert without what names policy and experiment."""
    document: dict[str, Any] = json.loads(value)
    document.pop("experiment", None)
    document["versions"].pop("policy")
    return document


def runs(values: Sequence[bytes], arm: Any) -> Iterator[tuple[str, list[bytes]]]:
    for name, run in itertools.groupby(values, key=arm):
        yield name, list(run)


def alone(pair: Policy) -> tuple[Policy, Policy]:
    """Return the policies of both arms, each as it would be published without the other."""
    candidate = pair.candidate
    assert candidate is not None
    return msgspec.structs.replace(pair, experiment=None), candidate


RULES = [
    rule("big", "payment.amount_jpy > 20000", "step_up"),
    rule("odd", "payment.amount_jpy % 2 == 1", "block", "shadow"),
    rule("sure", "score > 600", "block"),
    rule("west", "payment.amount_jpy > 5000", "review", acquirer="acq-west"),
    rule("shop", "payment.amount_jpy > 0", "step_up", acquirer="acq-east", merchant="m000027"),
    rule("never", "score > 400 && tds.expected == 'REQUIRED'", "review"),
]
COUNT = 96 if is_quick() else 196
"""Generated payments of one case, before one that cannot be read and three others."""

THRESHOLDS = st.lists(st.integers(1, 999), min_size=3, max_size=3).map(sorted).map(lambda three: levels(*three))
LIMITS = [{"amount_jpy": 9_000, "band": "BLOCK"}]
SCOPED = {"acquirer": "acq-west", "thresholds": levels(5, 300, 700)}
QUIET = {"effective_to": "2026-01-01T00:00:00Z", "up_to_band": "STEP_UP"} | SIGNED
LOUD = {"global": levels(1, 999, 1000)}
SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "global": THRESHOLDS,
        "rules": st.lists(st.sampled_from(RULES), unique_by=lambda one: str(one["id"]), max_size=4),
        "limits": st.sampled_from([[], [{"amount_jpy": 30_000}], LIMITS]),
        "acquirers": st.sampled_from([[], [SCOPED]]),
        "suppressions": st.sampled_from([[], [QUIET], [QUIET | {"acquirer": "acq-east"}]]),
    },
)


@given(
    published=SECTIONS,
    candidate=SECTIONS,
    share=st.sampled_from([0, 1, 100, 500, 900, 1000]),
    start=st.integers(0, 350),
    cuts=st.lists(st.integers(1, COUNT + 3), max_size=3),
    known=st.sets(st.integers(0, COUNT + 3), max_size=20),
)
@example(published={"limits": LIMITS}, candidate={"limits": []}, share=500, start=0, cuts=[], known=set())
@example(published={}, candidate={"limits": LIMITS, "rules": RULES}, share=500, start=0, cuts=[90], known={3})
@example(published=LOUD, candidate={"suppressions": [QUIET]}, share=500, start=0, cuts=[], known=set())
@settings(max_examples=examples(40), deadline=None)
def test_decisions_and_alerts_are_those_of_an_engine_that_changes_its_policy_for_each_card(
    published: dict[str, Any],
    candidate: dict[str, Any],
    share: int,
    start: int,
    cuts: list[int],
    known: set[int],
) -> None:
    pair = policy(share, candidate, **published)
    values = [*TRAFFIC[start : start + COUNT], b"{", TRAFFIC[start], encoded(), encoded(event_id='q"e')]
    emitted = Emitted(
        decisions=frozenset(json.loads(values[place])["event_id"].encode() for place in known if place != COUNT)
    )
    one, two = engine_of(pair), engine_of(pair)
    edges = [0, *sorted(cuts), len(values)]
    parts = [values[low:high] for low, high in itertools.pairwise(edges) if high > low]
    found = joined([score(one, part, emitted) for part in parts])
    compiled = [two.compile(each) for each in alone(pair)]
    made: list[Outputs] = []
    for name, run in runs(values, lambda value: _decider(value, share)):
        two.use(compiled["AB".index(name)])
        made.append(score(two, run, emitted))
    expected = joined(made)
    assert [bare(value) for _, value in found.decisions] == [bare(value) for _, value in expected.decisions]
    assert [key for key, _ in found.decisions] == [key for key, _ in expected.decisions]
    assert [bare(value) for _, value in found.alerts] == [bare(value) for _, value in expected.alerts]
    for field in fields(Tally):
        if field.name not in (*OWN, "letter_runs"):
            assert getattr(found.tally, field.name) == getattr(expected.tally, field.name), field.name
    _check_names(pair, share, values, found)


def _is_outside(event: dict[str, Any]) -> bool:
    """Tell the plain event, which is not in the time of the experiment."""
    return str(event["event_ts"]).startswith("2026")


def _decider(value: bytes, share: int) -> str:
    if value == b"{" or _is_outside(event := json.loads(value)):
        return "A"
    return arm_of(event, share, "x")


def _check_names(pair: Policy, share: int, values: Sequence[bytes], found: Outputs) -> None:
    """Check what decisions and alerts say of the experiment, and the counts by arm, against plain Python."""
    events = {each["event_id"]: each for each in map(json.loads, filter(lambda value: value != b"{", values))}
    names = {"A": pair.identity, "B": alone(pair)[1].identity}
    bands: Counter[tuple[str, str]] = Counter()
    alerts: Counter[str] = Counter()
    for _, value in found.decisions:
        made = msgspec.json.decode(value, type=Decision)
        event = events[made.decision_id]
        if _is_outside(event):
            assert (made.experiment, made.versions.policy) == (None, pair.identity)
            continue
        arm = arm_of(event, share, "x")
        assert made.experiment is not None
        assert msgspec.structs.astuple(made.experiment) == ("x", arm, pair.identity)
        assert made.versions.policy == names[arm]
        bands[arm, made.band] += 1
    for _, value in found.alerts:
        told = msgspec.json.decode(value, type=Alert)
        if told.experiment is not None:
            arm = arm_of(events[told.event_id], share, "x")
            assert msgspec.structs.astuple(told.experiment) == ("x", arm, pair.identity)
            assert told.versions.policy == names[arm]
            alerts[arm] += told.incident is None and told.type != "SYSTEM"
        else:
            assert told.versions.policy == pair.identity
            assert _is_outside(events[told.event_id])
    assert found.tally.arm_bands == bands
    assert found.tally.arm_alerts == {arm: count for arm, count in alerts.items() if count}


def test_an_experiment_decides_by_the_time_of_the_payment() -> None:
    pair = policy(1000, {"global": levels(1, 1, 1)}, **{"global": OFF})
    at = experiment()
    start, end = (datetime.fromisoformat(at[name]) for name in ("effective_from", "effective_to"))
    ms = timedelta(milliseconds=1)
    times = [start - ms, start, end - ms, end]
    values = [
        encoded(event_id=f"e-{n}", event_ts=time.astimezone(UTC).isoformat(timespec="milliseconds"))
        for n, time in enumerate(times)
    ]
    made = [msgspec.json.decode(value, type=Decision) for _, value in score(engine_of(pair), values).decisions]
    assert [one.band for one in made] == ["ALLOW", "BLOCK", "BLOCK", "ALLOW"]
    assert [one.experiment is not None for one in made] == [False, True, True, False]


def test_a_change_of_the_policy_changes_both_arms_at_once_and_a_model_change_keeps_them() -> None:
    first = policy(500, {"global": levels(1, 1, 1)}, **{"global": OFF})
    second = policy(500, {"version": "d", "global": OFF}, version="q", **{"global": levels(1, 1, 1)})
    engine = engine_of(first)
    before = score(engine, TRAFFIC[:100])
    engine.use(engine.compile(second))
    engine.use(engine.in_use.with_model("another"))  # as if compiled before the model changed
    after = score(engine, TRAFFIC[100:200])
    for outputs, pair in ((before, first), (after, second)):
        names = {"A": pair.identity, "B": alone(pair)[1].identity}
        loud = "B" if pair is first else "A"
        for _, value in outputs.decisions:
            made = msgspec.json.decode(value, type=Decision)
            assert made.experiment is not None
            arm = made.experiment.arm
            assert (made.versions.policy, made.experiment.policy) == (names[arm], pair.identity)
            assert made.band == ("BLOCK" if arm == loud else "ALLOW")


def test_a_rule_of_the_candidate_reads_the_standing_of_the_merchant_of_its_own_payment() -> None:
    engine = engine_of(
        policy(500, {"rules": [rule("standing", "known.merchant.standing", "block")]}, **{"global": OFF})
    )
    merchants = engine.observer.merchants
    merchants.upsert(MerchantRecord(acquirer_id="acq-1", merchant_id="m-1"))
    merchants.set_standing((b"acq-1", b"m-1"), 1, StandingEvidence(3, None, 1, 24000, (1,), None, False))
    values = [pay(number, number, 5_000, 1 if number % 3 else 0) for number in range(30)]
    made = [msgspec.json.decode(value, type=Decision) for _, value in score(engine, values).decisions]
    wanted = [
        "BLOCK" if number % 3 and arm_of(json.loads(value), 500, "x") == "B" else "ALLOW"
        for number, value in enumerate(values)
    ]
    assert [one.band for one in made] == wanted
    assert len(set(wanted)) == 2


# -- caps

WIDE = rule("wide", "payment.amount_jpy > 20000", "block")
INERT = {"version": "inert", "global": OFF}


def pay(number: int, card: int, yen: int, merchant: int) -> bytes:
    return encoded(
        event_id=f"e-{number}",
        event_ts="2025-06-01T03:00:00Z",
        card={"pan_hmac": token(f"card-{card}")},
        amount={"minor": yen},
        merchant={"id": f"m-{merchant}"},
    )


@given(
    payments=st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from([10_000, 30_000, 30_001]), st.integers(0, 2)),
        min_size=20,
        max_size=60,
    ),
    caps=st.tuples(st.integers(1, 12), st.integers(1, 6)),
    own=st.tuples(st.integers(1, 12), st.integers(1, 6)),
    share=st.sampled_from([50, 300, 500, 1000]),
    cut=st.integers(1, 60),
)
@settings(max_examples=examples(40), deadline=None)
def test_caps_of_both_arms_are_counted_apart_and_the_candidate_has_its_share(
    payments: list[tuple[int, int, int]], caps: tuple[int, int], own: tuple[int, int], share: int, cut: int
) -> None:
    """Two engines see all payments. Each is asked about its own arm alone: for others its policy is inert."""

    def capped(two: tuple[int, int]) -> dict[str, Any]:
        return {"rule_caps": {"blocks_per_hour": two[0], "merchant_blocks_per_hour": two[1]}}

    pair = policy(share, capped(own), rules=[WIDE], **{"global": OFF}, **capped(caps))
    scaled = max(1, -(-own[0] * share // 1000)), max(1, -(-own[1] * share // 1000))
    policies = {
        "A": policy(None, rules=[WIDE], **{"global": OFF}, **capped(caps)),
        "B": policy(None, rules=[WIDE], **{"global": OFF}, **capped(scaled)),
    }
    values = [pay(number, *one) for number, one in enumerate(payments)]
    arms = [arm_of(json.loads(value), share, "x") for value in values]
    pairs = engine_of(pair)
    found = [
        json.loads(value)
        for begin in range(0, len(values), cut)
        for _, value in score(pairs, values[begin : begin + cut]).decisions
    ]
    for arm, only in policies.items():
        engine = engine_of(only)
        mine, inert = engine.in_use, engine.compile(policy(None, **INERT))
        expected: list[dict[str, Any]] = []
        for name, run in runs(list(zip(arms, values, strict=True)), lambda each: each[0]):
            engine.use(mine if name == arm else inert)
            made = [json.loads(value) for _, value in score(engine, [value for _, value in run]).decisions]
            expected += made if name == arm else []
        told = [one for one, its in zip(found, arms, strict=True) if its == arm]
        for mine_now, alone_now in zip(told, expected, strict=True):
            for name in ("decision_id", "band", "rule_hits", "reasons"):
                assert mine_now.get(name) == alone_now.get(name), name


@pytest.mark.parametrize("cut", [1, 3, 40])
def test_the_limit_on_counts_is_shared_in_the_order_of_the_payments(cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both arms share the rows of a partition, so the order in which they take them must not depend on the cut."""
    engine = engine_of(policy(500, {}, rules=[WIDE], **{"global": OFF}))
    monkeypatch.setattr(engine._blocks, "_rows_max", 9)
    values = [pay(number, number, 30_000, number % 5) for number in range(40)]
    found = [
        json.loads(value)["rule_hits"][0].get("capped")
        for begin in range(0, len(values), cut)
        for _, value in score(engine, values[begin : begin + cut]).decisions
    ]
    rows, expected = set[object](), list[str | None]()
    for number, value in enumerate(values):
        arm = arm_of(json.loads(value), 500, "x")
        wanted = {(arm, None), (arm, number % 5)} - rows
        expected.append("PAIRS" if len(rows) + len(wanted) > 9 else None)
        rows |= wanted if expected[-1] is None else set()
    assert found == expected
    assert {None, "PAIRS"} == set(expected)
