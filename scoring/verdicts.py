"""What reports say of an event, by the time they were received: fraud or not, and when that changed.

Precedence, from the trade's practice: a dispute for fraud and the reports of schemes and issuers, then an analyst who
confirms, then an analyst who clears, then the presumption that a payment is good. A dispute that is reversed leaves
what the others say.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

_FRAUD: Final = frozenset({"FRAUD", "MERCHANT_FRAUD"})
_SILENT: Final = "UNKNOWN"


class Said(NamedTuple):
    """One report on an event: label and source of `label.v1`, received at `received_ms`."""

    received_ms: int
    label: str
    source: str


def changes(reports: Iterable[Said]) -> list[tuple[int, bool]]:
    """Return when an event became a fraud (True) and ceased to be one (False), in order; empty: it never was one.

    The last report of a source counts for it, in order of receipt: LEGIT and FIRST_PARTY take back what it said
    before; UNKNOWN says nothing. By the precedence above, an event is a fraud while any source calls it one.
    """
    last: dict[str, bool] = {}
    found: list[tuple[int, bool]] = []
    is_fraud = False
    for received_ms, label, source in sorted(reports, key=_received):
        if label == _SILENT:
            continue
        last[source] = label in _FRAUD
        was, is_fraud = is_fraud, any(last.values())
        if was != is_fraud:
            found.append((received_ms, is_fraud))
    return found


def _received(report: Said) -> int:
    return report.received_ms
