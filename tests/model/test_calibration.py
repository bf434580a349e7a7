"""A score keeps its meaning: a fixed scale, never falling, never NaN."""

from math import inf, log, nan

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.model.calibration import Calibration, CalibrationTable

MARGINS = st.lists(st.floats(allow_nan=False), min_size=1, max_size=50)


@st.composite
def tables(draw: st.DrawFn) -> CalibrationTable:
    margins = sorted(draw(st.lists(st.integers(-50_000_000, 50_000_000), min_size=2, max_size=12, unique=True)))
    log_odds = sorted(
        draw(st.lists(st.floats(-20, 20, allow_subnormal=False), min_size=len(margins), max_size=len(margins)))
    )
    return CalibrationTable(
        method="any", rows=1, frauds=1, knots=tuple(zip((m / 1e6 for m in margins), log_odds, strict=True))
    )


def line(slope: float = 1.0, intercept: float = 0.0) -> Calibration:
    knots = ((-10.0, intercept - 10 * slope), (10.0, intercept + 10 * slope))
    return Calibration(CalibrationTable(method="platt", rows=1, frauds=1, knots=knots))


@given(tables(), MARGINS)
def test_scores_and_probabilities_never_fall_and_are_never_nan(table: CalibrationTable, margins: list[float]) -> None:
    knots = [margin for margin, _ in table.knots]
    near_knots = [float(np.nextafter(knot, side)) for knot in knots for side in (-inf, inf)]
    x = np.sort(np.array([*margins, *knots, *near_knots]))
    probabilities, scores = Calibration(table).apply(x)
    assert (np.diff(scores) >= 0).all()
    assert (np.diff(probabilities) >= -1e-15).all()
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert scores.dtype == np.int16
    assert scores.min() >= 0
    assert scores.max() <= 999


@given(tables(), MARGINS)
def test_the_score_of_a_margin_does_not_depend_on_the_others(table: CalibrationTable, margins: list[float]) -> None:
    calibration = Calibration(table)
    probabilities, scores = calibration.apply(np.array(margins))
    for row, margin in enumerate(margins):
        probability, score = calibration.apply(np.array([margin]))
        assert (probability[0], score[0]) == (probabilities[row], scores[row])


@given(tables())
def test_knots_map_to_their_log_odds(table: CalibrationTable) -> None:
    probabilities, _ = Calibration(table).apply(np.array([margin for margin, _ in table.knots]))
    assert np.log(probabilities) - np.log1p(-probabilities) == pytest.approx(
        [value for _, value in table.knots], abs=1e-6
    )


@pytest.mark.parametrize(
    ("probability", "score"),
    [
        (0.5, 700),
        (2 / 3, 750),
        (1 / 3, 650),
        (1 / 257, 300),
        (1 / 1025, 200),
        (32 / 33, 950),
        (1e-9, 0),
        (1 - 1e-9, 999),
    ],
)
def test_the_scale_is_fixed(probability: float, score: int) -> None:
    margin = np.log(probability) - np.log1p(-probability)
    found = line().apply(np.array([margin + 1e-9]))
    assert found[1][0] == score
    assert found[0][0] == pytest.approx(probability, rel=1e-6)


@pytest.mark.parametrize("k", range(-16, 8))
def test_each_doubling_of_the_odds_is_exactly_fifty_points(k: int) -> None:
    _, scores = line().apply(np.array([k * log(2)]))
    assert scores[0] == min(max(700 + 50 * k, 0), 999)


@pytest.mark.parametrize("k", range(-14, 6))
@pytest.mark.parametrize("slope", [0.313, 1.7])
def test_doubling_is_fifty_points_on_any_line(k: int, slope: float) -> None:
    _, scores = line(slope, -1.753).apply(np.array([(k * log(2) + 1.753) / slope]))
    assert scores[0] == 700 + 50 * k


def test_two_models_with_the_same_risk_give_the_same_score() -> None:
    timid, bold = line(slope=2.0, intercept=-1.0), line(slope=0.5, intercept=3.0)
    risk = np.linspace(-8, 3, 23) + 0.01
    _, one = timid.apply((risk + 1.0) / 2.0)
    _, other = bold.apply((risk - 3.0) / 0.5)
    assert (one == other).all()


def test_infinite_margins_are_the_ends_of_the_scale_even_on_a_flat_segment() -> None:
    flat = Calibration(
        CalibrationTable(method="any", rows=1, frauds=1, knots=((-1.0, -2.0), (0.0, -2.0), (1.0, 0.0), (2.0, 0.0)))
    )
    probabilities, scores = flat.apply(np.array([-inf, inf]))
    assert scores.tolist() == [int(700 - 50 * 2 / np.log(2)), 700]
    assert np.isfinite(probabilities).all()
    assert line().apply(np.array([-inf, inf]))[1].tolist() == [0, 999]


@pytest.mark.parametrize(
    ("before", "at"),
    [((-0.89, -5.134), (0.01, -3.2993805794653404)), ((-0.29, 0.241), (0.16, 1.774456782233459))],
)
def test_rounding_at_the_end_of_a_segment_lifts_no_score_above_the_next(
    before: tuple[float, float], at: tuple[float, float]
) -> None:
    after = (at[0] + 1.0, at[1])  # flat from here on
    calibration = Calibration(CalibrationTable(method="any", rows=1, frauds=1, knots=(before, at, after)))
    _, scores = calibration.apply(np.array([np.nextafter(at[0], -inf), at[0]]))
    assert scores[0] <= scores[1]


def test_a_nan_margin_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="NaN"):
        line().apply(np.array([0.0, nan]))


@pytest.mark.parametrize(
    ("knots", "message"),
    [
        ("[[0, 0]]", "length >= 2"),
        ("[[0, 0], [0, 1]]", "do not rise"),
        ("[[1, 0], [0, 1]]", "do not rise"),
        ("[[0, 0], [1e-9, 1]]", "do not rise"),
        ("[[0, 1], [1, 0]]", "log-odds of knots fall"),
        ("[[0, 0], [1, 31]]", "<= 30"),
        ("[[0, 0], [1e9, 1]]", "<= 1000000"),
    ],
)
def test_a_table_that_does_not_rise_is_refused(knots: str, message: str) -> None:
    text = f'{{"method": "x", "rows": 1, "frauds": 1, "knots": {knots}}}'
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.json.decode(text, type=CalibrationTable)
