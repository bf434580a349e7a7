"""Layout of a forest for QuickScorer: for each value of a feature, the leaves that it excludes in each tree.

After Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees",
SIGIR 2015. The leaves of a tree are the bits of a word, left to right. A split that sends a row to the right excludes
the leaves of its left subtree. After all such splits the lowest bit that is left is the exit leaf.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.model.trees import (
    CATEGORICAL_BIT,
    DEFAULT_LEFT_BIT,
    MISSING_NONE,
    MISSING_SHIFT,
    MISSING_ZERO,
    Forest,
    ModelError,
)

ENTRIES_MAX: Final = 4_000_000  # 18 bytes each

# columns of `Layout.numeric`
FEATURE: Final = 0
SPLITS: Final = 1
SPLITS_END: Final = 2
ZERO: Final = 3
ZERO_END: Final = 4
NAN: Final = 5
NAN_END: Final = 6
# columns of `Layout.categorical`, after FEATURE
LOOKUP: Final = 1
CATEGORIES: Final = 2


class Layout(NamedTuple):
    """Hold the arrays the kernels read. A named tuple, because compiled code takes one as it is.

    An entry `(threshold, mask, tree)` ANDs `mask` into the word of `tree`. `numeric: int32[k, 7]` has a row for each
    feature with numeric splits: its column; the entries of its splits, thresholds ascending, which apply while
    `threshold < value`; the entries of a zero, and of NaN, one for each tree and of no threshold.
    `categorical: int32[c, 3]` has a row for each feature with categorical splits: its column, where its lists start in
    `lookup: int32[:, 2]`, and its number of categories. Category `i` applies the entries `lookup[start + i]`, that is
    `first, end`; every other value those of `lookup[start + categories]`.
    `leaf_value: float64[trees, leaves]` is in bit order, as is `leaf: int32[trees, leaves]`, LightGBM's number of it.
    """

    numeric: NDArray[np.int32]
    categorical: NDArray[np.int32]
    lookup: NDArray[np.int32]
    threshold: NDArray[np.float64]
    mask: NDArray[np.uint64]
    tree: NDArray[np.uint16]
    leaf_value: NDArray[np.float64]
    leaf: NDArray[np.int32]


class _Entries:
    """Collect runs of entries, and return the begin and end of each."""

    def __init__(self) -> None:
        self.length = 0
        self.thresholds: list[NDArray[np.float64]] = [np.empty(0, np.float64)]
        self.masks: list[NDArray[np.uint64]] = [np.empty(0, np.uint64)]
        self.trees: list[NDArray[np.uint16]] = [np.empty(0, np.uint16)]

    def add(
        self, threshold: NDArray[np.float64], mask: NDArray[np.uint64], tree: NDArray[np.uint16]
    ) -> tuple[int, int]:
        start = self.length
        self.length += len(mask)
        if self.length > ENTRIES_MAX:
            raise ModelError(f"the model needs more than {ENTRIES_MAX} entries; train with fewer trees or categories")
        self.thresholds.append(threshold)
        self.masks.append(mask)
        self.trees.append(tree)
        return start, self.length

    def add_merged(self, mask: NDArray[np.uint64], tree: NDArray[np.uint16]) -> tuple[int, int]:
        """Add one entry for each tree: the AND of its masks. `tree` is ascending."""
        first = np.flatnonzero(np.r_[True, tree[1:] != tree[:-1]]) if len(tree) else np.empty(0, np.int64)
        merged = np.bitwise_and.reduceat(mask, first) if len(tree) else mask
        return self.add(np.zeros(len(first)), merged, tree[first])


def lay_out(forest: Forest) -> Layout:
    """Build the kernels' arrays. About 20 ms for 300 trees of 31 leaves."""
    mask, leaf_position = _masks(forest)
    tree = np.repeat(np.arange(forest.trees), np.diff(forest.node_offset)).astype(np.uint16)
    is_categorical = (forest.decision & CATEGORICAL_BIT).astype(bool)
    entries = _Entries()
    numeric = []
    for feature in np.unique(forest.feature[~is_categorical]):
        nodes = np.flatnonzero((forest.feature == feature) & ~is_categorical)
        numeric.append([int(feature), *_lay_numeric(forest, nodes, mask, tree, entries)])
    categorical, lookup = [], [np.empty((0, 2), np.int32)]
    for feature in np.unique(forest.feature[is_categorical]):
        nodes = np.flatnonzero((forest.feature == feature) & is_categorical)
        lists = _lay_categorical(forest, nodes, mask, tree, entries)
        categorical.append([int(feature), sum(len(rows) for rows in lookup), len(lists) - 1])
        lookup.append(np.array(lists, np.int32))
    leaf_value, leaf = _lay_leaves(forest, leaf_position)
    return Layout(
        numeric=np.array(numeric, np.int32).reshape(-1, NAN_END + 1),
        categorical=np.array(categorical, np.int32).reshape(-1, CATEGORIES + 1),
        lookup=np.concatenate(lookup),
        threshold=np.concatenate(entries.thresholds),
        mask=np.concatenate(entries.masks),
        tree=np.concatenate(entries.trees),
        leaf_value=leaf_value,
        leaf=leaf,
    )


def _masks(forest: Forest) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return for each node the mask that clears its left subtree, and for each leaf its bit."""
    masks: list[int] = []
    position = np.zeros(len(forest.leaf_value), np.int64)
    for tree in range(forest.trees):
        nodes = slice(int(forest.node_offset[tree]), int(forest.node_offset[tree + 1]))
        left, right = forest.left[nodes].tolist(), forest.right[nodes].tolist()
        size = [0] * len(left)
        for node in range(len(left) - 1, -1, -1):  # children have higher numbers than their parents
            size[node] = sum(size[child] if child >= 0 else 1 for child in (left[node], right[node]))
        first = [0] * len(left)
        leaves = int(forest.leaf_offset[tree])
        for node, (near, far) in enumerate(zip(left, right, strict=True)):
            width = size[near] if near >= 0 else 1
            masks.append(~(((1 << width) - 1) << first[node]) & 0xFFFF_FFFF_FFFF_FFFF)
            for child, start in ((near, first[node]), (far, first[node] + width)):
                if child >= 0:
                    first[child] = start
                else:
                    position[leaves + ~child] = start
    return np.array(masks, np.uint64), position


def _lay_numeric(
    forest: Forest,
    nodes: NDArray[np.int64],
    mask: NDArray[np.uint64],
    tree: NDArray[np.uint16],
    entries: _Entries,
) -> list[int]:
    by_threshold = nodes[np.lexsort((tree[nodes], forest.threshold[nodes]))]
    splits = entries.add(forest.threshold[by_threshold], mask[by_threshold], tree[by_threshold])
    missing = forest.decision[nodes] >> MISSING_SHIFT
    default_right = (forest.decision[nodes] & DEFAULT_LEFT_BIT) == 0
    zero_right = forest.threshold[nodes] < 0  # a zero as a number: 0 <= threshold goes left
    on_zero = nodes[np.where(missing == MISSING_ZERO, default_right, zero_right)]
    on_nan = nodes[np.where(missing == MISSING_NONE, zero_right, default_right)]
    return [
        *splits,
        *entries.add_merged(mask[on_zero], tree[on_zero]),
        *entries.add_merged(mask[on_nan], tree[on_nan]),
    ]


def _lay_categorical(
    forest: Forest,
    nodes: NDArray[np.int64],
    mask: NDArray[np.uint64],
    tree: NDArray[np.uint16],
    entries: _Entries,
) -> list[tuple[int, int]]:
    """Return `(first, end)` of the entries of each category, and last those of any value in no set."""
    words = [forest.word[forest.word_offset[node] : forest.word_offset[node + 1]] for node in nodes]
    width = max(len(word) for word in words)
    bits = np.zeros((len(nodes), width), np.uint32)
    for row, word in zip(bits, words, strict=True):
        row[: len(word)] = word
    # [node, category]: the set of the node holds the category, which then goes left
    inside = np.unpackbits(bits.view(np.uint8), axis=1, bitorder="little").astype(bool)
    categories = int(np.flatnonzero(inside.any(axis=0)).max(initial=-1)) + 1
    rest = entries.add_merged(mask[nodes], tree[nodes])
    lists = []
    for category in range(categories):
        goes_right = nodes[~inside[:, category]]
        lists.append(rest if len(goes_right) == len(nodes) else entries.add_merged(mask[goes_right], tree[goes_right]))
    return [*lists, rest]


def _lay_leaves(forest: Forest, position: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    sizes = np.diff(forest.leaf_offset)
    tree = np.repeat(np.arange(forest.trees), sizes)
    value = np.zeros((forest.trees, int(sizes.max())), np.float64)
    leaf = np.zeros(value.shape, np.int32)
    value[tree, position] = forest.leaf_value
    leaf[tree, position] = np.arange(len(forest.leaf_value)) - forest.leaf_offset[tree]
    return value, leaf
