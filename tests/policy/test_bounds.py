"""Limits of a policy: every bound from both sides, every default, and every scope against a plain look-up."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.policy import PolicyError, PolicyTable, policy_from
from tests.examples import examples

LEVELS = {"review": 500, "step_up": 600, "block": 700}
SCOPES = ("acquirers", "mccs", "merchants")


def policy(**changes: Any) -> dict[str, Any]:
    return {"version": "t", "global": LEVELS, **changes}


def with_alerts(name: str, value: object) -> dict[str, Any]:
    return policy(alerts={name: value})


def with_levels(review: int, step_up: int, block: int) -> dict[str, Any]:
    return policy(**{"global": {"review": review, "step_up": step_up, "block": block}})


CARDS = ("bin_cards_10m", "bin_cards_1h", "merchant_cards_10m")
PERCENTS = ("distinct_percent", "card_data_percent")


@pytest.mark.parametrize(
    "document",
    [
        with_levels(1, 1, 1),
        with_levels(1000, 1000, 1000),
        with_alerts("dedup_minutes", 1),
        with_alerts("dedup_minutes", 1440),
        with_alerts("incident_quiet_minutes", 1),
        with_alerts("incident_quiet_minutes", 1440),
        *(with_alerts("incidents", {name: limit}) for name in CARDS for limit in (2, 100_000)),
        *(with_alerts("incidents", {name: limit}) for name in PERCENTS for limit in (0, 100)),
        policy(version="v" * 64),
        policy(actions={"BLOCK": "a" * 64}),
        policy(acquirers=[{"acquirer": "a" * 32, "thresholds": LEVELS, "reason": "r" * 256, "author": "a" * 64}]),
        policy(mccs=[{"mcc": "5732", "thresholds": LEVELS}, {"mcc": "5732", "acquirer": "a", "thresholds": LEVELS}]),
        policy(merchants=[{"acquirer": a, "merchant": "m", "thresholds": LEVELS} for a in ("a", "b")]),
    ],
)
def test_a_value_on_a_bound_is_accepted(document: dict[str, Any]) -> None:
    assert policy_from(document).version


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (with_levels(0, 1, 1), r"\$.global.review"),
        (with_levels(1, 1, 1001), r"\$.global.block"),
        (with_levels(2, 1, 3), "thresholds must rise: review 2 <= step_up 1 <= block 3"),
        (with_levels(1, 3, 2), "thresholds must rise: review 1 <= step_up 3 <= block 2"),
        (with_alerts("dedup_minutes", 0), r"\$.alerts.dedup_minutes"),
        (with_alerts("dedup_minutes", 1441), r"\$.alerts.dedup_minutes"),
        (with_alerts("incident_quiet_minutes", 0), r"\$.alerts.incident_quiet_minutes"),
        (with_alerts("incident_quiet_minutes", 1441), r"\$.alerts.incident_quiet_minutes"),
        *(
            (with_alerts("incidents", {name: bad}), rf"\$.alerts.incidents.{name}")
            for name in CARDS
            for bad in (1, 100_001)
        ),
        *(
            (with_alerts("incidents", {name: bad}), rf"\$.alerts.incidents.{name}")
            for name in PERCENTS
            for bad in (-1, 101)
        ),
        (with_alerts("incidents", {"bin_cards": 3}), "did you mean `bin_cards_1h`"),
        (with_alerts("minimum_band", "ALLOW"), r"\$.alerts.minimum_band"),
        (policy(acquirers=[{"acquirer": "a", "thresholds": LEVELS}] * 2), "acquirers names a twice"),
        (policy(mccs=[{"mcc": "5732", "thresholds": LEVELS}] * 2), "mccs names any acquirer/5732 twice"),
        (policy(mccs=[{"mcc": "5732", "acquirer": "a", "thresholds": LEVELS}] * 2), "mccs names a/5732 twice"),
        (
            policy(merchants=[{"acquirer": "a", "merchant": "m", "thresholds": LEVELS}] * 2),
            "merchants names a/m twice",
        ),
        (policy(acquirers=[None] * 100_001), "100000"),
        *((policy(**{scope: [{"colour": "red"}]}), r"unknown field `colour`") for scope in SCOPES),
        (policy(actions={"ALOW": "x"}), r": did you mean `ALLOW`\?$"),
        (policy(alerts={"dedup_minute": 1}), "did you mean `dedup_minutes`"),
        (policy(colour="red"), r"unknown field `colour`"),
        ("version", "a policy is a mapping with the keys version and global"),
    ],
)
def test_a_value_beyond_a_bound_is_refused_with_its_place(document: object, place: str) -> None:
    with pytest.raises(PolicyError, match=place):
        policy_from(document)


def test_a_name_that_is_near_no_known_one_gets_no_suggestion() -> None:
    with pytest.raises(PolicyError) as refused:
        policy_from(policy(zzzzzz=1))
    assert "did you mean" not in str(refused.value)


def test_the_defaults_of_a_policy() -> None:
    made = policy_from(policy())
    assert msgspec.to_builtins(made) == {
        "version": "t",
        "global": LEVELS,
        "acquirers": [],
        "mccs": [],
        "merchants": [],
        "actions": {
            "ALLOW": "none",
            "REVIEW": "review",
            "STEP_UP": "challenge_3ds",
            "BLOCK": "recommend_decline",
        },
        "alerts": {"minimum_band": "REVIEW", "dedup_minutes": 15, "incident_quiet_minutes": 30}
        | {
            "incidents": {
                "bin_cards_10m": 15,
                "bin_cards_1h": 30,
                "merchant_cards_10m": 30,
                "distinct_percent": 80,
                "card_data_percent": 50,
            }
        },
    }
    assert made.identity == policy_from(msgspec.to_builtins(made)).identity
    scopes = {
        "acquirers": [{"acquirer": "a", "thresholds": LEVELS}],
        "mccs": [{"mcc": "5732", "thresholds": LEVELS}],
        "merchants": [{"acquirer": "a", "merchant": "m", "thresholds": LEVELS}],
    }
    shown = msgspec.to_builtins(policy_from(policy(**scopes)))
    silent = {"reason": "", "author": ""}
    assert shown["acquirers"] == [{**scopes["acquirers"][0], **silent}]
    assert shown["mccs"] == [{**scopes["mccs"][0], "acquirer": None, **silent}]
    assert shown["merchants"] == [{**scopes["merchants"][0], **silent}]
    name, _, digest = made.identity.partition("+")
    assert (name, len(digest), set(digest) <= set("0123456789abcdef")) == ("t", 12, True)


levels = st.lists(st.integers(1, 1000), min_size=3, max_size=3).map(sorted)


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    """Draw thresholds for some of three acquirers, categories and merchants."""

    def scoped(*names: str) -> list[dict[str, Any]]:
        found = []
        for values in draw(st.sets(st.tuples(*(st.sampled_from(VALUES[name]) for name in names)), max_size=4)):
            scope = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            found.append(scope | {"thresholds": dict(zip(LEVELS, draw(levels), strict=True))})
        return found

    return {
        "version": "t",
        "global": dict(zip(LEVELS, draw(levels), strict=True)),
        "acquirers": scoped("acquirer"),
        "mccs": scoped("mcc", "acquirer?"),
        "merchants": scoped("acquirer", "merchant"),
    }


VALUES: dict[str, list[str | None]] = {
    "acquirer": ["a", "b"],
    "acquirer?": ["a", "b", None],
    "mcc": ["5732", "0000"],
    "merchant": ["m", "n"],
}


def spelt(scope: dict[str, Any]) -> dict[str, Any]:
    return {name.rstrip("?"): value for name, value in scope.items()}


def level_of(document: dict[str, Any], acquirer: str, merchant: str, mcc: str) -> dict[str, int]:
    """Look the thresholds up scope by scope, the narrowest first."""
    wanted = (
        ("merchants", {"acquirer": acquirer, "merchant": merchant}),
        ("mccs", {"mcc": mcc, "acquirer": acquirer}),
        ("mccs", {"mcc": mcc}),
        ("acquirers", {"acquirer": acquirer}),
    )
    for scopes, names in wanted:
        for scope in document[scopes]:
            if {name: value for name, value in scope.items() if name != "thresholds"} == names:
                found: dict[str, int] = scope["thresholds"]
                return found
    everywhere: dict[str, int] = document["global"]
    return everywhere


@settings(max_examples=examples(40))
@given(policies(), st.lists(st.integers(0, 999), min_size=3, max_size=3))
def test_a_band_is_how_many_thresholds_of_the_narrowest_scope_a_score_reaches(
    drawn: dict[str, Any], drawn_scores: list[int]
) -> None:
    document = drawn | {name: [spelt(scope) for scope in drawn[name]] for name in SCOPES}
    table = PolicyTable(policy_from(document))
    for acquirer in ("a", "b", "c"):
        for merchant in ("m", "n", "o"):
            for mcc in ("5732", "0000", "5411"):
                own = level_of(document, acquirer, merchant, mcc)
                scores = [*drawn_scores, *(level - k for level in own.values() for k in (0, 1) if level - k < 1000)]
                names = [(b"e", acquirer.encode(), b"card", merchant.encode())] * len(scores)
                got = table.bands(names, np.full(len(scores), int(mcc)), np.array(scores, dtype=np.int16))
                assert got.tolist() == [sum(score >= level for level in own.values()) for score in scores]
