"""What the core is built from: model bundle, profile capacities, decode limits, rates, policy."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from streams.config.types import Currency, FilePath, Rate


class ModelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the model bundle lies; None is the demonstration bundle inside the package."""

    bundle_dir: FilePath | None = None


class DecodeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is refused before it is read."""

    event_bytes_max: Annotated[int, Meta(ge=1_024, le=1 << 20)] = 65_536


class AmountsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Yen per unit of another currency, for events without their yen value; a currency not named is unknown."""

    jpy_per_unit: Annotated[dict[Currency, Rate], Meta(max_length=200)] = {}

    def __post_init__(self) -> None:
        if "JPY" in self.jpy_per_unit:
            raise ValueError("jpy_per_unit must not name JPY")


class PolicySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the policy stands: a file of its own or `inline` here; neither is the policy inside the package."""

    file: FilePath | None = None
    inline: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.file is not None and self.inline is not None:
            raise ValueError("file and inline exclude each other")
