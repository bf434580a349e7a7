"""Score rows with compiled kernels, bit for bit as `Booster.predict(raw_score=True)`.

The kernels keep the interpreter lock: they run for microseconds, and releasing it beside a busy thread costs the switch
interval, 5 ms. All kernels of this package are in this file, or take only arrays from it: numba's cache does not notice
a change in a function of another file.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # the code generator of numba, installed with it
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from scoring.jit import prefetch
from scoring.model.layout import (
    CATEGORIES,
    FEATURE,
    LOOKUP,
    NAN,
    NAN_END,
    SPLITS,
    SPLITS_END,
    ZERO,
    ZERO_END,
    Layout,
    lay_out,
)
from scoring.model.paths import Paths, lay_paths
from scoring.model.trees import Forest, parse_forest

LANES: Final = 8  # rows scored side by side: their words of 300 trees fill 19 KB of first-level cache
_BLOCK_MIN: Final = 4  # fewer rows than this are faster one by one
_ALL_LEAVES: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
# LightGBM reads a dense row through a filter that drops values not larger than its kZeroThreshold, the float 1e-35
ZERO_MAX: Final = float(np.float32(1e-35))


def _emit_lowest_bit(typing_context: Any, word: Any) -> Any:
    """Return the number of trailing zeros of a uint64 that is not 0."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), emit


def _emit_rule_out(typing_context: Any, words: Any, tree: Any, mask: Any, threshold: Any, values: Any) -> Any:
    """AND `mask` into `words[tree, lane]` of each lane with `threshold < values[lane]`.

    Emitted as vector code, because numba compiles the same loop over eight lanes to scalar code that takes three times
    as long. `words: uint64[trees, 8]` and `values: float64[8]` are C-contiguous, `tree` is unsigned and in range.
    """
    signature = types.void(words, tree, mask, threshold, values)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        words, tree, mask, threshold, values = arguments

        def pointer(array_type: Any, array: Any, element: Any, offset: Any) -> Any:
            data = context.make_array(array_type)(context, builder, value=array).data
            return builder.bitcast(builder.gep(data, [offset]), ir.PointerType(ir.VectorType(element, LANES)))

        def spread(scalar: Any, element: Any) -> Any:
            empty = ir.Constant(ir.VectorType(element, LANES), ir.Undefined)
            first = builder.insert_element(empty, scalar, ir.Constant(ir.IntType(32), 0))
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            return builder.shuffle_vector(first, empty, lanes)

        index, real = ir.IntType(64), ir.DoubleType()
        offset = builder.mul(builder.zext(tree, index), ir.Constant(index, LANES))
        at = pointer(signature.args[0], words, index, offset)
        old = builder.load(at, align=8)
        value = builder.load(pointer(signature.args[4], values, real, ir.Constant(index, 0)), align=8)
        goes_right = builder.fcmp_ordered("<", spread(threshold, real), value)
        builder.store(builder.select(goes_right, builder.and_(old, spread(mask, index)), old), at, align=8)
        return context.get_dummy_value()

    return signature, emit


# as the kernels call them: without the typing context, which numba passes
_lowest_bit: Any = intrinsic(_emit_lowest_bit)
_rule_out: Any = intrinsic(_emit_rule_out)


@njit(cache=True)
def _list_at(value: float, row: NDArray[np.int32]) -> int:
    # a category is the value cut to an integer: -0.5 is 0; negative, unseen and NaN go the way of no category
    categories = int(row[CATEGORIES])
    category = int(value) if -1.0 < value < categories else categories
    return int(row[LOOKUP]) + category


@njit(cache=True)
def _scan_row(row: NDArray[np.float64], layout: Layout, words: NDArray[np.uint64]) -> None:
    """Compute `words: uint64[trees]`: the leaves that no split of `row` excludes."""
    numeric, categorical, mask, tree = layout.numeric, layout.categorical, layout.mask, layout.tree
    words[:] = _ALL_LEAVES
    for i in range(len(numeric)):
        value = row[numeric[i, FEATURE]]
        if np.isnan(value):
            for at in range(numeric[i, NAN], numeric[i, NAN_END]):
                words[tree[at]] &= mask[at]
        elif abs(value) <= ZERO_MAX:
            for at in range(numeric[i, ZERO], numeric[i, ZERO_END]):
                words[tree[at]] &= mask[at]
        else:
            for at in range(numeric[i, SPLITS], numeric[i, SPLITS_END]):
                if not layout.threshold[at] < value:
                    break
                words[tree[at]] &= mask[at]
    for i in range(len(categorical)):
        first, end = layout.lookup[_list_at(row[categorical[i, FEATURE]], categorical[i])]
        for at in range(first, end):
            words[tree[at]] &= mask[at]


@njit(cache=True)
def _rule_out_list(
    words: NDArray[np.uint64], layout: Layout, first: int, end: int, chosen: NDArray[np.float64]
) -> None:
    for at in range(first, end):  # entries of no threshold hold 0 there: lanes that hold 1 are above it
        _rule_out(words, layout.tree[at], layout.mask[at], layout.threshold[at], chosen)


@njit(cache=True)
def _scan_block(
    x: NDArray[np.float64], start: int, layout: Layout, words: NDArray[np.uint64], lanes: NDArray[np.float64]
) -> None:
    """Scan `LANES` rows from `start`, as `_scan_row` scans one. The last row is repeated for rows past the end.

    `words: uint64[trees, LANES]` is overwritten, `lanes: float64[3, LANES]` is scratch. Leaves that several lanes
    exclude are cleared for all of them at once.
    """
    numeric, categorical = layout.numeric, layout.categorical
    values, zero, nan = lanes[0], lanes[1], lanes[2]
    words[:] = _ALL_LEAVES
    last = len(x) - 1
    for i in range(len(numeric)):
        largest, zeros, nans = -np.inf, 0.0, 0.0
        for lane in range(LANES):
            value = x[min(start + lane, last), numeric[i, FEATURE]]
            nan[lane] = np.isnan(value)
            zero[lane] = abs(value) <= ZERO_MAX
            nans += nan[lane]
            zeros += zero[lane]
            values[lane] = value if nan[lane] + zero[lane] == 0.0 else -np.inf  # above no threshold in the walk below
            largest = max(largest, values[lane])
        if nans:
            _rule_out_list(words, layout, numeric[i, NAN], numeric[i, NAN_END], nan)
        if zeros:
            _rule_out_list(words, layout, numeric[i, ZERO], numeric[i, ZERO_END], zero)
        for at in range(numeric[i, SPLITS], numeric[i, SPLITS_END]):
            if not layout.threshold[at] < largest:
                break
            _rule_out(words, layout.tree[at], layout.mask[at], layout.threshold[at], values)
    for i in range(len(categorical)):
        for lane in range(LANES):
            values[lane] = _list_at(x[min(start + lane, last), categorical[i, FEATURE]], categorical[i])
        for lane in range(LANES):
            at = values[lane]
            if at >= 0.0:
                for other in range(LANES):
                    zero[other] = values[other] == at
                    if zero[other]:
                        values[other] = -1.0  # done
                first, end = layout.lookup[int(at)]
                _rule_out_list(words, layout, first, end, zero)


@njit(cache=True)
def _margins(x: NDArray[np.float64], out: NDArray[np.float64], layout: Layout) -> None:
    leaf_value = layout.leaf_value
    trees = len(leaf_value)
    rows = len(x)
    blocked = rows if rows % LANES >= _BLOCK_MIN else rows - rows % LANES
    if blocked:
        words = np.empty((trees, LANES), np.uint64)
        lanes = np.empty((3, LANES), np.float64)
        margins = lanes[0]
        for start in range(0, blocked, LANES):
            _scan_block(x, start, layout, words, lanes)
            margins[:] = 0.0
            for t in range(trees):  # tree by tree, as LightGBM adds: another order gives other last bits
                for lane in range(LANES):
                    margins[lane] += leaf_value[t, _lowest_bit(words[t, lane])]
            for lane in range(min(LANES, rows - start)):
                out[start + lane] = margins[lane]
    word = np.empty(trees, np.uint64)
    for row in range(blocked, rows):
        _scan_row(x[row], layout, word)
        margin = 0.0
        for t in range(trees):
            margin += leaf_value[t, _lowest_bit(word[t])]
        out[row] = margin


@njit(cache=True)
def _contributions(row: NDArray[np.float64], out: NDArray[np.float64], layout: Layout, paths: Paths) -> None:
    trees = len(layout.leaf_value)
    word = np.empty(trees, np.uint64)
    ends = np.empty((trees, 2), np.int64)
    _scan_row(row, layout, word)
    for t in range(trees):  # paths are spread over a few MB: prefetch all of them before the first is read
        leaf = _lowest_bit(word[t])
        ends[t, 0], ends[t, 1] = paths.offset[t, leaf], paths.offset[t, leaf + 1]
        prefetch(paths.feature, ends[t, 0])
        prefetch(paths.delta, ends[t, 0])
        prefetch(paths.delta, ends[t, 1] - 1)
    for t in range(trees):
        for at in range(ends[t, 0], ends[t, 1]):
            out[paths.feature[at]] += paths.delta[at]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledTrees:
    """A forest ready to score. Thread-safe; holds a few hundred KB, a few MB with many categories.

    The first call of each method compiles it (some seconds), or loads it from numba's cache.
    """

    forest: Forest
    layout: Layout
    paths: Paths
    bias: float

    @classmethod
    def parse(cls, model_text: str) -> "CompiledTrees":
        """Build from LightGBM's `model.txt`; raises `ModelError` if it cannot be scored exactly. About 150 ms."""
        forest = parse_forest(model_text)
        layout = lay_out(forest)
        paths, bias = lay_paths(forest, layout)
        return cls(forest=forest, layout=layout, paths=paths, bias=bias)

    def margins(self, x: NDArray[np.float64], out: NDArray[np.float64]) -> None:
        """Write the margin (log-odds before calibration) of each row of `x: float64[n, F]` to `out: float64[n]`.

        Both C-contiguous; NaN, infinities and categories of no model are fine. About 3 us a row for 300 trees of 31
        leaves, 6 us for a row alone. The margin of a row does not depend on the rows beside it.
        """
        _check(x, (out.shape[0], self.forest.features))
        _check(out, (len(x),))
        _margins(x, out, self.layout)

    def contributions(self, x: NDArray[np.float64], out: NDArray[np.float64]) -> None:
        """Write the contribution of each feature of the row `x: float64[F]` to its margin to `out: float64[F + 1]`.

        After Saabas, "Interpreting random forests", 2014. A split changes the mean margin of the training rows from
        that of its node to that of the branch taken. The change is added to the feature of the split. The last element
        is the mean margin of all training rows. The sum of all elements is the margin, up to rounding. About 10 us.
        """
        _check(x, (self.forest.features,))
        _check(out, (self.forest.features + 1,))
        out[:-1] = 0.0
        out[-1] = self.bias
        _contributions(x, out, self.layout, self.paths)


def _check(array: NDArray[np.float64], shape: tuple[int, ...]) -> None:
    # the kernels check no bounds: a wrong shape would read foreign memory
    assert array.shape == shape, f"expected shape {shape}, got {array.shape}"
    assert array.dtype == np.float64, f"expected float64, got {array.dtype}"
    assert array.flags.c_contiguous, "expected a C-contiguous array"
