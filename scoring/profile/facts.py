"""What the profile kernels need to know of a batch, as columns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.profile.entities import Entity


def _hold(name: str, column: NDArray[np.generic], dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    """Fail on a column that would make the kernels compile again or read past its end."""
    assert column.dtype == dtype, f"{name} is {column.dtype}, not {dtype.__name__}"
    assert column.shape == shape, f"{name} has shape {column.shape}, not {shape}"
    assert column.flags.c_contiguous, f"{name} is not C-contiguous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Hold one batch of authorizations in arrival order: n events, C-contiguous columns, borrowed and never written.

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

    def __post_init__(self) -> None:
        n = len(self.event_id)
        _hold("event_id", self.event_id, np.uint64, (n,))
        _hold("keys", self.keys, np.uint64, (n, len(Entity)))
        _hold("time_ms", self.time_ms, np.int64, (n,))
        _hold("amount_jpy", self.amount_jpy, np.int64, (n,))
        _hold("outcome", self.outcome, np.int8, (n,))
        _hold("kind", self.kind, np.int8, (n,))
        _hold("mcc", self.mcc, np.int32, (n,))
        _hold("country", self.country, np.int32, (n,))
        _hold("tds_failed", self.tds_failed, np.bool_, (n,))
        _hold("trusted_time", self.trusted_time, np.bool_, (n,))

    def __len__(self) -> int:
        return len(self.event_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Hold fraud reports in arrival order: n reports, C-contiguous columns, borrowed and never written.

    `card` and `merchant` are keys as in `Facts.keys`, 0 absent; `received_ms` is when the report was received, in
    milliseconds since the epoch; `amount_jpy` is the reported loss in whole yen, -1 unknown.
    """

    card: NDArray[np.uint64]
    merchant: NDArray[np.uint64]
    received_ms: NDArray[np.int64]
    amount_jpy: NDArray[np.int64]

    def __post_init__(self) -> None:
        n = len(self.card)
        _hold("card", self.card, np.uint64, (n,))
        _hold("merchant", self.merchant, np.uint64, (n,))
        _hold("received_ms", self.received_ms, np.int64, (n,))
        _hold("amount_jpy", self.amount_jpy, np.int64, (n,))

    def __len__(self) -> int:
        return len(self.card)
