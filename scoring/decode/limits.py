"""Limits and settings of decoding."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.currencies import CURRENCIES

REFERENCES = (
    ("$.ids.network_txn_id", 15),  # ISO 8583 DE 62.2 as Visa uses it
    ("$.network_txn_id", 15),
    ("$.merchant.id", 15),  # DE 42 is 15 places and often all digits: 0.6 % of such ids pass for American Express
    ("$.merchant_id", 15),
)
"""Fields of the contract whose digits, at exactly that length, are references although some pass for a card number."""


GuardMode = Literal["strip", "refuse"]
"""What becomes of a record with sensitive data in a field that no output carries: decided without it, or refused."""

_CURRENCIES = 1000


class KernelLimits(NamedTuple):
    """What the kernels are told of the limits.

    `clock` int64[3]: the earliest ms, the first ms too late, the entities that leave out the acquirer, as bits.
    `rates` float64[1000]: yen per major unit by currency number, -1 unknown.
    """

    clock: NDArray[np.int64]
    rates: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeLimits:
    """Bound what is read, and say what differs from one installation to the next.

    `event_ms_min` and `event_ms_max` bound the event's time (from 2000-01-01, before 2101-01-01).
    `yen_per_unit` gives yen per major unit of a currency, for events that do not bring their own yen.
    `joined` holds the entities (positions of the profile's Entity) that are one across acquirers, not one per acquirer.
    `pan_allowed` names fields, by path and number of digits, that hold references which may look like a card number.
    """

    bytes_max: int = 64 * 1024
    depth_max: int = 32
    event_ms_min: int = 946_684_800_000
    event_ms_max: int = 4_133_980_800_000
    yen_per_unit: Mapping[str, float] = field(default_factory=dict)
    joined: frozenset[int] = frozenset()
    pan_allowed: frozenset[tuple[str, int]] = frozenset(REFERENCES)
    guard: GuardMode = "strip"
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
        object.__setattr__(self, "kernel", KernelLimits(clock, rates))

    @property
    def joined_mask(self) -> int:
        """Give `joined` as bits."""
        return sum(1 << int(entity) for entity in self.joined)
