"""The dated tables of 3-D Secure have the content of the domain sources. An ambiguous table is refused."""

from copy import deepcopy
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from scoring.contract.threeds_codes import MANDATE_MS, agreements, exemption_words
from scoring.reference import TableError, table_from
from scoring.reference.document import parse
from scoring.reference.table import start_ms
from scoring.reference.threeds import RECORDS, ThreeDsReference, reference
from scoring.threeds.tables import tables_of
from tests.examples import sample
from tests.threeds import reference_table as table

Json = dict[str, Any]


@cache
def documents() -> dict[str, Json]:
    folder = resources.files("scoring.reference")
    return {name: parse(folder.joinpath(f"threeds_{name}.yaml").read_bytes()) for name in RECORDS}


def with_document(name: str, document: Json) -> ThreeDsReference:
    return replace(reference(), **{name: table_from(document, RECORDS[name], f"threeds_{name}.yaml")})


def changed(name: str, *steps: Any, value: Any = None) -> ThreeDsReference:
    """Read the tables with one field of one of them set, or removed if no value is given."""
    document = deepcopy(documents()[name])
    node: Any = document
    for step in steps[:-1]:
        node = node[step]
    if value is None:
        del node[steps[-1]]
    else:
        node[steps[-1]] = value
    return with_document(name, document)


def rows() -> list[tuple[str, int]]:
    """Give the file and the position of every row."""
    return [(name, place) for name, document in documents().items() for place in range(len(document["rows"]))]


def test_the_tables_have_exactly_the_content_of_the_sources() -> None:
    assert table.stated(reference()) == table.expected()


_OTHER = {
    "claims": "MOTO",
    "statuses": "YC",
    "eci": "99",
    "with_reason": "81",
    "means": "INVALID",
    "since": "2.3.0",
    "group": "CARD_DATA",
    "kind": "card_number",
    "country": "KR",
    "days": 91,
    "card": "NOT_PRESENT",
    "id": "TDS01",
    "code": "ANOTHER",
    "severity": "INFO",
    "raised": "LOW",
    "lowered": "LOW",
    "partly": "nothing",
    "failures": 4,
    "within_s": 601,
    "payments_min": 51,
    "base_days": 6,
    "factor": 2.5,
    "sigmas": 3.5,
    "ids": 4,
    "wallet": "other_pay",
    "duty": "PAYMENT",
    "field": "trust_list_status",
    "effective_from": "2020-01-01",
}


def others(field: str, present: Any) -> list[Any]:
    """Give other values for a field of a row."""
    if isinstance(present, bool):
        return [not present]
    if isinstance(present, list) and field != "source":
        return [present[1:], [*present, "other" if field == "networks" else "98"]] if len(present) > 1 else [["97"]]
    if field == "source":
        return [[tag for tag in present if tag != "UNV"] or ["DES"] if "UNV" in present else [*present, "UNV"]]
    listed = {"means": "UNAVAILABLE", "card": "PRESENT", "kind": "MIGRATED", "group": "TECH", "claims": "STORED"}
    listed |= {"duty": "STORED_CARD_PROOF", "field": "account_age"}
    return [value for value in (_OTHER[field], listed.get(field)) if value is not None and value != present]


@pytest.mark.parametrize(("name", "place"), sample(list(rows())))
def test_a_change_of_any_field_of_any_row_is_noticed(name: str, place: int) -> None:
    """The changed table has other lines than those written out by hand, or is refused."""
    row = documents()[name]["rows"][place]
    mutants: list[tuple[Any, ...]] = [(place, None)]
    mutants += [(place, field, value) for field, present in row.items() for value in others(field, present)]
    mutants += [(place, "effective_to", "2027-03-31")]
    for *steps, value in mutants:
        try:
            stated = table.stated(changed(name, "rows", *steps, value=value))
        except TableError:
            continue
        assert stated != table.expected(), (steps, value)


@pytest.mark.parametrize(("name", "place"), sample(list(rows())))
def test_without_any_one_row_the_arrays_differ(name: str, place: int) -> None:
    """No row is dead: without it the arrays differ."""
    row = documents()[name]["rows"][place]
    if len(documents()[name]["rows"]) == 1:
        return  # a table without rows is refused
    try:
        other = changed(name, "rows", place)
    except TableError:
        return
    ours, theirs = tables_of(reference()), tables_of(other)
    same = all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    if same:  # the decoder reads lists of codes, decisions read the meanings of results and the groups of reasons
        assert name == "values" or row.get("kind") == "NONE" or row.get("means", "").startswith("PASSED")


@pytest.mark.parametrize(
    ("name", "steps", "value", "told"),
    [
        ("eci", (0, "eci"), 5, ["$.rows[0].eci"]),
        ("eci", (0, "eci"), "5", ["$.rows[0].eci"]),
        ("eci", (0, "claims"), "SHIFTED", ["$.rows[0].claims"]),
        ("eci", (0, "statuses"), "YZ", ["eci 05", "transStatus Z", "add it there or remove it"]),
        ("eci", (1, "eci"), "05", ["has the key and the first day of $.rows[0]"]),
        ("eci", (0, "colour"), "red", ["colour"]),
        ("cavv", (1, "results"), ["2"], ["first day of $.rows[0]"]),
        ("exemptions", (1, "words"), ["10"], ["first day of $.rows[1]", "$.rows[3]"]),
        ("values", (0, "since"), "2", ["$.rows[0].since"]),
        ("values", (0, "since"), None, ["write since"]),
        ("values", (0, "means"), None, ["write means"]),
        ("values", (9, "means"), "REJECTED", ["write means"]),
        ("values", (9, "group"), None, ["write group"]),
        ("values", (0, "group"), "TECH", ["write group"]),
        ("values", (9, "group"), "RESERVED", ["write since"]),
        ("mandates", (0, "country"), None, ["write country"]),
        ("mandates", (1, "country"), "JP", ["write country"]),
        ("mandates", (0, "effective_to"), "2027-01-01", ["has no effective_to"]),
        ("mandates", (1,), None, ["no row of STORED_CARD_PROOF; write one"]),
        ("versions", (0, "effective_to"), "2027-01-01", ["has no effective_to"]),
        ("versions", (0, "versions"), ["0.9"], ["$.rows[0].versions[0]"]),
        ("ages", (0, "days"), 0, ["$.rows[0].days"]),
        ("rules", (0,), None, ["TDS01 has no row", "active: false"]),
        ("rules", (0, "id"), "TDS24", ["$.rows[0].id"]),
        ("rules", (1, "code"), "CLAIM_WITHOUT_CRYPTOGRAM", ["TDS01: code CLAIM_WITHOUT_CRYPTOGRAM is that of another"]),
    ],
)
def test_an_invalid_table_is_refused_with_place_cause_and_way_out(
    name: str, steps: tuple[Any, ...], value: Any, told: list[str]
) -> None:
    with pytest.raises(TableError) as caught:
        changed(name, "rows", *steps, value=value)
    for part in (f"threeds_{name}.yaml", *told):
        assert part in str(caught.value)


def test_a_rule_of_april_holds_from_april_in_tokyo_and_the_old_one_until_then() -> None:
    document = deepcopy(documents()["cavv"])
    passed = next(row for row in document["rows"] if row["results"] == ["B"])
    document["rows"].append({**passed, "effective_from": "2027-04-01", "means": "FAILED"})
    tables = tables_of(with_document("cavv", document))
    april_ms = 1_806_505_200_000  # 2027-03-31T15:00Z
    assert start_ms(date(2027, 4, 1)) == april_ms
    assert tables.starts.tolist()[1:] == [april_ms]
    assert tables.results[:, 1, ord("B")].tolist() == [2, 1]
    assert tables.results[:, 1, ord("2")].tolist() == [0, 0]


def test_a_row_that_ends_holds_until_its_last_day_is_over_in_tokyo() -> None:
    document = deepcopy(documents()["excluded"])
    document["rows"][0]["effective_to"] = "2027-03-31"
    tables = tables_of(with_document("excluded", document))
    assert set(tables.excluded[:, 4].tolist()) == {start_ms(date(2027, 4, 1))}
    assert set(tables.excluded[:, 3].tolist()) == {start_ms(date(2001, 1, 1))}
    document = deepcopy(documents()["cavv"])
    next(row for row in document["rows"] if row["results"] == ["B"])["effective_to"] = "2027-03-31"
    tables = tables_of(with_document("cavv", document))
    assert tables.starts.tolist()[1:] == [start_ms(date(2027, 4, 1))]
    assert tables.results[:, 1, ord("B")].tolist() == [2, 0]


def test_the_earliest_of_two_mandates_and_of_two_retirements_counts() -> None:
    mandates, versions = deepcopy(documents()["mandates"]), deepcopy(documents()["versions"])
    for row in list(mandates["rows"]):
        mandates["rows"].append({**row, "effective_from": "2024-10-01"})
    versions["rows"].append(
        {"networks": ["visa"], "versions": ["2"], "effective_from": "2024-09-01", "source": ["DES"]}
    )
    earlier, retired = tables_of(with_document("mandates", mandates)), tables_of(with_document("versions", versions))
    ours = tables_of(reference())
    october = start_ms(date(2024, 10, 1))
    assert earlier.settings[1] == october
    assert sorted(set(earlier.mandate_ms.tolist())) == [october, ours.mandate_ms.max()]
    assert (earlier.mandate_ms != ours.mandate_ms).sum() == 1
    september = start_ms(date(2024, 9, 1))
    assert retired.retired_ms[1, 210] == september
    assert retired.retired_ms[1, 299] == september
    assert retired.retired_ms[1, 200] == start_ms(date(2001, 1, 1))
    assert retired.retired_ms[1, 300] == ours.retired_ms[1, 300]
    assert np.array_equal(retired.retired_ms[2:], ours.retired_ms[2:])


def test_the_identity_changes_with_the_content_of_any_table() -> None:
    same = {name: with_document(name, document).identity for name, document in documents().items()}
    assert set(same.values()) == {reference().identity}
    more = {name: with_document(name, document | {"title": "Other"}).identity for name, document in documents().items()}
    assert len({reference().identity, *more.values()}) == 1 + len(RECORDS)


def test_the_lists_for_other_packages_are_those_of_the_files() -> None:
    assert MANDATE_MS == 1_743_433_200_000
    exempting = {word for word, meaning in exemption_words().items() if meaning}
    words = {word for known in table.EXEMPTIONS.values() for word in known}
    assert exempting == words | {word.upper() for word in words}
    held = {"N0": -2, "N2": -3}
    cells = {
        (network, held.get(eci) or int(eci), letter)
        for (network, eci), (_, letters, *_) in table.eci_lines().items()
        for letter in letters
    }
    assert set(agreements()) == cells
