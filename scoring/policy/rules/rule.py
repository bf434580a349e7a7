"""A rule of the policy: a condition in CEL, and what follows where it is true."""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from scoring.policy.rules.language import TEXT_MAX, ConditionError, checked
from scoring.policy.scopes import Given, GivenText, Targeted

RuleId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", min_length=1, max_length=48)]
Blocks = Annotated[int, Meta(ge=1, le=10_000_000)]
Condition = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]


class RuleText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the rule says as a reason of a decision."""

    en: GivenText
    ja: GivenText


class RuleCaps(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Most payments that one rule blocks in an hour of event time: in all, and at one merchant.

    Beyond a cap the rule asks for REVIEW until the hour is over. A payment that the model or a limit blocks as well is
    not counted. With several partitions each has its share of a cap, at least 1.
    """

    blocks_per_hour: Blocks = 5_000
    merchant_blocks_per_hour: Blocks = 500


class Rule(Targeted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment for which `when` is true gets at least the band `action`. A rule never lowers a band.

    `when` is a condition in CEL. With `mode` shadow, a hit is only counted and named in the decision. If `when` depends
    on a missing value or a failed operation, it is no hit. YAML reads `on` and `off` as true and false: both are taken.
    `blocks_per_hour` and `merchant_blocks_per_hour` go before those of the policy's `rule_caps`.
    """

    id: RuleId
    when: Condition
    action: Literal["review", "step_up", "block"]
    text: RuleText
    author: Given
    reason: GivenText
    mode: Literal["off", "shadow", "on"] | bool = "shadow"
    blocks_per_hour: Blocks | None = None
    merchant_blocks_per_hour: Blocks | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.mode, bool):
            msgspec.structs.force_setattr(self, "mode", "on" if self.mode else "off")
        if self.action != "block" and (self.blocks_per_hour, self.merchant_blocks_per_hour) != (None, None):
            raise ValueError(
                f"rule {self.id}: blocks_per_hour and merchant_blocks_per_hour are for the action block: leave them out"
            )
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
