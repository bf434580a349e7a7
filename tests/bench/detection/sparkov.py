"""Detection on a run of the Sparkov generator, split by time: `python -m tests.bench.detection.sparkov FILE`.

FILE is the run as Parquet, CSV or JSON lines in the layout of `--mapping sparkov`. The features are those of a worker,
each fraud is reported seven days after its payment, and nothing is made for this data set but its mapping. Parameters
of LightGBM are chosen on the two months before the last two, which are measured once. Both are learnt from the
year of payments whose labels are known when they begin. Writes a table in Markdown to --out.

The generator is easy: the result tells broken from working, not good from very good.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import lightgbm
import numpy as np
import sklearn
from numpy.typing import NDArray

from models.training.history import collect
from models.training.matrix import Samples
from models.training.metrics import auc, average_precision, evaluate
from models.training.report.card import confidence
from scoring.decode import DecodeLimits
from scoring.features.all import FEATURES
from scoring.observer import Settings
from scoring.profile import ProfileLimits
from streams.cli.train import TableHistory
from streams.replay.opened import Tables, open_source
from tests.bench.detection.handbook import DAY_MS, SEED, Rows, chosen, scored

KNOWN_MS: Final = 7 * DAY_MS
LEARNT_MS: Final = 365 * DAY_MS
MEASURED_MS: Final = 61 * DAY_MS
BAR: Final = 0.96
TRIED: Final = ("defaults of sekisho train", "fine bins, small trees, small steps")
"""Of the choices for the Handbook's stream, which is the harder one, the plain one and the best."""


def spans(samples: Samples, end_ms: int) -> tuple[Rows, Rows]:
    """Return the rows of the two months before `end_ms`, and before them those that a model can learn from."""
    begin_ms = end_ms - MEASURED_MS
    known_ms = begin_ms - KNOWN_MS
    at_ms = samples.event_ms
    learnt = np.flatnonzero((at_ms >= known_ms - LEARNT_MS) & (at_ms < known_ms))
    return learnt, np.flatnonzero((at_ms >= begin_ms) & (at_ms < end_ms))


def table(choice: str, validation: dict[str, float], part: Samples, scores: NDArray[np.float64], rows: int) -> str:
    """Return the results as Markdown."""
    low, high = confidence(part, scores, seed=SEED)["pr_auc"]
    more = evaluate(part, scores)
    lines = [
        f"# A run of Sparkov: {rows:,} payments",
        "",
        "| last two months | AP | 95% of AP, cards resampled | AUC | bar of AP |",
        "|---|---|---|---|---|",
        f"| sekisho, {choice} | {average_precision(scores, part.fraud):.4f} | {low:.4f} to {high:.4f} "
        f"| {auc(scores, part.fraud):.4f} | {BAR} |",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value:.4f} |" for name, value in more.items() if "at_" in name or name == "fraud_rate"),
        "",
        "AP on the two months before: " + "; ".join(f"{name} {ap:.4f}" for name, ap in validation.items()) + ".",
    ]
    versions = f"Python {sys.version.split()[0]}, LightGBM {lightgbm.__version__}, scikit-learn {sklearn.__version__}"
    return "\n".join([*lines, "", f"Seed {SEED}, {len(FEATURES)} features, {versions}.", ""])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print and write the table. Return 0."""
    p = argparse.ArgumentParser(prog="python -m tests.bench.detection.sparkov")
    p.add_argument("file", type=Path)
    p.add_argument("--rows", type=Path, default=Path("build/sparkov.rows"))
    p.add_argument("--out", type=Path, default=Path("build/sparkov.md"))
    options = p.parse_args(argv)
    tables = Tables(table=options.file, mapping="sparkov", labels=True)
    history = TableHistory(tables, open_source(tables, print))
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits())
    samples = collect(history, options.rows, settings, maturity_ms=KNOWN_MS, tell=print)
    end_ms = int(samples.event_ms.max()) + 1
    learnt, before = spans(samples, end_ms - MEASURED_MS)
    validation = {}
    for choice in TRIED:
        scores = scored(samples, learnt, before, choice)
        validation[choice] = average_precision(scores, samples.fraud[before])
    choice = max(validation, key=lambda name: validation[name])
    learnt, last = spans(samples, end_ms)
    part = chosen(samples, last)
    text = table(choice, validation, part, scored(samples, learnt, last, choice), len(samples.fraud))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
