"""What traffic opens, at each limit of the rule and just below it."""

import math
from typing import Any

import numpy as np
import pytest

from scoring.features.all import FEATURES
from scoring.incidents.opening import Opening, find
from scoring.incidents.part import Scope
from scoring.policy.policy import IncidentRules

RULES = IncidentRules()
COLUMNS = {feature.name: column for column, feature in enumerate(FEATURES)}
BIN = {
    "merchant_bin_cards_10m": 15.0,
    "merchant_bin_cards_1h": 15.0,
    "merchant_bin_attempts_10m": 16.0,
    "merchant_bin_cred_declines_10m": 9.0,
    "merchant_bin_cred_rate_1h": 0.5,
}
SHOP = {"merchant_cards_10m": 32.0, "merchant_attempts_10m": 40.0, "merchant_cred_rate_1h": 0.5}
OF_BIN, OF_SHOP = Opening(Scope.MERCHANT_BIN, 16, 15, 9), Opening(Scope.MERCHANT, 40, 32, 0)


def found(inputs: dict[str, float], rules: IncidentRules = RULES) -> list[Opening]:
    """Give what one event opens; inputs that are not named are unknown."""
    matrix = np.full((3, len(FEATURES)), np.nan)
    for name, value in inputs.items():
        matrix[1, COLUMNS[name]] = value
    openings = find(matrix, rules)
    assert set(openings) <= {1}
    return list(openings.get(1, ()))


@pytest.mark.parametrize(
    ("inputs", "wanted"),
    [
        (BIN, [OF_BIN]),
        (BIN | {"merchant_bin_cards_10m": 14.9}, []),
        (BIN | {"merchant_bin_cards_10m": 2.0, "merchant_bin_cards_1h": 30.0}, [OF_BIN._replace(cards=2)]),
        (BIN | {"merchant_bin_cards_10m": 2.0, "merchant_bin_cards_1h": 29.9}, []),
        (BIN | {"merchant_bin_cred_rate_1h": 0.49}, []),
        (BIN | {"merchant_bin_cred_rate_1h": math.nan}, []),
        (
            BIN | {"merchant_bin_attempts_10m": 12.0, "merchant_bin_cred_declines_10m": 30.0},
            [Opening(OF_BIN.scope, 12, 12, 12)],
        ),
        (BIN | {"merchant_bin_attempts_10m": math.nan}, [Opening(OF_BIN.scope, 0, 0, 0)]),
        (SHOP, [OF_SHOP]),
        (SHOP | {"merchant_cards_10m": 31.9}, []),
        (SHOP | {"merchant_cards_10m": 29.9, "merchant_attempts_10m": 30.0}, []),
        (SHOP | {"merchant_cards_10m": 30.0, "merchant_attempts_10m": 30.0}, [Opening(OF_SHOP.scope, 30, 30, 0)]),
        (SHOP | {"merchant_cred_rate_1h": 0.49}, []),
        (BIN | SHOP, [OF_BIN, OF_SHOP]),
        (BIN | SHOP | {"merchant_bin_cred_rate_1h": 0.1}, [OF_SHOP]),
        (BIN | SHOP | {"merchant_cred_rate_1h": 0.1}, [OF_BIN]),
        ({}, []),
    ],
)  # fmt: skip
def test_an_event_opens_what_the_traffic_before_it_shows(inputs: dict[str, float], wanted: list[Opening]) -> None:
    assert found(inputs) == wanted


@pytest.mark.parametrize(
    ("change", "inputs", "wanted"),
    [
        ({"bin_cards_10m": 16}, BIN, []),
        ({"bin_cards_10m": 16, "bin_cards_1h": 15}, BIN, [OF_BIN]),
        ({"card_data_percent": 51}, BIN | SHOP, []),
        ({"merchant_cards_10m": 33}, SHOP, []),
        ({"distinct_percent": 81}, SHOP, []),
        ({"card_data_percent": 0}, BIN | {"merchant_bin_cred_rate_1h": math.nan}, [OF_BIN]),
        ({"card_data_percent": 0}, SHOP | {"merchant_cred_rate_1h": math.nan}, [OF_SHOP]),
        ({"card_data_percent": 0}, BIN | {"merchant_bin_cards_10m": 3.0}, []),
    ],
)
def test_each_limit_is_a_setting(change: dict[str, Any], inputs: dict[str, float], wanted: list[Opening]) -> None:
    assert found(inputs, IncidentRules(**change)) == wanted
