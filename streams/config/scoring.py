"""What the core is built from: model bundle, policy, decode limits, merchant registry, profiles."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from scoring.contract.currencies import CURRENCIES
from scoring.decode.limits import REFERENCES, GuardMode
from scoring.decode.rejects import TEXT_FIELDS
from scoring.nearness import nearest
from scoring.profile import ProfileLimits
from streams.config.types import Currency, FilePath, Rate, Rows, RowsPowerOfTwo

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


_EDITS_MAX = 4
"""Between a path and the one that is suggested for it."""


class Reference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field whose digits, at exactly this length, are a reference although some would pass for a card number."""

    path: Annotated[str, Meta(min_length=1, max_length=256)]
    digits: Annotated[int, Meta(ge=13, le=19)]

    def __post_init__(self) -> None:
        length_max = TEXT_FIELDS.get(self.path)
        if length_max is None:
            near = nearest(self.path, TEXT_FIELDS, _EDITS_MAX)
            way_out = f"did you mean {near}?" if near else "write it as $.merchant.id"
            raise ValueError(f"path names no text field of auth.event.v1, label.v1 or merchant.v1; {way_out}")
        if self.digits > length_max:
            raise ValueError(f"path names a field of at most {length_max} characters: {self.digits} digits never match")


class DecodeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is refused before it is read, and yen per unit of other currencies for events without their yen value."""

    bytes_max: Annotated[int, Meta(ge=1_024, le=1 << 20)] = 65_536
    depth_max: Annotated[int, Meta(ge=4, le=128)] = 32
    yen_per_unit: Annotated[dict[Currency, Rate], Meta(max_length=200)] = {}
    guard: GuardMode = "strip"
    references: Annotated[tuple[Reference, ...], Meta(max_length=32)] = tuple(
        Reference(path=path, digits=digits) for path, digits in REFERENCES
    )

    def __post_init__(self) -> None:
        for currency in self.yen_per_unit:
            if currency not in CURRENCIES:
                near = nearest(currency.upper(), CURRENCIES, 1)
                way_out = f"did you mean {near}?" if near else "write the three letters of ISO 4217"
                raise ValueError(f"yen_per_unit names {currency}: no currency known here; {way_out}")
        if "JPY" in self.yen_per_unit:
            raise ValueError("yen_per_unit must not name JPY: a yen is a yen")


class MerchantsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The merchant registry: how many merchants it may hold, and how long reading it at start-up may take."""

    merchants_max: Rows = 1_000_000
    load_timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 120.0


_ROWS = ProfileLimits()


class ProfileRows(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many profiles of each entity are kept; a full store forgets the one that was idle longest."""

    card: RowsPowerOfTwo = _ROWS.card
    merchant: RowsPowerOfTwo = _ROWS.merchant
    merchant_bin: RowsPowerOfTwo = _ROWS.merchant_bin
    bin: RowsPowerOfTwo = _ROWS.bin
    device: RowsPowerOfTwo = _ROWS.device
    ip: RowsPowerOfTwo = _ROWS.ip
    account: RowsPowerOfTwo = _ROWS.account
    address: RowsPowerOfTwo = _ROWS.address

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            rows = getattr(self, field)
            if rows & (rows - 1):
                raise ValueError(f"{field} must be a power of two: {1 << rows.bit_length()} is the next")


class ProfilesSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is remembered, and of which entities all acquirers share one profile."""

    rows: ProfileRows = ProfileRows()
    joined: Annotated[tuple[EntityName, ...], Meta(max_length=8)] = ()

    def __post_init__(self) -> None:
        if len(set(self.joined)) != len(self.joined):
            raise ValueError("joined names an entity twice")
