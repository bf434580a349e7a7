"""LightGBM is the oracle: a margin must equal its margin, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring.model.quickscorer import LANES, CompiledTrees
from scoring.model.trees import parse_forest
from tests.examples import examples, sample
from tests.model import forests

SEEDS = st.integers(0, 2**32 - 1)


def margins_of(text: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.full(len(x), np.nan)
    CompiledTrees.parse(text).margins(x, out)
    return out


def assert_same_bits(found: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    wrong = np.flatnonzero(found.view(np.int64) != expected.view(np.int64))
    assert not len(wrong), f"rows {wrong[:5]}: {found[wrong[:5]]} instead of {expected[wrong[:5]]}"


@settings(max_examples=examples(150))
@given(seed=SEEDS, trees=st.integers(1, 8), features=st.integers(1, 6), count=st.integers(1, 40))
def test_margins_equal_lightgbm_on_any_forest_and_any_value(seed: int, trees: int, features: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    forest = [forests.grow(rng, int(rng.choice((1, 2, 3, 7, 31, 64))), features) for _ in range(trees)]
    text = forests.write(forest, features)
    x = forests.rows(rng, forest, features, count)
    assert_same_bits(margins_of(text, x), forests.oracle(text, x))


@pytest.mark.parametrize("use_missing", [True, False])
@pytest.mark.parametrize("zero_as_missing", [True, False])
@pytest.mark.parametrize(("trees", "leaves"), sample([(20, 7), (1, 2), (40, 64)]))
def test_margins_equal_lightgbm_on_trained_models(
    trees: int, leaves: int, use_missing: bool, zero_as_missing: bool
) -> None:
    text = forests.trained(trees, leaves, use_missing=use_missing, zero_as_missing=zero_as_missing)
    rng = np.random.default_rng(3)
    x = forests.matrix(rng, 600)
    odd = rng.random(x.shape) < 0.1
    x[odd] = rng.choice((*forests.ODD_NUMBERS, *forests.ODD_CATEGORIES), int(odd.sum()))
    assert_same_bits(margins_of(text, x), forests.oracle(text, x))


def test_margins_equal_lightgbm_at_full_size() -> None:
    text = forests.trained(examples(300), 31)
    assert len(np.unique(parse_forest(text).decision)) > 3  # several kinds of split
    x = forests.matrix(np.random.default_rng(4), examples(3_000))
    assert_same_bits(margins_of(text, x), forests.oracle(text, x))


@settings(max_examples=examples(30))
@given(seed=SEEDS)
def test_every_threshold_and_its_neighbours_fall_on_the_side_lightgbm_takes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = forests.grow(rng, 64, 1)
    text = forests.write([tree], 1)
    at = np.array(tree.threshold)
    x = np.concatenate((at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf), forests.ODD_NUMBERS))[:, None]
    assert_same_bits(margins_of(text, np.ascontiguousarray(x)), forests.oracle(text, x))


def test_a_model_without_splits_gives_its_constant() -> None:
    text = forests.write([forests.Tree(leaf_value=[-3.5], leaf_count=[0])], 2)
    assert_same_bits(margins_of(text, np.full((LANES + 1, 2), np.nan)), np.full(LANES + 1, -3.5))


@settings(max_examples=examples(30))
@given(seed=SEEDS, count=st.integers(0, 3 * LANES), cut=st.integers(0, 3 * LANES))
def test_the_margin_of_a_row_does_not_depend_on_the_rows_beside_it(seed: int, count: int, cut: int) -> None:
    compiled = CompiledTrees.parse(forests.trained(40, 64))
    x = forests.matrix(np.random.default_rng(seed), count)
    together, apart = np.empty(count), np.empty(count)
    compiled.margins(x, together)
    compiled.margins(x[:cut], apart[:cut])
    compiled.margins(x[cut:], apart[cut:])
    assert_same_bits(together, apart)


@settings(max_examples=examples(60))
@given(seed=SEEDS, leaves=st.sampled_from((1, 2, 31, 64)))
def test_contributions_add_up_to_the_margin_and_touch_only_used_features(seed: int, leaves: int) -> None:
    rng = np.random.default_rng(seed)
    forest = [forests.grow(rng, leaves, 4) for _ in range(5)]
    compiled = CompiledTrees.parse(forests.write(forest, 6))
    x = forests.rows(rng, forest, 6, 3)
    margins, out = np.empty(3), np.full(7, np.nan)
    compiled.margins(x, margins)
    for row in range(3):
        compiled.contributions(x[row], out)
        assert out.sum() == pytest.approx(margins[row], abs=1e-9)
        assert (out[4:6] == 0).all()  # no tree splits on these


def test_contributions_follow_the_path_by_hand() -> None:
    # f0 <= 1 ? (f1 in {3} ? 1 : 2) : 4, trained on 10, 30 and 60 rows
    tree = forests.Tree(
        feature=[0, 1],
        threshold=[1.0, 0.0],
        decision=[0, 1],
        left=[1, -1],
        right=[-3, -2],
        sets=[[1 << 3]],
        leaf_value=[1.0, 2.0, 4.0],
        leaf_count=[10, 30, 60],
    )
    compiled = CompiledTrees.parse(forests.write([tree], 2))
    out = np.empty(3)
    compiled.contributions(np.array([0.5, 3.0]), out)
    below = (10 * 1 + 30 * 2) / 40
    root = (40 * below + 60 * 4) / 100
    assert out == pytest.approx([below - root, 1 - below, root])
    compiled.contributions(np.array([1.5, 3.0]), out)
    assert out == pytest.approx([4 - root, 0, root])


def test_the_bias_is_the_mean_margin_of_the_training_rows() -> None:
    text = forests.trained(20, 7)
    x = forests.matrix(np.random.default_rng(7), 4_000)  # what `trained` trains on
    assert CompiledTrees.parse(text).bias == pytest.approx(forests.oracle(text, x).mean(), abs=1e-9)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((3, 23)),
        np.zeros((2, 24)),
        np.zeros((3, 24), np.float32),
        np.zeros((24, 3)).T,
        np.zeros((3, 48))[:, ::2],
    ],
    ids=["too narrow", "too short", "float32", "transposed", "strided"],
)
def test_a_matrix_of_another_shape_stops_before_the_kernel(x: NDArray[np.float64]) -> None:
    compiled = CompiledTrees.parse(forests.trained(1, 2))
    with pytest.raises(AssertionError, match="expected"):
        compiled.margins(x, np.empty(3))
