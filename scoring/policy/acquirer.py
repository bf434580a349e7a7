"""The part of a policy that one acquirer owns, in a file of its own."""

from typing import Annotated, Final

from msgspec import Struct

from scoring.contract.types import AcquirerId, ShortText, Text
from scoring.policy.lists import ListRule
from scoring.policy.rules import Rule
from scoring.policy.scopes import (
    OF_ONE_SCOPE,
    AcquirerScope,
    FewEntries,
    GoodsScope,
    Limit,
    MccScope,
    MerchantScope,
    Override,
    ScopeList,
    Suppression,
    Thresholds,
    refuse_overlaps,
)

OF_ACQUIRERS: Final = ("goods", "mccs", "merchants", "limits", "overrides", "suppressions", "rules", "lists")
"""Sections of an acquirer's file, as in the policy. Their entries name no acquirer."""


class AcquirerFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of the policy that one acquirer owns. `thresholds`: those of all its merchants without narrower ones."""

    acquirer: AcquirerId
    thresholds: Thresholds | None = None
    goods: Annotated[list[GoodsScope], ScopeList] = []
    mccs: Annotated[list[MccScope], ScopeList] = []
    merchants: Annotated[list[MerchantScope], ScopeList] = []
    limits: Annotated[list[Limit], ScopeList] = []
    overrides: Annotated[list[Override], ScopeList] = []
    suppressions: Annotated[list[Suppression], FewEntries] = []
    rules: Annotated[list[Rule], FewEntries] = []
    lists: Annotated[list[ListRule], FewEntries] = []
    author: ShortText = ""
    reason: Text = ""

    def __post_init__(self) -> None:
        for section in OF_ACQUIRERS:
            if section in OF_ONE_SCOPE:
                refuse_overlaps(section, getattr(self, section))

    @property
    def scopes(self) -> list[AcquirerScope]:
        """Its thresholds as an entry of the policy."""
        if self.thresholds is None:
            return []
        return [
            AcquirerScope(acquirer=self.acquirer, thresholds=self.thresholds, author=self.author, reason=self.reason)
        ]
