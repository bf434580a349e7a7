"""Models for the oracle: forests in LightGBM's text format, so that tests reach cases that training rarely makes."""

from dataclasses import dataclass, field
from functools import cache

import lightgbm
import numpy as np
from numpy.typing import NDArray

ZERO = float(np.float32(1e-35))  # LightGBM's kZeroThreshold
ODD_NUMBERS = (
    np.nan,
    np.inf,
    -np.inf,
    0.0,
    -0.0,
    5e-324,
    -1e-36,
    ZERO,
    -ZERO,
    float(np.nextafter(ZERO, 1)),
    float(np.nextafter(-ZERO, -1)),
    1e300,
    -1e300,
)
ODD_CATEGORIES = (
    -1.0,
    -0.5,
    -1e-40,
    0.5,
    0.999,
    31.0,
    32.0,
    63.7,
    64.0,
    95.0,
    96.0,
    2.0**31 - 1,
    2.0**31,
    3e9,
    2.0**63,
    1e300,
)


@dataclass
class Tree:
    """One tree; a test may change it before it is written."""

    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    decision: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    sets: list[list[int]] = field(default_factory=list)  # 32-bit words of each categorical split
    leaf_value: list[float] = field(default_factory=lambda: [0.25])
    leaf_count: list[int] = field(default_factory=lambda: [1])

    def write(self, index: int) -> str:
        boundaries = np.cumsum([0, *map(len, self.sets)])
        fields: dict[str, object] = {
            "num_leaves": len(self.leaf_value),
            "num_cat": len(self.sets),
            "split_feature": self.feature,
            "split_gain": [1] * len(self.feature),
            "threshold": self.threshold,
            "decision_type": self.decision,
            "left_child": self.left,
            "right_child": self.right,
            "leaf_value": self.leaf_value,
            "leaf_weight": [1] * len(self.leaf_value),
            "leaf_count": self.leaf_count,
            "internal_value": [0] * len(self.feature),
            "internal_weight": [1] * len(self.feature),
            "internal_count": [1] * len(self.feature),
        }
        if self.sets:
            fields["cat_boundaries"] = boundaries.tolist()
            fields["cat_threshold"] = [word for words in self.sets for word in words]
        fields |= {"is_linear": 0, "shrinkage": 1}
        lines = [f"Tree={index}", *(f"{name}={_text(value)}" for name, value in fields.items())]
        return "\n".join(lines) + "\n\n\n"


def _text(value: object) -> str:
    return " ".join(map(repr, value)) if isinstance(value, list) else str(value)


def write(trees: list[Tree], features: int, objective: str = "binary sigmoid:1") -> str:
    """Write `model.txt` as LightGBM 4 does."""
    bodies = [tree.write(index) for index, tree in enumerate(trees)]
    names = [f"f{column}" for column in range(features)]
    head = [
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={features - 1}",
        f"objective={objective}",
        f"feature_names={' '.join(names)}",
        f"feature_infos={' '.join(['[-1:1]'] * features)}",
        f"tree_sizes={' '.join(str(len(body)) for body in bodies)}",
        "",
        "",
    ]
    return "\n".join(head) + "".join(bodies) + "end of trees\n"


def grow(rng: np.random.Generator, leaves: int, features: int) -> Tree:
    """Grow a random tree: every kind of split, every missing type, thresholds equal to values of `rows`."""
    tree = Tree(leaf_value=rng.normal(size=leaves).tolist(), leaf_count=rng.integers(1, 100, leaves).tolist())
    open_leaves: list[tuple[list[int], int]] = []  # parent of the leaf: (list of children, node)
    for node in range(leaves - 1):
        categorical = bool(rng.random() < 0.3)
        tree.feature.append(int(rng.integers(features)))
        missing = int(rng.integers(3)) << 2
        tree.decision.append(missing | int(rng.integers(2)) << 1 | categorical)
        if categorical:
            tree.threshold.append(float(len(tree.sets)))
            words = rng.integers(0, 2**32, int(rng.integers(1, 4)), dtype=np.uint64) & rng.integers(
                0, 2**32, dtype=np.uint64
            )
            tree.sets.append([int(word) for word in words])
        else:
            common = (0.0, ZERO, -ZERO, 5e-36, np.inf, -np.inf, 1.0, -1.0, 2.5)
            tree.threshold.append(float(rng.choice(common)) if rng.random() < 0.5 else float(rng.normal()))
        if open_leaves:
            side, parent = open_leaves.pop(int(rng.integers(len(open_leaves))))
            side[parent] = node
        tree.left.append(0)
        tree.right.append(0)
        open_leaves += [(tree.left, node), (tree.right, node)]
    for leaf, (side, parent) in zip(rng.permutation(len(open_leaves)), open_leaves, strict=True):
        side[parent] = ~int(leaf)
    return tree


def rows(rng: np.random.Generator, trees: list[Tree], features: int, count: int) -> NDArray[np.float64]:
    """Draw rows of thresholds and their neighbours, unusual numbers and categories, and plain values."""
    thresholds = np.array([0.0, *(value for tree in trees for value in tree.threshold)])
    pool = np.concatenate(
        (
            thresholds,
            np.nextafter(thresholds, np.inf),
            np.nextafter(thresholds, -np.inf),
            np.tile(ODD_NUMBERS, 3),
            ODD_CATEGORIES,
            np.arange(100.0),
            rng.normal(size=50),
        )
    )
    return rng.choice(pool, (count, features))


def oracle(text: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score with LightGBM itself."""
    margins = lightgbm.Booster(model_str=text).predict(x, raw_score=True, num_threads=1)
    assert isinstance(margins, np.ndarray)
    return margins.astype(np.float64)


@cache
def trained(trees: int, leaves: int, *, use_missing: bool = True, zero_as_missing: bool = False) -> str:
    """Train a model on invented counts, amounts, missing values and categories."""
    rng = np.random.default_rng(7)
    x = matrix(rng, 4_000)
    known = np.nan_to_num(x)
    risk = known[:, 3:12] @ rng.normal(size=9) + known[:, 16:] @ rng.normal(size=8)
    for column in range(3):
        risk += 2 * rng.normal(size=200)[known[:, column].astype(int)]
    y = risk + rng.normal(size=len(x)) > 2
    parameters = {
        "objective": "binary",
        "num_leaves": leaves,
        "min_data_in_leaf": 2,
        "min_data_per_group": 20,
        "use_missing": use_missing,
        "zero_as_missing": zero_as_missing,
        "num_threads": 1,
        "seed": 7,
        "verbose": -1,
    }
    data = lightgbm.Dataset(x, y.astype(np.float64), categorical_feature=[0, 1, 2])
    return lightgbm.train(parameters, data, trees).model_to_string()


def matrix(rng: np.random.Generator, count: int, features: int = 24) -> NDArray[np.float64]:
    """Draw rows that resemble a feature matrix: three categories, then counts, amounts with gaps, flags."""
    x = rng.normal(size=(count, features))
    x[:, :3] = rng.integers(0, (5, 40, 200), (count, 3))
    x[:, 3:12] = rng.poisson(1.0, (count, 9))
    x[:, 12:16] = np.round(np.exp(x[:, 12:16] + 5))
    holes = rng.random((count, features)) < np.where(np.arange(features) % 3 == 0, 0.3, 0.0)
    x[holes] = np.nan
    return x
