"""Calibrated probabilities equal observed rates, and the table is valid for a bundle."""

import warnings
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.calibration import _sigmoid_calibration

from models.training import calibrate
from models.training.calibrate import CalibrationError, fit_calibration, fit_platt, mean_probability
from scoring.model.calibration import KNOTS_MAX, Calibration, CalibrationTable
from tests.examples import is_quick, sample

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def drawn(seed: int, n: int, slope: float, intercept: float) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    margins = rng.normal(-2, 2, n)
    return margins, rng.random(n) < 1 / (1 + np.exp(-(slope * margins + intercept)))


def test_platt_equals_the_fit_of_scikit_learn() -> None:
    """It minimises the same loss from another start by another method, also on rare fraud and shifted margins."""
    for seed in sample(range(56)):
        rng = np.random.default_rng(seed)
        margins = rng.normal(rng.uniform(-8, 4), rng.uniform(0.1, 4), int(rng.integers(500, 20_000)))
        fraud = rng.random(len(margins)) < 1 / (1 + np.exp(-(rng.uniform(-1, 2) * margins + rng.uniform(-6, 0))))
        if not 10 <= fraud.sum() < len(fraud):
            continue
        a, b = _sigmoid_calibration(margins, fraud.astype(float))
        slope, intercept = fit_platt(margins, fraud)
        assert loss(margins, fraud, slope, intercept) <= loss(margins, fraud, -a, -b) * (1 + 1e-9)
        assert slope == pytest.approx(-a, abs=2e-3 * max(1, abs(a)))


@cache
def fitted(n: int) -> tuple[Floats, Flags, CalibrationTable]:
    """Return margins, frauds, and the calibration of them, made once."""
    margins, fraud = drawn(2, n, 0.7, -3.0)
    return margins, fraud, fit_calibration(margins, fraud)


def loss(margins: Floats, fraud: Flags, slope: float, intercept: float) -> float:
    """Compute the log-loss on Platt's smoothed targets by its definition."""
    frauds, genuine = fraud.sum(), (~fraud).sum()
    target = np.where(fraud, (frauds + 1) / (frauds + 2), 1 / (genuine + 2))
    odds = slope * margins + intercept
    return float((np.logaddexp(0, odds) - target * odds).sum())


def test_a_line_of_few_frauds_far_from_the_start_is_found() -> None:
    """180 frauds among 15,906 rows once gave slope 1 and intercept 0: probabilities were 4 to 28 times too low."""
    rng = np.random.default_rng(180)
    margins = rng.normal(-9, 3, 15_906)
    fraud = rng.random(15_906) < 1 / (1 + np.exp(-(0.313 * margins - 1.753)))
    slope, intercept = fit_platt(margins, fraud)
    assert (slope, intercept) == pytest.approx((0.313, -1.753), rel=0.2)
    assert slope != 1.0


def test_a_fit_that_does_not_converge_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = calibrate.LogisticRegression
    monkeypatch.setattr(calibrate, "LogisticRegression", lambda **given: whole(**given | {"max_iter": 1}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as a caller may
        with pytest.raises(CalibrationError, match=r"does not converge on 3000 rows, \d+ frauds"):
            fit_platt(*drawn(2, 3_000, 0.7, -3.0))


def test_no_shift_that_reaches_the_fraud_rate_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "_SHIFT_MAX", 1e-9)
    with pytest.raises(CalibrationError, match="no shift of the log-odds gives the fraud rate"):
        fit_calibration(*drawn(2, 100_000, 0.7, -3.0))


@given(
    st.integers(0, 2**32 - 1), st.integers(500, 10_000 if is_quick() else 40_000), st.floats(0.1, 2), st.floats(-5, 0)
)
def test_the_mean_probability_of_the_rows_fitted_on_is_their_fraud_rate(
    seed: int, n: int, slope: float, intercept: float
) -> None:
    margins, fraud = drawn(seed, n, slope, intercept)
    if 10 <= fraud.sum() < n:
        table = fit_calibration(margins, fraud)
        assert mean_probability(table, margins) == pytest.approx(fraud.mean(), rel=1e-3)


def test_the_curve_is_isotonic_regression_of_blocks_of_25_frauds() -> None:
    """Compared with blocks that are cut and pooled by hand."""
    margins, fraud = drawn(11, 40_000, 0.7, -3.0)
    order = np.argsort(margins)
    blocks: list[list[float]] = [[0, 0, 0]]
    for margin, is_fraud in zip(margins[order].tolist(), fraud[order].tolist(), strict=True):
        if blocks[-1][1] == 25 and (fraud.sum() - sum(block[1] for block in blocks)) >= 25:
            blocks.append([0, 0, 0])
        last = blocks[-1]
        last[0], last[1], last[2] = last[0] + 1, last[1] + is_fraud, last[2] + margin
    pooled: list[list[float]] = []
    for block in blocks:
        pooled.append(block)
        while len(pooled) > 1 and pooled[-2][1] / pooled[-2][0] >= pooled[-1][1] / pooled[-1][0]:
            top = pooled.pop()
            pooled[-1] = [a + b for a, b in zip(pooled[-1], top, strict=True)]
    knots = np.array(fit_calibration(margins, fraud).knots)[1:-1]
    assert knots[:, 0] == pytest.approx([block[2] / block[0] for block in pooled])
    log_odds = np.array([np.log((block[1] + 0.5) / (block[0] - block[1] + 0.5)) for block in pooled])
    assert np.diff(knots[:, 1]) == pytest.approx(np.diff(np.maximum.accumulate(log_odds)), abs=1e-9)


def test_platt_finds_slope_and_intercept() -> None:
    margins, fraud = drawn(1, 200_000, 0.7, -1.5)
    assert fit_platt(margins, fraud) == pytest.approx((0.7, -1.5), abs=0.05)


@pytest.mark.parametrize("n", [3_000, 100_000], ids=["platt", "isotonic"])
def test_probabilities_equal_observed_rates_on_other_rows(n: int) -> None:
    _, _, table = fitted(n)
    margins, fraud = drawn(3, 200_000, 0.7, -3.0)
    probabilities, _ = Calibration(table).apply(margins)
    assert probabilities.mean() == pytest.approx(fraud.mean(), rel=0.1)
    for low, high in ((0.005, 0.02), (0.02, 0.1), (0.1, 0.5)):
        band = (probabilities >= low) & (probabilities < high)
        assert fraud[band].mean() == pytest.approx(probabilities[band].mean(), rel=0.35)


def test_few_frauds_give_a_line_and_many_a_curve() -> None:
    few, (_, _, many) = fit_calibration(*drawn(4, 2_000, 0.7, -3.0)), fitted(100_000)
    assert (few.method, len(few.knots)) == ("platt", 3)
    assert many.method.startswith("isotonic")
    assert len(many.knots) > 10
    assert many.rows == 100_000


@given(st.integers(0, 2**32 - 1), st.integers(500, 5_000), st.floats(-2, 2), st.integers(0, 3))
def test_any_margins_give_a_rising_table(seed: int, n: int, slope: float, decimals: int) -> None:
    margins, fraud = drawn(seed, n, slope, -1.0)
    margins = np.round(margins, decimals)  # ties
    if 10 <= fraud.sum() < n:
        knots = fit_calibration(margins, fraud).knots  # the record itself refuses a falling table
        assert np.isfinite(np.array(knots)).all()


def test_equal_margins_still_give_a_table() -> None:
    fraud = np.arange(5_000) % 10 == 0
    probabilities, _ = Calibration(fit_calibration(np.zeros(5_000), fraud)).apply(np.zeros(1))
    assert probabilities[0] == pytest.approx(0.1, rel=0.01)


def test_too_few_frauds_are_refused() -> None:
    with pytest.raises(ValueError, match="9 frauds among 1000 rows to calibrate on, at least 10"):
        fit_calibration(np.zeros(1000), np.arange(1000) < 9)


def test_equal_margins_have_no_slope_and_the_smoothed_rate() -> None:
    fraud = np.arange(1_000) < 100
    slope, intercept = fit_platt(np.full(1_000, 3.0), fraud)
    rate = (100 * 101 / 102 + 900 / 902) / 1_000
    assert (slope, intercept) == (0.0, pytest.approx(np.log(rate / (1 - rate)), rel=1e-12))


def test_ten_frauds_are_enough_and_rows_of_frauds_only_are_not() -> None:
    margins = np.random.default_rng(5).normal(0, 1, 1_000)
    assert fit_calibration(margins, np.arange(1_000) % 100 == 0).frauds == 10
    with pytest.raises(ValueError, match="1000 frauds among 1000 rows to calibrate on"):
        fit_calibration(margins, np.ones(1_000, np.bool_))


@pytest.mark.parametrize("n", [3_000, 100_000], ids=["platt", "isotonic"])
def test_the_ends_are_lines_of_platts_slope_over_four_units_of_margin(n: int) -> None:
    margins, fraud, table = fitted(n)
    knots = np.array(table.knots)
    slope, _ = fit_platt(margins, fraud)
    for first, last in ((knots[0], knots[1]), (knots[-2], knots[-1])):
        assert last - first == pytest.approx([4.0, 4.0 * slope], rel=1e-9)


def test_log_odds_end_at_25() -> None:
    margins, fraud = drawn(2, 3_000, 0.7, -3.0)
    log_odds = np.array(fit_calibration(margins / 1_000, fraud).knots)[:, 1]
    assert (log_odds[0], log_odds[-1]) == (-25.0, 25.0)


def test_blocks_grow_so_that_a_table_holds_them_all() -> None:
    """Blocks with a rising share of frauds: none is pooled."""
    blocks, each = KNOTS_MAX - 2, 400
    sizes = [each + 2 * (blocks - k) for k in range(blocks)]
    fraud = np.concatenate([np.arange(size) >= size - each for size in sizes])
    table = fit_calibration(np.linspace(-5, 5, len(fraud)), fraud)
    assert len(table.knots) == KNOTS_MAX


@pytest.mark.parametrize(("frauds", "method"), [(199, "platt"), (200, "isotonic, platt at the ends")])
def test_two_hundred_frauds_give_a_curve(frauds: int, method: str) -> None:
    fraud = np.arange(4_000) >= 4_000 - frauds
    assert fit_calibration(np.random.default_rng(1).normal(0, 1, 4_000), fraud).method == method


def test_a_model_no_better_than_chance_keeps_its_ranking_by_a_thousandth() -> None:
    margins, fraud = drawn(3, 2_000, -0.7, -3.0)
    knots = np.array(fit_calibration(margins, fraud).knots)
    assert np.diff(knots, axis=0) == pytest.approx(np.array([[4.0, 0.004], [4.0, 0.004]]))


@pytest.mark.parametrize(("misses", "is_refused"), [(0.0009, False), (0.0011, True), (-0.0009, False), (-0.0011, True)])
def test_a_mean_that_misses_the_fraud_rate_by_more_than_a_thousandth_of_it_is_an_error(
    misses: float, is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    margins, fraud = drawn(2, 3_000, 0.7, -3.0)
    found = calibrate.brentq
    aside = misses * fraud.mean()
    monkeypatch.setattr(calibrate, "brentq", lambda f, *a, **k: found(lambda shift: f(shift) - aside, *a, **k))
    if is_refused:
        with pytest.raises(CalibrationError) as caught:
            fit_calibration(margins, fraud)
        told = f"the mean probability misses the fraud rate {fraud.mean():.3g} by {aside:.3g}"
        assert str(caught.value) == told
    else:
        table = fit_calibration(margins, fraud)
        assert mean_probability(table, margins) == pytest.approx(fraud.mean() * (1 + misses), rel=1e-6)
