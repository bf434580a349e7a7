"""3-D Secure overdue, contracts without it, and the lines of defence: unknown owes nothing."""

from datetime import date
from itertools import product

import pytest

from scoring.contract.codes import TdsModeCode
from scoring.contract.merchant import ItemStatus
from scoring.merchants.answers import Answer, TdsUse
from scoring.merchants.checklist import ChecklistView, Declaration, DeclaredItem, rules_on, view
from scoring.merchants.duties import contracted_without_tds, lines_of, tds_overdue
from scoring.reference.rows import ChecklistItemRow, ChecklistMeasure, Duty
from streams.config.tables import shipped_table

DUTIES = shipped_table("duties", Duty)
TODAY = date(2026, 11, 27)
MODES = [None, *TdsModeCode]
DAYS = [None, date(2025, 1, 1), TODAY, date(2026, 11, 28)]


def uses(mode: TdsModeCode | None, introduced_on: date | None) -> str:
    if introduced_on is not None and introduced_on > TODAY:
        return "NO"
    return "UNKNOWN" if mode is None else "NO" if mode.name == "NONE" else "YES"


@pytest.mark.parametrize(("mode", "introduced_on"), list(product(MODES, DAYS)))
def test_3d_secure_is_overdue_from_the_day_after_the_last_one(
    mode: TdsModeCode | None, introduced_on: date | None
) -> None:
    use = TdsUse(mode=mode, introduced_on=introduced_on)
    assert use.on(TODAY).name == uses(mode, introduced_on)
    owed = tds_overdue(use, DUTIES, TODAY)
    expected = {"NO": ("YES", 606), "UNKNOWN": ("UNKNOWN", 0), "YES": ("NO", 0)}[uses(mode, introduced_on)]
    assert (owed.answer.name, owed.days) == expected


def test_nothing_is_overdue_before_its_day() -> None:
    none = TdsUse(mode=TdsModeCode.NONE)
    found = [tds_overdue(none, DUTIES, day) for day in (date(2024, 3, 13), date(2025, 3, 31), date(2025, 4, 1))]
    assert [(owed.answer.name, owed.days) for owed in found] == [("NO", 0), ("NO", 0), ("YES", 1)]
    assert contracted_without_tds(date(2024, 1, 1), none, DUTIES, date(2024, 3, 13)).answer is Answer.NO


CONTRACTS = [None, date(2020, 1, 1), date(2025, 3, 31), date(2025, 4, 1), TODAY, date(2026, 11, 28)]


@pytest.mark.parametrize(("contracted_on", "mode", "introduced_on"), list(product(CONTRACTS, MODES, DAYS)))
def test_a_contract_after_the_last_day_without_3d_secure_is_a_failure_of_control(
    contracted_on: date | None, mode: TdsModeCode | None, introduced_on: date | None
) -> None:
    owed = contracted_without_tds(contracted_on, TdsUse(mode=mode, introduced_on=introduced_on), DUTIES, TODAY)
    used = uses(mode, introduced_on)
    expected, days = "NO", 0
    if used != "YES" and contracted_on is None:
        expected = "UNKNOWN"
    elif used != "YES" and contracted_on is not None and date(2025, 4, 1) <= contracted_on <= TODAY:
        expected = "UNKNOWN" if used == "UNKNOWN" else "YES"
        days = (TODAY - contracted_on).days if used == "NO" else 0
    assert (owed.answer.name, owed.days) == (expected, days)


def seen(credmaster: ItemStatus, login: ItemStatus) -> ChecklistView:
    tables = shipped_table("checklist_items", ChecklistItemRow), shipped_table("checklist_measures", ChecklistMeasure)
    rules = rules_on(*tables, TODAY)
    assert rules is not None
    items = {"SC5_CREDMASTER": DeclaredItem(status=credmaster), "SC6_LOGIN": DeclaredItem(status=login)}
    return view(Declaration(items=items), rules, 365, TODAY)  # type: ignore[arg-type]  # keys are ItemCode


@pytest.mark.parametrize(
    ("credmaster", "login", "mode"),
    list(
        product(
            ["IMPLEMENTED", "NOT_IMPLEMENTED", "UNKNOWN"],
            ["ALTERNATIVE", "NOT_IMPLEMENTED", "NOT_APPLICABLE", "UNKNOWN"],
            [None, TdsModeCode.NONE, TdsModeCode.CARD_REGISTRATION, TdsModeCode.EVERY_PAYMENT],
        )
    ),
)
def test_a_line_is_defended_if_one_measure_of_it_is_there(
    credmaster: ItemStatus, login: ItemStatus, mode: TdsModeCode | None
) -> None:
    for code, after in product(Answer, Answer):
        lines = lines_of(seen(credmaster, login), TdsUse(mode=mode), TODAY, security_code=code, after=after)
        before = "NO"
        if credmaster == "IMPLEMENTED" or login == "ALTERNATIVE" or mode is TdsModeCode.CARD_REGISTRATION:
            before = "YES"
        elif "UNKNOWN" in (credmaster, login) or mode is None:
            before = "UNKNOWN"
        at = "NO"
        if code is Answer.YES or mode in (TdsModeCode.CARD_REGISTRATION, TdsModeCode.EVERY_PAYMENT):
            at = "YES"
        elif code is Answer.UNKNOWN or mode is None:
            at = "UNKNOWN"
        assert (lines.before.name, lines.at.name, lines.after) == (before, at, after)
        assert lines.covered == (before == "YES") + (at == "YES") + (after is Answer.YES)


def test_3d_secure_that_will_be_introduced_later_defends_nothing_yet() -> None:
    later = TdsUse(mode=TdsModeCode.CARD_REGISTRATION, introduced_on=date(2027, 1, 1))
    gaps = seen("NOT_IMPLEMENTED", "NOT_IMPLEMENTED")
    lines = lines_of(gaps, later, TODAY, security_code=Answer.NO, after=Answer.NO)
    assert (lines.before, lines.at, lines.covered) == (Answer.NO, Answer.NO, 0)
