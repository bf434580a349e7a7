"""Search parameters of LightGBM with Optuna, on validation folds inside the training part."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from typing import Final

import lightgbm
import numpy as np
from msgspec import Struct

from models.training.matrix import Samples
from models.training.metrics import average_precision
from models.training.train import DEFAULTS, LEAVES_MAX, Plan, fit, labelled, margins_of, split, take

TRIALS_MAX: Final = 500
MINUTES_MAX: Final = 7 * 24 * 60
_CUTS: Final = (0.4, 0.6, 0.8, 1.0)
"""Ends of the first learning window and of the three folds, as shares of the training part's time."""

_WHOLE: Final = {"num_leaves": (7, LEAVES_MAX), "min_data_in_leaf": (10, 300)}
_RATIOS: Final = {"learning_rate": (0.02, 0.2), "lambda_l2": (0.1, 100.0), "cat_smooth": (1.0, 100.0)}
_SHARES: Final = {"feature_fraction": (0.2, 1.0), "bagging_fraction": (0.5, 1.0)}

Parameters = dict[str, int | float]


@dataclass(frozen=True, slots=True)
class Limits:
    """At most so many trials, and none is begun after so many seconds. The first one always runs.

    Raises `ValueError` for limits out of bounds, and if Optuna is not installed.
    """

    trials: int
    seconds: float

    def __post_init__(self) -> None:
        if not 1 <= self.trials <= TRIALS_MAX:
            raise ValueError(f"--search must lie between 1 and {TRIALS_MAX}")
        if not 0 < self.seconds <= MINUTES_MAX * 60:
            raise ValueError(f"--search-minutes must lie above 0 and up to {MINUTES_MAX}")
        if find_spec("optuna") is None:
            raise ValueError(
                "--search needs Optuna, which is not installed: pip install 'sekisho[search]', or leave --search out"
            )


class Fold(Struct, frozen=True, kw_only=True):
    """Rows [0, learn_until) teach, with the labels known at `cut_ms`; rows [judge_from, judge_until) judge.

    Positions are those of the training part. All of the rows that teach are older than those that judge.
    """

    learn_until: int
    judge_from: int
    judge_until: int
    cut_ms: int


class Trial(Struct, frozen=True, kw_only=True):
    """Average precision of one set of parameters, the mean of the folds and by fold."""

    average_precision: float
    folds: list[float]
    parameters: Parameters


class Search(Struct, frozen=True, kw_only=True):
    """What was tried, in order; the first trial has the default parameters. `best`: its place in `trials`.

    `asked`: trials at most. `is_out_of_time`: the time ended the search before them.
    """

    asked: int
    is_out_of_time: bool
    best: int
    folds: list[Fold]
    trials: list[Trial]
    optuna_version: str


def search(
    samples: Samples,
    plan: Plan,
    limits: Limits,
    tell: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Search:
    """Try parameters on folds of the training part, with the labels that were known at its end.

    Neither rows nor labels of later days reach a trial.

    Trials follow each other and the sampler has the plan's seed, so the same samples, plan and number of trials give
    the same search. The time decides only after how many of them it ends.

    Raises:
        ValueError: a fold has no fraud to learn from or to be judged by.
    """
    import optuna  # noqa: PLC0415 -- an optional extra

    parts = split(samples, plan)
    rows, cut_ms = take(samples, parts.train), parts.cuts_ms[0]
    found = folds(rows, cut_ms)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=plan.seed))
    study.enqueue_trial({name: DEFAULTS[name] for name in (*_WHOLE, *_RATIOS, *_SHARES)})
    trials: list[Trial] = []
    began, best = clock(), 0
    while len(trials) < limits.trials and not (trials and clock() - began >= limits.seconds):
        asked = study.ask()
        parameters: Parameters = {
            name: asked.suggest_int(name, low, high, log=True) for name, (low, high) in _WHOLE.items()
        }
        for names, is_ratio in ((_RATIOS, True), (_SHARES, False)):
            for name, (low, high) in names.items():
                parameters[name] = float(f"{asked.suggest_float(name, low, high, log=is_ratio):.4g}")
        tuned = replace(plan, tuned=tuple(parameters.items()))
        values = [round(one, 6) for one in _judged(rows, found, cut_ms, tuned)]
        mean = float(np.mean(values))
        study.tell(asked, mean)
        trials.append(Trial(average_precision=round(mean, 6), folds=values, parameters=parameters))
        if mean > float(np.mean(trials[best].folds)):  # of equal ones the first: the defaults need no reason
            best = len(trials) - 1
        tell(f"search: trial {len(trials)} of {limits.trials}: average precision {mean:.4f}, best {best + 1}")
    return Search(
        asked=limits.trials,
        is_out_of_time=len(trials) < limits.trials,
        best=best,
        folds=found,
        trials=trials,
        optuna_version=metadata.version("optuna"),
    )


def folds(rows: Samples, cut_ms: int) -> list[Fold]:
    """Cut the rows of a training part that ends at `cut_ms` into folds, by event time: each learns from earlier days.

    Where the truth does not say since when it is known, the last `delay_ms` before a cut teach nothing.

    Raises:
        ValueError: a fold has no fraud to learn from or to be judged by.
    """
    start, end = int(rows.event_ms.min()), int(rows.event_ms.max())
    reached = np.maximum.accumulate(rows.event_ms)
    cuts = [start + int((end - start) * share) for share in _CUTS]
    places = [*np.searchsorted(reached, cuts[:-1]).tolist(), len(reached)]
    known = np.searchsorted(reached, [cut - rows.delay_ms for cut in cuts]).tolist()
    found = [
        Fold(learn_until=known[k], judge_from=places[k], judge_until=places[k + 1], cut_ms=cuts[k])
        for k in range(len(_CUTS) - 1)
    ]
    for number, fold in enumerate(found, 1):
        for part in _parts(rows, fold, cut_ms):
            if not part.fraud.any():
                raise ValueError(
                    f"--search: fold {number} of the training days has no fraud among {len(part.fraud)} rows: "
                    "use more days, or train without --search"
                )
    return found


def _parts(rows: Samples, fold: Fold, cut_ms: int) -> tuple[Samples, Samples]:
    """Return what a fold learns from, as known at its cut, and what judges it, as known at the end of the training."""
    learnt = labelled(take(rows, slice(fold.learn_until)), fold.cut_ms)
    return learnt, labelled(take(rows, slice(fold.judge_from, fold.judge_until)), cut_ms)


def _judged(rows: Samples, found: list[Fold], cut_ms: int, plan: Plan) -> Iterator[float]:
    """Yield the average precision of each fold."""
    for fold in found:
        learnt, judging = _parts(rows, fold, cut_ms)
        booster = lightgbm.Booster(model_str=fit(learnt, plan))
        yield average_precision(margins_of(booster, judging.matrix), judging.fraud)
