"""A condition that is wrong is refused with its rule, line, column, cause and way out."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from scoring.policy import PolicyError, policy_changes, policy_from, policy_lines
from scoring.policy.explain import Subject
from scoring.policy.rules.language import ConditionError, checked
from scoring.policy.rules.variables import variables

TEXT = {"en": "said", "ja": "言葉"}
RULE: dict[str, Any] = {"id": "r", "when": "score > 1", "action": "block", "text": TEXT, "author": "a", "reason": "b"}


def policy(*rules: dict[str, Any]) -> Any:
    levels = {"review": 1, "step_up": 2, "block": 3}
    return policy_from({"version": "t", "global": levels, "rules": [RULE | changes for changes in rules]})


@pytest.mark.parametrize(
    ("when", "place", "said"),
    [
        ("card_atempts_10m > 1.0", (1, 1), "no variable card_atempts_10m; did you mean card_attempts_10m?"),
        ("true && payment.chanel == 'ecom'", (1, 9), "no variable payment.chanel; did you mean payment.channel?"),
        ("paymnt.amount_jpy > 3", (1, 1), "did you mean payment.amount_jpy?"),
        ("amount_jpy > 3", (1, 1), "did you mean payment.amount_jpy?"),
        ("chanel == 1.0", (1, 1), "did you mean channel?"),
        ("fundin_ == 'debit'", (1, 1), "did you mean funding?"),
        ("known.card_age_dys", (1, 1), "did you mean known.card_age_days?"),
        ("qqqqqqqq > 1", (1, 1), "the page of rules lists the variables"),
        ("score > 1 &&\n  card_age_day > 1.0", (2, 3), "did you mean card_age_days?"),
        ("card_age_days > 1", (1, 15), "> does not take double and int; write a double with a decimal point (5.0)"),
        ("score + 1.5 > 2.0", (1, 7), "+ does not take int and double; write a double"),
        ("payment.channel > 1", (1, 17), "> does not take string and int"),
        ("score >\n", (2, 1), "Syntax error"),
        ("payment.channel == 'ecomm'", (1, 20), "payment.channel is never 'ecomm'; did you mean 'ecom'?"),
        ("payment.channel in ['ecom',\n 'moti']", (2, 2), "payment.channel is never 'moti'; did you mean 'moto'?"),
        ("'TDS99' in tds.broken_rules", (1, 1), "tds.broken_rules is never 'TDS99'; did you mean 'TDS09'?"),
        ("payment.mcc == '573'", (1, 16), "payment.mcc is never '573'; it is one of: merchant category, four digits"),
        ("payment.initiator != 'XYZXYZ'", (1, 22), "it is one of: CIT, MIT"),
        ("score", (1, 1), "the condition has the type int: write a comparison"),
        ("has(payment.recurring)", (1, 1), "rules have no function or macro has"),
        ("tds.broken_rules.exists(x, x == 'TDS01')", (1, 18), "rules have no function or macro exists"),
        ("payment.mcc.matches('5.*')", (1, 20), "rules have no function matches"),
        ("payment.mcc.startsWith(payment.channel)", (1, 23), "write a variable before it and a constant in it"),
        ("payment.mcc < '5'", (1, 13), "< is only for numbers here"),
        ("payment.mcc + 'a' == 'b'", (1, 13), "+ is only for numbers here"),
        ("tds.broken_rules == tds.broken_rules", (1, 18), "lists cannot be compared"),
        ("size(payment.mcc) > 1", (1, 5), "size is only for a list of the payment"),
        ("score in []", (1, 7), "write a value in a list of constants"),
        ("score in [1, score]", (1, 7), "write a value in a list of constants"),
        ("payment.channel in tds.broken_rules", (1, 17), "write a value in a list of constants"),
        ("dyn(score) == 1", (1, 4), "rules have no function dyn"),
        ("1u == 1u", (1, 1), "rules cannot use a number without a sign"),
        ("b'a' == b'a'", (1, 1), "rules cannot use bytes"),
        ("null == null", (1, 1), "rules cannot use null"),
        ("{1: 2} == {1: 2}", (1, 1), "rules cannot use a map"),
        ("(" * 40 + "true" + ")" * 40, (1, 1), "more than 32 levels"),
        (" && ".join(["score > 1"] * 90), (1, 1), "more than 256 names, constants and operators"),
        ("score + " * 40 + "1 > 0", (1, 1), "more than 32 levels"),
    ],
)
def test_a_wrong_condition_is_refused_with_its_place_and_the_way_out(
    when: str, place: tuple[int, int], said: str
) -> None:
    with pytest.raises(ConditionError) as refused:
        checked(when)
    fault = refused.value.fault
    assert said in fault.what
    assert (fault.line, fault.column) == place
    with pytest.raises(PolicyError, match=re.escape(f"rule r: when, line {place[0]}, column {place[1]}: ")) as told:
        policy({}, {"id": "r", "when": when})
    assert "$.rules[1]" in str(told.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "no blank"}, "id"),
        ({"id": "-r"}, "id"),
        ({"id": "r" * 49}, "id"),
        ({"when": ""}, "when"),
        ({"when": "true || " * 300 + "true"}, "when"),
        ({"action": "allow"}, "action"),
        ({"mode": "maybe"}, "mode"),
        ({"text": {"en": "a"}}, "missing required field `ja`"),
        ({"author": ""}, "author"),
        ({"reason": None}, "reason"),
        ({"merchant": "m"}, "merchant needs its acquirer"),
        ({"effective_from": "2026-01-01T00:00:00Z", "effective_to": "2026-01-01T00:00:00Z"}, "must be after"),
        ({"wen": "true"}, "did you mean `when`?"),
    ],
)
def test_a_wrong_rule_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(said)):
        policy(changes)


def test_an_id_is_given_once() -> None:
    with pytest.raises(PolicyError, match="two rules with the id r: give one of them another id"):
        policy({}, {"when": "score > 2"})


def test_rules_are_at_most_a_thousand() -> None:
    assert len(policy(*({"id": f"r{number}"} for number in range(1000))).rules) == 1000
    with pytest.raises(PolicyError, match="rules"):
        policy(*({"id": f"r{number}"} for number in range(1001)))


def test_a_shipped_policy_has_no_rule_and_a_new_rule_is_in_shadow() -> None:
    made = policy({})
    assert made.rules[0].mode == "shadow"
    assert made.rule_modes == {"r": "shadow"}
    assert policy({"mode": "off"}).rule_modes == {}


def test_a_difference_names_rules_by_their_id() -> None:
    before, after = policy({"id": "a"}, {"id": "b"}), policy({"id": "b"}, {"id": "a", "when": "score > 2"})
    assert [(change.path, change.old, change.new) for change in policy_changes(before, after)] == [
        ("rules.a.when", '"score > 1"', '"score > 2"')
    ]
    assert before.identity != after.identity


def test_an_explanation_lists_the_rules_that_name_the_payment() -> None:
    made = policy(
        {"id": "on", "mode": "on", "when": "score >\n  1"},
        {"id": "shadow", "acquirer": "a"},
        {"id": "off", "mode": "off"},
        {"id": "over", "mode": "on", "effective_to": "1970-01-01T00:00:00.005Z"},
        {"id": "elsewhere", "mode": "on", "mcc": "5411"},
        {"id": "own", "mode": "on", "effective_to": "1970-01-01T00:00:00.005Z", "blocks_per_hour": 1_000},
        {"id": "both", "mode": "off", "blocks_per_hour": 10, "merchant_blocks_per_hour": 1},
    )
    lines = list(policy_lines(made, Subject("a", "m", "5732", 5)))
    told = lines[lines.index("rules: 1") + 1 :]
    assert told.pop(0) == "  a rule blocks at most 5,000 payments and 500 at a merchant in an hour"
    assert told[0] == "  rules, on, all events: applies; author a; reason b; block when score > 1"
    assert told[1].startswith("  rules, shadow, a: in shadow: its hits are counted and change nothing; ")
    assert told[2].startswith("  rules, off, all events: not asked: its mode is off; ")
    assert told[3].startswith("  rules, over, all events: not in force: it has ended; to 1970")
    assert told[4].endswith("block when score > 1; at most 1,000 payments in an hour")
    assert told[5].endswith("block when score > 1; at most 10 payments and 1 at a merchant in an hour")
    assert len(told) == 6
    earlier = list(policy_lines(made, Subject("a", "m", "5732", 4)))
    assert "rules: 3" in earlier
    assert "rules: none" in list(policy_lines(policy({"mcc": "5411"}), Subject("a", "m", "5732", 4)))


def test_the_examples_of_the_page_are_right() -> None:
    page = (Path(__file__).parents[3] / "deploy/docs/how-to/rules.md").read_text()
    table = page.partition("## Examples")[2].partition("## What the language")[0]
    examples = re.findall(r"^\| .* \| `(.*)` \|$", table, re.MULTILINE)
    written = re.findall(r"^```yaml\n(rules:.*?)```", page, re.MULTILINE | re.DOTALL)
    assert (len(examples), len(written)) == (7, 1)
    for when in examples:
        checked(when.replace("\\|", "|"))
    assert policy(*yaml.safe_load(written[0])["rules"]).rules[0].action == "step_up"


def test_every_variable_has_words_of_its_kind_and_a_description() -> None:
    for name, each in variables().items():
        assert each.doc
        assert bool(each.words) == (each.kind in ("string", "list")), name
        checked(f"known.{name}")
