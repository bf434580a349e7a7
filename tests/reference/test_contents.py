"""The shipped tables say what the specification says, row by row and column by column."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from importlib import resources
from typing import Any

import msgspec
import pytest

from scoring.contract.codes import OutcomeClass
from scoring.contract.response_codes import answers_of
from scoring.reference import DatedRow, rows
from streams.config.tables import shipped_table
from tests.reference import shipped

Told = dict[tuple[Any, ...], tuple[Any, ...]]


def sources(row: DatedRow) -> str:
    return " ".join(row.source)


def codes(table: Iterable[rows.ResponseCode]) -> Told:
    return {(r.switch, r.code, r.effective_from): (r.outcome, sources(r)) for r in table}


def guidelines(table: Iterable[rows.GuidelineVersion]) -> Told:
    return {(r.guideline, r.version): (r.effective_from, r.known_to, sources(r)) for r in table}


def duties(table: Iterable[rows.Duty]) -> Told:
    return {
        (r.duty,): (r.party, r.effective_from, r.due_on, r.share_min_bps, r.share_max_bps, sources(r)) for r in table
    }


def items(table: Iterable[rows.ChecklistItemRow]) -> Told:
    return {(r.item, r.effective_from): (r.rule, r.weight, sources(r)) for r in table}


def measures(table: Iterable[rows.ChecklistMeasure]) -> Told:
    return {(r.item, r.measure, r.effective_from): (r.limit, sources(r)) for r in table}


def limits(table: Iterable[rows.Limit]) -> Told:
    return {(r.scope, r.name): (r.value, r.effective_from, sources(r)) for r in table}


def tiers(table: Iterable[rows.ProgrammeTier]) -> Told:
    return {
        (r.programme, r.subject, r.tier, r.region, r.effective_from): (
            *(r.ratio_min_bps, r.items_min, r.sales_min, r.amount_min_minor, r.amount_currency, r.tds_below_bps),
            *(r.enforced_from, r.exit_months, sources(r)),
        )
        for r in table
    }


def reports(table: Iterable[rows.ReportCode]) -> Told:
    return {(r.report, r.network, r.code, r.effective_from): (r.kind, r.card_present, sources(r)) for r in table}


IN_FORCE = date(2020, 1, 1)
EXPECTED: dict[str, tuple[type[DatedRow], Callable[[Any], Told], Told]] = {
    "response_codes": (
        rows.ResponseCode,
        codes,
        {(switch, code, IN_FORCE): told for (switch, code), told in shipped.CODES.items()},
    ),
    "guidelines": (
        rows.GuidelineVersion,
        guidelines,
        {("JP", version): told for version, told in shipped.JP.items()},
    ),
    "duties": (rows.Duty, duties, {(duty,): told for duty, told in shipped.DUTIES.items()}),
    "checklist_items": (
        rows.ChecklistItemRow,
        items,
        {(item, shipped.LIST_OF_2025): (*told, f"{shipped.FORMS} DES") for item, told in shipped.ITEMS.items()},
    ),
    "checklist_measures": (
        rows.ChecklistMeasure,
        measures,
        {
            (item, measure, shipped.LIST_OF_2025): (None, shipped.FORMS)
            for item, named in shipped.MEASURES.items()
            for measure in named.split()
        }
        | {("SC1_ADMIN", "LOCKOUT", day): told for day, told in shipped.LOCKOUTS.items()},
    ),
    "limits": (rows.Limit, limits, {tuple(name.split()): told for name, told in shipped.LIMITS.items()}),
    "programmes": (rows.ProgrammeTier, tiers, shipped.TIERS),
    "report_codes": (
        rows.ReportCode,
        reports,
        {(*key, IN_FORCE): told for key, told in shipped.REPORTS.items()},
    ),
}
FOR_PEOPLE = {"text", "text_en", "text_ja", "unit"}


def test_every_table_of_the_package_is_looked_at() -> None:
    folder = resources.files("scoring.reference")
    assert {path.name.removesuffix(".yaml") for path in folder.iterdir() if path.name.endswith(".yaml")} == set(
        EXPECTED
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_a_table_says_what_the_specification_says(name: str) -> None:
    record, told, expected = EXPECTED[name]
    assert told(shipped_table(name, record)) == expected


def mutated(row: DatedRow) -> Iterator[tuple[str, DatedRow]]:
    """Change each column of a row by itself, but for texts that only people read."""
    for column in row.__struct_fields__:
        value = getattr(row, column)
        if column in FOR_PEOPLE or column == "effective_to":
            continue
        if isinstance(value, tuple):
            other: object = (*value, "UNV")
        elif isinstance(value, date):
            other = value + timedelta(1)
        elif isinstance(value, bool):
            other = not value
        elif isinstance(value, int):
            other = value + 1
        elif column in {"amount_min_minor", "amount_currency"}:
            continue  # they come and go together
        else:
            other = date(2025, 1, 1) if column in {"due_on", "enforced_from"} else 1 if value is None else f"{value}X"
        yield column, msgspec.structs.replace(row, **{column: other})


@pytest.mark.parametrize("name", EXPECTED)
def test_no_row_can_change_go_or_end_unnoticed(name: str) -> None:
    record, told, expected = EXPECTED[name]
    table = shipped_table(name, record).rows
    assert all(row.effective_to is None for row in table)
    for number, row in enumerate(table):
        assert told([*table[:number], *table[number + 1 :]]) != expected
        for column, changed in mutated(row):
            assert told([*table[:number], changed, *table[number + 1 :]]) != expected, (name, number, column)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_table_explains_its_sources_and_names_none_that_no_row_has(name: str) -> None:
    table = shipped_table(name, EXPECTED[name][0])
    assert set(table.sources) == {tag for row in table for tag in row.source} - {"UNV", "DES"}


@pytest.mark.parametrize("name", EXPECTED)
def test_texts_are_there_differ_and_are_in_their_language(name: str) -> None:
    for column in FOR_PEOPLE - {"unit"}:
        texts = [getattr(row, column) for row in shipped_table(name, EXPECTED[name][0]) if hasattr(row, column)]
        for text in texts:
            assert text == text.strip() != ""
            assert text.isascii() != (column == "text_ja"), text
    assert all(row.unit for row in shipped_table("limits", rows.Limit))


def test_classes_of_response_codes_are_those_that_decisions_rest_on_today() -> None:
    """The tables will replace `scoring.contract.response_codes`: they must not change what a code means."""
    told = {(switch, code): outcome for (switch, code), (outcome, _) in shipped.CODES.items()}
    for network, switch in (("visa", "VISA"), ("mastercard", "MASTERCARD"), ("jcb", "JCB"), ("other", "ISO")):
        for code in {code for _, code in told} | {"99", "ZZ"}:
            own = told.get((switch, code), told.get(("ISO", code), told.get(("DOMESTIC", code), "UNKNOWN")))
            assert answers_of(network).get(code, OutcomeClass.UNKNOWN).name == own, (network, code)
