"""What the policy says of a model that is missing, refused or too old: the section `model_failure`."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from scoring.contract.types import AcquirerId

Unmodelled = Literal["stop", "rules_only"]
Outdated = Literal["stop", "rules_only", "serve"]
AgeDays = Annotated[int, Meta(ge=1, le=3650)]

DAY_MS: Final = 86_400_000


class AcquirerFailure(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for the events of one acquirer. What it leaves out is as for all."""

    acquirer: AcquirerId
    missing: Unmodelled | None = None
    refused: Unmodelled | None = None
    too_old: Outdated | None = None
    max_age_days: AgeDays | None = None


class ModelFailure(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens without a sound model, for all events and for those of one acquirer.

    stop: the worker does not decide such events: it does not start, or halts. rules_only: decided without a score, with
    status DEGRADED. serve: the score counts, and the decision says that its model is too old. A model is too old for an
    event that is more than `max_age_days` days of 24 hours after the end of the model's training; without a number,
    never.
    """

    missing: Unmodelled = "stop"
    refused: Unmodelled = "stop"
    too_old: Outdated = "serve"
    max_age_days: AgeDays | None = None
    acquirers: Annotated[list[AcquirerFailure], Meta(max_length=1_000)] = []

    def __post_init__(self) -> None:
        named = set[str]()
        for entry in self.acquirers:
            if entry.acquirer in named:
                raise ValueError(f"acquirers names {entry.acquirer} twice: keep one of the two")
            named.add(entry.acquirer)

    def actions(self, reason: str) -> set[str]:
        """Return all that the scopes say for a reason, a field of this record."""
        return {value for each in (self, *self.acquirers) if (value := getattr(each, reason)) is not None}

    def stopping(self, reason: str) -> list[str]:
        """Name the scopes that say `stop` for a reason, a field of this record: `all events`, and acquirers."""
        everywhere = ["all events"] if getattr(self, reason) == "stop" else []
        return everywhere + [entry.acquirer for entry in self.acquirers if getattr(entry, reason) == "stop"]
