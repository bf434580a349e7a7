"""Model card: data, windows, metrics with confidence intervals, segments, importance of features, limits."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.training.matrix import Samples
from models.training.metrics import ALERT_SHARES, average_precision
from models.training.report.figures import curves
from models.training.report.page import SEGMENT_COLUMNS, page
from models.training.report.resampling import RESAMPLES, card_weights, interval
from models.training.search import Search
from models.training.train import Plan, Trained
from scoring.contract.codes import ChannelCode, NetworkCode
from scoring.model.calibration import Calibration
from scoring.model.manifest import Manifest

_ALERTS: Final = ALERT_SHARES[2]  # of the segments: 0.5%
_FEATURES_MAX: Final = 30
_SEGMENT_ROWS_MIN: Final = 100
_YEN: Final = (1_000, 5_000, 10_000, 50_000, 100_000)

Flags = NDArray[np.bool_]


def model_card(trained: Trained, plan: Plan, search: Search | None = None) -> dict[str, bytes]:
    """Return the card as `card.json` and `card.md`, and its page, `report.html`. `search`: how parameters were found.

    The same training gives the same bytes with the same versions of the packages.
    """
    manifest = Manifest.decode(trained.files["manifest.json"])
    training = manifest.training
    probabilities, scores = Calibration(manifest.calibration).apply(trained.margins)
    figures = curves(trained.test, trained.margins, probabilities, scores, plan.seed)
    intervals = confidence(trained.test, trained.margins, seed=plan.seed)
    total = sum(trained.gains.values()) or 1.0
    best = sorted(trained.gains.items(), key=lambda pair: (-pair[1], pair[0]))[:_FEATURES_MAX]
    card: dict[str, Any] = {
        "name": manifest.name,
        "data": manifest.data_card.strip(),
        "windows": {
            name: msgspec.to_builtins(part) | {"from": _day(part.from_ms), "until": _day(part.until_ms)}
            for name, part in (
                ("train", training.train),
                ("calibration", training.calibration),
                ("test", training.test),
            )
        },
        "left_out": training.left_out,
        "metrics": manifest.metrics,
        "intervals_95": intervals,
        "segments_at_0.5pct": segments(trained.test, trained.margins, seed=plan.seed),
        "importance_of_gain": {name: round(gain / total, 6) for name, gain in best if gain > 0},
        "parameters": training.parameters,
        "seed": plan.seed,
        "lightgbm_version": training.lightgbm_version,
        "calibration": manifest.calibration.method,
        "search": None if search is None else msgspec.to_builtins(search),
        "curves": msgspec.to_builtins(figures),
    }
    text = msgspec.json.format(msgspec.json.encode(card, order="deterministic"), indent=2) + b"\n"
    return {
        "card.json": text,
        "card.md": ("\n".join(_lines(card)) + "\n").encode(),
        "report.html": page(card, figures).encode(),
    }


def confidence(
    samples: Samples, scores: NDArray[np.float64], *, seed: int, resamples: int = RESAMPLES
) -> dict[str, list[float]]:
    """Return [low, high] of 95% for the main metrics, by resampling cards."""
    order = np.argsort(-scores, kind="stable")
    fraud = samples.fraud[order].astype(np.float64)
    yen = np.maximum(samples.amount_jpy[order], 0) * fraud
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # last place of each run of equal scores
    found: dict[str, list[float]] = {}
    for weight in card_weights(samples.card, seed, resamples):
        for name, value in weighted_metrics(fraud, yen, weight[order], ends):
            found.setdefault(name, []).append(value)
    return {name: interval(values) for name, values in found.items()}


def weighted_metrics(
    fraud: NDArray[np.float64],
    yen: NDArray[np.float64],
    weight: NDArray[np.float64],
    ends: NDArray[np.int64],
    shares: Sequence[float] = ALERT_SHARES,
) -> Iterator[tuple[str, float]]:
    """Yield metrics of n rows in falling order of score. Of equal scores at the limit all are left out of the alerts.

    `fraud` (0 or 1), `yen` of frauds and `weight` are float64[n]; `ends` int64[k]: last place of each run of equal
    scores. `shares`: of the rows that raise alerts. None are yielded without a fraud or without a genuine row.
    """
    rows, caught, worth = (np.cumsum(column)[ends] for column in (weight, weight * fraud, weight * yen))
    frauds, genuine = caught[-1], rows[-1] - caught[-1]
    if frauds <= 0 or genuine <= 0:
        return
    steps, false = np.diff(caught, prepend=0.0), rows - caught
    yield "fraud_rate", float(frauds / rows[-1])
    yield "auc", float(1 - (steps * (false - np.diff(false, prepend=0.0) / 2)).sum() / (frauds * genuine))
    precision = np.divide(caught, rows, out=np.zeros_like(caught), where=rows > 0)
    yield "pr_auc", float((steps * precision).sum() / frauds)
    for share in shares:
        last = int(np.searchsorted(rows, rows[-1] * share, side="right")) - 1
        yield f"recall_at_{share * 100:g}pct", float(caught[last] / frauds) if last >= 0 else 0.0
        yield f"value_recall_at_{share * 100:g}pct", float(worth[last] / worth[-1]) if last >= 0 and worth[-1] else 0.0


def segments(
    samples: Samples, scores: NDArray[np.float64], *, seed: int, resamples: int = RESAMPLES
) -> dict[str, dict[str, dict[str, float]]]:
    """Measure each segment of at least 100 rows with the threshold that 0.5% of all rows exceed.

    By month (UTC), amount in yen, and the codes of `samples.segments`. `recall_low` and `recall_high`: 95%, by
    resampling cards, at the same threshold.
    """
    budget = int(len(scores) * _ALERTS)
    alerts: Flags = scores > np.partition(scores, -(budget + 1))[-(budget + 1)]
    frauds = np.flatnonzero(samples.fraud)
    weights = [weight[frauds] for weight in card_weights(samples.card, seed, resamples)]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind, (codes, name_of) in _kinds(samples).items():
        for code in np.unique(codes).tolist():
            rows = codes == code
            if int(rows.sum()) >= _SEGMENT_ROWS_MIN:
                own = _segment(samples.fraud[rows], scores[rows], alerts[rows])
                edges = interval(_recalls(rows[frauds], alerts[frauds], weights))
                own |= dict(zip(("recall_low", "recall_high"), edges, strict=False))
                found.setdefault(kind, {})[name_of(code)] = own
    return found


def _recalls(own: Flags, alerts: Flags, weights: list[NDArray[np.float64]]) -> Iterator[float]:
    """Yield the recall of some frauds in each resample, NaN where none of them is drawn. All are by fraud."""
    for weight in weights:
        whole = float(weight[own].sum())
        yield float(weight[own & alerts].sum()) / whole if whole else float("nan")


def _kinds(samples: Samples) -> dict[str, tuple[NDArray[np.int64], Callable[[int], str]]]:
    months = samples.event_ms.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
    bands = np.where(samples.amount_jpy < 0, -1, np.searchsorted(_YEN, samples.amount_jpy, side="right"))
    kinds: dict[str, tuple[NDArray[np.int64], Callable[[int], str]]] = {
        "month": (months, lambda code: str(np.datetime64(code, "M"))),
        "amount_jpy": (bands, _band),
    }
    names = {"channel": ChannelCode, "network": NetworkCode}
    for kind, codes in samples.segments.items():
        kinds[kind] = (codes, lambda code, of=names[kind]: of(code).name)  # type: ignore[misc]  # a default
    return kinds


def _segment(fraud: Flags, scores: NDArray[np.float64], alerts: Flags) -> dict[str, float]:
    frauds, genuine = int(fraud.sum()), int((~fraud).sum())
    values = {"rows": len(fraud), "frauds": frauds, "alert_rate": float(alerts.mean())}
    values["false_positive_rate"] = float(alerts[~fraud].mean()) if genuine else 0.0
    if frauds:
        values |= {"recall": float(alerts[fraud].mean()), "pr_auc": average_precision(scores, fraud)}
    return {name: round(value, 6) for name, value in values.items()}


def _band(code: int) -> str:
    if code < 0:
        return "unknown"
    low = 0 if code == 0 else _YEN[code - 1]
    return f"{low:,} and more" if code == len(_YEN) else f"{low:,} to {_YEN[code] - 1:,}"


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _lines(card: dict[str, Any]) -> Iterator[str]:
    yield f"# Model card: {card['name']}"
    yield ""
    yield card["data"]
    yield ""
    yield from _table(
        "Windows (UTC)",
        ("part", "from", "until", "rows", "frauds", "known later"),
        (
            (name, part["from"], part["until"], part["rows"], part["frauds"], part["late_frauds"])
            for name, part in card["windows"].items()
        ),
    )
    yield from _table("Left out", ("reason", "count"), card["left_out"].items())
    yield from _table(
        "Metrics on the test days",
        ("metric", "value", "95% from", "to"),
        ((name, card["metrics"][name], *pair) for name, pair in card["intervals_95"].items()),
    )
    for kind, found in card["segments_at_0.5pct"].items():
        columns = SEGMENT_COLUMNS
        yield from _table(
            f"By {kind}, at 0.5% alerts",
            (kind, *columns),
            ((name, *(values.get(column, "") for column in columns)) for name, values in found.items()),
        )
    yield from _table("Importance of features, share of gain", ("feature", "share"), card["importance_of_gain"].items())
    if card["search"] is not None:
        yield from _searched(card["search"])
    yield from _table(
        "Training",
        ("parameter", "value"),
        (
            *card["parameters"].items(),
            ("LightGBM", card["lightgbm_version"]),
            ("calibration", card["calibration"]),
        ),
    )


def _searched(found: dict[str, Any]) -> Iterator[str]:
    best = found["best"]
    ended = ", ended by time" if found["is_out_of_time"] else ""
    yield from _table(
        f"Search: {len(found['trials'])} of {found['asked']} trials{ended}, Optuna {found['optuna_version']}",
        ("trial", "average precision", "by fold", "parameters"),
        (
            (
                f"{number + 1}{' (best)' if number == best else ''}",
                one["average_precision"],
                ", ".join(map(str, one["folds"])),
                ", ".join(f"{name} {value}" for name, value in one["parameters"].items()),
            )
            for number, one in enumerate(found["trials"])
        ),
    )


def _table(title: str, columns: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"
    yield ""
