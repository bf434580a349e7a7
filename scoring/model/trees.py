"""Parse LightGBM's text model into flat arrays; refuse a model that cannot be scored bit for bit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LEAVES_MAX: Final = 64  # one bit of a uint64 for each leaf of a tree
TREES_MAX: Final = 10_000
CATEGORY_MAX: Final = 16_383  # bounds the tables by category; merchant category codes end at 9999

CATEGORICAL_BIT: Final = 1
DEFAULT_LEFT_BIT: Final = 2
MISSING_SHIFT: Final = 2
MISSING_NONE: Final = 0
MISSING_ZERO: Final = 1
MISSING_NAN: Final = 2

_MARGIN_MAX: Final = 1e6  # a larger sum means that the model is broken


class ModelError(ValueError):
    """Raised when a model cannot be scored bit for bit: gives the cause and the way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """Hold every tree of a model in flat, read-only arrays.

    Nodes run over all inner nodes, tree by tree: tree `t` owns `node_offset[t]:node_offset[t + 1]` of `feature`,
    `threshold`, `decision`, `left` and `right`, and `leaf_offset` likewise of `leaf_value` and `leaf_count`.
    `left` and `right` are LightGBM's own: an inner node of the same tree if >= 0, else the leaf `~child`.
    A categorical node `n` sends to the left the categories whose bit is set in
    `word[word_offset[n]:word_offset[n + 1]]`, 32 to a word, lowest bit first; a numeric node owns none.
    """

    feature_names: tuple[str, ...]
    sigmoid: float
    node_offset: NDArray[np.int64]
    leaf_offset: NDArray[np.int64]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    decision: NDArray[np.uint8]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    word_offset: NDArray[np.int64]
    word: NDArray[np.uint32]
    leaf_value: NDArray[np.float64]
    leaf_count: NDArray[np.int64]

    @property
    def trees(self) -> int:
        """Return the number of trees."""
        return len(self.node_offset) - 1

    @property
    def features(self) -> int:
        """Return the number of columns a row must have."""
        return len(self.feature_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    decision: NDArray[np.uint8]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    words: list[NDArray[np.uint32]]  # one for each node; empty where numeric
    leaf_value: NDArray[np.float64]
    leaf_count: NDArray[np.int64]


def parse_forest(text: str) -> Forest:
    """Parse the text that `Booster.save_model` writes (`version=v4`, LightGBM 4.x).

    Raises `ModelError`, naming the tree and the field, if the text is broken or if it asks for what the kernel cannot
    reproduce bit for bit: several classes, averaged (random forest) output, linear trees, an objective other than
    binary, more than 64 leaves in a tree, a category above 16,383. About 100 ms for 300 trees of 31 leaves.
    """
    head, *blocks = text.split("\nTree=")
    if not blocks or "\nend of trees" not in blocks[-1]:
        raise ModelError("model.txt is cut short: no 'end of trees'; save it again with Booster.save_model")
    blocks[-1] = blocks[-1].split("\nend of trees", 1)[0]
    if len(blocks) > TREES_MAX:
        raise ModelError(f"model.txt has {len(blocks)} trees, at most {TREES_MAX} are accepted")
    names, sigmoid = _parse_head(head)
    trees = [_parse_tree(index, block, len(names)) for index, block in enumerate(blocks)]
    largest = sum(float(np.abs(tree.leaf_value).max()) for tree in trees)
    if not largest <= _MARGIN_MAX:
        raise ModelError(f"model.txt: the margin could reach {largest}, at most {_MARGIN_MAX} is accepted")
    return _join(names, sigmoid, trees)


def _fields(block: str) -> dict[str, str]:
    return {name: value for name, found, value in (line.partition("=") for line in block.splitlines()) if found}


def _parse_head(head: str) -> tuple[tuple[str, ...], float]:
    lines = head.splitlines()
    fields = _fields(head)
    if "average_output" in lines:
        raise ModelError("model.txt averages its trees (boosting=rf); train with boosting=gbdt")
    expected = {"version": ("v4", "save it with LightGBM 4.x")}
    expected |= dict.fromkeys(("num_class", "num_tree_per_iteration"), ("1", "train with objective=binary"))
    for name, (value, way_out) in expected.items():
        if fields.get(name) != value:
            raise ModelError(f"model.txt has {name}={fields.get(name)}, expected {value}; {way_out}")
    objective, *options = fields.get("objective", "none").split()
    parameters = dict(option.partition(":")[::2] for option in options)
    if objective != "binary" or "sigmoid" not in parameters:
        raise ModelError(f"model.txt has objective={objective}; train with objective=binary")
    sigmoid = float(_floats("head", "objective sigmoid", parameters["sigmoid"], 1)[0])
    if not sigmoid > 0:
        raise ModelError(f"model.txt has sigmoid:{sigmoid}, expected a positive number")
    names = tuple(fields.get("feature_names", "").split())
    columns = int(_integers("head", "max_feature_idx", fields.get("max_feature_idx", ""), 1)[0]) + 1
    if len(names) != columns:
        raise ModelError(f"model.txt names {len(names)} features but says max_feature_idx={columns - 1}")
    return names, sigmoid


def _floats(where: str, name: str, value: str, length: int) -> NDArray[np.float64]:
    try:
        numbers = np.array(value.split(), dtype=np.float64)  # correctly rounded, as LightGBM's own reader
    except ValueError as error:
        raise ModelError(f"model.txt, {where}: {name} is not a list of numbers") from error
    if len(numbers) != length:
        raise ModelError(f"model.txt, {where}: {name} has {len(numbers)} values, expected {length}")
    # an infinite threshold is LightGBM's split of NaN from every number; nothing else may be infinite
    if np.isnan(numbers).any() or (name != "threshold" and np.isinf(numbers).any()):
        raise ModelError(f"model.txt, {where}: {name} holds a value that is not finite")
    return numbers


def _integers(where: str, name: str, value: str, length: int) -> NDArray[np.int64]:
    numbers = _floats(where, name, value, length)
    if (np.abs(numbers) > 2**53).any() or (numbers != np.trunc(numbers)).any():
        raise ModelError(f"model.txt, {where}: {name} holds a value that is not an integer")
    return numbers.astype(np.int64)


def _parse_tree(index: int, block: str, columns: int) -> _Tree:
    where = f"tree {index}"
    fields = _fields(block)
    leaves = int(_integers(where, "num_leaves", fields.get("num_leaves", ""), 1)[0])
    if not 1 <= leaves <= LEAVES_MAX:
        raise ModelError(
            f"model.txt, {where} has {leaves} leaves, at most {LEAVES_MAX} fit; train with num_leaves <= {LEAVES_MAX}"
        )
    if fields.get("is_linear", "0") != "0":
        raise ModelError(f"model.txt, {where} has a linear model in its leaves; train with linear_tree=false")
    nodes = leaves - 1

    def integers(name: str, low: int, high: int, length: int = nodes) -> NDArray[np.int64]:
        numbers = _integers(where, name, fields.get(name, ""), length)
        if length and (numbers.min() < low or numbers.max() > high):
            raise ModelError(f"model.txt, {where}: {name} holds a value outside {low}..{high}")
        return numbers

    decision = integers("decision_type", 0, 15).astype(np.uint8)
    if (decision >> MISSING_SHIFT > MISSING_NAN).any():
        raise ModelError(f"model.txt, {where}: decision_type holds an unknown missing type")
    left = integers("left_child", -leaves, nodes - 1)
    right = integers("right_child", -leaves, nodes - 1)
    _check_shape(where, leaves, left, right)
    threshold = _floats(where, "threshold", fields.get("threshold", ""), nodes)
    # LightGBM writes no counts for a tree of one leaf, and they are not used
    count = integers("leaf_count", 0, 2**53, leaves) if nodes else np.zeros(1, np.int64)
    return _Tree(
        feature=integers("split_feature", 0, columns - 1).astype(np.int32),
        threshold=threshold,
        decision=decision,
        left=left.astype(np.int32),
        right=right.astype(np.int32),
        words=_parse_categories(where, fields, decision, threshold),
        leaf_value=_floats(where, "leaf_value", fields.get("leaf_value", ""), leaves),
        leaf_count=count,
    )


def _check_shape(where: str, leaves: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
    # LightGBM appends the node it splits, so a child always has a higher number than its parent. If also every node but
    # the root is a child exactly once, the nodes are a tree, and walks over it end.
    nodes = leaves - 1
    children = np.concatenate((left, right))
    parents = np.tile(np.arange(nodes), 2)
    expected = np.concatenate((np.arange(-leaves, 0), np.arange(1, nodes))) if nodes else np.empty(0, np.int64)
    if not np.array_equal(np.sort(children), expected) or ((children >= 0) & (children <= parents)).any():
        raise ModelError(f"model.txt, {where}: left_child and right_child do not make a tree")


def _parse_categories(
    where: str, fields: Mapping[str, str], decision: NDArray[np.uint8], threshold: NDArray[np.float64]
) -> list[NDArray[np.uint32]]:
    empty = np.empty(0, np.uint32)
    sets = int(_integers(where, "num_cat", fields.get("num_cat", ""), 1)[0])
    categorical = (decision & CATEGORICAL_BIT).astype(bool)
    if sets == 0:
        if categorical.any():
            raise ModelError(f"model.txt, {where}: a categorical split, but num_cat=0")
        return [empty] * len(decision)
    boundaries = _integers(where, "cat_boundaries", fields.get("cat_boundaries", ""), sets + 1)
    if boundaries[0] != 0 or (np.diff(boundaries) < 0).any():
        raise ModelError(f"model.txt, {where}: cat_boundaries do not rise from 0")
    words = _integers(where, "cat_threshold", fields.get("cat_threshold", ""), int(boundaries[-1]))
    if len(words) and (words.min() < 0 or words.max() >= 2**32):
        raise ModelError(f"model.txt, {where}: cat_threshold holds a value that is not 32 bits")
    if np.diff(boundaries).max() > (CATEGORY_MAX + 1) // 32:
        raise ModelError(
            f"model.txt, {where}: a category above {CATEGORY_MAX}; number the categories from 0 without gaps"
        )
    chosen = threshold[categorical]
    if (chosen < 0).any() or (chosen >= sets).any() or (chosen != np.trunc(chosen)).any():
        raise ModelError(f"model.txt, {where}: a categorical split names a set that is not there")
    bits = words.astype(np.uint32)
    return [
        bits[boundaries[int(at)] : boundaries[int(at) + 1]] if is_categorical else empty
        for at, is_categorical in zip(threshold, categorical, strict=True)
    ]


def _join(names: tuple[str, ...], sigmoid: float, trees: list[_Tree]) -> Forest:
    words = [word for tree in trees for word in tree.words]
    forest = Forest(
        feature_names=names,
        sigmoid=sigmoid,
        node_offset=_offsets([len(tree.feature) for tree in trees]),
        leaf_offset=_offsets([len(tree.leaf_value) for tree in trees]),
        feature=np.concatenate([tree.feature for tree in trees]),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        decision=np.concatenate([tree.decision for tree in trees]),
        left=np.concatenate([tree.left for tree in trees]),
        right=np.concatenate([tree.right for tree in trees]),
        word_offset=_offsets([len(word) for word in words]),
        word=np.concatenate([np.empty(0, np.uint32), *words]),
        leaf_value=np.concatenate([tree.leaf_value for tree in trees]),
        leaf_count=np.concatenate([tree.leaf_count for tree in trees]),
    )
    return forest


def _offsets(lengths: list[int]) -> NDArray[np.int64]:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(np.array(lengths, np.int64))))
