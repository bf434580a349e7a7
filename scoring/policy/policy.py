"""The policy: thresholds by scope, and the action of each band.

Precedence is merchant, then merchant category, then acquirer, then global. Only the narrowest scope that names an event
is used, so one place explains each decision.
"""

import difflib
import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from scoring.contract.types import AcquirerId, Mcc, MerchantId, ShortText, Text

Threshold = Annotated[int, Meta(ge=1, le=1000)]
"""A score from 0 to 999 reaches a band at or above its threshold; 1000 switches the band off."""

ScopeList = Meta(max_length=100_000)


class PolicyError(ValueError):
    """Raised when a policy is refused. The text gives the path and the way out."""


class Thresholds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lowest scores of the bands REVIEW, STEP_UP and BLOCK."""

    review: Threshold
    step_up: Threshold
    block: Threshold

    def __post_init__(self) -> None:
        if not self.review <= self.step_up <= self.block:
            raise ValueError(
                f"thresholds must rise: review {self.review} <= step_up {self.step_up} <= block {self.block}"
            )


class AcquirerScope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of one acquirer."""

    acquirer: AcquirerId
    thresholds: Thresholds
    reason: Text = ""
    author: ShortText = ""


class MccScope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of one merchant category. With an `acquirer` they are for that one only, and take precedence."""

    mcc: Mcc
    thresholds: Thresholds
    acquirer: AcquirerId | None = None
    reason: Text = ""
    author: ShortText = ""


class MerchantScope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds of one merchant of one acquirer."""

    acquirer: AcquirerId
    merchant: MerchantId
    thresholds: Thresholds
    reason: Text = ""
    author: ShortText = ""


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


class AlertRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lowest band that raises an alert, and the time within which alerts about one entity are one case.

    `incidents`: when traffic opens an incident of enumeration, whatever the bands of its decisions.
    """

    minimum_band: Literal["REVIEW", "STEP_UP", "BLOCK"] = "REVIEW"
    dedup_minutes: Annotated[int, Meta(ge=1, le=1440)] = 15
    incident_quiet_minutes: Annotated[int, Meta(ge=1, le=1440)] = 30
    incidents: IncidentRules = IncidentRules()


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"everywhere": "global"}):
    """A whole policy. `global` is the scope of all events without a narrower one."""

    version: ShortText
    everywhere: Thresholds
    acquirers: Annotated[list[AcquirerScope], ScopeList] = []
    mccs: Annotated[list[MccScope], ScopeList] = []
    merchants: Annotated[list[MerchantScope], ScopeList] = []
    actions: Actions = Actions()
    alerts: AlertRules = AlertRules()

    def __post_init__(self) -> None:
        _refuse_twice("acquirers", [scope.acquirer for scope in self.acquirers])
        _refuse_twice("mccs", [f"{scope.acquirer or 'any acquirer'}/{scope.mcc}" for scope in self.mccs])
        _refuse_twice("merchants", [f"{scope.acquirer}/{scope.merchant}" for scope in self.merchants])

    @property
    def identity(self) -> str:
        """The version, and the first 12 hexadecimal digits of the SHA-256 of the content."""
        return f"{self.version}+{hashlib.sha256(msgspec.json.encode(self, order='deterministic')).hexdigest()[:12]}"


def _refuse_twice(section: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{section} names {name} twice: keep one of the two")
        seen.add(name)


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


def _field_names(*records: type[Struct]) -> list[str]:
    return sorted({name for record in records for name in record.__struct_encode_fields__})


_KEYS = _field_names(Policy, Thresholds, AcquirerScope, MccScope, MerchantScope, Actions, AlertRules, IncidentRules)
_UNKNOWN_KEY = re.compile(r"unknown field `([^`]*)`")


def with_suggestion(message: str, known: list[str]) -> str:
    """Add the most similar known name to msgspec's error about an unknown field."""
    found = _UNKNOWN_KEY.search(message)
    nearest = difflib.get_close_matches(found.group(1), known, n=1) if found else []
    return f"{message}: did you mean `{nearest[0]}`?" if nearest else message
