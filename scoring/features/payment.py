"""The inputs of the model that one authorization and its enrichment give, without any history."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scoring.features.amount import AMOUNT
from scoring.features.arithmetic import Arithmetic, Payment
from scoring.features.authentication import AUTHENTICATION
from scoring.features.feature import Feature
from scoring.features.instrument import INSTRUMENT
from scoring.features.merchant import MERCHANT
from scoring.features.parties import PARTIES
from scoring.jit import borrow, entry, helper, revision

_MADE: dict[Feature, Arithmetic] = AMOUNT.made | INSTRUMENT.made | PARTIES.made | AUTHENTICATION.made | MERCHANT.made

PAYMENT_FEATURES: tuple[Feature, ...] = tuple(_MADE)
"""Every input that a payment itself gives, in the order of the matrix."""


def _writer() -> Callable[[Payment, NDArray[np.float64]], None]:
    """Compile the function that writes all inputs of a payment into a row of the matrix.

    Its source is one line for each input, made from the list: a kernel cannot go through a list of functions. ADR 0019
    has the figures of the other ways.
    """
    scope: dict[str, object] = {feature.name: function for feature, function in _MADE.items()}
    assert len(scope) == len(_MADE), "an input is declared twice"
    lines = [f"    x[{position}] = {feature.name}(p)" for position, feature in enumerate(PAYMENT_FEATURES)]
    scope["__name__"] = __name__
    exec("\n".join(["def write(p, x):", *lines]), scope)  # noqa: S102 - of names of functions above
    write: Callable[[Payment, NDArray[np.float64]], None] = helper(scope["write"])  # type: ignore[type-var, assignment]
    return write


_write = _writer()


@helper
def _fill(
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    merchants: NDArray[np.int64],
    rows: NDArray[np.int64],
    verdicts: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    for i in range(ints.shape[0]):
        _write(Payment(ints[i], hashes[i, 1:], merchants[rows[i]], verdicts[i]), out[i])


def _compile(key: int) -> Callable[..., int]:
    """Compile the entry point; `key` is part of the key of numba's cache."""

    @entry
    def fill(
        ints: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        merchants: NDArray[np.int64],
        rows: NDArray[np.int64],
        verdicts: NDArray[np.int64],
        out: NDArray[np.float64],
    ) -> int:
        _fill(*borrow((ints, hashes, merchants, rows, verdicts, out)))
        return key

    return fill


_entry = _compile(revision("scoring.features", "scoring.threeds"))


def fill_payment_features(
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    merchants: NDArray[np.int64],
    rows: NDArray[np.int64],
    verdicts: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Write PAYMENT_FEATURES into the first columns of `out`, float64[n, >= len(PAYMENT_FEATURES)].

    `ints` int64[n, Col] and `hashes` uint64[n, 9] as decoded, `merchants` the store's table with `rows` int64[n]
    into it, `verdicts` int64[n, VERDICT_COLUMNS] as `threeds.normalise` wrote them.
    """
    _entry(ints, hashes, merchants, rows, verdicts, out)
