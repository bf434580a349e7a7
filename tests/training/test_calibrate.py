"""Calibrated probabilities come true, and the table is one the bundle accepts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.calibrate import fit_calibration, fit_platt
from scoring.model.calibration import Calibration


def drawn(seed: int, n: int, slope: float, intercept: float) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    margins = rng.normal(-2, 2, n)
    return margins, rng.random(n) < 1 / (1 + np.exp(-(slope * margins + intercept)))


def test_platt_finds_slope_and_intercept() -> None:
    margins, fraud = drawn(1, 200_000, 0.7, -1.5)
    assert fit_platt(margins, fraud) == pytest.approx((0.7, -1.5), abs=0.05)


@pytest.mark.parametrize("n", [3_000, 100_000], ids=["platt", "isotonic"])
def test_probabilities_come_true_on_rows_not_fitted_on(n: int) -> None:
    table = fit_calibration(*drawn(2, n, 0.7, -3.0))
    margins, fraud = drawn(3, 200_000, 0.7, -3.0)
    probabilities, _ = Calibration(table).apply(margins)
    assert probabilities.mean() == pytest.approx(fraud.mean(), rel=0.1)
    for low, high in ((0.005, 0.02), (0.02, 0.1), (0.1, 0.5)):
        band = (probabilities >= low) & (probabilities < high)
        assert fraud[band].mean() == pytest.approx(probabilities[band].mean(), rel=0.35)


def test_few_frauds_give_a_line_and_many_a_curve() -> None:
    few, many = fit_calibration(*drawn(4, 2_000, 0.7, -3.0)), fit_calibration(*drawn(4, 100_000, 0.7, -3.0))
    assert (few.method, len(few.knots)) == ("platt", 3)
    assert many.method.startswith("isotonic")
    assert len(many.knots) > 10
    assert many.rows == 100_000


@given(st.integers(0, 2**32 - 1), st.integers(500, 5_000), st.floats(-2, 2), st.integers(0, 3))
def test_any_margins_give_a_rising_table(seed: int, n: int, slope: float, decimals: int) -> None:
    margins, fraud = drawn(seed, n, slope, -1.0)
    margins = np.round(margins, decimals)  # ties
    if 10 <= fraud.sum() < n:
        knots = fit_calibration(margins, fraud).knots  # the record itself refuses a table that falls
        assert np.isfinite(np.array(knots)).all()


def test_margins_that_are_all_the_same_still_give_a_table() -> None:
    fraud = np.arange(5_000) % 10 == 0
    probabilities, _ = Calibration(fit_calibration(np.zeros(5_000), fraud)).apply(np.zeros(1))
    assert probabilities[0] == pytest.approx(0.1, rel=0.01)


def test_too_few_frauds_are_refused() -> None:
    with pytest.raises(ValueError, match="9 frauds among 1000 rows to calibrate on, at least 10"):
        fit_calibration(np.zeros(1000), np.arange(1000) < 9)
