"""The search of parameters: folds in time inside the training part, nothing of later days, the same each time."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from models.training import main
from models.training.matrix import Samples
from models.training.search import TRIALS_MAX, Limits, Search, folds, search
from models.training.train import DEFAULTS, Plan, fit, labelled, split, take, train
from models.training.verdicts import Verdicts
from tests.examples import is_quick
from tests.training import test_labels
from tests.training.test_labels import DAY_MS, START_MS

PLAN = Plan(name="test", source="a test", seed=5, trees=4)
FEW = Limits(3, 600.0)


def run(found: Samples, limits: Limits = FEW, plan: Plan = PLAN, clock: Callable[[], float] = lambda: 0.0) -> Search:
    return search(found, plan, limits, lambda line: None, clock)


@cache
def samples() -> Samples:
    return take(test_labels.samples(), slice(None, None, 2 if is_quick() else 1))


@cache
def usual() -> Search:
    return run(samples())


@cache
def cut() -> tuple[Samples, int]:
    """Return the rows of the training part, and its end."""
    parts = split(samples(), PLAN)
    return take(samples(), parts.train), parts.cuts_ms[0]


def test_folds_follow_each_other_and_learn_from_earlier_days_only() -> None:
    rows, end_ms = cut()
    found = folds(rows, end_ms)
    times = rows.event_ms.tolist()
    start, span = times[0], times[-1] - times[0]
    assert [fold.cut_ms for fold in found] == [start + int(span * share) for share in (0.4, 0.6, 0.8)]
    for fold, until in zip(found, [*(one.cut_ms for one in found[1:]), times[-1] + 1], strict=True):
        assert fold.learn_until == sum(time < fold.cut_ms for time in times)
        judging = [k for k, time in enumerate(times) if fold.cut_ms <= time < until]
        assert list(range(fold.judge_from, fold.judge_until)) == judging
    assert found[-1].judge_until == len(times)


def test_where_the_delay_is_assumed_the_days_before_a_cut_teach_nothing() -> None:
    rows, end_ms = cut()
    delayed = replace(rows, delay_ms=2 * DAY_MS, undated=3)
    for fold in folds(delayed, end_ms):
        assert fold.learn_until == int((rows.event_ms < fold.cut_ms - 2 * DAY_MS).sum())
        assert fold.judge_from == int((rows.event_ms < fold.cut_ms).sum())


def later(found: Samples) -> NDArray[np.intp]:
    return np.arange(split(found, PLAN).train.stop, len(found.fraud))


def test_nothing_of_later_days_changes_a_search() -> None:
    """Other features, labels, amounts and cards after the training part: the same trials."""
    found, rng = samples(), np.random.default_rng(1)
    rows = later(found)
    matrix, fraud = found.matrix[:].copy(), found.fraud.copy()
    matrix[rows] = rng.normal(size=(len(rows), matrix.shape[1]))
    fraud[rows] = rng.random(len(rows)) < 0.5
    episode, typology = found.episode.copy(), found.typology.copy()
    episode[rows], typology[rows] = "e", "T3"
    other = replace(found, matrix=matrix, fraud=fraud, episode=episode, typology=typology)
    assert run(other) == usual()


def test_a_label_that_was_known_after_the_training_ended_changes_no_trial() -> None:
    found, (rows, end_ms) = samples(), cut()
    hidden = np.flatnonzero(rows.fraud)[::3]
    known_ms, never = found.known_ms.copy(), found.fraud.copy()
    known_ms[hidden], never[hidden] = end_ms + 1, False
    late = run(replace(found, known_ms=known_ms))
    assert late == run(replace(found, fraud=never)) != usual()
    known_ms[hidden] = end_ms
    assert run(replace(found, known_ms=known_ms)) != late


def test_a_label_that_was_known_after_the_cut_of_a_fold_judges_and_does_not_teach() -> None:
    rows, end_ms = cut()
    first = folds(rows, end_ms)[0]
    hidden = np.flatnonzero(rows.fraud[: first.learn_until])[::2]
    known_ms = samples().known_ms.copy()
    known_ms[hidden] = first.cut_ms + 1
    found = run(replace(samples(), known_ms=known_ms))
    values = [one.trials[0].folds for one in (found, usual())]
    assert values[0][0] != values[1][0], "the first fold has learnt from fewer frauds"
    assert values[0][1:] == values[1][1:], "by the next cuts they were known"


def test_verdicts_count_as_of_each_cut() -> None:
    """Reports by verdicts: those of later days are as if they had not been."""
    found, (rows, end_ms) = samples(), cut()
    frauds = np.flatnonzero(found.fraud)
    told = Verdicts(
        length=len(found.fraud), rows=frauds, at_ms=found.known_ms[frauds], fraud=np.ones(len(frauds), bool)
    )
    assert run(replace(found, verdicts=told)) == usual()
    taken_back = frauds[frauds < len(rows.fraud)][::2]
    reversal = replace(
        told,
        rows=np.append(told.rows, taken_back),
        at_ms=np.append(told.at_ms, np.full(len(taken_back), end_ms + 1)),
        fraud=np.append(told.fraud, np.zeros(len(taken_back), bool)),
    )
    final = found.fraud.copy()
    final[taken_back] = False
    assert run(replace(found, verdicts=reversal, fraud=final)) == usual(), "they were taken back after the training"


def test_the_average_precision_of_a_trial_is_that_of_a_plain_training_of_each_fold() -> None:
    rows, end_ms = cut()
    trial = usual().trials[2]
    plan = replace(PLAN, tuned=tuple(trial.parameters.items()))
    expected = []
    for fold in folds(rows, end_ms):
        learnt = labelled(take(rows, slice(0, fold.learn_until)), fold.cut_ms)
        booster = lightgbm.Booster(model_str=fit(learnt, plan))
        judging = slice(fold.judge_from, fold.judge_until)
        scores = booster.predict(rows.matrix[judging], raw_score=True)
        expected.append(average_precision_score(rows.fraud[judging], scores))
    assert trial.folds == pytest.approx(expected, abs=1e-6)
    assert trial.average_precision == pytest.approx(sum(expected) / 3, abs=2e-6)


def test_the_first_trial_has_the_defaults_and_the_best_is_the_first_with_the_highest_mean() -> None:
    found = usual()
    assert found.trials[0].parameters == {name: DEFAULTS[name] for name in found.trials[0].parameters}
    means = [sum(trial.folds) for trial in found.trials]
    assert found.best == means.index(max(means))
    assert len({str(trial.parameters) for trial in found.trials}) == len(found.trials) == found.asked == 3
    assert not found.is_out_of_time
    assert found.optuna_version == metadata.version("optuna")
    assert "bagging_freq" not in found.trials[1].parameters
    assert all(7 <= trial.parameters["num_leaves"] <= 64 for trial in found.trials)
    flat = np.zeros_like(samples().matrix[:])
    assert run(replace(samples(), matrix=flat), Limits(2, 60.0)).best == 0, "equal trials: the defaults stay"


def test_the_same_data_and_seed_give_the_same_search_and_another_seed_another() -> None:
    assert run(samples()) == usual()
    other = run(samples(), plan=replace(PLAN, seed=6))
    assert other.trials[0].parameters == usual().trials[0].parameters
    assert [one.parameters for one in other.trials[1:]] != [one.parameters for one in usual().trials[1:]]


def test_time_ends_a_search_after_a_trial_and_changes_none_of_them() -> None:
    ticks = iter([0.0, 59.9, 60.0])
    found = run(samples(), Limits(3, 60.0), clock=lambda: next(ticks))
    assert found.is_out_of_time
    assert found.trials == usual().trials[:2]
    late = iter([0.0, 1e9])
    assert len(run(samples(), Limits(3, 1.0), clock=lambda: next(late)).trials) == 1, "the first always runs"


def test_a_fold_without_fraud_is_named() -> None:
    rows, end_ms = cut()
    for number, (low, high) in enumerate(((0.0, 0.4), (0.6, 0.8)), 1):
        span = rows.event_ms[-1] - rows.event_ms[0]
        share = (rows.event_ms - rows.event_ms[0]) / span
        fraud = rows.fraud & ~((share >= low) & (share < high))
        with pytest.raises(
            ValueError, match=rf"--search: fold {number} of the training days has no fraud among \d+ rows"
        ):
            folds(replace(rows, fraud=fraud), end_ms)
    unknown = replace(rows, known_ms=np.full(len(rows.fraud), START_MS + 10_000 * DAY_MS))
    with pytest.raises(ValueError, match="has no fraud"):
        folds(unknown, end_ms)


@pytest.mark.parametrize(
    ("trials", "seconds", "told"),
    [
        (0, 1.0, "--search must"),
        (TRIALS_MAX + 1, 1.0, "--search must"),
        (1, 0.0, "minutes must"),
        (1, 1e9, "minutes must"),
    ],
)
def test_limits_are_limited(trials: int, seconds: float, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Limits(trials, seconds)


def test_without_optuna_or_without_data_the_way_out_is_said_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--search", "3", "--out", str(tmp_path)]) == 2
    assert "--search goes with --table, --from-topics or --events" in capsys.readouterr().err
    monkeypatch.delitem(sys.modules, "optuna", raising=False)
    monkeypatch.setattr("models.training.search.find_spec", lambda name: None)
    files = ["--events", "nowhere.jsonl", "--truth", "nowhere.jsonl"]
    assert main([*files, "--search", "3", "--out", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "--search needs Optuna, which is not installed: pip install 'sekisho[search]'" in err


def test_what_a_search_has_found_is_what_the_model_is_trained_with() -> None:
    plan = replace(PLAN, tuned=(("num_leaves", 7), ("learning_rate", 0.2)))
    assert plan.parameters() == PLAN.parameters() | {"num_leaves": 7, "learning_rate": 0.2}
    booster = lightgbm.Booster(model_str=train(samples(), plan).files["model.txt"].decode())
    assert max(tree["num_leaves"] for tree in booster.dump_model()["tree_info"]) <= 7
    assert booster.params["learning_rate"] == 0.2
