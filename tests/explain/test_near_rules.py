"""A rule that nearly hit is named with the one part of its condition that was not true, as plain Python finds it."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.explanation.record import Explanation
from scoring.policy.rules.near import NEAR_MAX, parts_of
from tests.events import encoded
from tests.examples import examples
from tests.explain.test_explanation import engine, explained, policy
from tests.model.test_failure import aged
from tests.model.test_failure import new_engine as engine_of
from tests.policy.rules.test_decisions import rule

FAR = {"review": 1000, "step_up": 1000, "block": 1000}


def told(*rules: dict[str, Any], **event: Any) -> Explanation:
    made = explained(encoded(**event), engine(policy(rules=list(rules), **{"global": FAR})))
    assert made.explanation is not None
    return made.explanation


def near(*rules: dict[str, Any], **event: Any) -> list[tuple[str, str, bool]]:
    return [(one.id, one.part, one.is_unknown) for one in told(*rules, **event).near_rules]


DEAR = "payment.amount_jpy > 20000 && payment.mcc == '5732'"


@pytest.mark.parametrize(
    ("yen", "mcc", "found"),
    [
        (20001, "5732", []),
        (20000, "5732", [("r", "payment.amount_jpy > 20000", False)]),
        (20001, "5999", [("r", "payment.mcc == '5732'", False)]),
        (20000, "5999", []),
    ],
)
def test_a_rule_is_near_where_all_parts_but_one_are_true(
    yen: int, mcc: str, found: list[tuple[str, str, bool]]
) -> None:
    for mode in ("on", "shadow"):
        assert near(rule("r", when=DEAR, mode=mode), amount={"minor": yen}, merchant={"mcc": mcc}) == found
    assert near(rule("r", when=DEAR, mode="off"), amount={"minor": yen}, merchant={"mcc": mcc}) == []


def test_a_condition_of_one_part_is_never_near() -> None:
    both = {"amount": {"minor": 5}, "merchant": {"mcc": "5732"}}
    assert near(rule("r", when="payment.amount_jpy > 20000"), **both) == []
    assert near(rule("r", when="payment.amount_jpy > 20000 || payment.mcc == '5999'"), **both) == []


def test_a_missing_value_is_told_as_unknown() -> None:
    found = near(rule("r", when="card_new_device > 0.5 && payment.mcc == '5732'"), merchant={"mcc": "5732"})
    assert found == [("r", "card_new_device > 0.5", True)]


def test_without_a_score_a_part_that_reads_it_is_unknown() -> None:
    rules = [rule("r", when="score >= 0 && payment.amount_jpy > 0")]
    old = engine_of(aged(31), {"max_age_days": 30, "too_old": "rules_only"}, rules=rules)
    made = explained(encoded(), old).explanation
    assert made is not None
    assert (made.decision.status, made.decision.score, made.decision.rule_hits) == ("DEGRADED", 0, None)
    assert [(one.id, one.part, one.is_unknown) for one in made.near_rules] == [("r", "score >= 0", True)]


@pytest.mark.parametrize(
    ("change", "is_told"),
    [
        ({}, True),
        ({"acquirer": "acq-1"}, True),
        ({"acquirer": "another"}, False),
        ({"mcc": "5999"}, True),
        ({"mcc": "5411"}, False),
        ({"effective_from": "2026-05-01T03:00:00Z"}, True),
        ({"effective_from": "2026-05-01T03:00:00.001Z"}, False),
        ({"effective_to": "2026-05-01T03:00:00.001Z"}, True),
        ({"effective_to": "2026-05-01T03:00:00Z"}, False),
    ],
)
def test_only_rules_that_are_asked_are_near(change: dict[str, str], is_told: bool) -> None:
    event = {"amount": {"minor": 5}, "merchant": {"mcc": "5999"}}
    when = "payment.amount_jpy > 20000 && payment.mcc == '5999'"
    assert bool(near(rule("r", when=when, **change), **event)) is is_told


def test_a_hit_is_not_near_also_where_the_decision_does_not_name_it() -> None:
    rules = [rule(f"r-{number}", when=f"payment.amount_jpy > {number} && score >= 0") for number in range(100)]
    made = told(*rules, amount={"minor": 500})
    assert len(made.decision.rule_hits or ()) < len(rules)
    assert made.near_rules == []


def test_its_mode_and_action_are_told() -> None:
    (found,) = told(
        rule("r", when=DEAR, mode="shadow", action="block"), amount={"minor": 30_000}, merchant={"mcc": "5999"}
    ).near_rules
    assert (found.mode, found.action, found.part) == ("shadow", "block", "payment.mcc == '5732'")


def test_at_most_twenty_are_told_in_the_order_of_the_policy() -> None:
    rules = [rule(f"r-{number}", when=f"payment.amount_jpy > 2000{number} && score >= 0") for number in range(10, 40)]
    found = near(*rules, amount={"minor": 5})
    assert [name for name, _, _ in found] == [f"r-{number}" for number in range(10, 10 + NEAR_MAX)]


@pytest.mark.parametrize(
    ("when", "parts"),
    [
        ("score > 1 && payment.amount_jpy > 5", ["score > 1", "payment.amount_jpy > 5"]),
        ("(score > 1 && score > 2) && score < 900", ["score > 1", "score > 2", "score < 900"]),
        ("score > 1 || score > 2 && score > 3", ["score > 1 || score > 2 && score > 3"]),
        (
            "((score > 1 && (score > 2 || score < 3)) && (score > 4))",
            ["score > 1", "(score > 2 || score < 3)", "(score > 4)"],
        ),
        ("!(score > 1 && score > 2)", ["!(score > 1 && score > 2)"]),
        ("score > 1 &&\n  payment.mcc == '5732'", ["score > 1", "payment.mcc == '5732'"]),
        ("score > 1 && // a bracket (\n score > 2", ["score > 1", "// a bracket (\n score > 2"]),
        (
            "(score > 1 && payment.mcc.startsWith('(')) && score > 2",
            ["(score > 1 && payment.mcc.startsWith('(')) && score > 2"],
        ),
        ("(score > 1 ? score > 2 : score > 3) && score > 4", ["(score > 1 ? score > 2 : score > 3)", "score > 4"]),
    ],
)
def test_parts_are_what_and_joins_at_the_top(when: str, parts: list[str]) -> None:
    assert parts_of(when) == parts


Part = tuple[str, Callable[[int, str, int], bool]]
PARTS: list[Part] = [
    ("payment.amount_jpy > 9000", lambda yen, mcc, score: yen > 9000),
    ("payment.amount_jpy <= 12000", lambda yen, mcc, score: yen <= 12000),
    ("payment.mcc == '5732'", lambda yen, mcc, score: mcc == "5732"),
    ("payment.mcc in ['5411', '5732']", lambda yen, mcc, score: mcc in ("5411", "5732")),
    ("!(payment.mcc == '5411' && score > 0)", lambda yen, mcc, score: not (mcc == "5411" and score > 0)),
    ("(payment.amount_jpy > 30000 || score >= 1000)", lambda yen, mcc, score: yen > 30000 or score >= 1000),
    ("score >= 0", lambda yen, mcc, score: score >= 0),
]


@settings(max_examples=examples(60))
@given(st.randoms(), st.sampled_from((5, 9000, 9001, 12000, 30001)), st.sampled_from(("5411", "5732", "5999")))
def test_near_rules_are_those_of_plain_python(draw: random.Random, yen: int, mcc: str) -> None:
    chosen = [draw.sample(PARTS, draw.randint(1, 5)) for _ in range(6)]
    rules = [rule(f"r-{n}", when=bracketed([text for text, _ in parts], draw)) for n, parts in enumerate(chosen)]
    made = told(*rules, amount={"minor": yen}, merchant={"mcc": mcc})
    score = made.decision.score
    expected = []
    for n, parts in enumerate(chosen):
        missed = [text for text, is_true in parts if not is_true(yen, mcc, score)]
        if len(parts) > 1 and len(missed) == 1:
            expected.append((f"r-{n}", missed[0], False))
    assert [(one.id, one.part, one.is_unknown) for one in made.near_rules] == expected
    hits = {f"r-{n}" for n, parts in enumerate(chosen) if all(is_true(yen, mcc, score) for _, is_true in parts)}
    assert {hit.id for hit in made.decision.rule_hits or ()} == hits


def bracketed(parts: list[str], draw: random.Random) -> str:
    """Join parts by `&&`, with brackets at random."""
    while len(parts) > 1:
        at = draw.randrange(len(parts) - 1)
        joined = f"{parts[at]} && {parts[at + 1]}"
        parts = [*parts[:at], f"({joined})" if draw.random() < 0.5 else joined, *parts[at + 2 :]]
    return parts[0]
