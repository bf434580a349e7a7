"""Arrow arrays of any type as text, and what is refused of them by its place. No message contains a cell."""

from collections.abc import Callable
from operator import methodcaller
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # the same
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class BadCellError(Exception):
    """Raised when a cell (`row` None: the column) is not of the declared type. `row` counts from 0 in the array."""

    def __init__(self, row: int | None, why: str) -> None:
        super().__init__(why)
        self.row = row
        self.why = why


def converted(array: Any, convert: Callable[[Any], Any], places: Ints, why: str) -> Any:
    """Convert an array, or raise for the first row that cannot be. Arrow's error is dropped: it contains the cell."""
    try:
        return convert(array)
    except pa.ArrowException:
        pass
    low, high = 0, len(array)  # some row of array[low:high] fails, and none before low
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(array.slice(low, middle - low))
        except pa.ArrowException:
            high = middle
        else:
            low = middle
    raise BadCellError(int(places[low]), why)


def texts_of(array: Any) -> tuple[Any, Mask]:
    """Return a column as text without outer spaces."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_floating(array.type):
        raise BadCellError(None, f"holds {array.type}, and the mapping says text: say `type: integer`")
    if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        array = converted(array, methodcaller("cast", pa.string()), np.arange(len(array)), "is not UTF-8")
    elif pa.types.is_nested(array.type):
        raise BadCellError(None, f"holds {array.type}, not text")
    texts = pc.utf8_trim_whitespace(array.cast(pa.string()))
    return texts, pc.equal(texts.fill_null(""), "").to_numpy(zero_copy_only=False)


def is_text(kind: Any) -> bool:
    """Tell whether a type is text, also as bytes or in a dictionary."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_null(kind)
    )


def nulls(array: Any) -> Mask:
    """Return bool[n]: the nulls."""
    mask: Mask = array.is_null().to_numpy(zero_copy_only=False)
    return mask


def blanks(array: Any) -> Mask:
    """Return bool[n]: null, NaN, empty text or spaces."""
    if pa.types.is_floating(array.type):
        mask: Mask = np.isnan(array.cast(pa.float64()).fill_null(np.nan).to_numpy())
        return mask
    return texts_of(array)[1] if is_text(array.type) else nulls(array)


def matches(texts: Any, pattern: str) -> Mask:
    """Return bool[n]: texts in which a pattern is found. A null has none."""
    mask: Mask = pc.match_substring_regex(texts.fill_null(""), pattern).to_numpy(zero_copy_only=False)
    return mask


def contains(texts: Any, part: str) -> Mask:
    """Return bool[n]: texts that contain a part."""
    mask: Mask = pc.match_substring(texts.fill_null(""), part).to_numpy(zero_copy_only=False)
    return mask


def is_in(texts: Any, words: tuple[str, ...]) -> Mask:
    """Return bool[n]: texts that are one of the words, in lower case."""
    values = pa.array([word.strip().lower() for word in words])
    mask: Mask = pc.is_in(texts.fill_null(""), value_set=values).to_numpy(zero_copy_only=False)
    return mask


def filled(texts: Any, blank: Mask, filler: str) -> Any:
    """Return the texts with a filler for each blank."""
    return pc.if_else(pa.array(blank), pa.scalar(filler, texts.type), texts) if blank.any() else texts


def refuse(bad: Mask, why: str) -> None:
    """Raise `BadCellError` for the first bad row, if any is."""
    if bad.any():
        raise BadCellError(int(np.argmax(bad)), why)
