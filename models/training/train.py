"""Train a forest on samples in the order of their time, calibrate and test it on later ones, and bundle it."""

from dataclasses import dataclass, fields, replace
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray

from models.training.calibrate import fit_calibration, mean_probability
from models.training.matrix import Samples
from models.training.metrics import evaluate
from scoring.catalogue import FEATURES
from scoring.model.bundle import Bundle
from scoring.model.manifest import Part, Training

TREES_MAX: Final = 300
LEAVES: Final = 31
EPISODE_WEIGHT_MAX: Final = 50.0
"""An enumeration of thousands of attempts is one incident: its rows together weigh no more than this many frauds."""

_SAMPLE_ROWS: Final = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to train: everything the result depends on beside the samples."""

    name: str
    source: str
    """Where the samples come from, in words, for the data card."""
    seed: int = 1
    trees: int = TREES_MAX
    threads: int = 1
    calibration_share: float = 0.15
    test_share: float = 0.2

    def __post_init__(self) -> None:
        if not 1 <= self.trees <= TREES_MAX:
            raise ValueError(f"{self.trees} trees, expected 1 to {TREES_MAX}")
        if not (self.calibration_share > 0 and self.test_share > 0 and self.calibration_share + self.test_share < 1):
            raise ValueError("calibration_share and test_share must be positive and leave something to train on")

    def parameters(self) -> dict[str, bool | int | float | str]:
        """Return LightGBM's parameters. The number of threads is part of them: it may change the last bits."""
        return {
            "objective": "binary",
            "num_leaves": LEAVES,
            "learning_rate": 0.06,
            "min_data_in_leaf": 60,
            "min_data_per_group": 200,
            "cat_smooth": 30.0,
            "feature_fraction": 0.5,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l2": 5.0,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Row ranges of the three parts, in the order of time; nothing later ever teaches something earlier."""

    train: slice
    calibration: slice
    test: slice


def split(samples: Samples, plan: Plan) -> Split:
    """Cut by event time, not by count, so that a part is a stretch of days. Raises `ValueError` if one has no fraud."""
    start, end = int(samples.event_ms.min()), int(samples.event_ms.max())
    cuts = [
        start + int((end - start) * share)
        for share in (1 - plan.test_share - plan.calibration_share, 1 - plan.test_share)
    ]
    # events come in the order of receipt, nearly that of their time: a row belongs where the stream had got to
    first, second = np.searchsorted(np.maximum.accumulate(samples.event_ms), cuts)
    parts = Split(
        train=slice(0, int(first)),
        calibration=slice(int(first), int(second)),
        test=slice(int(second), len(samples.event_ms)),
    )
    for part in fields(parts):
        rows = getattr(parts, part.name)
        if not samples.fraud[rows].any():
            raise ValueError(f"no fraud among the {rows.stop - rows.start} rows of the {part.name} part: use more days")
    return parts


def take(samples: Samples, rows: slice) -> Samples:
    """Return some of the samples, without a copy."""
    values: dict[str, Any] = {field.name: getattr(samples, field.name) for field in fields(samples)}
    arrays: dict[str, Any] = {name: value[rows] for name, value in values.items() if isinstance(value, np.ndarray)}
    return replace(samples, **arrays)


def row_weights(samples: Samples) -> NDArray[np.float64]:
    """Return the weight of each row in training: 1, less for the rows of an episode of more than 50."""
    weights = np.ones(len(samples.fraud))
    frauds = np.flatnonzero(samples.fraud)
    _, inverse, counts = np.unique(samples.episode[frauds].astype(str), return_inverse=True, return_counts=True)
    weights[frauds] = np.minimum(1.0, EPISODE_WEIGHT_MAX / counts)[inverse]
    return weights


def train_bundle(samples: Samples, plan: Plan) -> tuple[dict[str, bytes], dict[str, float]]:
    """Return the files of a bundle and its metrics on the test part. Minutes for a million rows.

    The same samples and plan give the same bytes with the same version of LightGBM on the same kind of machine.
    Raises `ValueError` if a part holds too little fraud, `CalibrationError`, which is one, if probabilities do not come
    true on the calibration part. Among the metrics, `mean_probability` is that of the test part, as `fraud_rate` is.
    """
    parts = split(samples, plan)
    train, calibration, test = (take(samples, rows) for rows in (parts.train, parts.calibration, parts.test))
    # through its text: the bundle scores what can be read back, and no state of training is left in it
    text = _fit(train, plan)
    booster = lightgbm.Booster(model_str=text)
    margins, unseen = _margins(booster, calibration.matrix), _margins(booster, test.matrix)
    table = fit_calibration(margins, calibration.fraud)
    metrics = evaluate(test, unseen)
    metrics["mean_probability"] = round(mean_probability(table, unseen), 6)
    metrics["calibration_mean_probability"] = round(mean_probability(table, margins), 6)
    rows = _sample_rows(test)
    files = Bundle.dump(
        name=plan.name,
        model_text=text,
        features=FEATURES,
        calibration=table,
        training=Training(
            train=_part(train),
            calibration=_part(calibration),
            test=_part(test),
            seed=plan.seed,
            parameters=plan.parameters() | {"num_boost_round": plan.trees},
            lightgbm_version=lightgbm.__version__,
            left_out=dict(samples.skipped),
        ),
        metrics=metrics,
        data_card=data_card(samples, plan),
        sample=rows,
        margins=_margins(booster, rows),
    )
    return files, metrics


def _fit(train: Samples, plan: Plan) -> str:
    data = lightgbm.Dataset(
        train.matrix,
        train.fraud.astype(np.float64),
        weight=row_weights(train),
        feature_name=[feature.name for feature in FEATURES],
        categorical_feature=[i for i, feature in enumerate(FEATURES) if feature.categorical],
        free_raw_data=True,
        params={"verbose": -1},
    )
    return lightgbm.train(plan.parameters(), data, plan.trees).model_to_string()


def _margins(booster: lightgbm.Booster, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(booster.predict(matrix, raw_score=True), np.float64)


def _sample_rows(test: Samples) -> NDArray[np.float64]:
    """Return rows for the loader's check: half of them frauds, evenly spread over the test part."""
    half = _SAMPLE_ROWS // 2
    kinds = [np.flatnonzero(test.fraud), np.flatnonzero(~test.fraud)]
    chosen = [kind[np.linspace(0, len(kind) - 1, half).astype(np.int64)] for kind in kinds]
    return test.matrix[np.sort(np.concatenate(chosen))]


def _part(samples: Samples) -> Part:
    return Part(
        from_ms=int(samples.event_ms.min()),
        until_ms=int(samples.event_ms.max()) + 1,
        rows=len(samples.fraud),
        frauds=int(samples.fraud.sum()),
    )


def data_card(samples: Samples, plan: Plan) -> str:
    """Say in words what the model has seen, and what it has not."""
    names, counts = np.unique(samples.typology[samples.fraud].astype(str), return_counts=True)
    kinds = ", ".join(f"{name} {count}" for name, count in zip(names.tolist(), counts.tolist(), strict=True))
    skipped = ", ".join(f"{reason} {count}" for reason, count in samples.skipped.items()) or "none"
    rows = f"{len(samples.fraud)} authorizations, {int(samples.fraud.sum())} of them fraud ({kinds})"
    return (
        f"Source: {plan.source}.\n"
        f"Rows: {rows}. Skipped: {skipped}.\n"
        "Labels: the truth of each event, not what was reported of it. Features know only what was received before.\n"
        f"Weights: the fraudulent rows of one episode together weigh at most {EPISODE_WEIGHT_MAX:g}; calibration and "
        "metrics use plain rows.\n"
        "Limits: a model of simulated fraud has learnt the simulator. Its figures compare versions of this software "
        "and say nothing about a live portfolio; train on your own labelled traffic before it decides anything.\n"
    )
