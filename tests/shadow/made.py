"""Bundles of challengers: trained on noise, over some features of the catalogue in any order."""

import math
from collections.abc import Sequence
from functools import cache

import lightgbm
import numpy as np

from scoring.features import Feature
from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from scoring.model.calibration import CalibrationTable
from scoring.model.manifest import Part, Training

AMOUNT = FEATURES[0].name
KNOTS = ((-1.0, -2.0), (1.0, 1.5))


@cache
def challenger_files(features: tuple[Feature, ...], seed: int = 11) -> dict[str, bytes]:
    """Train on noise in which amounts of a middle size are fraud: another model than that of `tests.bundles`."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(1_500, len(features)))
    names = [feature.name for feature in features]
    amounts = rng.uniform(3, 16, size=len(matrix))
    if AMOUNT in names:
        matrix[:, names.index(AMOUNT)] = amounts
    frauds = ((amounts > 7) & (amounts < 11)).astype(int)
    parameters = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1, "seed": seed}
    booster = lightgbm.train(parameters, lightgbm.Dataset(matrix, frauds, feature_name=names), 12)
    part = Part(from_ms=0, until_ms=1, rows=len(matrix), frauds=int(frauds.sum()))
    return Bundle.dump(
        name=f"challenger-{seed}",
        model_text=booster.model_to_string(),
        features=features,
        calibration=CalibrationTable(method="none", rows=0, frauds=0, knots=KNOTS),
        training=Training(
            train=part, calibration=part, test=part, seed=seed, parameters={}, lightgbm_version=lightgbm.__version__
        ),
        metrics={},
        data_card="noise, for tests",
        sample=matrix[:16],
        margins=np.asarray(booster.predict(matrix[:16], raw_score=True)),
    )


def booster_of(files: dict[str, bytes]) -> lightgbm.Booster:
    return lightgbm.Booster(model_str=files["model.txt"].decode())


def columns_of(features: Sequence[Feature]) -> list[int]:
    """Find the columns of features in the matrix, in plain Python."""
    names = [feature.name for feature in FEATURES]
    return [names.index(feature.name) for feature in features]


def plain_score(margin: float) -> int:
    """The calibration of the challengers, a line through two knots, and the scale of scores, in plain Python."""
    (left, low), (right, high) = KNOTS
    log_odds = min(max(low + (high - low) * (margin - left) / (right - left), -30.0), 30.0)
    return min(max(math.floor(700 + 50 * log_odds / math.log(2) + 1e-9), 0), 999)
