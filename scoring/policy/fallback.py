"""Which events a model that is missing, refused or too old leaves without a score. See `ModelFailure`."""

from collections import Counter
from collections.abc import Mapping
from enum import IntEnum
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.decision import ModelStateName
from scoring.decode import Col
from scoring.model.absent import NoModel
from scoring.policy.failing import DAY_MS, AcquirerFailure, ModelFailure
from scoring.policy.scopes import Scope

_NO_AGE: Final = 1 << 62


class Fallback(IntEnum):
    """What becomes of an event. NONE: it has a sound model."""

    NONE = 0
    SERVE = 1
    RULES_ONLY = 2
    STOP = 3


_ACTIONS: Final = {"serve": Fallback.SERVE, "rules_only": Fallback.RULES_ONLY, "stop": Fallback.STOP}


class ModelStopError(Exception):
    """Raised when an event needs a sound model and the policy says `stop`. Nothing of its batch may be published."""


class Fallen(NamedTuple):
    """Events of a batch without a sound model. `actions` int8[n] of `Fallback`; `state`: why, of all but NONE."""

    state: ModelStateName
    actions: NDArray[np.int8]

    @property
    def unscored(self) -> NDArray[np.bool_]:
        """The events that get no score, bool[n]."""
        found: NDArray[np.bool_] = self.actions == Fallback.RULES_ONLY
        return found

    def by_row(self) -> dict[int, tuple[ModelStateName, bool]]:
        """Return the state of the model, and whether the event has a score, of each event without a sound model."""
        rows = np.flatnonzero(self.actions).tolist()
        scored = (self.actions[rows] == Fallback.SERVE).tolist()
        return {row: (self.state, is_scored) for row, is_scored in zip(rows, scored, strict=True)}

    def counts(self, decided: NDArray[np.bool_]) -> dict[tuple[str, str], int]:
        """Count decided events, bool[n], by state and by what became of them."""
        found = Counter(self.actions[decided].tolist())
        return {(self.state, Fallback(action).name): count for action, count in found.items() if action}


class FallbackTable:
    """Find what becomes of events without a sound model.

    `keys`: by scope, the key of each acquirer, as `Col.ACQUIRER_KEY` has it. `can_stop` is false for a policy that was
    recorded: input that is applied again must not halt the worker.
    """

    def __init__(self, failure: ModelFailure, keys: Mapping[Scope, int], *, can_stop: bool = True) -> None:
        entries = sorted(failure.acquirers, key=lambda entry: keys[Scope(acquirer=entry.acquirer)])
        self._keys = np.array([keys[Scope(acquirer=entry.acquirer)] for entry in entries], dtype=np.uint64)
        self._ages_ms = np.array([_age_ms(failure, entry) for entry in (None, *entries)], dtype=np.int64)
        self._least_age_ms = int(self._ages_ms.min())
        self._missing, self._refused, self._too_old = (
            np.array([_action(failure, entry, reason) for entry in (None, *entries)], dtype=np.int8)
            for reason in ("missing", "refused", "too_old")
        )
        self._can_stop = can_stop

    def judge(
        self,
        model: NoModel | int,
        ints: NDArray[np.int64],
        at_ms: NDArray[np.int64],
        silent: NDArray[np.bool_],
    ) -> Fallen | None:
        """Say what becomes of each event; None if all have a sound model.

        `model`: the end of its training in ms since the epoch, or why there is none. `ints` int64[n, Col] as decoded,
        `at_ms` int64[n] the times, `silent` bool[n]: those that get no decision, which stop nothing.

        Raises:
            ModelStopError: an event needs a decision, and the policy says `stop`.
        """
        if isinstance(model, int) and (not len(at_ms) or int(at_ms.max()) - model <= self._least_age_ms):
            return None
        rows = self._rows(ints)
        if isinstance(model, int):
            old = at_ms - model > self._ages_ms[rows]
            fallen = Fallen("TOO_OLD", np.where(old, self._too_old[rows], np.int8(Fallback.NONE)))
            if not old.any():
                return None
        else:
            fallen = Fallen(model.value, (self._missing if model is NoModel.MISSING else self._refused)[rows])
        stopped = fallen.actions == Fallback.STOP
        if self._can_stop and (stopped & ~silent).any():
            raise ModelStopError(_told(model))
        fallen.actions[stopped] = Fallback.SERVE if isinstance(model, int) else Fallback.RULES_ONLY
        return fallen

    def _rows(self, ints: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of the entry of each event's acquirer, int64[n]; 0 where it has none."""
        if not len(self._keys):
            return np.zeros(len(ints), dtype=np.int64)
        acquirers = ints[:, Col.ACQUIRER_KEY].astype(np.uint64)
        at = np.minimum(np.searchsorted(self._keys, acquirers), len(self._keys) - 1)
        return np.where(self._keys[at] == acquirers, at + 1, 0)


def _action(
    failure: ModelFailure, entry: AcquirerFailure | None, reason: Literal["missing", "refused", "too_old"]
) -> Fallback:
    own = None if entry is None else getattr(entry, reason)
    return _ACTIONS[getattr(failure, reason) if own is None else own]


def _age_ms(failure: ModelFailure, entry: AcquirerFailure | None) -> int:
    own = None if entry is None else entry.max_age_days
    days = failure.max_age_days if own is None else own
    return _NO_AGE if days is None else days * DAY_MS


def _told(model: NoModel | int) -> str:
    if isinstance(model, NoModel):
        return f"the model is {model.value}, and model_failure.{model.value.lower()} of the policy is stop"
    return (
        "the model is too old for an event, and model_failure.too_old of the policy is stop: "
        "put a newer bundle into model.bundle_dir, raise max_age_days, or say rules_only or serve"
    )
