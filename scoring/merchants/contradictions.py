"""CHECKLIST_CONTRADICTED: what a merchant declares, and how its payments behave, do not go together.

Only what is declared as in place can be contradicted; a gap is a gap, and unknown is unknown.
"""

from dataclasses import dataclass
from enum import Enum, auto

from scoring.contract.codes import TdsModeCode
from scoring.merchants.checklist import ChecklistView

_BPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistLimits:
    """Hold the limits of scope CHECKLIST."""

    stale_over_days: int
    incidents_min: int
    takeovers_min: int
    without_tds_min_bps: int
    due_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Count what was seen of a merchant in 30 days.

    `incidents`: of enumeration. `takeovers`: bursts of payments from accounts that were taken over. `due`: payments on
    which 3-D Secure was REQUIRED, and `without_tds` those of them without any; unknown ones are in neither.
    """

    incidents: int = 0
    takeovers: int = 0
    due: int = 0
    without_tds: int = 0

    def __post_init__(self) -> None:
        assert 0 <= self.without_tds <= self.due


class Contradicted(Enum):
    """What of a declaration is contradicted."""

    SC5_CREDMASTER = auto()
    SC6_LOGIN = auto()
    TDS_EVERY_PAYMENT = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Hold one contradiction with its evidence: how many were observed, of how many."""

    declared: Contradicted
    observed: int
    of: int | None = None


def contradictions(
    declared: ChecklistView, mode: TdsModeCode | None, observed: Observed, limits: ChecklistLimits
) -> tuple[Contradiction, ...]:
    """Find what behaviour belies.

    `mode`: how the merchant says it uses 3-D Secure, None where nobody told or where that begins later.
    """
    found: list[Contradiction] = []
    if declared.is_in_place("SC5_CREDMASTER") and observed.incidents >= limits.incidents_min:
        found.append(Contradiction(declared=Contradicted.SC5_CREDMASTER, observed=observed.incidents))
    if declared.is_in_place("SC6_LOGIN") and observed.takeovers >= limits.takeovers_min:
        found.append(Contradiction(declared=Contradicted.SC6_LOGIN, observed=observed.takeovers))
    is_much = observed.without_tds * _BPS >= limits.without_tds_min_bps * observed.due
    if mode is TdsModeCode.EVERY_PAYMENT and observed.due >= limits.due_min and is_much:
        every = Contradicted.TDS_EVERY_PAYMENT
        found.append(Contradiction(declared=every, observed=observed.without_tds, of=observed.due))
    return tuple(found)
