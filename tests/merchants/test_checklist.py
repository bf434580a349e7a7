"""The Security Checklist as declared, judged by the list in force, and the duties that follow from it."""

from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.codes import CHECKLIST_ITEMS
from scoring.contract.merchant import Checklist, ChecklistItem, ItemStatus
from scoring.merchants.checklist import (
    DeclaredItem,
    declaration_of,
    measures_of_lists,
    rules_on,
    score_of,
    status_of,
    statuses_of,
)
from scoring.merchants.duties import due_on
from scoring.reference.compliance import (
    Duty,
    ListedItem,
    ListedMeasure,
    checklist_items,
    checklist_measures,
    duties,
)
from scoring.reference.table import DatedRow, table_from

TODAY = date(2026, 11, 27)
STATUSES: tuple[ItemStatus, ...] = get_args(ItemStatus)
LISTED_FROM = date(2025, 4, 1)
RULES = {
    "SC1_ADMIN": "EVERY",
    "SC2_DIR": "EVERY",
    "SC3_WEBAPP": "EVERY",
    "SC4_MALWARE": "EVERY",
    "SC5_CREDMASTER": "ANY",
    "SC6_LOGIN": "ANY",
}
MEASURES = {
    "SC1_ADMIN": "IP_RESTRICTION TWO_FACTOR LOCKOUT",
    "SC2_DIR": "NOTHING_PUBLIC UPLOAD_LIMITS",
    "SC3_WEBAPP": "TESTED PATCHED SECURE_CODING",
    "SC4_MALWARE": "ANTIVIRUS",
    "SC5_CREDMASTER": "IP_LIMITS CHECK_CAP TDS HIDE_ERRORS",
    "SC6_LOGIN": "IP_LIMITS TWO_FACTOR REGISTRATION_CHECK ATTEMPT_LIMITS NOTICE BEHAVIOUR DEVICE NO_MEMBER_LOGIN",
}


def judged(item: str, status: str, named: list[str], day: date = TODAY) -> str:
    """Judge by the rules of the form: every measure, or any; a measure that is not named has the status of the item."""
    if day < LISTED_FROM:
        return status
    names = {name.upper() for name in named}
    asked = MEASURES[item].split()
    if item == "SC6_LOGIN":
        if "NO_MEMBER_LOGIN" in names:
            return "NOT_APPLICABLE"
        asked.remove("NO_MEMBER_LOGIN")
    if set(asked) <= names:
        return "IMPLEMENTED"
    if RULES[item] == "ANY":
        return "IMPLEMENTED" if names & set(asked) else status
    return "IMPLEMENTED" if status == "NOT_APPLICABLE" and names & set(asked) else status


def rules_today() -> Any:
    return rules_on(checklist_items(), checklist_measures(), TODAY)


@pytest.mark.parametrize("item", RULES)
@given(status=st.sampled_from(STATUSES), data=st.data())
def test_an_item_is_judged_as_the_form_is(item: str, status: ItemStatus, data: st.DataObject) -> None:
    named = data.draw(st.sets(st.sampled_from([*MEASURES[item].split(), "HOUSE_RULE"])))
    declared = DeclaredItem(status, frozenset(named))
    assert status_of(rules_today().items[item], declared) == judged(item, status, sorted(named))


@given(st.lists(st.sampled_from(STATUSES), min_size=6, max_size=6))
def test_the_score_weighs_what_applies_and_is_known(statuses: list[ItemStatus]) -> None:
    weights = (1, 1, 1, 1, 2, 2)
    good = sum(w for w, status in zip(weights, statuses, strict=True) if status in ("IMPLEMENTED", "ALTERNATIVE"))
    bad = sum(w for w, status in zip(weights, statuses, strict=True) if status == "NOT_IMPLEMENTED")
    assert score_of(statuses, rules_today()) == (None if good + bad == 0 else Fraction(good, good + bad))


@given(st.lists(st.sampled_from(STATUSES), min_size=6, max_size=6), st.integers(0, 5))
def test_unknown_never_scores_worse_than_not_implemented(statuses: list[ItemStatus], place: int) -> None:
    unknown, gap = (
        score_of([*statuses[:place], status, *statuses[place + 1 :]], rules_today())
        for status in ("UNKNOWN", "NOT_IMPLEMENTED")
    )
    assert gap is not None
    assert unknown is None or unknown >= gap


def test_the_list_in_force_is_that_of_the_tables() -> None:
    rules = rules_today()
    assert {item: of.rule for item, of in rules.items.items()} == RULES
    assert [of.weight for of in rules.items.values()] == [1, 1, 1, 1, 2, 2]
    assert {item: sorted(of.measures) for item, of in rules.items.items()} == {
        item: sorted(names.split()) for item, names in MEASURES.items()
    }
    assert list(rules.items) == list(CHECKLIST_ITEMS)
    assert rules.changed_on == LISTED_FROM
    assert rules_on(checklist_items(), checklist_measures(), LISTED_FROM - timedelta(1)) is None


def test_the_list_changes_with_the_latest_of_its_rows() -> None:
    row = {"item": "SC1_ADMIN", "measure": "LOCKOUT", "limit": 5, "text_en": "x", "text_ja": "x", "source": ["DES"]}
    for day in (date(2024, 1, 1), date(2026, 4, 1)):
        rows = [row | {"effective_from": str(day)}]
        table = table_from({"title": "Measures", "rows": rows}, ListedMeasure, "m.yaml")
        rules = rules_on(checklist_items(), table, TODAY)
        assert rules is not None
        assert rules.changed_on == max(day, LISTED_FROM)
        assert rules.items["SC1_ADMIN"].measures == ("LOCKOUT",)
        assert rules.items["SC2_DIR"].measures == ()
        assert status_of(rules.items["SC2_DIR"], DeclaredItem("ALTERNATIVE")) == "ALTERNATIVE"


def test_a_record_is_read_with_the_measures_that_a_list_has_had() -> None:
    items = {
        "SC1_ADMIN": ChecklistItem(status="NOT_IMPLEMENTED", measures=["Lockout", "house rule", "TDS"]),
        "SC5_CREDMASTER": ChecklistItem(status="UNKNOWN", measures=["tds"]),
    }
    told = declaration_of(Checklist(version="2025", items=items), measures_of_lists())  # type: ignore[arg-type]
    assert told == (
        DeclaredItem("NOT_IMPLEMENTED", frozenset({"LOCKOUT"})),
        *(DeclaredItem(),) * 3,
        DeclaredItem("UNKNOWN", frozenset({"TDS"})),
        DeclaredItem(),
    )
    assert declaration_of(None, measures_of_lists()) == (DeclaredItem(),) * 6
    assert statuses_of(told, None) == ("NOT_IMPLEMENTED", *("UNKNOWN",) * 5)
    assert statuses_of(told, rules_today()) == ("NOT_IMPLEMENTED", *("UNKNOWN",) * 3, "IMPLEMENTED", "UNKNOWN")


V5, V6, DUE = date(2024, 3, 14), date(2025, 3, 5), date(2025, 3, 31)
DUTIES = {
    "CHECKLIST": ("MERCHANT", V5, DUE, None, None, "S751 W08"),
    "TDS": ("MERCHANT", V5, DUE, None, None, "S751"),
    "TDS_AT_ONCE": ("MERCHANT", V5, None, None, None, "S751"),
    "CHECKLIST_NOTICE": ("ACQUIRER", V5, None, None, None, "S751"),
    "TDS_PLAN": ("ACQUIRER", V5, None, None, None, "S751"),
    "TDS_CONTRACT": ("ACQUIRER", V5, DUE, None, None, "S751"),
    "ENROLMENT": ("ISSUER", V5, DUE, 8_000, None, "S751"),
    "NO_STATIC": ("ISSUER", V5, DUE, None, 0, "S751"),
    "LOGIN": ("MERCHANT", V6, None, None, None, "W08 W09"),
    "MORE_MEASURES": ("MERCHANT", V6, None, None, None, "W08"),
    "AUTHORIZATION": ("MERCHANT", V6, None, None, None, "W08 W10"),
    "CARD_DATA": ("MERCHANT", V6, None, None, None, "W08"),
}


@pytest.mark.parametrize("day", [V5 - timedelta(1), V5, V6 - timedelta(1), V6, DUE, DUE + timedelta(1), TODAY])
def test_a_duty_is_owed_from_its_day_or_from_the_day_after_it_is_due(day: date) -> None:
    owed = {duty for duty, (_, first, due, *_) in DUTIES.items() if day >= first and (due is None or day > due)}
    assert due_on(duties(), day) == owed


FORMS = "C04 C05 C06"
EXPECTED: dict[str, tuple[Any, Any, dict[Any, Any]]] = {
    "items": (
        checklist_items(),
        lambda r: ((r.item, r.effective_from), (r.rule, r.weight, r.source)),
        {
            (item, LISTED_FROM): (rule, 2 if rule == "ANY" else 1, (*FORMS.split(), "DES"))
            for item, rule in RULES.items()
        },
    ),
    "measures": (
        checklist_measures(),
        lambda r: ((r.item, r.measure, r.effective_from), (r.limit, r.source)),
        {
            (item, name, LISTED_FROM): (10 if name == "LOCKOUT" else None, tuple(FORMS.split()))
            for item, names in MEASURES.items()
            for name in names.split()
        }
        | {("SC1_ADMIN", "LOCKOUT", date(2022, 10, 1)): (6, ("W11",))},
    ),
    "duties": (
        duties(),
        lambda r: (r.duty, (r.party, r.effective_from, r.due_on, r.share_min_bps, r.share_max_bps, " ".join(r.source))),
        DUTIES,
    ),
}


def mutated(row: DatedRow) -> Iterator[DatedRow]:
    """Change each column of a row, one at a time, except texts that only people read."""
    for column in row.__struct_fields__:
        value = getattr(row, column)
        if column.startswith("text") or column == "effective_to":
            continue
        if isinstance(value, tuple):
            other: object = (*value, "UNV")
        elif isinstance(value, date):
            other = value + timedelta(1)
        elif isinstance(value, int):
            other = value + 1
        else:
            other = date(2025, 1, 1) if column == "due_on" else 1 if value is None else f"{value}X"
        yield msgspec.structs.replace(row, **{column: other})


@pytest.mark.parametrize("name", EXPECTED)
def test_no_row_can_change_or_go_unnoticed(name: str) -> None:
    table, told, expected = EXPECTED[name]
    rows = list(table)
    assert dict(map(told, rows)) == expected
    assert len(rows) == len(expected)
    for number, row in enumerate(rows):
        assert row.effective_to is None
        assert dict(map(told, rows[:number] + rows[number + 1 :])) != expected
        for changed in mutated(row):
            assert dict(map(told, [*rows[:number], changed, *rows[number + 1 :]])) != expected, changed
    assert set(table.sources) == {tag for row in rows for tag in row.source} - {"UNV", "DES"}


def test_texts_are_there_and_in_their_language() -> None:
    texts = [row.text_en for table in (checklist_items(), checklist_measures()) for row in table]
    assert all(text.isascii() and text == text.strip() != "" for text in [*texts, *(row.text for row in duties())])
    assert all(not row.text_ja.isascii() for table in (checklist_items(), checklist_measures()) for row in table)


BASE = {"effective_from": "2025-04-01", "source": ["DES"]}
ITEM = {"item": "SC1_ADMIN", "rule": "ANY", "weight": 1, "text_en": "x", "text_ja": "x"}
MEASURE = {"item": "SC1_ADMIN", "measure": "LOCKOUT", "text_en": "x", "text_ja": "x"}
DUTY = {"duty": "TDS", "party": "MERCHANT", "text": "x"}


@pytest.mark.parametrize(
    ("record", "base", "column", "within", "beyond"),
    [
        (ListedItem, ITEM, "weight", [1, 100], [0, 101]),
        (ListedItem, ITEM, "item", ["SC6_LOGIN"], ["SC7_MORE"]),
        (ListedItem, ITEM, "rule", ["EVERY"], ["SOME"]),
        (ListedMeasure, MEASURE, "limit", [0, 2**31 - 1, None], [-1, 2**31]),
        (ListedMeasure, MEASURE, "measure", ["A" * 40, "A_1"], ["A" * 41, "", "a", "1A", "A\n"]),
        (Duty, DUTY, "share_min_bps", [0, 10_000, None], [-1, 10_001]),
        (Duty, DUTY, "share_max_bps", [0, 10_000, None], [-1, 10_001]),
        (Duty, DUTY, "party", ["ISSUER"], ["CARDHOLDER"]),
    ],
)
def test_a_column_accepts_values_within_its_bounds(
    record: type[DatedRow], base: dict[str, Any], column: str, within: list[Any], beyond: list[Any]
) -> None:
    for value in within:
        assert getattr(msgspec.convert({**BASE, **base, column: value}, record), column) == value
    for value in beyond:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**BASE, **base, column: value}, record)
