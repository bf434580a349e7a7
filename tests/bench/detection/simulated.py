"""Detection on a simulated month that the bundle has not seen: `python -m tests.bench.detection.simulated`.

The traffic has another seed than that of training and of the demonstration. A worker's own features are computed event
by event. The first days only fill the profiles; the month after them is measured, without the attempts of enumeration,
which are many and alike. Writes a table in Markdown to --out.

A case is what one alert tells of: payments of a card from the policy's REVIEW score on, each within 15 minutes of the
last one. It is right if its first payment is fraud. The figures are those of a simulator, and say nothing about a live
portfolio.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.simulator import Simulator, SimulatorConfig, Truth
from models.simulator.config import DAY_MS
from models.training.cli import DEMO_SEED
from models.training.matrix import Samples, replay
from models.training.metrics import ENUMERATION
from models.training.records import Record
from scoring.features.all import FEATURES
from scoring.model.bundle import SIZE_MAX, Bundle

SEED: Final = 9_001
WARM_UP_DAYS: Final = 3
MONTH_DAYS: Final = 30
ALERT_SHARE: Final = 0.005
REVIEW: Final = 700
"""Score of REVIEW in the policy beside the worker (`streams/config/policy.yaml`)."""
CASE_MS: Final = 15 * 60_000
"""`dedup_minutes` of that policy."""
THRESHOLDS: Final = range(400, 801, 25)
"""Scores that are tried as the threshold of REVIEW."""
TAKEOVER: Final = "T4"
CHUNK_ROWS: Final = 4_096

BARS: Final = (("yen of fraud, at 0.5% alerts", 0.75), ("account takeover, at 0.5% alerts", 0.5), ("cases", 0.85))
"""Least recall by value, recall of takeover payments, and precision of cases."""


def month(config: SimulatorConfig) -> Samples:
    """Compute the features of a simulated stream, with its truth."""
    truths: dict[str, Truth] = {}

    def records() -> Iterator[Record]:
        for item in Simulator(config):
            if item.truth is not None and item.truth.fraud:
                truths[item.truth.event_id] = item.truth
            yield Record(item.topic, item.key, item.value, item.at_ms)

    return replay(records(), truths)


def scored(samples: Samples, bundle: Bundle) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
    """Return margins float64[n] and scores int16[n] of all rows."""
    n = len(samples.fraud)
    margins, scores = np.empty(n), np.empty(n, np.int16)
    for low in range(0, n, CHUNK_ROWS):
        rows = np.ascontiguousarray(samples.matrix[low : low + CHUNK_ROWS])
        part = slice(low, low + len(rows))
        bundle.trees.margins(rows, margins[part])
        scores[part] = bundle.calibration.apply(margins[part])[1]
    return margins, scores


def cases(flagged: NDArray[np.bool_], card: NDArray[np.uint64], at_ms: NDArray[np.int64]) -> list[int]:
    """Return the first row of each case."""
    last: dict[int, int] = {}
    first = []
    for i in np.flatnonzero(flagged).tolist():
        before, last[int(card[i])] = last.get(int(card[i])), int(at_ms[i])
        if before is None or at_ms[i] - before > CASE_MS:
            first.append(i)
    return first


def top(margins: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Mark at most a share of the rows: those with the highest margins, of equal ones all or none."""
    budget = int(len(margins) * share)
    marked: NDArray[np.bool_] = margins > np.partition(margins, -(budget + 1))[-(budget + 1)]
    return marked


def table(samples: Samples, margins: NDArray[np.float64], scores: NDArray[np.int16]) -> list[str]:
    """Return the results as lines of Markdown."""
    counted = samples.event_ms >= samples.event_ms.min() + WARM_UP_DAYS * DAY_MS
    counted &= samples.typology != ENUMERATION
    fraud, typology = samples.fraud[counted], samples.typology[counted]
    yen = np.maximum(samples.amount_jpy[counted], 0)
    alerts, flagged = top(margins[counted], ALERT_SHARE), scores[counted] >= REVIEW
    first = cases(flagged, samples.card[counted], samples.event_ms[counted])
    by_value = yen[alerts & fraud].sum() / yen[fraud].sum()
    takeover = alerts[typology == TAKEOVER].mean()
    right = fraud[first].mean() if first else 0.0
    lines = [
        f"{counted.sum():,} payments, {fraud.sum():,} frauds, {(typology == TAKEOVER).sum():,} of them takeover",
        "",
        "| measure | figure | bar |",
        "|---|---|---|",
        *(
            f"| {'precision' if name == 'cases' else 'recall'}, {name} | {figure:.3f} | {bar} |"
            for (name, bar), figure in zip(BARS, (by_value, takeover, right), strict=True)
        ),
        "",
        "| kind | payments | recall at 0.5% alerts | by value | recall at REVIEW | by value |",
        "|---|---|---|---|---|---|",
    ]
    for kind in sorted({name for name in typology if name is not None}, key=lambda name: (len(name), name)):
        of = typology == kind
        cells = [
            f"{marked[of].mean():.3f} | {yen[of & marked].sum() / yen[of].sum():.3f}" for marked in (alerts, flagged)
        ]
        lines.append(f"| {kind} | {of.sum():,} | {' | '.join(cells)} |")
    share = flagged.mean()
    return [
        *lines,
        "",
        f"REVIEW and above: {share:.2%} of the payments in {len(first):,} cases.",
        "",
        *by_threshold(samples, scores, counted),
    ]


def by_threshold(samples: Samples, scores: NDArray[np.int16], counted: NDArray[np.bool_]) -> list[str]:
    """Return the three measures at one threshold each, as lines of Markdown."""
    fraud, takeover = samples.fraud[counted], samples.typology[counted] == TAKEOVER
    yen = np.maximum(samples.amount_jpy[counted], 0)
    card, at_ms = samples.card[counted], samples.event_ms[counted]
    lines = [
        "| score | payments flagged | cases | precision, cases | recall by value | recall, takeover | bars |",
        "|---|---|---|---|---|---|---|",
    ]
    for score in THRESHOLDS:
        flagged = scores[counted] >= score
        first = cases(flagged, card, at_ms)
        figures = (
            float(yen[flagged & fraud].sum() / yen[fraud].sum()),
            float(flagged[takeover].mean()),
            float(fraud[first].mean()) if first else 0.0,
        )
        is_met = flagged.mean() <= ALERT_SHARE and all(
            figure >= bar for figure, (_, bar) in zip(figures, BARS, strict=True)
        )
        value, found, right = (f"{figure:.3f}" for figure in figures)
        lines.append(
            f"| {score} | {flagged.mean():.2%} | {len(first):,} | {right} | {value} | {found} | "
            f"{'all met' if is_met else ''} |"
        )
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print and write the table. Return 0."""
    p = argparse.ArgumentParser(prog="python -m tests.bench.detection.simulated")
    p.add_argument("--seed", type=int, default=SEED)
    p.add_argument("--events-per-day", type=int, default=30_000)
    p.add_argument("--cards", type=int, default=50_000)
    p.add_argument("--merchants", type=int, default=1_000)
    p.add_argument("--days", type=int, default=MONTH_DAYS, help="days measured (default %(default)s)")
    p.add_argument("--bundle", type=Path, help="folder of a bundle (default: the demonstration bundle)")
    p.add_argument("--out", type=Path, default=Path("build/simulated.md"))
    options = p.parse_args(argv)
    if options.seed == DEMO_SEED:
        p.error(f"seed {DEMO_SEED} is that of training")
    folder = options.bundle or resources.files("models") / "bundles" / "demo"
    bundle = Bundle.load({name: (folder / name).read_bytes() for name in SIZE_MAX}, FEATURES)
    config = SimulatorConfig(
        seed=options.seed,
        days=WARM_UP_DAYS + options.days,
        events_per_day=options.events_per_day,
        cards=options.cards,
        merchants=options.merchants,
    )
    began = time.process_time()
    samples = month(config)
    spent = time.process_time() - began
    lines = [
        f"# A simulated month, seed {options.seed}, bundle {bundle.version}",
        "",
        *table(samples, *scored(samples, bundle)),
        "",
        f"Simulated and read into features in {spent:.0f} s of CPU, {len(samples.fraud) / spent:,.0f} events/s.",
        "",
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines))
    sys.stdout.write("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
