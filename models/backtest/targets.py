"""Find the threshold of all events that meets a target: an alert rate, a precision, or alerts a day."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.backtest.figures import days_of
from models.backtest.scored import Fate, Scored
from scoring.policy import Policy
from scoring.policy.scopes import Thresholds

OFF: Final = 1000
"""The threshold that no score reaches."""

LEVELS: Final = ("review", "step_up", "block")
"""Thresholds of a policy, in rising order."""


@dataclass(frozen=True, slots=True)
class Target:
    """`alert_rate_bps`, `alerts_a_day`: at most so many alerts. `precision`: at least this share of alerts is fraud."""

    kind: Literal["alert_rate_bps", "precision", "alerts_a_day"]
    value: Fraction

    @property
    def name(self) -> str:
        """Its name for people and files: `alert_rate_bps-50`."""
        return f"{self.kind}-{float(self.value):g}"


class TargetError(ValueError):
    """Raised when no threshold meets a target. The text says what can be reached."""


def moved(policy: Policy, threshold: int, name: str) -> Policy:
    """Return a policy whose scores of all events raise alerts from `threshold` on.

    It moves the global threshold of `alerts.minimum_band`, and those of the other bands as far as the order of bands
    asks. Narrower scopes, limits and suppressions stay. Author and approval go: this is another content.
    """
    place = LEVELS.index(policy.alerts.minimum_band.lower())
    before = [getattr(policy.everywhere, level) for level in LEVELS]
    after = [
        threshold if k == place else (min(value, threshold) if k < place else max(value, threshold))
        for k, value in enumerate(before)
    ]
    version = f"{policy.version[: 63 - len(name)]}-{name}"
    everywhere = Thresholds(**dict(zip(LEVELS, after, strict=True)))
    return msgspec.structs.replace(policy, version=version, everywhere=everywhere, author="", approval=None)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which rows alert with the lowest threshold of all events (1) and with the highest (1000): bool[n] each.

    A row at or above a threshold has the band that it has with the lowest one, and a row below it alerts as with the
    highest one. So two judgements give the alerts of every threshold, exactly.
    """

    low: NDArray[np.bool_]
    high: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Curve:
    """Alerts and frauds among them by the threshold of all events: int64[1001], the place is the threshold.

    Of counted rows. Place 0 is that of 1.
    """

    alerts: NDArray[np.int64]
    frauds: NDArray[np.int64]


def curve(rows: Scored, found: Bounds) -> Curve:
    """Count alerts for every threshold of all events."""
    counts = []
    for kind in (rows.is_counted, rows.is_counted & (rows.fates == Fate.FRAUD)):
        steps = found.low[kind].astype(np.int64) - found.high[kind]
        by_score = np.bincount(rows.scores[kind], weights=steps, minlength=OFF + 1)
        counts.append(int(found.high[kind].sum()) + np.rint(by_score[::-1].cumsum()[::-1]).astype(np.int64))
    alerts, frauds = counts
    alerts[0], frauds[0] = alerts[1], frauds[1]
    return Curve(alerts, frauds)


def threshold_for(target: Target, rows: Scored, found: Curve) -> int:
    """Return the lowest threshold that meets a target over the counted rows, so the one that misses least fraud.

    Raises:
        TargetError: none does.
    """
    alerts, frauds = found.alerts[1:], found.frauds[1:]
    if target.kind == "precision":
        share = target.value
        met = (alerts > 0) & (frauds * share.denominator >= alerts * share.numerator)
        if not met.any():
            best = max((f / a for f, a in zip(frauds.tolist(), alerts.tolist(), strict=True) if a), default=0.0)
            raise TargetError(f"precision {float(share):g}: no threshold reaches it; the highest is {best:.4f}")
    else:
        per = Fraction(int(rows.is_counted.sum()), 10_000) if target.kind == "alert_rate_bps" else days_of(rows)
        budget = target.value * per
        met = alerts * budget.denominator <= budget.numerator
        if not met.any():
            raise TargetError(
                f"{target.name}: allows {int(budget)} alerts in all, and narrower scopes and limits of the policy "
                f"raise {int(alerts[-1])} whatever the threshold of all events is: change them first"
            )
    return int(np.flatnonzero(met)[0]) + 1
