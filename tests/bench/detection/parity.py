"""Are the Handbook's 15 inputs those that a worker computes? `python -m tests.bench.detection.parity FILE`.

FILE is the stream as Parquet in small (`--mapping handbook-compact`), or as CSV with the book's columns. It takes the
way of live traffic: mapping, events, fraud reports seven days late, windows. The inputs are read from the matrix of
features and compared with a recount of the table (`tests/bench/detection/book.py`), on every row.

The windows of profiles are not those of the book: each has a stated edge. A row on whose edges no payment lies must be
equal to the book's, and every row equal to the recount with the stated windows. Exit status: 0 if that holds, else 1.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import lightgbm
import numpy as np
from numpy.typing import NDArray

from models.training.history import collect
from models.training.matrix import Samples
from models.training.metrics import auc, average_precision
from scoring.decode import DecodeLimits
from scoring.features.all import FEATURES
from scoring.observer import Settings
from scoring.profile import ProfileLimits
from streams.cli.train import TableHistory
from streams.replay.opened import Tables, open_source
from tests.bench.detection.book import DAYS, NAMES, Inputs, Stream, edges, inputs, read
from tests.bench.detection.handbook import CHOICES, DAY_MS, TEST_FOLDS, WEEK, card_precision, weeks

CENTS: Final = 100.0
"""Yen per euro. A cent is one yen then, so sums of cents are exact."""
CHOICE: Final = "fine bins, small trees"
_COLUMNS: Final = {feature.name: place for place, feature in enumerate(FEATURES)}
_CARD_DAYS: Final = {1: "24h", 7: "7d", 30: "30d"}
_READ_ROWS: Final = 1 << 15
_TOKYO_H: Final = 9
_SUNDAY: Final = 6


class Compared(NamedTuple):
    """One input. Numbers of rows: equal to the book's; with an empty edge; not as stated; unequal without an edge.

    `off`: the largest difference from the book's value.
    """

    name: str
    equal: int
    edgeless: int
    unstated: int
    unexplained: int
    off: float


def observed(file: Path, mapping: str, directory: Path, tell: Callable[[str], None]) -> Samples:
    """Return the rows that training gets of a table, with reports seven days late. One yen is a cent."""
    tables = Tables(table=file, mapping=mapping, labels=True, jpy_per_unit=CENTS)
    history = TableHistory(tables, open_source(tables, tell))
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits())
    return collect(history, directory, settings, maturity_ms=WEEK * DAY_MS, tell=tell)


def inputs_of(samples: Samples) -> Inputs:
    """Return the book's inputs from the matrix of features, float64[n] by name.

    A count has the payment itself, which profiles do not count yet. A share of nothing is 0 in the book, NaN here.
    """
    names = ["amount_log", "hour_jst", "weekday_jst"]
    names += [f"card_{what}_{window}" for what in ("attempts", "spend") for window in _CARD_DAYS.values()]
    names += [f"merchant_mature_{what}_{days}d" for what in ("attempts", "report_rate") for days in DAYS]
    column = _columns(samples, names)
    hour, weekday = column["hour_jst"] - _TOKYO_H, column["weekday_jst"]
    weekday = np.where(hour < 0, weekday - 1, weekday)  # it is tomorrow in Tokyo from 15:00 on
    cents = np.rint(np.expm1(column["amount_log"]))
    found = [cents / 100, np.isin(weekday, (5, _SUNDAY, -1)) * 1.0, (hour % 24 <= 6) * 1.0]
    for days in DAYS:
        counts = column[f"card_attempts_{_CARD_DAYS[days]}"] + 1
        found += [counts, (column[f"card_spend_{_CARD_DAYS[days]}"] + cents) / counts / 100]
    for days in DAYS:
        rate = column[f"merchant_mature_report_rate_{days}d"]
        found += [column[f"merchant_mature_attempts_{days}d"], np.where(np.isnan(rate), 0.0, rate)]
    return dict(zip(NAMES, found, strict=True))


def _columns(samples: Samples, names: Sequence[str]) -> Inputs:
    """Return some columns of the matrix by name, read in parts: the whole does not fit into memory."""
    n, places = len(samples.fraud), [_COLUMNS[name] for name in names]
    out = np.empty((len(places), n))
    for low in range(0, n, _READ_ROWS):
        out[:, low : low + _READ_ROWS] = samples.matrix[low : low + _READ_ROWS][:, places].T
    return dict(zip(names, out, strict=True))


def compared(stream: Stream, ours: Inputs) -> list[Compared]:
    """Compare the inputs of every payment with the book's and with those of the stated windows."""
    book, stated, edge = inputs(stream, stated=False), inputs(stream, stated=True), edges(stream)
    found = []
    for name in NAMES:
        equal = ours[name] == book[name]
        found.append(
            Compared(
                name=name,
                equal=int(equal.sum()),
                edgeless=int((~edge[name]).sum()),
                unstated=int((ours[name] != stated[name]).sum()),
                unexplained=int((~equal & ~edge[name]).sum()),
                off=float(np.abs(ours[name] - book[name]).max()),
            )
        )
    return found


def detection(samples: Samples, matrix: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return AUC, average precision and card precision at 100 of a model on these inputs: means of the test folds."""
    parameters, trees = CHOICES[CHOICE]
    folds = []
    for start in TEST_FOLDS:
        train, test = weeks(samples, start)
        booster = lightgbm.train(parameters, lightgbm.Dataset(matrix[train], samples.fraud[train]), trees)
        scores, fraud = np.asarray(booster.predict(matrix[test], raw_score=True), np.float64), samples.fraud[test]
        day = samples.event_ms[test] // DAY_MS
        precision = card_precision(day, samples.card[test], fraud, scores)
        folds.append((auc(scores, fraud), average_precision(scores, fraud), precision))
    a, b, c = np.mean(folds, axis=0).tolist()
    return a, b, c


def table(found: Sequence[Compared], rows: int) -> list[str]:
    """Return the comparison as lines of Markdown."""
    lines = [
        f"| input, {rows:,} payments | edges without a payment | equal to the book | largest difference |",
        "|---|---|---|---|",
    ]
    for one in found:
        lines.append(f"| {one.name} | {one.edgeless / rows:.2%} | {one.equal / rows:.2%} | {one.off:.4g} |")
    unstated, unexplained = sum(one.unstated for one in found), sum(one.unexplained for one in found)
    return [*lines, "", f"Not as the windows are stated: {unstated:,}. Unequal without an edge: {unexplained:,}."]


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, and print and write the table. Return 0 if every row is as stated, else 1."""
    p = argparse.ArgumentParser(prog="python -m tests.bench.detection.parity")
    p.add_argument("file", type=Path)
    p.add_argument("--rows", type=Path, default=Path("build/parity.rows"))
    p.add_argument("--out", type=Path, default=Path("build/parity.md"))
    options = p.parse_args(argv)
    stream = read(options.file)
    samples = observed(options.file, "handbook", options.rows, print)
    assert len(samples.fraud) == len(stream.second), f"{len(samples.fraud)} rows of {len(stream.second)} payments"
    ours = inputs_of(samples)
    found = compared(stream, ours)
    lines = table(found, len(samples.fraud))
    if (samples.event_ms[-1] - samples.event_ms[0]) // DAY_MS >= max(TEST_FOLDS) + 3 * WEEK - 1:
        lines += ["", "| inputs, mean of the test folds | AUC | AP | CP@100 |", "|---|---|---|---|"]
        for name, values in (("the book's", inputs(stream, stated=False)), ("those of a worker", ours)):
            figures = detection(samples, np.stack([values[one] for one in NAMES], axis=1))
            lines.append(f"| {name} | {' | '.join(f'{figure:.3f}' for figure in figures)} |")
        lines += ["", f"LightGBM {lightgbm.__version__}, {CHOICE}."]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join([*lines, ""]))
    sys.stdout.write("\n".join([*lines, ""]))
    return 1 if any(one.unstated or one.unexplained for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
