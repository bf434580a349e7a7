"""An experiment as a policy declares it: a candidate policy that decides a share of cards for a time."""

from datetime import timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from scoring.contract.types import Timestamp
from scoring.policy.rules.counts import PER_MILLE
from scoring.policy.rules.rule import Rule, RuleCaps
from scoring.policy.scopes import (
    AcquirerScope,
    FewEntries,
    Given,
    GivenText,
    GoodsScope,
    Limit,
    MccScope,
    MerchantScope,
    Override,
    ScopeList,
    Suppression,
    Thresholds,
    millis,
)

DAYS_MAX: Final = 366
"""Longest time of an experiment."""

ExperimentId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", min_length=1, max_length=48)]
PerMille = Annotated[int, Meta(ge=0, le=PER_MILLE)]


class Candidate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"everywhere": "global"}):
    """What the candidate changes. A section that is given replaces the whole section of the policy; others stay.

    Sections that are not here hold for both arms: alerts and incidents, actions, lists, and what happens without a
    model.
    """

    version: Given
    everywhere: Thresholds | None = None
    acquirers: Annotated[list[AcquirerScope], ScopeList] | None = None
    mccs: Annotated[list[MccScope], ScopeList] | None = None
    merchants: Annotated[list[MerchantScope], ScopeList] | None = None
    goods: Annotated[list[GoodsScope], ScopeList] | None = None
    limits: Annotated[list[Limit], ScopeList] | None = None
    overrides: Annotated[list[Override], ScopeList] | None = None
    suppressions: Annotated[list[Suppression], FewEntries] | None = None
    rules: Annotated[list[Rule], FewEntries] | None = None
    rule_caps: RuleCaps | None = None

    @property
    def given(self) -> dict[str, object]:
        """The fields of a policy that it replaces."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}


class Experiment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A candidate decides `share_per_mille` of cards (arm B), and the published policy the others (arm A).

    In force for payments with `effective_from <= time < effective_to`, as entries of the policy are. `salt` chooses the
    cards: without one it is the id. Give the salt of an earlier experiment to have the same cards in arm B.
    """

    id: ExperimentId
    share_per_mille: PerMille
    effective_from: Timestamp
    effective_to: Timestamp
    author: Given
    approver: Given
    reason: GivenText
    candidate: Candidate
    salt: Given | None = None

    def __post_init__(self) -> None:
        if self.effective_from >= self.effective_to:
            raise ValueError("effective_to must be after effective_from")
        if self.effective_to - self.effective_from > timedelta(days=DAYS_MAX):
            raise ValueError(f"effective_to must be at most {DAYS_MAX} days after effective_from")
        if self.approver == self.author:
            raise ValueError("approver must be another person than author")

    @property
    def effective_salt(self) -> str:
        """The salt in use."""
        return self.id if self.salt is None else self.salt

    def told_at(self, at_ms: int) -> str:
        """Say in a line what it is, and whether it is in force at a time in ms since the epoch."""
        state = "in force" if self.from_ms <= at_ms < self.to_ms else "begins later" if at_ms < self.from_ms else "over"
        period = f"from {self.effective_from.isoformat()} to {self.effective_to.isoformat()}"
        share = f"candidate {self.candidate.version} decides {self.share_per_mille} of {PER_MILLE:,} cards"
        said = f"author {self.author}; approver {self.approver}; reason {self.reason}"
        return f"{self.id}: {state}; {share}; {period}; {said}"

    @property
    def from_ms(self) -> int:
        """First ms of its time, since the epoch."""
        return millis(self.effective_from)

    @property
    def to_ms(self) -> int:
        """First ms after its time, since the epoch."""
        return millis(self.effective_to)
