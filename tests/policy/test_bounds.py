"""Limits of a policy: every bound from both sides, and every default."""

from typing import Any

import msgspec
import pytest

from scoring.policy import PolicyError, policy_from

LEVELS = {"review": 500, "step_up": 600, "block": 700}
SCOPES = ("acquirers", "goods", "mccs", "merchants", "limits", "overrides", "suppressions")
JANUARY, FEBRUARY, MARCH = (f"2026-0{month}-01T00:00:00Z" for month in (1, 2, 3))
OVERRIDE = {"thresholds": LEVELS, "effective_to": MARCH, "author": "a", "reason": "r"}
SUPPRESSION = {"effective_to": MARCH, "author": "a", "reason": "r"}


def dated(start: str | None, end: str | None) -> dict[str, Any]:
    return {"acquirer": "a", "thresholds": LEVELS, "effective_from": start, "effective_to": end}


def without(entry: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != name}


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
        policy(goods=[{"goods": "digital", "thresholds": LEVELS, "acquirer": a} for a in ("a", "b", None)]),
        policy(acquirers=[dated(JANUARY, FEBRUARY), dated(None, JANUARY), dated(FEBRUARY, None)]),
        policy(acquirers=[{**dated("2026-01-01T00:00:00+09:00", "2026-01-01T00:00:01+09:00"), "approver": "b"}]),
        policy(overrides=[OVERRIDE, OVERRIDE | {"acquirer": "a"}, OVERRIDE | {"acquirer": "a", "merchant": "m"}]),
        policy(suppressions=[SUPPRESSION, SUPPRESSION | {"reasons": ["HR_GOODS", "LIMIT_AMOUNT"]}]),
        policy(limits=[{"amount_jpy": 0}, {"amount_jpy": 10**12 - 1, "acquirer": "a", "band": "BLOCK"}]),
        policy(author="a", approval={"approver": "b", "content": "0123456789ab"}),
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
        (policy(goods=[{"goods": "digitl", "thresholds": LEVELS}]), r"\$.goods\[0\].goods"),
        (policy(goods=[{"goods": "digital", "thresholds": LEVELS}] * 2), "goods names any acquirer/digital twice"),
        (policy(limits=[{"amount_jpy": 1}] * 2), "limits names all events twice"),
        (policy(limits=[{"amount_jpy": -1}]), r"\$.limits\[0\].amount_jpy"),
        (policy(limits=[{"amount_jpy": 1, "merchant": "m"}]), "merchant needs its acquirer"),
        (policy(limits=[{"amount_jpy": 1, "mcc": "5732", "goods": "digital"}]), "merchant, mcc and goods exclude"),
        (policy(limits=[{"amount_jpy": 1, "band": "ALLOW"}]), r"\$.limits\[0\].band"),
        (policy(overrides=[OVERRIDE] * 2), "overrides names all events twice"),
        *(
            (policy(overrides=[without(OVERRIDE, name)]), f"missing required field `{name}`")
            for name in ("effective_to", "author", "reason")
        ),
        *(
            (policy(suppressions=[without(SUPPRESSION, name)]), f"missing required field `{name}`")
            for name in SUPPRESSION
        ),
        (policy(overrides=[OVERRIDE | {"effective_to": None}]), r"\$.overrides\[0\].effective_to"),
        (policy(suppressions=[SUPPRESSION | {"author": ""}]), r"\$.suppressions\[0\].author"),
        (policy(suppressions=[SUPPRESSION | {"up_to_band": "BLOCK"}]), r"\$.suppressions\[0\].up_to_band"),
        (policy(suppressions=[SUPPRESSION | {"reasons": ["HR_GODS"]}]), "did you mean HR_GOODS.*suppressions"),
        (policy(suppressions=[SUPPRESSION | {"reasons": ["x"]}]), "deploy/docs/reasons.md lists them"),
        (policy(suppressions=[SUPPRESSION] * 1_001), "1000"),
        (policy(acquirers=[dated(FEBRUARY, JANUARY)]), "effective_to must be after effective_from"),
        (policy(acquirers=[dated(JANUARY, JANUARY)]), "effective_to must be after effective_from"),
        (policy(acquirers=[dated("2026-01-01T00:00:00", None)]), r"\$.acquirers\[0\].effective_from"),
        (policy(acquirers=[dated(JANUARY, MARCH), dated(FEBRUARY, None)]), "acquirers names a twice"),
        (policy(acquirers=[dated(FEBRUARY, None), dated(JANUARY, MARCH)]), "acquirers names a twice"),
        (policy(acquirers=[dated(FEBRUARY, MARCH), dated(None, None)]), "acquirers names a twice"),
        (policy(acquirers=[dated(None, None) | {"author": "a", "approver": "a"}]), "approver must be another person"),
        (policy(author="a", approval={"approver": "b", "content": "0123456789AB"}), r"\$.approval.content"),
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
        "goods": [],
        "mccs": [],
        "merchants": [],
        "limits": [],
        "overrides": [],
        "suppressions": [],
        "rules": [],
        "lists": [],
        "rule_caps": {"blocks_per_hour": 5000, "merchant_blocks_per_hour": 500},
        "model_failure": {
            "missing": "stop",
            "refused": "stop",
            "too_old": "serve",
            "max_age_days": None,
            "acquirers": [],
        },
        "author": "",
        "approval": None,
        "experiment": None,
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
            },
            "digest": {"alerts_max": 30, "window_minutes": 10, "quiet_minutes": 15},
        },
    }
    assert made.identity == policy_from(msgspec.to_builtins(made)).identity
    scopes = {
        "acquirers": [{"acquirer": "a", "thresholds": LEVELS}],
        "mccs": [{"mcc": "5732", "thresholds": LEVELS}],
        "merchants": [{"acquirer": "a", "merchant": "m", "thresholds": LEVELS}],
    }
    shown = msgspec.to_builtins(policy_from(policy(**scopes)))
    silent = {"reason": "", "author": "", "approver": "", "effective_from": None, "effective_to": None}
    assert shown["acquirers"] == [{**scopes["acquirers"][0], **silent}]
    assert shown["mccs"] == [{**scopes["mccs"][0], "acquirer": None, **silent}]
    assert shown["merchants"] == [{**scopes["merchants"][0], **silent}]
    name, _, digest = made.identity.partition("+")
    assert (name, len(digest), set(digest) <= set("0123456789abcdef")) == ("t", 12, True)


def test_an_approval_is_of_one_content_by_another_person() -> None:
    plain = policy_from(policy(author="a"))
    assert plain.unapproved() == (
        f"this content is not approved: an approver writes approval: {{approver: NAME, content: {plain.digest}}}"
    )
    approved = policy(author="a", approval={"approver": "b", "content": plain.digest})
    assert policy_from(approved).unapproved() is None
    assert policy_from(approved).identity == plain.identity
    assert "not approved" in (policy_from(approved | {"version": "u"}).unapproved() or "")
    anonymous = policy_from(without(approved, "author"))
    assert anonymous.unapproved() == "author is missing: who made this change?"
    own = policy_from(approved | {"approval": {"approver": "a", "content": plain.digest}})
    assert own.unapproved() == "approval.approver must be another person than author"
