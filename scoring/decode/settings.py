"""Settings of decoding: the section `decode` of a configuration, and the limits that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, NamedTuple

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from scoring.contract.currencies import CURRENCIES
from scoring.decode.rejects import TEXT_FIELDS
from scoring.nearness import nearest
from scoring.reference.response_codes import Answers, answers

IDENTIFIERS = (
    ("$.ids.network_txn_id", 15),  # ISO 8583 DE 62.2 as Visa uses it
    ("$.network_txn_id", 15),
    ("$.merchant.id", 15),  # DE 42 is 15 places and often all digits: 0.6 % of such ids pass for American Express
    ("$.merchant_id", 15),
)
"""Fields of the contract whose digits are identifiers at exactly this length, although some pass for a card number."""


GuardMode = Literal["strip", "refuse"]
"""Treatment of a record with sensitive data in a field that no output carries: decide without the data, or refuse."""

Rate = Annotated[float, Meta(gt=0.0, le=1e6)]
CurrencyKey = Annotated[str, Meta(min_length=1, max_length=16)]  # ISO 4217 alphabetic: looked up, not only matched

_CURRENCIES = 1000
_EDITS_MAX: Final = 4
"""Text between a path and the suggested one."""


class Identifier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field whose digits at exactly this length are an identifier, although some would pass for a card number."""

    path: Annotated[str, Meta(min_length=1, max_length=256)]
    digits: Annotated[int, Meta(ge=13, le=19)]

    def __post_init__(self) -> None:
        length_max = TEXT_FIELDS.get(self.path)
        if length_max is None:
            near = nearest(self.path, TEXT_FIELDS, _EDITS_MAX)
            way_out = f"did you mean {near}?" if near else "write it as $.merchant.id"
            raise ValueError(
                f"path names no text field of auth.event.v1, label.v1, merchant.v1, "
                f"threeds-result.v1 or settlement.v1; {way_out}"
            )
        if self.digits > length_max:
            raise ValueError(f"path names a field of at most {length_max} characters: {self.digits} digits never match")


class DecodeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a record, settings of the guard, and yen per unit of other currencies for events without a value in
    yen.
    """

    bytes_max: Annotated[int, Meta(ge=1_024, le=1 << 20)] = 65_536
    depth_max: Annotated[int, Meta(ge=4, le=128)] = 32
    yen_per_unit: Annotated[dict[CurrencyKey, Rate], Meta(max_length=200)] = {}
    guard: GuardMode = "strip"
    identifiers: Annotated[tuple[Identifier, ...], Meta(max_length=32)] = tuple(
        Identifier(path=path, digits=digits) for path, digits in IDENTIFIERS
    )

    def __post_init__(self) -> None:
        for currency in self.yen_per_unit:
            if currency not in CURRENCIES:
                near = nearest(currency.upper(), CURRENCIES, 1)
                way_out = f"did you mean {near}?" if near else "write the three letters of ISO 4217"
                raise ValueError(f"yen_per_unit names {currency}: no currency known here; {way_out}")
        if "JPY" in self.yen_per_unit:
            raise ValueError("yen_per_unit must not name JPY: a yen is a yen")

    def limits(self, joined: frozenset[int]) -> "DecodeLimits":
        """Return the limits for kernels. `joined`: entities that are one across acquirers."""
        return DecodeLimits(
            bytes_max=self.bytes_max,
            depth_max=self.depth_max,
            yen_per_unit=self.yen_per_unit,
            guard=self.guard,
            pan_allowed=frozenset((field.path, field.digits) for field in self.identifiers),
            joined=joined,
        )


class KernelLimits(NamedTuple):
    """Limits as arrays for kernels.

    `clock` int64[3]: the earliest ms, the first ms too late, the entities that leave out the acquirer, as bits.
    `rates` float64[1000]: yen per major unit by currency number, -1 unknown. The rest are fields of `Answers`.
    """

    clock: NDArray[np.int64]
    rates: NDArray[np.float64]
    eras_ms: NDArray[np.int64]
    places: NDArray[np.int16]
    classes: NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeLimits:
    """Limits of decoding, and settings of an installation.

    `event_ms_min` and `event_ms_max` bound the event's time (from 2000-01-01, before 2101-01-01).
    `yen_per_unit`: yen per major unit of a currency, for events without their own yen.
    `joined`: entities (positions of the profile's Entity) that are one across acquirers, not one per acquirer.
    `pan_allowed`: fields, by path and number of digits, with identifiers that may look like a card number.
    `answers`: the classes of response codes.
    """

    bytes_max: int = 64 * 1024
    depth_max: int = 32
    event_ms_min: int = 946_684_800_000
    event_ms_max: int = 4_133_980_800_000
    yen_per_unit: Mapping[str, float] = field(default_factory=dict)
    joined: frozenset[int] = frozenset()
    pan_allowed: frozenset[tuple[str, int]] = frozenset(IDENTIFIERS)
    guard: GuardMode = "strip"
    answers: Answers = field(default_factory=answers, repr=False, compare=False)
    kernel: KernelLimits = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        assert 0 < self.bytes_max <= 16 * 2**20, "a record is at most 16 MiB"
        assert 0 < self.depth_max <= 128, "the walker of the guard recurses once per level"
        assert 0 <= self.event_ms_min < self.event_ms_max
        rates = np.full(_CURRENCIES, -1.0)
        for currency, rate in self.yen_per_unit.items():
            if currency in CURRENCIES:
                rates[CURRENCIES[currency][0]] = rate
        clock = np.array((self.event_ms_min, self.event_ms_max, self.joined_mask), dtype=np.int64)
        object.__setattr__(self, "kernel", KernelLimits(clock, rates, *self.answers))

    @property
    def joined_mask(self) -> int:
        """Give `joined` as bits."""
        return sum(1 << int(entity) for entity in self.joined)
