"""The policy: thresholds by scope, limits, overrides and suppressions, and the action of each band.

Precedence is merchant, then merchant category, group of goods, acquirer, global; of a category or a group, the entry
with the acquirer goes first. Only the narrowest scope that names an event at its time is used, so one place explains
each decision. An override goes before the standing entry of its own scope.
"""

import difflib
import hashlib
import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from scoring.contract.types import ShortText
from scoring.lists.kinds import LISTS_MAX
from scoring.policy.experiment import Candidate, Experiment
from scoring.policy.failing import AcquirerFailure, ModelFailure
from scoring.policy.lists import ListRule, refuse_same_ids
from scoring.policy.rules.rule import Rule, RuleCaps, RuleText, refuse_doubles
from scoring.policy.scopes import (
    OF_ONE_SCOPE,
    AcquirerScope,
    FewEntries,
    Given,
    GoodsScope,
    Limit,
    MccScope,
    MerchantScope,
    Override,
    ScopeList,
    Suppression,
    Thresholds,
    field_names,
    refuse_overlaps,
)

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{12}\Z", max_length=12)]


class PolicyError(ValueError):
    """Raised when a policy is refused. The text gives the path and the way out."""


class Actions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recommended action of each band. An acquirer can rarely decline for the issuer."""

    ALLOW: ShortText = "none"
    REVIEW: ShortText = "review"
    STEP_UP: ShortText = "challenge_3ds"
    BLOCK: ShortText = "recommend_decline"


Percent = Annotated[int, Meta(ge=0, le=100)]
CardsMin = Annotated[int, Meta(ge=2, le=100_000)]


class IncidentRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When traffic opens an incident of enumeration.

    About a merchant and a BIN: at least `bin_cards_10m` cards in ten minutes, or `bin_cards_1h` in an hour. About a
    merchant: at least `merchant_cards_10m` cards in ten minutes, and as many as `distinct_percent` of the attempts.
    For both, `card_data_percent` of the answers in an hour say that the card's data is wrong; 0 asks for no answers.
    """

    bin_cards_10m: CardsMin = 15
    bin_cards_1h: CardsMin = 30
    merchant_cards_10m: CardsMin = 30
    distinct_percent: Percent = 80
    card_data_percent: Percent = 50


class DigestRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a merchant has so many alerts that one digest takes their place.

    Beyond `alerts_max` alerts in a window of `window_minutes`, counted from the epoch, a digest takes those that are
    not CRITICAL, until the merchant had none of them for `quiet_minutes`.
    """

    alerts_max: Annotated[int, Meta(ge=1, le=100_000)] = 30
    window_minutes: Annotated[int, Meta(ge=1, le=1440)] = 10
    quiet_minutes: Annotated[int, Meta(ge=1, le=1440)] = 15


class AlertRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lowest band that raises an alert, and the time within which alerts about one entity are one case.

    `incidents`: when traffic opens an incident of enumeration, whatever the bands of its decisions. `digest`: when a
    merchant has so many alerts that they become one.
    """

    minimum_band: Literal["REVIEW", "STEP_UP", "BLOCK"] = "REVIEW"
    dedup_minutes: Annotated[int, Meta(ge=1, le=1440)] = 15
    incident_quiet_minutes: Annotated[int, Meta(ge=1, le=1440)] = 30
    incidents: IncidentRules = IncidentRules()
    digest: DigestRules = DigestRules()


class Approval(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Approval of one content: any later change of the policy voids it. `content`: the digest in its identity."""

    approver: Given
    content: Digest


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"everywhere": "global"}):
    """A whole policy. `global` is the scope of all events without a narrower one."""

    version: ShortText
    everywhere: Thresholds
    acquirers: Annotated[list[AcquirerScope], ScopeList] = []
    mccs: Annotated[list[MccScope], ScopeList] = []
    merchants: Annotated[list[MerchantScope], ScopeList] = []
    actions: Actions = Actions()
    alerts: AlertRules = AlertRules()
    goods: Annotated[list[GoodsScope], ScopeList] = []
    limits: Annotated[list[Limit], ScopeList] = []
    overrides: Annotated[list[Override], ScopeList] = []
    suppressions: Annotated[list[Suppression], FewEntries] = []
    rules: Annotated[list[Rule], FewEntries] = []
    rule_caps: RuleCaps = RuleCaps()
    lists: Annotated[list[ListRule], Meta(max_length=LISTS_MAX)] = []
    model_failure: ModelFailure = ModelFailure()
    author: ShortText = ""
    approval: Approval | None = None
    experiment: Experiment | None = None

    def __post_init__(self) -> None:
        for section in OF_ONE_SCOPE:
            refuse_overlaps(section, getattr(self, section))
        refuse_doubles(self.rules)
        refuse_same_ids(self.lists)
        if self.experiment is not None:
            self._check(self.experiment)

    def _check(self, experiment: Experiment) -> None:
        if experiment.candidate.version == self.version:
            raise ValueError("experiment.candidate.version is that of the policy: give the candidate another one")
        try:
            _ = self.candidate
        except ValueError as error:
            raise ValueError(f"experiment.candidate: {error}") from None

    @property
    def candidate(self) -> "Policy | None":
        """The policy of arm B of the experiment, whole, and made anew; None without an experiment."""
        if self.experiment is None:
            return None
        given = {"author": self.experiment.author, **self.experiment.candidate.given}
        return msgspec.structs.replace(self, approval=None, experiment=None, **given)

    @property
    def standing(self) -> Iterator[AcquirerScope | GoodsScope | MccScope | MerchantScope]:
        """The entries with thresholds that are no overrides."""
        return chain(self.acquirers, self.goods, self.mccs, self.merchants)

    @property
    def rule_modes(self) -> Mapping[str, str]:
        """The mode of each rule that is not off, by id."""
        return {rule.id: str(rule.mode) for rule in self.rules if rule.mode != "off"}

    @property
    def blocking_rules(self) -> AbstractSet[str]:
        """The ids of the rules that are on and block."""
        return {rule.id for rule in self.rules if rule.mode == "on" and rule.action == "block"}

    @property
    def content(self) -> bytes:
        """What decides, as JSON: all but the approval. Without an experiment it is that of releases before those."""
        content = msgspec.to_builtins(self)
        del content["approval"]
        if self.experiment is None:
            del content["experiment"]
        return msgspec.json.encode(content, order="deterministic")

    @property
    def digest(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of the content."""
        return digest_of(self.content)

    @property
    def identity(self) -> str:
        """The version and the digest."""
        return f"{self.version}+{self.digest}"

    def unapproved(self) -> str | None:
        """Say what an approval by another person than the author lacks; None if it is complete."""
        digest = self.digest
        if not self.author:
            return "author is missing: who made this change?"
        if self.approval is None or self.approval.content != digest:
            return f"this content is not approved: an approver writes approval: {{approver: NAME, content: {digest}}}"
        if self.approval.approver == self.author:
            return "approval.approver must be another person than author"
        return None


def digest_of(content: bytes) -> str:
    """Return the digest of a policy by its content."""
    return hashlib.sha256(content).hexdigest()[:12]


def policy_from(document: object) -> Policy:
    """Convert a policy that was loaded from YAML.

    Raises PolicyError with the JSON path, and with the most similar known name for a misspelt key.

    >>> policy_from({"version": "1", "global": {"review": 600, "step_up": 800, "block": 900}}).everywhere.review
    600
    """
    if not isinstance(document, Mapping):
        raise PolicyError("a policy is a mapping with the keys version and global - at `$`")
    try:
        return msgspec.convert(document, Policy)
    except msgspec.ValidationError as error:
        raise PolicyError(with_suggestion(str(error), _KEYS)) from None


_KEYS = field_names(
    Policy,
    Thresholds,
    AcquirerScope,
    GoodsScope,
    MccScope,
    MerchantScope,
    Limit,
    Override,
    Suppression,
    Rule,
    RuleCaps,
    RuleText,
    ListRule,
    ModelFailure,
    AcquirerFailure,
    Approval,
    Actions,
    AlertRules,
    IncidentRules,
    Experiment,
    Candidate,
)
_UNKNOWN_KEY = re.compile(r"unknown field `([^`]*)`")


def with_suggestion(message: str, known: list[str]) -> str:
    """Add the most similar known name to msgspec's error about an unknown field."""
    found = _UNKNOWN_KEY.search(message)
    nearest = difflib.get_close_matches(found.group(1), known, n=1) if found else []
    return f"{message}: did you mean `{nearest[0]}`?" if nearest else message
