"""A model that cannot be scored exactly is refused, with the field and the way out."""

from collections.abc import Callable

import lightgbm
import numpy as np
import pytest

from scoring.model.layout import ENTRIES_MAX, lay_out
from scoring.model.quickscorer import CompiledTrees
from scoring.model.trees import ModelError, parse_forest
from tests.model import forests


def small() -> forests.Tree:
    return forests.Tree(
        feature=[0, 1],
        threshold=[1.0, 0.0],
        decision=[0, 1],
        left=[1, -1],
        right=[-3, -2],
        sets=[[8]],
        leaf_value=[1.0, 2.0, 4.0],
        leaf_count=[10, 30, 60],
    )


def train(parameters: dict[str, object], leaves: int = 7) -> str:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2_000, 3))
    y = (x.sum(axis=1) + rng.normal(size=2_000) > 0).astype(np.float64)
    if parameters.get("num_class"):
        y += x[:, 0] > 1
    parameters = {"objective": "binary", "num_leaves": leaves, "verbose": -1, "num_threads": 1} | parameters
    return lightgbm.train(parameters, lightgbm.Dataset(x, y), 2).model_to_string()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"objective": "multiclass", "num_class": 3}, "num_class=3.*train with objective=binary"),
        ({"objective": "regression"}, "objective=regression; train with objective=binary"),
        ({"objective": "cross_entropy"}, "objective=cross_entropy; train with objective=binary"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "train with boosting=gbdt"),
        ({"linear_tree": True}, "tree 0 has a linear model.*linear_tree=false"),
        ({"num_leaves": 65, "min_data_in_leaf": 1}, "tree 0 has 65 leaves.*train with num_leaves <= 64"),
    ],
)
def test_models_the_kernel_cannot_reproduce_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse_forest(train(parameters))


def test_the_most_leaves_that_fit_are_accepted() -> None:
    forest = parse_forest(train({"num_leaves": 64, "min_data_in_leaf": 1}))
    assert np.diff(forest.leaf_offset).max() == 64


def test_names_and_sigmoid_are_read() -> None:
    forest = parse_forest(forests.write([small()], 2, "binary sigmoid:0.7"))
    assert (forest.feature_names, forest.sigmoid, forest.trees) == (("f0", "f1"), 0.7, 1)


def test_dart_and_goss_are_plain_sums_and_accepted() -> None:
    for parameters in ({"boosting": "dart", "drop_rate": 0.5}, {"data_sample_strategy": "goss"}):
        text = train(dict(parameters))
        x = np.random.default_rng(2).normal(size=(50, 3))
        out = np.empty(50)
        CompiledTrees.parse(text).margins(x, out)
        assert (out == forests.oracle(text, x)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "cut short"),
        (lambda text: text[: text.index("end of trees")], "cut short"),
        (lambda text: text.replace("version=v4", "version=v3"), "version=v3, expected v4; save it with LightGBM 4"),
        (lambda text: text.replace("sigmoid:1", ""), "objective=binary; train"),
        (lambda text: text.replace("sigmoid:1", "sigmoid:-1"), "sigmoid:-1"),
        (lambda text: text.replace("feature_names=f0 f1", "feature_names=f0"), "names 1 features"),
        (lambda text: text.replace("num_leaves=3", "num_leaves=x"), "tree 0: num_leaves is not a list of numbers"),
        (lambda text: text.replace("num_leaves=3", "num_leaves=0"), "tree 0 has 0 leaves"),
        (lambda text: text.replace("split_feature=0 1", "split_feature=0"), "split_feature has 1 values, expected 2"),
        (lambda text: text.replace("split_feature=0 1", "split_feature=0 2"), "split_feature holds a value outside"),
        (lambda text: text.replace("split_feature=0 1", "split_feature=0 0.5"), "not an integer"),
        (lambda text: text.replace("threshold=1.0 0.0", "threshold=nan 0.0"), "threshold holds a value that is not"),
        (lambda text: text.replace("leaf_value=1.0", "leaf_value=inf"), "leaf_value holds a value that is not finite"),
        (lambda text: text.replace("leaf_value=1.0", "leaf_value=1e7"), "margin could reach"),
        (lambda text: text.replace("decision_type=0 1", "decision_type=12 1"), "unknown missing type"),
        (lambda text: text.replace("left_child=1 -1", "left_child=0 -1"), "do not make a tree"),
        (lambda text: text.replace("left_child=1 -1", "left_child=1 -3"), "do not make a tree"),
        (lambda text: text.replace("right_child=-3 -2", "right_child=-3 9"), "right_child holds a value outside"),
        (lambda text: text.replace("num_cat=1", "num_cat=0"), "categorical split, but num_cat=0"),
        (lambda text: text.replace("cat_boundaries=0 1", "cat_boundaries=1 1"), "do not rise from 0"),
        (lambda text: text.replace("cat_threshold=8", "cat_threshold=4294967296"), "not 32 bits"),
        (lambda text: text.replace("threshold=1.0 0.0", "threshold=1.0 1.0"), "names a set that is not there"),
        (lambda text: text.replace("leaf_count=10", "leaf_count=-1"), "leaf_count holds a value outside"),
    ],
)
def test_broken_text_is_refused_by_name(change: Callable[[str], str], message: str) -> None:
    text = forests.write([small()], 2)
    assert change(text) != text
    with pytest.raises(ModelError, match=message):
        parse_forest(change(text))


def test_nodes_that_are_each_others_children_are_refused() -> None:
    ring = forests.Tree(
        feature=[0, 0, 0],
        threshold=[0.0] * 3,
        decision=[0] * 3,
        left=[-1, 2, 1],
        right=[-2, -3, -4],
        leaf_value=[1.0] * 4,
        leaf_count=[1] * 4,
    )
    with pytest.raises(ModelError, match="do not make a tree"):
        parse_forest(forests.write([ring], 1))


def test_categories_beyond_the_tables_are_refused() -> None:
    tree = small()
    tree.sets = [[0] * 512 + [1]]
    with pytest.raises(ModelError, match="category above 16383"):
        parse_forest(forests.write([tree], 2))


def test_a_model_of_too_many_entries_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ENTRIES_MAX * 18 < 100 * 2**20
    monkeypatch.setattr("scoring.model.layout.ENTRIES_MAX", 1)
    with pytest.raises(ModelError, match="more than 1 entries"):
        lay_out(parse_forest(forests.write([small()], 2)))
