"""A rule of the policy: a condition in CEL, and what follows where it is true."""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from scoring.policy.rules.language import TEXT_MAX, ConditionError, checked
from scoring.policy.scopes import Given, GivenText, Targeted

RuleId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", min_length=1, max_length=48)]
Condition = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]


class RuleText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the rule says as a reason of a decision."""

    en: GivenText
    ja: GivenText


class Rule(Targeted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment for which `when` is true gets at least the band `action`. A rule never lowers a band.

    `when` is a condition in CEL. With `mode` shadow, a hit is only counted and named in the decision. If `when` depends
    on a missing value or a failed operation, it is no hit. YAML reads `on` and `off` as true and false: both are taken.
    """

    id: RuleId
    when: Condition
    action: Literal["review", "step_up", "block"]
    text: RuleText
    author: Given
    reason: GivenText
    mode: Literal["off", "shadow", "on"] | bool = "shadow"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.mode, bool):
            msgspec.structs.force_setattr(self, "mode", "on" if self.mode else "off")
        try:
            checked(self.when)
        except ConditionError as error:
            raise ValueError(f"rule {self.id}: when, {error}") from None

    @property
    def label(self) -> str:
        """Its name in a comparison of policies."""
        return self.id


def refuse_doubles(rules: Iterable[Rule]) -> None:
    """Refuse two rules of one id.

    Raises:
        ValueError: it names the id.
    """
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise ValueError(f"rules has two rules with the id {rule.id}: give one of them another id")
        seen.add(rule.id)
