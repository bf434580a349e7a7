"""Duties of a merchant and of its acquirer by date: EMV 3-D Secure overdue, contracts without it, lines of defence.

What nobody told is UNKNOWN and owes nothing here: reports list it by itself.
"""

from dataclasses import dataclass
from datetime import date

from scoring.contract.codes import TdsModeCode
from scoring.merchants.answers import Answer, Owed, TdsUse
from scoring.merchants.checklist import ChecklistView
from scoring.reference.rows import Duty
from scoring.reference.table import DatedTable


def tds_overdue(use: TdsUse, duties: DatedTable[Duty], day: date) -> Owed:
    """Judge the duty TDS of an e-commerce merchant: the days since its last day."""
    duty = duties.find(("TDS",), day)
    if duty is None or duty.due_on is None or day <= duty.due_on:
        return Owed(answer=Answer.NO)
    used = use.on(day)
    if used is Answer.NO:
        return Owed(answer=Answer.YES, days=(day - duty.due_on).days)
    return Owed(answer=Answer.UNKNOWN if used is Answer.UNKNOWN else Answer.NO)


def contracted_without_tds(contracted_on: date | None, use: TdsUse, duties: DatedTable[Duty], day: date) -> Owed:
    """Judge the acquirer's duty TDS_CONTRACT: a contract made after its last day, at a merchant without 3-D Secure.

    It shows that the control of contracts failed. The days are those since the contract.
    """
    duty = duties.find(("TDS_CONTRACT",), day)
    if duty is None or duty.due_on is None:
        return Owed(answer=Answer.NO)
    used = use.on(day)
    if used is Answer.YES or (contracted_on is not None and (contracted_on <= duty.due_on or contracted_on > day)):
        return Owed(answer=Answer.NO)
    if contracted_on is None or used is Answer.UNKNOWN:
        return Owed(answer=Answer.UNKNOWN)
    return Owed(answer=Answer.YES, days=(day - contracted_on).days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Hold whether a merchant is defended before, at and after payment (線の考え方)."""

    before: Answer
    at: Answer
    after: Answer

    @property
    def covered(self) -> int:
        """How many of the three are known to be defended, from 0 to 3."""
        return [self.before, self.at, self.after].count(Answer.YES)


def lines_of(checklist: ChecklistView, use: TdsUse, day: date, *, security_code: Answer, after: Answer) -> Lines:
    """Judge the three lines.

    Before: measures against credit master or illegal login, or 3-D Secure when a card is registered. At: 3-D Secure, or
    the security code. After: holds of deliveries, checks of shipments, control of refunds; no record says so yet, so
    the caller does.
    """
    items = checklist.of("IMPLEMENTED", "ALTERNATIVE")
    used = use.on(day)
    registered = used if use.mode is TdsModeCode.CARD_REGISTRATION or used is Answer.UNKNOWN else Answer.NO
    declared = [_of_item(checklist, item, items) for item in ("SC5_CREDMASTER", "SC6_LOGIN")]
    return Lines(before=_any(*declared, registered), at=_any(used, security_code), after=after)


def _of_item(checklist: ChecklistView, item: str, in_place: tuple[str, ...]) -> Answer:
    if item in in_place:
        return Answer.YES
    return Answer.UNKNOWN if item in checklist.unknowns else Answer.NO


def _any(*answers: Answer) -> Answer:
    """YES where one is; else UNKNOWN where one is; else NO."""
    return next((answer for answer in (Answer.YES, Answer.UNKNOWN) if answer in answers), Answer.NO)
