"""Measure a model at alert volumes that a team can work through."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score  # type: ignore[import-untyped]  # ships no types

from models.training.matrix import Samples

ALERT_SHARES: Final = (0.001, 0.002, 0.005, 0.01)
ENUMERATION: Final = "T1"
_BY_TYPOLOGY: Final = "recall_at_1pct_"


def evaluate(samples: Samples, scores: NDArray[np.float64]) -> dict[str, float]:
    """Measure the ranking `scores: float64[n]` of samples that were not trained on. Ties count against the model.

    Keys are plain for all fraud; those that begin with `no_t1_` leave the rows of enumeration out, whose many
    small attempts would otherwise outvote every other fraud. `..._at_0.5pct` means: if the half per cent of all rows
    with the highest scores raise alerts. Of frauds it counts rows (`recall`), yen (`value_recall`), episodes with any
    alert (`episode_recall`), and the first row of each card in an episode, before anything could be learnt from it
    (`first_hit_recall`). `false_positives_per_fraud` is genuine rows alerted for each fraud alerted. Recall by typology
    is at the threshold that one per cent of the rows without enumeration exceed.
    """
    metrics = _evaluate(samples, scores, np.ones(len(scores), np.bool_), "")
    metrics |= _evaluate(samples, scores, samples.typology != ENUMERATION, "no_t1_")
    other = samples.typology != ENUMERATION
    alerts = scores > _threshold(scores[other], ALERT_SHARES[-1])
    for typology in sorted({name for name in samples.typology if name is not None}):
        metrics[f"{_BY_TYPOLOGY}{typology}"] = _share(alerts[samples.typology == typology])
    return {name: round(value, 6) for name, value in metrics.items()}


def _evaluate(samples: Samples, scores: NDArray[np.float64], rows: NDArray[np.bool_], prefix: str) -> dict[str, float]:
    scores, fraud = scores[rows], samples.fraud[rows]
    amount = np.maximum(samples.amount_jpy[rows], 0)
    episode, card = samples.episode[rows], samples.card[rows]
    first = first_hits(fraud, episode, card)
    metrics = {"fraud_rate": _share(fraud), "auc": auc(scores, fraud), "pr_auc": average_precision(scores, fraud)}
    for share in ALERT_SHARES:
        alerts = _alerted(scores, share)
        caught = int((alerts & fraud).sum())
        caught_episodes = len(set(episode[alerts & fraud].tolist()))
        at = f"at_{share * 100:g}pct"
        metrics[f"recall_{at}"] = _share(alerts[fraud])
        metrics[f"value_recall_{at}"] = float(amount[alerts & fraud].sum() / max(1, amount[fraud].sum()))
        metrics[f"false_positives_per_fraud_{at}"] = float((alerts & ~fraud).sum() / max(1, caught))
        metrics[f"first_hit_recall_{at}"] = _share(alerts[first])
        metrics[f"episode_recall_{at}"] = caught_episodes / max(1, len(set(episode[fraud].tolist())))
    return {prefix + name: value for name, value in metrics.items()}


def auc(scores: NDArray[np.float64], fraud: NDArray[np.bool_]) -> float:
    """Return the probability that a fraud scores above a genuine row, ties counting half; 0.5 if either is missing."""
    if fraud.all() or not fraud.any():
        return 0.5
    return float(roc_auc_score(fraud, scores))


def average_precision(scores: NDArray[np.float64], fraud: NDArray[np.bool_]) -> float:
    """Return the area under precision over recall, each tie one step; 0 without frauds."""
    return float(average_precision_score(fraud, scores)) if fraud.any() else 0.0


def first_hits(fraud: NDArray[np.bool_], episode: NDArray[np.object_], card: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Mark the first fraudulent row of each card in each episode, rows being in order."""
    seen: set[tuple[object, int]] = set()
    first = np.zeros(len(fraud), np.bool_)
    for i in np.flatnonzero(fraud).tolist():
        pair = (episode[i], int(card[i]))
        first[i] = pair not in seen
        seen.add(pair)
    return first


def _alerted(scores: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    alerts: NDArray[np.bool_] = scores > _threshold(scores, share)
    return alerts


def _threshold(scores: NDArray[np.float64], share: float) -> float:
    """Return the score that at most `share` of the scores exceed. Equal scores are all above or all below it."""
    budget = int(len(scores) * share)
    return float(np.partition(scores, -(budget + 1))[-(budget + 1)]) if budget < len(scores) else -np.inf


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def report_lines(metrics: dict[str, float]) -> list[str]:
    """Return a short table of the metrics, for people."""
    lines = [f"{'':38}{'all fraud':>9}{'without T1':>12}"]
    names = ["fraud_rate", "auc", "pr_auc"]
    kinds = ("recall", "value_recall", "episode_recall", "first_hit_recall", "false_positives_per_fraud")
    names += [f"{kind}_at_{share}pct" for share in ("0.2", "0.5", "1") for kind in kinds]
    lines += [f"{name[:36]:38}{metrics[name]:9.4f}{metrics['no_t1_' + name]:12.4f}" for name in names]
    kinds_of_fraud = [name for name in metrics if name.startswith(_BY_TYPOLOGY)]
    lines += [f"{name:38}{metrics[name]:9.4f}" for name in kinds_of_fraud]
    return lines
