"""What follows where lists name an event: the band, the effects, and the reasons, against a plain oracle."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.policy import PolicyError, policy_from
from scoring.policy.listed import settled
from tests.lists.oracle import BANDS, RUNS, band_after

GIVEN = {"author": "t.suzuki", "reason": "known"}


def rules_of(*rules: dict[str, Any]) -> list[Any]:
    made = [{"id": f"list-{number}", "kind": "card", **GIVEN, **rule} for number, rule in enumerate(rules)]
    everywhere = {"review": 700, "step_up": 800, "block": 900}
    return policy_from({"version": "1", "global": everywhere, "lists": made}).lists


DENY = [{"direction": "deny", "action": action} for action in ("review", "step_up", "block")]
ONES = st.sampled_from([*DENY, {"direction": "allow"}])
MODES = st.sampled_from(({}, {"mode": "on"}, {"mode": "shadow"}))


@settings(max_examples=RUNS * 5, deadline=None)
@given(
    st.lists(st.builds(lambda one, mode: one | mode, ONES, MODES), min_size=1, max_size=4),
    st.sampled_from(BANDS),
    st.sampled_from(BANDS),
    st.booleans(),
)
def test_deny_goes_before_allow_and_allow_silences_neither_limits_nor_critical_rules(
    drawn: list[dict[str, str]], model: str, limit: str, critical: bool
) -> None:
    before = max(BANDS.index(model), BANDS.index(limit))
    band, effects = settled(rules_of(*drawn), before, BANDS.index(limit), lambda: critical)
    assert BANDS[band] == band_after(drawn, model, limit, critical)
    assert len(effects) == len(drawn)
    for rule, effect in zip(drawn, effects, strict=True):
        if rule.get("mode") == "shadow":
            assert effect == "SHADOW"
        else:
            assert (effect == "RAISED") <= (rule["direction"] == "deny" and band > before)
            assert (effect == "LOWERED") == (rule["direction"] == "allow" and band < before)
    assert ("RAISED" in effects) == (band > before)


CASES = [
    ([DENY[0], DENY[2]], 1, 0, False, 3, ["NO_CHANGE", "RAISED"]),
    ([DENY[2], DENY[2]], 0, 0, False, 3, ["RAISED", "RAISED"]),
    ([DENY[1]], 2, 0, False, 2, ["NO_CHANGE"]),
    ([DENY[0], {"direction": "allow"}], 3, 0, False, 3, ["NO_CHANGE", "DENIED"]),
    ([{"direction": "allow"}], 3, 0, False, 0, ["LOWERED"]),
    ([{"direction": "allow"}], 3, 1, False, 1, ["LOWERED"]),
    ([{"direction": "allow"}], 2, 2, False, 2, ["LIMIT"]),
    ([{"direction": "allow"}], 2, 2, True, 2, ["LIMIT"]),
    ([{"direction": "allow"}], 2, 0, True, 2, ["CRITICAL_RULE"]),
    ([{"direction": "allow"}], 2, 1, True, 2, ["CRITICAL_RULE"]),
    ([{"direction": "allow"}], 0, 0, True, 0, ["NO_CHANGE"]),
    ([{"direction": "allow", "mode": "shadow"}, DENY[0]], 0, 0, False, 1, ["SHADOW", "RAISED"]),
    ([{"direction": "allow"}, DENY[2] | {"mode": "shadow"}], 2, 0, False, 0, ["LOWERED", "SHADOW"]),
]


@pytest.mark.parametrize(("drawn", "band", "floor", "critical", "after", "effects"), CASES)
def test_each_effect_has_its_case(
    drawn: list[dict[str, str]], band: int, floor: int, critical: bool, after: int, effects: list[str]
) -> None:
    assert settled(rules_of(*drawn), band, floor, lambda: critical) == (after, effects)


REFUSED = [
    ({"direction": "deny"}, "action is for deny"),
    ({"direction": "allow", "action": "review"}, "action is for deny"),
    ({"direction": "allow", "kind": "merchant"}, "merchant needs the acquirer"),
    ({"direction": "allow", "approver": "t.suzuki"}, "approver must be another person"),
    ({"direction": "allow", "id": "Stolen Cards"}, "id"),
    ({"direction": "allow", "kind": "pan"}, "kind"),
    ({"direction": "allow", "mode": "of"}, "mode"),
    ({"direction": "allow", "reason": ""}, "reason"),
    ({"direction": "allow", "acton": "review"}, "did you mean `action`"),
]


@pytest.mark.parametrize(("rule", "said"), REFUSED)
def test_a_declaration_that_cannot_be_meant_is_refused(rule: dict[str, str], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        rules_of(rule)


def test_an_id_names_one_list() -> None:
    with pytest.raises(PolicyError, match="lists has the id a twice"):
        rules_of({"id": "a", "direction": "allow"}, {"id": "a", "direction": "allow"})
