"""The Security Checklist as declared, judged by the list in force, and what behaviour contradicts."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.contract.codes import CHECKLIST_ITEMS, TdsModeCode
from scoring.contract.merchant import Checklist, ChecklistItem, ItemCode, ItemStatus
from scoring.merchants.checklist import (
    ChecklistRules,
    ChecklistView,
    Declaration,
    DeclaredItem,
    declaration_of,
    rules_on,
    view,
)
from scoring.merchants.contradictions import ChecklistLimits, Contradicted, Observed, contradictions
from scoring.reference import table_from
from scoring.reference.limits import limits_from
from scoring.reference.rows import ChecklistItemRow, ChecklistMeasure, Limit
from streams.config.tables import shipped_table
from tests.reference.shipped import ITEMS, MEASURES

TODAY = date(2026, 11, 27)
TABLES = shipped_table("checklist_items", ChecklistItemRow), shipped_table("checklist_measures", ChecklistMeasure)
LIMITS = limits_from(shipped_table("limits", Limit), "CHECKLIST", TODAY, ChecklistLimits)
STATUSES: tuple[ItemStatus, ...] = get_args(ItemStatus)


def current() -> ChecklistRules:
    rules = rules_on(*TABLES, TODAY)
    assert rules is not None
    return rules


RULES = current()


def seen(declaration: Declaration, day: date = TODAY) -> ChecklistView:
    return view(declaration, RULES, LIMITS.stale_over_days, day)


def test_the_list_in_force_is_that_of_the_tables() -> None:
    assert {item: (of.rule, of.weight) for item, of in RULES.items.items()} == ITEMS
    assert {item: set(of.measures) for item, of in RULES.items.items()} == {
        item: set(named.split()) for item, named in MEASURES.items()
    }
    assert all(len(set(of.measures)) == len(of.measures) for of in RULES.items.values())
    assert list(RULES.items) == list(CHECKLIST_ITEMS)
    assert RULES.changed_on == date(2025, 4, 1)
    assert rules_on(*TABLES, date(2025, 3, 31)) is None
    assert (
        ChecklistLimits(stale_over_days=365, incidents_min=1, takeovers_min=3, without_tds_min_bps=3_333, due_min=30)
        == LIMITS
    )


def test_the_list_changes_with_the_latest_of_its_rows() -> None:
    row = {"item": "SC1_ADMIN", "measure": "LOCKOUT", "limit": 5, "text_en": "x", "text_ja": "x", "source": ["DES"]}
    for day in (date(2024, 1, 1), date(2026, 4, 1)):
        table = table_from(
            {"title": "Measures", "rows": [row | {"effective_from": str(day)}]}, ChecklistMeasure, "m.yaml"
        )
        rules = rules_on(TABLES[0], table, TODAY)
        assert rules is not None
        assert rules.changed_on == max(day, date(2025, 4, 1))
        assert rules.items["SC1_ADMIN"].measures == ("LOCKOUT",)
        assert rules.items["SC2_DIR"].measures == ()
        declared = Declaration(items={"SC2_DIR": DeclaredItem(status="ALTERNATIVE")})
        assert dict(view(declared, rules, 365, TODAY).statuses)["SC2_DIR"] == "ALTERNATIVE"


def oracle(item: str, declared: DeclaredItem) -> str:
    """The rules of the form in prose: every measure, or any, with what is not named as the item says."""
    asked = MEASURES[item].split()
    if item == "SC6_LOGIN":
        if declared.measures.get("NO_MEMBER_LOGIN") == "IMPLEMENTED":
            return "NOT_APPLICABLE"
        asked.remove("NO_MEMBER_LOGIN")
    answers = [declared.measures.get(measure, declared.status) for measure in asked]
    if all(answer == "NOT_APPLICABLE" for answer in answers):
        return "NOT_APPLICABLE"
    if ITEMS[item][0] == "EVERY":
        if "NOT_IMPLEMENTED" in answers:
            return "NOT_IMPLEMENTED"
        if "UNKNOWN" in answers:
            return "UNKNOWN"
        return "ALTERNATIVE" if "ALTERNATIVE" in answers else "IMPLEMENTED"
    for best in ("IMPLEMENTED", "ALTERNATIVE", "UNKNOWN"):
        if best in answers:
            return best
    return "NOT_IMPLEMENTED"


def declared(item: str) -> st.SearchStrategy[DeclaredItem]:
    names = [*MEASURES[item].split(), "HOUSE_RULE"]
    measures = st.dictionaries(st.sampled_from(names), st.sampled_from(STATUSES), max_size=4)
    return st.builds(DeclaredItem, status=st.sampled_from(STATUSES), measures=measures)


DECLARATIONS = st.builds(
    Declaration,
    version=st.sampled_from([None, "2025-04"]),
    source=st.sampled_from([None, "SELF_DECLARED", "PSP", "AUDIT"]),
    attested_on=st.one_of(st.none(), st.dates(TODAY - timedelta(900), TODAY), st.sampled_from([date(2025, 4, 1)])),
    items=st.fixed_dictionaries({}, optional={item: declared(item) for item in ITEMS}),
)


@given(DECLARATIONS)
@example(Declaration(attested_on=TODAY - timedelta(365)))
@example(Declaration(attested_on=TODAY - timedelta(366)))
@example(Declaration(attested_on=date(2025, 3, 31)))
def test_a_declaration_is_judged_as_the_form_is(declaration: Declaration) -> None:
    found = seen(declaration)
    statuses = {item: oracle(item, declaration.items.get(item, DeclaredItem())) for item in CHECKLIST_ITEMS}
    assert found.statuses == tuple(statuses.items())
    assert found.gaps == tuple(item for item in statuses if statuses[item] == "NOT_IMPLEMENTED")
    assert found.unknowns == tuple(item for item in statuses if statuses[item] == "UNKNOWN")
    good = sum(ITEMS[item][1] for item in statuses if statuses[item] in ("IMPLEMENTED", "ALTERNATIVE"))
    bad = sum(ITEMS[item][1] for item in found.gaps)
    assert found.score == (None if good + bad == 0 else Fraction(good, good + bad))
    assert found.known == Fraction(8 - sum(ITEMS[item][1] for item in found.unknowns), 8)
    for item in CHECKLIST_ITEMS:
        assert found.is_in_place(item) == (statuses[item] in ("IMPLEMENTED", "ALTERNATIVE"))
    on = declaration.attested_on
    assert found.age_days == (None if on is None else (TODAY - on).days)
    assert found.is_stale == (None if on is None else on < date(2025, 11, 27))
    assert found.is_outdated == (None if on is None else on < date(2025, 4, 1))
    assert found.is_self_only == {None: None, "SELF_DECLARED": True}.get(declaration.source, False)
    assert (found.version, found.source) == (declaration.version, declaration.source)
    named = [measure for item in declaration.items.values() for measure in item.measures]
    assert found.unread == tuple(measure for measure in named if measure == "HOUSE_RULE")


@given(DECLARATIONS, st.sampled_from(CHECKLIST_ITEMS))
def test_unknown_never_scores_worse_than_not_implemented(declaration: Declaration, item: ItemCode) -> None:
    scores = {}
    for status in ("UNKNOWN", "NOT_IMPLEMENTED"):
        told = {**declaration.items, item: DeclaredItem(status=status)}
        scores[status] = seen(replace(declaration, items=told))
    unknown, gap = scores["UNKNOWN"], scores["NOT_IMPLEMENTED"]
    assert unknown.score is None or gap.score is not None
    assert unknown.score is None or gap.score is None or unknown.score >= gap.score
    assert set(unknown.gaps) < set(gap.gaps)


def test_a_merchant_of_whom_nobody_told_is_unknown_and_not_like_one_with_six_items() -> None:
    found = seen(Declaration())
    assert (found.gaps, found.unknowns, found.score, found.known) == ((), CHECKLIST_ITEMS, None, 0)
    assert (found.age_days, found.is_stale, found.is_outdated, found.is_self_only) == (None, None, None, None)


def record(**items: Any) -> Checklist:
    return Checklist(version="2025-04", source="PSP", items=items)  # type: ignore[arg-type]  # keys are ItemCode


def test_a_record_of_the_contract_is_read_with_its_measures_and_its_day_in_tokyo() -> None:
    checklist = record(
        SC5_CREDMASTER=ChecklistItem(status="NOT_IMPLEMENTED", measures=["CHECK_CAP"]),
        SC6_LOGIN=ChecklistItem(status="UNKNOWN", measures=["NO_MEMBER_LOGIN"]),
        SC1_ADMIN=ChecklistItem(status="IMPLEMENTED"),
    )
    found = declaration_of(checklist)
    assert (found.version, found.source, found.attested_on) == ("2025-04", "PSP", None)
    assert dict(found.items["SC5_CREDMASTER"].measures) == {"CHECK_CAP": "IMPLEMENTED"}
    assert found.items["SC5_CREDMASTER"].status == "NOT_IMPLEMENTED"
    judged = dict(seen(found).statuses)
    assert (judged["SC5_CREDMASTER"], judged["SC6_LOGIN"], judged["SC1_ADMIN"]) == (
        *("IMPLEMENTED", "NOT_APPLICABLE", "IMPLEMENTED"),
    )
    assert judged["SC2_DIR"] == "UNKNOWN"
    for hour, day in ((14, date(2026, 4, 1)), (15, date(2026, 4, 2))):
        moment = datetime(2026, 4, 1, hour, tzinfo=UTC)
        dated = Checklist(version="2025-04", attested_at=moment)
        assert declaration_of(dated).attested_on == day


def in_place(*items: ItemCode) -> ChecklistView:
    return seen(Declaration(items={item: DeclaredItem(status="ALTERNATIVE") for item in items}))


@given(
    st.sets(st.sampled_from(CHECKLIST_ITEMS)),
    st.sampled_from([None, *TdsModeCode]),
    st.integers(0, 2),
    st.integers(0, 5),
    st.one_of(st.integers(0, 60), st.just(30_000)),
    st.integers(0, 30_000),
)
@example(set(), TdsModeCode.EVERY_PAYMENT, 0, 0, 30, 10)
@example(set(), TdsModeCode.EVERY_PAYMENT, 0, 0, 29, 29)
@example(set(), TdsModeCode.EVERY_PAYMENT, 0, 0, 10_000, 3_333)
@example(set(), TdsModeCode.EVERY_PAYMENT, 0, 0, 10_000, 3_332)
@example(set(), TdsModeCode.EVERY_PAYMENT, 0, 0, 10**8, 33_329_999)
@example(set(), TdsModeCode.RISK_BASED, 0, 0, 100, 100)
@example({"SC5_CREDMASTER", "SC6_LOGIN"}, None, 1, 3, 0, 0)
@example({"SC5_CREDMASTER", "SC6_LOGIN"}, None, 0, 2, 0, 0)
def test_behaviour_contradicts_what_is_declared_and_nothing_else(
    items: set[ItemCode], mode: TdsModeCode | None, incidents: int, takeovers: int, due: int, without: int
) -> None:
    without = min(due, without)
    observed = Observed(incidents=incidents, takeovers=takeovers, due=due, without_tds=without)
    told = contradictions(in_place(*items), mode, observed, LIMITS)
    found = {one.declared.name: (one.observed, one.of) for one in told}
    expected: dict[str, tuple[int, int | None]] = {}
    if "SC5_CREDMASTER" in items and incidents >= 1:
        expected["SC5_CREDMASTER"] = incidents, None
    if "SC6_LOGIN" in items and takeovers >= 3:
        expected["SC6_LOGIN"] = takeovers, None
    if mode is TdsModeCode.EVERY_PAYMENT and due >= 30 and Fraction(without, due) >= Fraction(3_333, 10_000):
        expected["TDS_EVERY_PAYMENT"] = without, due
    assert found == expected
    assert [one.declared for one in told] == [one for one in Contradicted if one.name in expected]


def test_a_gap_and_the_unknown_are_contradicted_by_nothing() -> None:
    busy = Observed(incidents=9, takeovers=9, due=100, without_tds=100)
    for status in ("NOT_IMPLEMENTED", "UNKNOWN", "NOT_APPLICABLE"):
        told = seen(Declaration(items=dict.fromkeys(CHECKLIST_ITEMS, DeclaredItem(status=status))))
        assert contradictions(told, None, busy, LIMITS) == ()


def test_more_payments_without_3d_secure_than_were_due_are_a_bug_of_their_caller() -> None:
    Observed(due=3, without_tds=3)
    assert Observed() == Observed(incidents=0, takeovers=0, due=0, without_tds=0)
    for wrong in (4, -1):
        with pytest.raises(AssertionError):
            Observed(due=3, without_tds=wrong)
