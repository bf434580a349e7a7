"""No model scores an event higher for a checklist item that is unknown than for one that is not implemented."""

from importlib import resources
from typing import Any

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from models.training import train
from models.training.matrix import Samples
from scoring.contract.codes import CHECKLIST_ITEMS, ItemState
from scoring.features import merchant
from scoring.features.all import FEATURES
from scoring.features.arithmetic import Payment
from scoring.features.merchant import MERCHANT
from scoring.merchants.store import MERCHANT_COLUMNS, UNKNOWN, MerchantCol
from tests.examples import is_quick
from tests.features.test_declared import payment

CHECKLIST = [feature.name for feature in MERCHANT.made if feature.name.startswith(("chk_in", "chk_gap"))]
COLUMNS = [[feature.name for feature in FEATURES].index(name) for name in CHECKLIST]
STATES = (UNKNOWN, *map(int, ItemState))
ROWS = 1_500 if is_quick() else 3_000


def inputs_of(states: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the inputs of checklists: float64[n, 4] of int64[n, 6]."""
    rows, event = [], payment()
    for items in states:
        row = np.full(MERCHANT_COLUMNS, UNKNOWN)
        row[MerchantCol.ITEM_FIRST :] = items
        full = Payment(event.event, event.keys, row, event.verdict)
        rows.append([getattr(merchant, name)(full) for name in CHECKLIST])
    return np.array(rows)


def states_of(draw: np.random.Generator, rows: int) -> NDArray[np.int64]:
    """Draw states of six items; of every other checklist most are unknown."""
    states = draw.choice(STATES, (rows, len(CHECKLIST_ITEMS)))
    states[::2][draw.random(states[::2].shape) < 0.8] = UNKNOWN
    return states


def pairs(draw: np.random.Generator, matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give rows with one item unknown, and the same rows with that item not implemented."""
    states = states_of(draw, len(matrix))
    chosen = np.arange(len(matrix)), draw.integers(len(CHECKLIST_ITEMS), size=len(matrix))
    made = []
    for state in (UNKNOWN, int(ItemState.GAP)):
        states[chosen] = state
        rows = matrix.copy()
        rows[:, COLUMNS] = inputs_of(states)
        made.append(rows)
    return made[0], made[1]


def trained_where_silence_is_fraud() -> lightgbm.Booster:
    """Train on traffic in which an unknown item brings more fraud than one that is not implemented."""
    draw = np.random.default_rng(5)
    states = states_of(draw, ROWS)
    matrix = draw.random((ROWS, len(FEATURES)))
    matrix[:, [feature.categorical for feature in FEATURES]] = 0
    matrix[:, COLUMNS] = inputs_of(states)
    silent, gaps, held = ((states == state).sum(axis=1) for state in (UNKNOWN, ItemState.GAP, ItemState.IN_PLACE))
    fraud = draw.random(ROWS) < np.clip(0.3 + 0.25 * silent + 0.05 * gaps - 0.1 * held, 0.02, 0.98)
    none = np.zeros(ROWS, dtype=np.int64)
    text: Any = np.where(fraud, "T1", None)
    samples = Samples(
        matrix=matrix,
        event_ms=none,
        amount_jpy=none,
        card=none.astype(np.uint64),
        fraud=fraud,
        typology=text,
        episode=text,
        known_ms=none,
        skipped={},
        unmatched=0,
        undated=0,
        delay_ms=0,
    )
    return lightgbm.Booster(
        model_str=train.fit(samples, train.Plan(name="t", source="t", trees=20 if is_quick() else 60))
    )


def demo_bundle() -> lightgbm.Booster:
    folder = resources.files("models") / "bundles" / "demo"
    return lightgbm.Booster(model_str=(folder / "model.txt").read_text())


@pytest.mark.parametrize("model", [trained_where_silence_is_fraud, demo_bundle])
def test_an_unknown_item_scores_no_higher_than_one_that_is_not_implemented(model: Any) -> None:
    draw, booster = np.random.default_rng(6), model()
    matrix = draw.normal(0, 3, (ROWS, len(FEATURES)))
    matrix[draw.random(matrix.shape) < 0.2] = np.nan
    matrix[:, [feature.categorical for feature in FEATURES]] = 1
    unknown, missing = (booster.predict(rows, raw_score=True) for rows in pairs(draw, matrix))
    assert (unknown <= missing + 1e-12).all()
    assert booster.feature_importance()[COLUMNS].sum() > 0, "the model uses the checklist"


def test_without_trends_training_would_learn_to_punish_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    free = [type(f)(name=f.name, unit=f.unit, family=f.family, doc=f.doc, categorical=f.categorical) for f in FEATURES]
    monkeypatch.setattr(train, "FEATURES", tuple(free))
    booster, draw = trained_where_silence_is_fraud(), np.random.default_rng(6)
    unknown, missing = (booster.predict(rows, raw_score=True) for rows in pairs(draw, np.zeros((ROWS, len(FEATURES)))))
    assert (unknown > missing).mean() > 0.5


def test_an_input_with_a_trend_is_never_unknown() -> None:
    assert not np.isnan(inputs_of(states_of(np.random.default_rng(7), ROWS))).any()


def test_the_inputs_that_an_item_changes_have_a_trend() -> None:
    trends = {feature.name: feature.trend for feature in FEATURES if feature.trend}
    assert trends == {"chk_in_place": -1, "chk_gaps": 1, "chk_gap_credmaster": 1, "chk_gap_login": 1}
