"""The rule by which traffic opens an incident, over model inputs that the profiles of all partitions give.

It uses the events before the one at hand. Enough cards must have been tried, and enough of the answers must say that
the card's data was wrong. At a merchant where no BIN stands out, nearly every attempt must be another card.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.features.all import FEATURES
from scoring.incidents.part import Scope
from scoring.policy.policy import IncidentRules

_COLUMN: Final = {feature.name: column for column, feature in enumerate(FEATURES)}
_BIN_CARDS_10M: Final = _COLUMN["merchant_bin_cards_10m"]
_BIN_CARDS_1H: Final = _COLUMN["merchant_bin_cards_1h"]
_BIN_ATTEMPTS: Final = _COLUMN["merchant_bin_attempts_10m"]
_BIN_DECLINES: Final = _COLUMN["merchant_bin_cred_declines_10m"]
_BIN_RATE: Final = _COLUMN["merchant_bin_cred_rate_1h"]
_CARDS: Final = _COLUMN["merchant_cards_10m"]
_ATTEMPTS: Final = _COLUMN["merchant_attempts_10m"]
_RATE: Final = _COLUMN["merchant_cred_rate_1h"]


class Opening(NamedTuple):
    """What an event would open, and what the ten minutes before it had: attempts, cards, wrong card data."""

    scope: Scope
    attempts: int
    cards: int
    declines: int


def find(matrix: NDArray[np.float64], rules: IncidentRules) -> dict[int, Sequence[Opening]]:
    """Return what each event may open, the narrower scope first, by row of float64[n, F]; most have no entry."""
    share = rules.card_data_percent / 100
    if share:
        warm = np.flatnonzero((matrix[:, _BIN_RATE] >= share) | (matrix[:, _RATE] >= share))
    else:
        warm = np.flatnonzero((matrix[:, _BIN_CARDS_1H] >= 1) | (matrix[:, _CARDS] >= 1))
    if not len(warm):
        return {}
    found = {row: _openings(matrix[row], rules, share) for row in warm.tolist()}
    return {row: openings for row, openings in found.items() if openings}


def _openings(inputs: NDArray[np.float64], rules: IncidentRules, share: float) -> list[Opening]:
    found = []
    many = inputs[_BIN_CARDS_10M] >= rules.bin_cards_10m or inputs[_BIN_CARDS_1H] >= rules.bin_cards_1h
    if many and (not share or inputs[_BIN_RATE] >= share):
        found.append(_opening(Scope.MERCHANT_BIN, inputs, _BIN_ATTEMPTS, _BIN_CARDS_10M, _BIN_DECLINES))
    different = inputs[_CARDS] >= inputs[_ATTEMPTS] * rules.distinct_percent / 100
    if inputs[_CARDS] >= rules.merchant_cards_10m and different and (not share or inputs[_RATE] >= share):
        found.append(_opening(Scope.MERCHANT, inputs, _ATTEMPTS, _CARDS, None))
    return found


def _opening(scope: Scope, inputs: NDArray[np.float64], attempts: int, cards: int, declines: int | None) -> Opening:
    before = round(np.nan_to_num(inputs[attempts]))
    return Opening(
        scope,
        attempts=before,
        cards=min(round(np.nan_to_num(inputs[cards])), before),
        declines=0 if declines is None else min(round(np.nan_to_num(inputs[declines])), before),
    )
