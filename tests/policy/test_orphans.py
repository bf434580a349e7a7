"""A deletion that leaves entries about its scope behind is named before the policy counts."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.policy import Policy, policy_from
from scoring.policy.changes import NAMED_MAX, orphans
from tests.examples import examples

T = {"review": 600, "step_up": 700, "block": 800}
WHO = {"author": "t.suzuki", "reason": "a test"}
UNTIL = {"effective_to": "2026-06-01T00:00:00Z"}
SHOP = {"acquirer": "acq-1", "merchant": "m-1"}
WHOLE: dict[str, Any] = {
    "version": "1",
    "global": T,
    "acquirers": [{"acquirer": "acq-1", "thresholds": T}, {"acquirer": "acq-2", "thresholds": T}],
    "goods": [{"goods": "appliances", "thresholds": T}],
    "mccs": [{"mcc": "5732", "thresholds": T}, {"mcc": "5732", "acquirer": "acq-1", "thresholds": T}],
    "merchants": [SHOP | {"thresholds": T}],
    "limits": [SHOP | {"amount_jpy": 1}, {"goods": "appliances", "amount_jpy": 2}, {"amount_jpy": 3}],
    "overrides": [SHOP | {"thresholds": T} | WHO | UNTIL],
    "suppressions": [{"acquirer": "acq-1"} | WHO | UNTIL, {"mcc": "5732"} | WHO | UNTIL],
    "rules": [
        SHOP
        | {"id": "r-1", "when": "payment.amount_jpy > 5", "action": "review", "text": {"en": "a", "ja": "b"}}
        | WHO,
    ],
    "lists": [{"id": "l-1", "kind": "card", "direction": "deny", "action": "block", "acquirer": "acq-1"} | WHO],
}
SECTIONS = ("acquirers", "goods", "mccs", "merchants", "limits", "overrides", "suppressions", "rules", "lists")


def without(*places: tuple[str, int]) -> Policy:
    """Return the whole policy without some of its entries."""
    document = {
        key: [entry for number, entry in enumerate(value) if (key, number) not in places]
        if isinstance(value, list)
        else value
        for key, value in WHOLE.items()
    }
    return policy_from(document)


STAY = "stay, with the thresholds of a wider scope"


@pytest.mark.parametrize(
    ("deleted", "lines"),
    [
        ([], []),
        ([("acquirers", 1)], []),
        (
            [("merchants", 0)],
            [
                f"merchants acq-1/m-1 is deleted, and 3 entries about it {STAY}: limits acq-1/m-1, "
                "overrides acq-1/m-1, rules r-1"
            ],
        ),
        ([("merchants", 0), ("limits", 0), ("overrides", 0), ("rules", 0)], []),
        (
            [("goods", 0)],
            [
                f"goods any acquirer/appliances is deleted, and 1 entries about it {STAY}: "
                "limits any acquirer/appliances"
            ],
        ),
        (
            [("mccs", 0)],
            [f"mccs any acquirer/5732 is deleted, and 1 entries about it {STAY}: suppressions any acquirer/5732"],
        ),
        ([("mccs", 1)], []),
        (
            [("acquirers", 0)],
            [
                f"acquirers acq-1 is deleted, and 7 entries about it {STAY}: mccs acq-1/5732, merchants acq-1/m-1, "
                "limits acq-1/m-1, overrides acq-1/m-1, suppressions acq-1, rules r-1, lists l-1"
            ],
        ),
    ],
)
def test_entries_that_stay_behind_are_named(deleted: list[tuple[str, int]], lines: list[str]) -> None:
    assert orphans(without(), without(*deleted)) == lines


def test_a_scope_with_another_period_is_not_deleted() -> None:
    entry = WHOLE["merchants"][0]
    halves = [entry | UNTIL, entry | {"effective_from": UNTIL["effective_to"]}]
    assert orphans(policy_from(WHOLE | {"merchants": halves}), without()) == []
    assert orphans(policy_from(WHOLE | {"merchants": halves}), policy_from(WHOLE | {"merchants": halves[:1]})) == []


def test_a_line_names_ten_entries() -> None:
    many = policy_from(WHOLE | {"suppressions": [{"acquirer": "acq-2"} | WHO | UNTIL] * 12})
    gone = policy_from(msgspec.to_builtins(many) | {"acquirers": WHOLE["acquirers"][:1]})
    (line,) = orphans(many, gone)
    assert line.endswith(" and 2 more")
    assert line.count("suppressions acq-2") == NAMED_MAX


@settings(max_examples=examples(200))
@given(st.randoms())
def test_orphans_are_those_of_plain_lists(draw: random.Random) -> None:
    """By the documents, without scopes: an entry is about a merchant if it has its two names, and so on."""
    places = [(section, number) for section in SECTIONS for number in range(len(WHOLE[section]))]
    gone = draw.sample(places, draw.randint(1, len(places)))
    left = [place for place in places if place not in gone]
    names = ("acquirer", "merchant", "mcc", "goods")

    def key(place: tuple[str, int]) -> tuple[str | None, ...]:
        return tuple(WHOLE[place[0]][place[1]].get(name) for name in names)

    expected = {}
    for place in gone:
        if place[0] in ("acquirers", "goods", "mccs", "merchants"):
            whole = place[0] == "acquirers"
            about = [one for one in left if key(one)[0] == key(place)[0]] if whole else []
            inner = ("limits", "overrides", "suppressions", "rules")
            about = about or [one for one in left if not whole and one[0] in inner and key(one) == key(place)]
            if about:
                expected[place] = len(about)
    found = orphans(without(), without(*gone))
    assert len(found) == len(expected)
    for line, (place, count) in zip(
        found, sorted(expected.items(), key=lambda item: places.index(item[0])), strict=True
    ):
        assert line.startswith(f"{place[0]} ")
        assert f" and {count} entries about it stay" in line
