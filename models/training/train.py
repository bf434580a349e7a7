"""Train a forest on samples in the order of their time, calibrate and test it on later ones, and bundle it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray

from models.training.calibrate import fit_calibration, mean_probability
from models.training.matrix import Samples
from models.training.metrics import evaluate
from models.training.stored import Matrix
from models.training.verdicts import Verdicts
from models.watching.baseline import baseline_of
from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from scoring.model.calibration import Calibration
from scoring.model.manifest import Part, Training

TREES_MAX: Final = 300
LEAVES: Final = 31
LEAVES_MAX: Final = 64
"""Trees of more leaves are scored by a slower kernel."""

DEFAULTS: Final[Mapping[str, int | float]] = {
    "num_leaves": LEAVES,
    "learning_rate": 0.06,
    "min_data_in_leaf": 60,
    "min_data_per_group": 200,
    "cat_smooth": 30.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
}
"""Parameters of LightGBM that suit rare fraud."""

EPISODE_WEIGHT_MAX: Final = 50.0
"""Largest weight of one episode, in frauds: an enumeration of thousands of attempts is one incident."""

WITHOUT: Final = "without"
"""Name among the parameters of a manifest: families of inputs that the model was trained without, with commas."""

LABEL_NOT_KNOWN: Final = "label not known yet"
DAY_MS: Final = 86_400_000

_SAMPLE_ROWS: Final = 48
_USUAL_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to train: everything the result depends on beside the samples."""

    name: str
    source: str
    """Origin of the samples, in words, for the data card."""
    seed: int = 1
    trees: int = TREES_MAX
    threads: int = 1
    calibration_share: float = 0.15
    test_share: float = 0.2
    without: frozenset[str] = frozenset()
    """Families of inputs (`Feature.family`) on which no tree may split: the model ignores them."""

    tuned: tuple[tuple[str, int | float], ...] = ()
    """Parameters of LightGBM that a search has found, instead of the defaults."""

    def __post_init__(self) -> None:
        families = {feature.family for feature in FEATURES}
        if not self.without < families:
            raise ValueError(f"without: name some of the families of inputs: {', '.join(sorted(families))}")
        if not 1 <= self.trees <= TREES_MAX:
            raise ValueError(f"{self.trees} trees, expected 1 to {TREES_MAX}")
        if not (self.calibration_share > 0 and self.test_share > 0 and self.calibration_share + self.test_share < 1):
            raise ValueError("calibration_share and test_share must be positive and leave something to train on")

    def parameters(self) -> dict[str, bool | int | float | str]:
        """Return LightGBM's parameters. The number of threads is part of them: it may change the last bits."""
        return {
            "objective": "binary",
            **DEFAULTS,
            **dict(self.tuned),
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Row ranges of the three parts, in order of time: a part never learns from a later one.

    `cuts_ms` are the ends of training and calibration: a fraud that became known after its part's cut is genuine there.
    """

    train: slice
    calibration: slice
    test: slice
    cuts_ms: tuple[int, int]

    @property
    def gaps(self) -> int:
        """Number of rows between the parts, whose labels were not known at the cut."""
        gaps: int = self.calibration.start - self.train.stop + self.test.start - self.calibration.stop
        return gaps


def split(samples: Samples, plan: Plan) -> Split:
    """Cut by event time, not by count, so that a part is a stretch of days.

    Where the truth does not say since when it is known, the rows of the last `samples.delay_ms` before a cut are left
    out: to take them all as genuine would teach that fraud has ceased. Raises `ValueError` if a part has no fraud.
    """
    start, end = int(samples.event_ms.min()), int(samples.event_ms.max())
    shares = (1 - plan.test_share - plan.calibration_share, 1 - plan.test_share)
    cuts = [start + int((end - start) * share) for share in shares]
    # events come in the order of receipt, nearly that of their time: a row belongs where the stream had got to
    reached = np.maximum.accumulate(samples.event_ms)
    first, second = np.searchsorted(reached, cuts).tolist()
    known, known_too = np.searchsorted(reached, [cut - samples.delay_ms for cut in cuts]).tolist()
    n = len(samples.event_ms)
    mature = n if samples.mature_ms is None else int(np.searchsorted(reached, samples.mature_ms))
    parts = Split(
        train=slice(0, known),
        calibration=slice(first, max(first, known_too)),
        test=slice(second, max(second, mature)),
        cuts_ms=(cuts[0], cuts[1]),
    )
    for name, part in _parts(samples, parts).items():
        if not part.fraud.any():
            late = int(samples.fraud[getattr(parts, name)].sum())
            more = f", {late} became known after it" if late else ""
            days = "; or say when frauds were known, or shorten the delay of labels" if samples.delay_ms else ""
            if samples.mature_ms is not None:
                days = f"; of the last {samples.delay_ms / DAY_MS:g} days before a cut or the end no label is known yet"
            raise ValueError(f"no fraud among the {len(part.fraud)} rows of the {name} part{more}: use more days{days}")
    return parts


def _parts(samples: Samples, parts: Split) -> dict[str, Samples]:
    """Return the samples of each part with the labels that were known at its cut; the test part's with all."""
    return {
        "train": labelled(take(samples, parts.train), parts.cuts_ms[0]),
        "calibration": labelled(take(samples, parts.calibration), parts.cuts_ms[1]),
        "test": take(samples, parts.test),
    }


def labelled(samples: Samples, cut_ms: int) -> Samples:
    """Return samples as known at a moment: a fraud that became known later is genuine."""
    if samples.verdicts is not None:
        return replace(samples, fraud=samples.verdicts.at(cut_ms))
    return replace(samples, fraud=samples.fraud & (samples.known_ms <= cut_ms))


def label_lines(samples: Samples, plan: Plan) -> list[str]:
    """Return for each part which frauds were known at its cut. Raises as `split` does."""
    parts, lines = split(samples, plan), []
    if samples.undated:
        lines += [
            f"frauds without a time of report: {samples.undated}, known {samples.delay_ms // DAY_MS} days later",
            f"rows before the cuts left out, their truth was not known yet: {parts.gaps}",
        ]
    for name, part in _parts(samples, parts).items():
        known = int(part.fraud.sum())
        late = int(samples.fraud[getattr(parts, name)].sum()) - known
        lines.append(f"{name}: {len(part.fraud)} rows, {known} frauds known by its cut, {late} later: genuine there")
    return lines


def take(samples: Samples, rows: slice) -> Samples:
    """Return some of the samples, without a copy."""
    values: dict[str, Any] = {field.name: getattr(samples, field.name) for field in fields(samples)}
    parts: dict[str, Any] = {name: value[rows] for name, value in values.items() if isinstance(value, np.ndarray)}
    parts |= {name: value.part(rows) for name, value in values.items() if isinstance(value, Matrix | Verdicts)}
    return replace(samples, **parts, segments={name: codes[rows] for name, codes in samples.segments.items()})


def row_weights(samples: Samples) -> NDArray[np.float64]:
    """Return the weight of each row in training: 1, less for the rows of an episode of more than 50."""
    weights = np.ones(len(samples.fraud))
    frauds = np.flatnonzero(samples.fraud)
    _, inverse, counts = np.unique(samples.episode[frauds].astype(str), return_inverse=True, return_counts=True)
    weights[frauds] = np.minimum(1.0, EPISODE_WEIGHT_MAX / counts)[inverse]
    return weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The files of a bundle, its metrics on the test part, that part with the model's margins (float64[n]), the split,
    and the gain of each feature."""

    files: dict[str, bytes]
    metrics: dict[str, float]
    test: Samples
    margins: NDArray[np.float64]
    parts: Split
    gains: dict[str, float]


def train(samples: Samples, plan: Plan) -> Trained:
    """Train, calibrate and test a model. Minutes for a million rows.

    The same samples and plan give the same bytes with the same version of LightGBM on the same kind of machine.
    Raises `ValueError` if a part holds too little fraud, `CalibrationError`, which is one, if probabilities do not come
    true on the calibration part. Among the metrics, `mean_probability` is that of the test part, as `fraud_rate` is.
    """
    parts = split(samples, plan)
    learnt, calibration, test = _parts(samples, parts).values()
    text = fit(learnt, plan)
    booster = lightgbm.Booster(model_str=text)
    margins, unseen = margins_of(booster, calibration.matrix), margins_of(booster, test.matrix)
    table = fit_calibration(margins, calibration.fraud)
    metrics = evaluate(test, unseen)
    metrics["mean_probability"] = round(mean_probability(table, unseen), 6)
    metrics["calibration_mean_probability"] = round(mean_probability(table, margins), 6)
    rows = _sample_rows(test)
    unknown = parts.gaps + len(samples.fraud) - parts.test.stop
    files = Bundle.dump(
        name=plan.name,
        model_text=text,
        features=FEATURES,
        calibration=table,
        training=Training(
            train=_part(learnt, take(samples, parts.train)),
            calibration=_part(calibration, take(samples, parts.calibration)),
            test=_part(test, test),
            seed=plan.seed,
            parameters=plan.parameters() | {"num_boost_round": plan.trees} | _without(plan),
            lightgbm_version=lightgbm.__version__,
            left_out=dict(samples.skipped) | ({LABEL_NOT_KNOWN: unknown} if unknown else {}),
        ),
        metrics=metrics,
        data_card=data_card(samples, plan),
        sample=rows,
        margins=margins_of(booster, rows),
        usual=usual_values(learnt.matrix),
        baseline=baseline_of(learnt.matrix, Calibration(table).apply(np.concatenate([margins, unseen]))[1]),
    )
    gains = booster.feature_importance("gain").tolist()
    gain_of = {feature.name: float(gain) for feature, gain in zip(FEATURES, gains, strict=True)}
    return Trained(files=files, metrics=metrics, test=test, margins=unseen, parts=parts, gains=gain_of)


def fit(train: Samples, plan: Plan) -> str:
    """Train a forest on all rows of samples, with the labels that they have, and return it as LightGBM's text.

    Score with a booster that is read from it, as a bundle is loaded: no state of the training is left in that one.
    """
    data = lightgbm.Dataset(
        train.matrix,
        train.fraud.astype(np.float64),
        weight=row_weights(train),
        feature_name=[feature.name for feature in FEATURES],
        categorical_feature=[i for i, feature in enumerate(FEATURES) if feature.categorical],
        free_raw_data=True,
        params={"verbose": -1},
    )
    trends = {
        "monotone_constraints": [feature.trend for feature in FEATURES],
        "monotone_constraints_method": "basic",  # holds for every leaf of a subtree
    }
    # a gain multiplied by 0 is never a split's
    ignored = {"feature_contri": [float(feature.family not in plan.without) for feature in FEATURES]}
    limits = trends | ignored if plan.without else trends
    return lightgbm.train(plan.parameters() | limits, data, plan.trees).model_to_string()


def _without(plan: Plan) -> dict[str, bool | int | float | str]:
    return {WITHOUT: ",".join(sorted(plan.without))} if plan.without else {}


def margins_of(booster: lightgbm.Booster, matrix: NDArray[np.float64] | Matrix) -> NDArray[np.float64]:
    """Return the margin of each row, float64[n]. A matrix on disk is read in batches."""
    if isinstance(matrix, Matrix):
        lows = range(0, len(matrix), matrix.batch_size)
        return np.concatenate([margins_of(booster, matrix[low : low + matrix.batch_size]) for low in lows])
    return np.asarray(booster.predict(matrix, raw_score=True), np.float64)


def _sample_rows(test: Samples) -> NDArray[np.float64]:
    """Return rows for the loader's check: half of them frauds, evenly spread over the test part."""
    half = _SAMPLE_ROWS // 2
    kinds = [np.flatnonzero(test.fraud), np.flatnonzero(~test.fraud)]
    chosen = [kind[np.linspace(0, len(kind) - 1, half).astype(np.int64)] for kind in kinds]
    return test.matrix[np.sort(np.concatenate(chosen))]


def usual_values(matrix: NDArray[np.float64] | Matrix) -> dict[str, float]:
    """Return the median of each feature over at most 20,000 rows, evenly spread: float64[n, F].

    Unknown values are left out. Categories have no median, nor has a feature that is never known.
    """
    taken = np.linspace(0, len(matrix) - 1, min(len(matrix), _USUAL_ROWS)).astype(np.int64)
    rows, found = matrix[taken], {}
    for column, feature in enumerate(FEATURES):
        known = rows[:, column][np.isfinite(rows[:, column])]
        if len(known) and not feature.categorical:
            found[feature.name] = round(float(np.median(known)), 6)
    return found


def _part(samples: Samples, truth: Samples) -> Part:
    return Part(
        from_ms=int(samples.event_ms.min()),
        until_ms=int(samples.event_ms.max()) + 1,
        rows=len(samples.fraud),
        frauds=int(samples.fraud.sum()),
        late_frauds=int(truth.fraud.sum() - samples.fraud.sum()),
    )


def data_card(samples: Samples, plan: Plan) -> str:
    """Return the data card as text: the data of the model, its limits, and the inputs that it ignores."""
    return _data(samples, plan) + _ignored(plan)


def _ignored(plan: Plan) -> str:
    names = [feature.name for feature in FEATURES if feature.family in plan.without]
    return f"Without: no tree splits on {', '.join(names)}; their values change no score.\n" if names else ""


def _data(samples: Samples, plan: Plan) -> str:
    names, counts = np.unique(samples.typology[samples.fraud].astype(str), return_counts=True)
    kinds = ", ".join(f"{name} {count}" for name, count in zip(names.tolist(), counts.tolist(), strict=True))
    skipped = ", ".join(f"{reason} {count}" for reason, count in samples.skipped.items()) or "none"
    if samples.verdicts is not None:
        return _history_card(samples, plan, skipped)
    rows = f"{len(samples.fraud)} authorizations, {int(samples.fraud.sum())} of them fraud ({kinds})"
    return (
        f"Source: {plan.source}.\n"
        f"Rows: {rows}. Skipped: {skipped}.\n"
        "Labels: the truth of each event, in training and calibration as far as it was known by their end; simulated "
        "fraud is known at once. Features know only what was received before.\n"
        f"Weights: the fraudulent rows of one episode together weigh at most {EPISODE_WEIGHT_MAX:g}; calibration and "
        "metrics use plain rows.\n"
        "Limits: a model of simulated fraud has learnt the simulator. Its figures compare versions of this software "
        "and say nothing about a live portfolio; train on your own labelled traffic before it decides anything.\n"
    )


def _history_card(samples: Samples, plan: Plan, skipped: str) -> str:
    days = f"{samples.delay_ms / DAY_MS:g}"
    immature = "" if samples.mature_ms is None else ", and are no part of the test"
    return (
        f"Source: {plan.source}.\n"
        f"Rows: {len(samples.fraud)} authorizations, {int(samples.fraud.sum())} of them fraud by all reports. "
        f"Left out: {skipped}. Reports on no row: {samples.unmatched}.\n"
        "Labels: reports by the time of their receipt, with precedence of sources and reversals. Training and "
        "calibration know only reports received by their ends. A row without a report is presumed good after "
        f"{days} days; younger rows at an end are left out{immature}.\n"
        "Limits: payments that were blocked or declined have no fraud reports, so the model knows little of what was "
        "stopped before. Figures are those of the test days, not of days to come: fraud changes.\n"
    )
