"""What the core is built from: model bundle, policy, decode limits, merchant registry, profiles."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from streams.config.types import Currency, FilePath, Rate, Rows

EntityName = Literal["MERCHANT", "MERCHANT_BIN", "BIN", "DEVICE", "IP", "ACCOUNT", "ADDRESS"]
"""Entities that can be joined across acquirers; a card is always the acquirer's own."""


class ModelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the model bundle lies; None is the demonstration bundle inside the package."""

    bundle_dir: FilePath | None = None


class PolicySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the policy stands: a file of its own or `inline` here; neither is the policy inside the package."""

    file: FilePath | None = None
    inline: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.file is not None and self.inline is not None:
            raise ValueError("file and inline exclude each other")


class DecodeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is refused before it is read, and yen per unit of other currencies for events without their yen value."""

    bytes_max: Annotated[int, Meta(ge=1_024, le=1 << 20)] = 65_536
    depth_max: Annotated[int, Meta(ge=4, le=128)] = 32
    yen_per_unit: Annotated[dict[Currency, Rate], Meta(max_length=200)] = {}

    def __post_init__(self) -> None:
        if "JPY" in self.yen_per_unit:
            raise ValueError("yen_per_unit must not name JPY: a yen is a yen")


class MerchantsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The merchant registry: how many merchants it may hold, and how long reading it at start-up may take."""

    merchants_max: Rows = 1_000_000
    load_timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 120.0
