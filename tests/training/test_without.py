"""A model that is trained without a family of inputs: its trees never split on them, and its card says so."""

from dataclasses import replace

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from models.training.cli import _plan, parser
from models.training.matrix import Samples
from models.training.train import Plan, train
from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from tests.training.test_labels import samples

PLACES = [place for place, feature in enumerate(FEATURES) if feature.family == "checklist"]
PLAN = Plan(name="test", source="a test", seed=5, trees=30)


def telling() -> tuple[Plan, Plan, Samples]:
    """Return a plan with the checklist, one without it, and samples in which the checklist tells the frauds best."""
    found = samples()
    rng = np.random.default_rng(11)
    matrix = found.matrix[:].copy()
    for place in PLACES:
        trend = FEATURES[place].trend or 1
        matrix[:, place] = np.maximum(0, np.rint(trend * 3 * found.fraud + rng.normal(3, 0.6, len(matrix))))
    return PLAN, replace(PLAN, without=frozenset({"checklist"})), replace(found, matrix=matrix)


def test_the_trees_never_split_on_the_family_and_real_values_change_no_score() -> None:
    with_all, without, found = telling()
    assert len(PLACES) >= 6
    models = []
    for plan in (with_all, without):
        trained = train(found, plan)
        booster = lightgbm.Booster(model_str=trained.files["model.txt"].decode())
        models.append((trained, booster.feature_importance("split"), Bundle.load(trained.files, FEATURES)))
    (whole, used, bundle), (partial, left, blind) = models
    assert used[PLACES].sum() > 0
    assert left[PLACES].sum() == 0 < left.sum()
    assert sum(whole.gains[FEATURES[place].name] for place in PLACES) > 0
    assert all(partial.gains[FEATURES[place].name] == 0 for place in PLACES)
    rows = np.ascontiguousarray(found.matrix[:500])
    rng = np.random.default_rng(3)
    changed = []
    for values in (np.nan, 0.0, 1e9, rng.integers(0, 7, (500, len(PLACES)))):
        other = rows.copy()
        other[:, PLACES] = values
        changed.append(other)

    def margins(of: Bundle, matrix: NDArray[np.float64]) -> list[float]:
        out = np.empty(len(matrix))
        of.trees.margins(matrix, out)
        return out.tolist()

    assert all(margins(blind, other) == margins(blind, rows) for other in changed)
    assert any(margins(bundle, other) != margins(bundle, rows) for other in changed)


def test_the_manifest_and_the_card_name_what_is_ignored() -> None:
    with_all, without, found = telling()
    manifest = Bundle.load(train(found, without).files, FEATURES).manifest
    assert manifest.training.parameters["without"] == "checklist"
    names = ", ".join(FEATURES[place].name for place in PLACES)
    assert f"Without: no tree splits on {names}; their values change no score." in manifest.data_card
    plain = Bundle.load(train(found, with_all).files, FEATURES).manifest
    assert "without" not in plain.training.parameters
    assert "Without" not in plain.data_card


def test_families_come_from_the_options_and_unknown_ones_are_refused() -> None:
    def plan(*words: str) -> Plan:
        return _plan(parser().parse_args(["--out", "x", *words]), "a test")

    assert plan().without == frozenset()
    assert plan("--without", "checklist", "--without", "time").without == {"checklist", "time"}
    with pytest.raises(ValueError, match=r"without: name some of the families of inputs: .*checklist"):
        plan("--without", "chk")
    every = [word for feature in FEATURES for word in ("--without", feature.family)]
    with pytest.raises(ValueError, match="some of the families"):
        plan(*every)
