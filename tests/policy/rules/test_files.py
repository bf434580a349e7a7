"""Rules in the files of a policy: the policy's own, an acquirer's, and the schemas of both."""

import json
from typing import Any

import jsonschema
import pytest
import yaml

from streams.cli import main
from streams.config.policies import PolicyText, policy_of
from streams.config.strict import ConfigError

BASE = "version: '1'\nglobal: {review: 1, step_up: 2, block: 3}\n"
RULE = """
  - id: NAME
    mode: on
    when: |
      payment.channel == "ecom" // as sold
      && WORD > 1
    action: block
    text: {en: Bought too often, ja: １０分間に多数の購入}
    author: t.suzuki
    reason: attack
"""


def rules(*names: str, word: str = "score") -> str:
    return "rules:" + "".join(RULE.replace("NAME", name).replace("WORD", word) for name in names)


def composed(base: str, acquirer: str) -> Any:
    return policy_of(PolicyText("policy.yaml", base.encode(), (("acquirers/a.yaml", acquirer.encode()),)))


def test_a_rule_of_an_acquirers_file_is_about_its_payments_alone() -> None:
    made = composed(BASE + rules("everywhere"), "acquirer: a\n" + rules("own"))
    assert [(rule.id, rule.acquirer, rule.mode) for rule in made.rules] == [
        ("everywhere", None, "on"),
        ("own", "a", "on"),
    ]


def test_one_id_in_two_files_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"policy.yaml with the files of acquirers: \$: rules has two rules"):
        composed(BASE + rules("same"), "acquirer: a\n" + rules("same"))


def test_an_error_names_file_rule_line_column_and_the_variable_that_was_meant() -> None:
    with pytest.raises(ConfigError) as refused:
        composed(BASE, "acquirer: a\n" + rules("one", "two", word="scor"))
    assert str(refused.value) == (
        "acquirers/a.yaml: $.rules[0]: rule one: when, line 2, column 4: there is no variable scor; did you mean score?"
    )


@pytest.mark.parametrize("name", ["policy", "acquirer"])
def test_the_schemas_take_rules_as_they_are_written(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema", name]) == 0
    schema = json.loads(capsys.readouterr().out)
    document = yaml.safe_load({"policy": BASE, "acquirer": "acquirer: a\n"}[name] + rules("one"))
    jsonschema.validate(document, schema)
    document["rules"][0]["wen"] = "true"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)
