"""Columns of a batch that the profile kernels read: the one declaration, for writers and readers."""

from typing import Any, Final, NamedTuple, TypeVar, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from scoring.profile.entities import Entity


class EventColumns(NamedTuple):
    """One batch of authorizations in arrival order: n events, C-contiguous columns, borrowed and never written.

    `event_id` hashes the event id. `keys[:, Entity]` hashes each key; 0 means absent. `time_ms` is event time in
    milliseconds since the epoch. `amount_jpy` is whole yen, -1 unknown. `outcome` is an `OutcomeClass`, `kind` a `Kind`
    (both of `scoring.contract.codes`). `mcc` and `country` are the merchant's ISO 18245 and ISO 3166 codes, 0 unknown.
    `tds_failed` says that EMV 3-D Secure ended in N, R or U, or was cancelled. Where `trusted_time` is False the event
    is scored against its rows as they stand and moves no window.
    """

    event_id: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    time_ms: NDArray[np.int64]
    amount_jpy: NDArray[np.int64]
    outcome: NDArray[np.int8]
    kind: NDArray[np.int8]
    mcc: NDArray[np.int32]
    country: NDArray[np.int32]
    tds_failed: NDArray[np.bool_]
    trusted_time: NDArray[np.bool_]


class Reports(NamedTuple):
    """Fraud reports in arrival order: n reports, C-contiguous columns, borrowed and never written.

    `card` and `merchant` are keys as in `EventColumns.keys`, 0 absent; `received_ms` is when the report was received,
    in milliseconds since the epoch; `amount_jpy` is the reported loss in whole yen, -1 unknown.
    """

    card: NDArray[np.uint64]
    merchant: NDArray[np.uint64]
    received_ms: NDArray[np.int64]
    amount_jpy: NDArray[np.int64]


_C = TypeVar("_C", EventColumns, Reports)


def _dtypes(kind: type[Any]) -> dict[str, np.dtype[Any]]:
    """Read the element type of each column from its declaration."""
    return {name: np.dtype(get_args(get_args(hint)[1])[0]) for name, hint in get_type_hints(kind).items()}


_DTYPES: Final = {kind: _dtypes(kind) for kind in (EventColumns, Reports)}
_WIDTHS: Final = {"keys": len(Entity)}
"""Columns of more than one element for each event."""


def _shape(name: str, n: int) -> tuple[int, ...]:
    return (n, _WIDTHS[name]) if name in _WIDTHS else (n,)


def empty(kind: type[_C], n: int) -> _C:
    """Reserve the columns of n events or reports; their content is undefined."""
    return kind(*(np.empty(_shape(name, n), dtype) for name, dtype in _DTYPES[kind].items()))


def checked(columns: _C) -> _C:
    """Fail on a column of another type, shape or order. A kernel would compile again or read past its end."""
    n = len(columns[0])
    arrays: tuple[NDArray[Any], ...] = tuple(columns)
    for (name, dtype), column in zip(_DTYPES[type(columns)].items(), arrays, strict=True):
        assert column.dtype == dtype, f"{name} is {column.dtype}, not {dtype}"
        assert column.shape == _shape(name, n), f"{name} has shape {column.shape}, not {_shape(name, n)}"
        assert column.flags.c_contiguous, f"{name} is not C-contiguous"
    return columns
