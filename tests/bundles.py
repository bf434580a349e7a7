"""A small model for tests: it predicts little, but it is a complete bundle that the loader accepts."""

from functools import cache

import lightgbm
import msgspec
import numpy as np

from scoring.features.all import FEATURES
from scoring.model.bundle import MANIFEST_FILE, Bundle
from scoring.model.calibration import CalibrationTable
from scoring.model.manifest import Manifest, Part, Training

AMOUNT_LOG = 0


@cache
def bundle_files(trees: int = 12) -> dict[str, bytes]:
    """Train on noise in which only large amounts are fraud, so that some scores are high."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(2_000, len(FEATURES)))
    matrix[:, AMOUNT_LOG] = rng.uniform(3, 16, size=len(matrix))
    frauds = (matrix[:, AMOUNT_LOG] > 13).astype(int)
    parameters = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1, "seed": 7}
    names = [feature.name for feature in FEATURES]
    booster = lightgbm.train(parameters, lightgbm.Dataset(matrix, frauds, feature_name=names), trees)
    part = Part(from_ms=0, until_ms=1, rows=len(matrix), frauds=int(frauds.sum()))
    return Bundle.dump(
        name="tests",
        model_text=booster.model_to_string(),
        features=FEATURES,
        calibration=CalibrationTable(method="none", rows=0, frauds=0, knots=((-1.0, -1.0), (1.0, 1.0))),
        training=Training(
            train=part, calibration=part, test=part, seed=7, parameters={}, lightgbm_version=lightgbm.__version__
        ),
        metrics={},
        data_card="noise, for tests",
        sample=matrix[:16],
        margins=np.asarray(booster.predict(matrix[:16], raw_score=True)),
    )


def files_until(until_ms: int, name: str = "tests") -> dict[str, bytes]:
    """Give the files of the small model, as one that was trained up to a time in ms since the epoch."""
    files = dict(bundle_files())
    manifest = Manifest.decode(files[MANIFEST_FILE])
    train = msgspec.structs.replace(manifest.training.train, from_ms=0, until_ms=until_ms)
    training = msgspec.structs.replace(manifest.training, train=train)
    return files | {MANIFEST_FILE: msgspec.structs.replace(manifest, training=training, name=name).encode()}


@cache
def bundle_until(until_ms: int) -> Bundle:
    """Load the small model, as one that was trained up to a time."""
    return Bundle.load(files_until(until_ms), FEATURES)


@cache
def small_bundle() -> Bundle:
    """Load the small model."""
    return Bundle.load(bundle_files(), FEATURES)
