"""What a report is about: an acquirer, a day, and the months before it."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Final

from scoring.compliance.report import MONTHS_MAX, MONTHS_MIN
from scoring.merchants.months.calendar import DAY_MS, begin_ms, month_of_day
from scoring.reference.table import start_ms

RECENT_DAYS: Final = 30
"""Issuers, contradictions and returns are judged by so many days up to the report's."""

CASE_DAYS: Final = 30
"""The scam tests are made at the end of each of so many days, to find when the clock began."""

APPROVAL_DAYS: Final = 3
"""72 hours in days of Tokyo."""

GRACE_MS: Final = 3_600_000
"""Records that were written up to an hour after the day belong to it if their own times do: outcomes, slow producers.
What was written later was not known on the day, so a report that is made later is the same."""

REPORTED_DAYS: Final = 120
"""Reports and disputes come so many days after their payment: so much earlier payments are looked at for them."""

DAYS: Final = CASE_DAYS + RECENT_DAYS + APPROVAL_DAYS
"""Days that are kept by themselves."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Hold whose report it is and of when. A day is one in Tokyo, and belongs to the report to its last millisecond.

    `months`: how many are added up, the one of `as_of` included.
    """

    acquirer_id: str
    as_of: date
    months: int = 6

    def __post_init__(self) -> None:
        assert MONTHS_MIN <= self.months <= MONTHS_MAX

    @cached_property
    def end_ms(self) -> int:
        """The first millisecond that does not belong to the report any more."""
        return start_ms(self.as_of + timedelta(days=1))

    @property
    def written_before_ms(self) -> int:
        """Records that were written from here on do not belong to the report."""
        return self.end_ms + GRACE_MS

    @property
    def month(self) -> int:
        """The month of the report, as a number."""
        return month_of_day(self.as_of)

    @property
    def first_month(self) -> int:
        """The first month that is added up."""
        return self.month - self.months + 1

    @cached_property
    def begin_ms(self) -> int:
        """The first millisecond of the first month."""
        return begin_ms(self.first_month)

    @property
    def payments_from_ms(self) -> int:
        """The first millisecond of payments that are looked at, in case there is a report of them."""
        return self.begin_ms - REPORTED_DAYS * DAY_MS

    @cached_property
    def days_from(self) -> int:
        """The number of the first day that is kept by itself, in days of Tokyo since 1970."""
        return self.day - DAYS + 1

    @property
    def day(self) -> int:
        """The number of the report's day, since 1970."""
        return (self.as_of - date(1970, 1, 1)).days

    @property
    def recent_ms(self) -> int:
        """The first millisecond of the last RECENT_DAYS."""
        return self.end_ms - RECENT_DAYS * DAY_MS
