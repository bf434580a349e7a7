"""Detection on the Fraud Detection Handbook's stream, by its protocol: `python -m tests.bench.detection.handbook FILE`.

FILE is the stream as Parquet, CSV or JSON lines in one of the two layouts of `--mapping handbook`. The features are
those of a worker (`models/training/history.py`), each fraud is reported seven days after its payment, and nothing is
made for this data set but its mapping. Parameters of LightGBM are chosen on the validation folds; the test folds are
measured once. Writes a table in Markdown to --out, and the rows to --rows, from which a second run reads them.

Source of protocol and published figures: Le Borgne, Siblini, Lebichot, Bontempi, Reproducible Machine Learning for
Credit Card Fraud Detection, 2022, chapters 3 and 5 to 7.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import sklearn
from numpy.typing import NDArray

from models.training.history import collect
from models.training.matrix import Samples
from models.training.metrics import auc, average_precision, evaluate
from models.training.report.card import confidence
from models.training.train import Plan
from scoring.decode import DecodeLimits
from scoring.features.all import FEATURES
from scoring.observer import Settings
from scoring.profile import ProfileLimits
from streams.cli.train import TableHistory
from streams.replay.opened import Tables, open_source

DAY_MS: Final = 86_400_000
FIRST_MS: Final = 1_522_540_800_000  # 2018-04-01
WEEK: Final = 7
TEST_FOLDS: Final = (136, 129, 122, 115)
"""First training days, from 2018-04-01: 2018-08-15, 08-08, 08-01, 07-25."""
VALIDATION_FOLDS: Final = (101, 94, 87, 80)
CHAPTER_3: Final = (115, (67_240, 598, 58_264, 385))
"""A fold, and the rows and frauds of its two weeks that the book prints."""
CARDS: Final = 100
SEED: Final = 1
PUBLISHED: Final = (
    ("published: logistic regression", 0.868, 0.623, 0.297),
    ("published: random forest", 0.870, 0.678, 0.299),
    ("published: XGBoost, tuned", 0.869, 0.687, 0.303),
    ("published: feed-forward network", 0.876, 0.675, 0.303),
)
_SMALL: Final = Plan(name="handbook", source="", seed=SEED).parameters() | {
    "num_leaves": 8,
    "learning_rate": 0.03,
    "min_data_in_leaf": 20,
    "max_bin": 2047,
    "min_data_in_bin": 1,
}
CHOICES: Final[dict[str, tuple[dict[str, Any], int]]] = {
    "defaults of sekisho train": (Plan(name="handbook", source="", seed=SEED).parameters(), 100),
    "fine bins, small trees": (_SMALL, 300),
    "fine bins, small trees, small steps": (_SMALL | {"max_delta_step": 1.0}, 300),
    "fine bins, small trees, small steps, fewer features a tree": (
        _SMALL | {"max_delta_step": 1.0, "feature_fraction": 0.3},
        300,
    ),
}
"""LightGBM's parameters and number of trees, of which the validation folds choose."""

Rows = NDArray[np.int64]


def weeks(samples: Samples, start: int) -> tuple[Rows, Rows]:
    """Return the rows of the training week that begins on day `start`, and those of the test week.

    The test week begins seven days after the training week. Each of its days leaves out the cards with a fraud that is
    known by then: of the training week, or of the days until eight days before.
    """
    day = (samples.event_ms - FIRST_MS) // DAY_MS
    train = np.flatnonzero((day >= start) & (day < start + WEEK))
    parts = []
    for k in range(WEEK):
        known = samples.fraud & (day >= start) & (day < start + WEEK + k)
        rows = np.flatnonzero(day == start + 2 * WEEK + k)
        parts.append(rows[~np.isin(samples.card[rows], samples.card[known])])
    return train, np.concatenate(parts)


def card_precision(day: Rows, card: NDArray[np.uint64], fraud: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Return the mean share of defrauded cards among the 100 with the highest scores of each day.

    A card that was found is left out on later days.
    """
    found: set[int] = set()
    shares = []
    for one in np.unique(day).tolist():
        best: dict[int, float] = {}
        bad: set[int] = set()
        for i in np.flatnonzero(day == one).tolist():
            key = int(card[i])
            if key not in found:
                best[key] = max(best.get(key, -np.inf), float(scores[i]))
                bad |= {key} if fraud[i] else set()
        top = sorted(best, key=lambda key: -best[key])[:CARDS]
        hits = bad & set(top)
        found |= hits
        shares.append(len(hits) / CARDS)
    return float(np.mean(shares))


def fitted(samples: Samples, start: int, choice: str) -> tuple[Samples, NDArray[np.float64]]:
    """Train on one fold. Return the rows of its test week in order of time, and their scores."""
    train, test = weeks(samples, start)
    return chosen(samples, test), scored(samples, train, test, choice)


def scored(samples: Samples, train: Rows, test: Rows, choice: str) -> NDArray[np.float64]:
    """Train on some rows by one of CHOICES. Return the scores of others."""
    parameters, trees = CHOICES[choice]
    categorical = [i for i, feature in enumerate(FEATURES) if feature.categorical]
    data = lightgbm.Dataset(
        samples.matrix[train],
        samples.fraud[train],
        categorical_feature=categorical,
        params={name: parameters[name] for name in ("max_bin", "min_data_in_bin", "verbose") if name in parameters},
    )
    booster = lightgbm.train(parameters, data, trees)
    return np.asarray(booster.predict(samples.matrix[test], raw_score=True), np.float64)


def chosen(samples: Samples, rows: Rows) -> Samples:
    """Return some rows, with their part of the matrix in memory."""
    names = ("matrix", "event_ms", "amount_jpy", "card", "fraud", "typology", "episode", "known_ms")
    values = {name: getattr(samples, name)[rows] for name in names}
    return Samples(**values, skipped={}, unmatched=0, undated=0, delay_ms=0)


def measured(part: Samples, scores: NDArray[np.float64]) -> dict[str, float]:
    """Return the figures of one fold."""
    day = (part.event_ms - FIRST_MS) // DAY_MS
    found = {"auc": auc(scores, part.fraud), "ap": average_precision(scores, part.fraud)}
    found["cp_100"] = card_precision(day, part.card, part.fraud, scores)
    low, high = confidence(part, scores, seed=SEED)["pr_auc"]
    more = evaluate(part, scores)
    kinds = ("recall", "value_recall", "false_positives_per_fraud", "first_hit_recall")
    names = [f"{kind}_at_{share}pct" for share in ("0.1", "0.2", "0.5", "1") for kind in kinds]
    return found | {"ap_low": low, "ap_high": high, "fraud_rate": more["fraud_rate"]} | {n: more[n] for n in names}


def table(choice: str, validation: dict[str, float], folds: list[dict[str, float]], rows: int) -> str:
    """Return the results as Markdown."""
    lines = [
        f"# The Handbook's stream: {rows:,} payments",
        "",
        "| test folds, mean of 4 | AUC | AP | CP@100 |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {a:.3f} | {b:.3f} | {c:.3f} |" for name, a, b, c in PUBLISHED]
    mean = {name: float(np.mean([fold[name] for fold in folds])) for name in folds[0]}
    deviation = {name: float(np.std([fold[name] for fold in folds])) for name in folds[0]}
    figures = " | ".join(f"{mean[name]:.3f} ± {deviation[name]:.3f}" for name in ("auc", "ap", "cp_100"))
    lines += [f"| sekisho, {choice} | {figures} |", "", "± is the standard deviation of the folds.", ""]
    lines += ["| fold: first training day | AUC | AP | 95% of AP, cards resampled | CP@100 |", "|---|---|---|---|---|"]
    for start, fold in zip(TEST_FOLDS, folds, strict=True):
        first = str(np.datetime64(FIRST_MS + start * DAY_MS, "ms").astype("datetime64[D]"))
        interval = f"{fold['ap_low']:.3f} to {fold['ap_high']:.3f}"
        lines.append(f"| {first} | {fold['auc']:.3f} | {fold['ap']:.3f} | {interval} | {fold['cp_100']:.3f} |")
    lines += ["", "| mean of the test folds | |", "|---|---|"]
    lines += [f"| {name} | {value:.4f} |" for name, value in mean.items() if "at_" in name or name == "fraud_rate"]
    lines += [
        "",
        "AP on the validation folds: " + "; ".join(f"{name} {ap:.3f}" for name, ap in validation.items()) + ".",
    ]
    versions = f"Python {sys.version.split()[0]}, LightGBM {lightgbm.__version__}, scikit-learn {sklearn.__version__}"
    return "\n".join([*lines, "", f"Seed {SEED}, {len(FEATURES)} features, {versions}.", ""])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print and write the table. Return 0."""
    p = argparse.ArgumentParser(prog="python -m tests.bench.detection.handbook")
    p.add_argument("file", type=Path)
    p.add_argument("--rows", type=Path, default=Path("build/handbook.rows"))
    p.add_argument("--out", type=Path, default=Path("build/handbook.md"))
    options = p.parse_args(argv)
    tables = Tables(table=options.file, mapping="handbook", labels=True)
    history = TableHistory(tables, open_source(tables, print))
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits())
    samples = collect(history, options.rows, settings, maturity_ms=WEEK * DAY_MS, tell=print)
    start, counts = CHAPTER_3
    both = weeks(samples, start)
    found = tuple(int(value) for rows in both for value in (len(rows), samples.fraud[rows].sum()))
    assert found == counts, f"rows and frauds of chapter 3: {found}, the book has {counts}"
    validation = {
        choice: float(
            np.mean(
                [
                    average_precision(scores, part.fraud)
                    for part, scores in (fitted(samples, s, choice) for s in VALIDATION_FOLDS)
                ]
            )
        )
        for choice in CHOICES
    }
    choice = max(validation, key=lambda name: validation[name])
    folds = [measured(*fitted(samples, start, choice)) for start in TEST_FOLDS]
    text = table(choice, validation, folds, len(samples.fraud))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
