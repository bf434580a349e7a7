"""Settings of profiles: the section `profiles` of a configuration."""

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from scoring.profile.entities import Entity
from scoring.profile.profiles import ProfileLimits

EntityName = Literal["MERCHANT", "MERCHANT_BIN", "BIN", "DEVICE", "IP", "ACCOUNT", "ADDRESS"]
"""Entities that can be joined across acquirers; a card is always the acquirer's own."""

RowsPowerOfTwo = Annotated[int, Meta(ge=1, le=1 << 26)]
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
    """Limits of profiles, and the entities whose profiles all acquirers share."""

    rows: ProfileRows = ProfileRows()
    joined: Annotated[tuple[EntityName, ...], Meta(max_length=8)] = ()

    def __post_init__(self) -> None:
        if len(set(self.joined)) != len(self.joined):
            raise ValueError("joined names an entity twice")

    @property
    def limits(self) -> ProfileLimits:
        """The limits that profiles are made with."""
        return ProfileLimits(**asdict(self.rows))

    @property
    def joined_entities(self) -> frozenset[int]:
        """The entities that are one across acquirers, as positions of `Entity`."""
        return frozenset(int(Entity[name]) for name in self.joined)
