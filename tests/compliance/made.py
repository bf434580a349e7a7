"""Reports of the generated history, made by the product."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from functools import cache
from typing import Any

from scoring.compliance.assembly import Assembly, feed, feed_outcomes
from scoring.compliance.programmes import Terms
from scoring.compliance.report import Report
from scoring.compliance.scope import Scope
from scoring.decode import DecodeLimits
from scoring.threeds.settings import ThreeDsSettings
from tests.compliance.history import AS_OF, History, history

TERMS = Terms(region="AP", efm_region="NON_REGULATED", rates={"USD": Fraction(3, 2)})
LIMITS = DecodeLimits()


def parts(rows: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def report_of(told: History, size: int = 700, as_of: date = AS_OF, ids_max: int = 1 << 20) -> Report:
    made = Assembly(Scope(acquirer_id="acq-1", as_of=as_of, months=6), LIMITS, ThreeDsSettings(), 1_000)
    for rows in parts(told.merchants, size):
        made.take_merchants([row[1] for row in rows], [row[2] for row in rows], [row[0] for row in rows])
    for rows in parts(told.reports, size):
        made.reports.take([row[1] for row in rows], [row[0] for row in rows])
    for rows in parts(told.settlements, size):
        made.settlements.take([row[1] for row in rows], [row[0] for row in rows])
    for rows in parts(told.outcomes, size):
        feed_outcomes([made], [row[1] for row in rows], [row[0] for row in rows], LIMITS)
    traffic = made.begin(ids_max)
    for rows in parts(told.events, size):
        feed([traffic], [row[1] for row in rows], [row[0] for row in rows], LIMITS)
    return made.finish(TERMS, None, "1.0")


@cache
def told() -> History:
    return history()


@cache
def report() -> Report:
    return report_of(told())
