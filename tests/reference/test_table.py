"""Dated tables: the row in force on a day, and the tables that are refused."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.reference.table import DatedRow, TableError, table_from, table_of


class Results(DatedRow, frozen=True, kw_only=True):
    KEY = ("networks", "codes")

    networks: tuple[str, ...]
    codes: tuple[str, ...]


class Limit(DatedRow, frozen=True, kw_only=True):
    KEY = ("name", "region")

    name: str
    limit: int
    region: str = "JP"


def row(name: str = "a", **columns: Any) -> dict[str, Any]:
    return {"name": name, "limit": 1, "effective_from": "2025-04-01", "source": ["DES"], **columns}


def table(*rows: dict[str, Any], **more: Any) -> Any:
    return table_from({"title": "Limits", "rows": list(rows), **more}, Limit, "limits.yaml")


def test_a_row_holds_from_its_day_until_the_next_of_its_key() -> None:
    limits = table(row(limit=10), row(limit=6, effective_from="2022-10-01"), row("b", limit=3))
    assert limits.find(("a", "JP"), date(2022, 9, 30)) is None
    assert limits.find(("a", "JP"), date(2022, 10, 1)).limit == 6
    assert limits.find(("a", "JP"), date(2025, 3, 31)).limit == 6
    assert limits.find(("a", "JP"), date(2025, 4, 1)).limit == 10
    assert limits.find(("a", "US"), date(2025, 4, 1)) is None
    assert {key[0]: found.limit for key, found in limits.on(date(2025, 4, 1)).items()} == {"a": 10, "b": 3}
    assert {key[0] for key in limits.on(date(2025, 3, 31))} == {"a"}


def test_a_row_that_ends_holds_on_its_last_day_and_no_older_row_after_it() -> None:
    limits = table(row(limit=6, effective_from="2022-10-01"), row(limit=10, effective_to="2025-12-31"))
    assert limits.find(("a", "JP"), date(2025, 12, 31)).limit == 10
    assert limits.find(("a", "JP"), date(2026, 1, 1)) is None
    assert limits.on(date(2026, 1, 1)) == {}


@given(st.lists(st.tuples(st.integers(0, 40), st.one_of(st.none(), st.integers(0, 10))), min_size=1, max_size=6))
def test_the_row_of_a_day_is_that_of_a_search_through_all_rows(spans: list[tuple[int, int | None]]) -> None:
    begin = date(2026, 2, 20)
    starts = sorted(dict(spans).items())
    rows = []
    for (start, length), after in zip(starts, [*starts[1:], (None, None)], strict=True):
        ends = None if length is None else start + length
        ends = None if ends is not None and after[0] is not None and ends >= after[0] else ends
        rows.append((start, ends))
    limits = table(
        *(
            row(
                limit=start,
                effective_from=str(begin + timedelta(start)),
                effective_to=None if ends is None else str(begin + timedelta(ends)),
            )
            for start, ends in reversed(rows)
        )
    )
    for day in range(-1, 60):
        begun = [(start, ends) for start, ends in rows if start <= day]
        expected = begun[-1][0] if begun and (begun[-1][1] is None or begun[-1][1] >= day) else None
        found = limits.find(("a", "JP"), begin + timedelta(day))
        assert (None if found is None else found.limit) == expected


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [row(effective_from="2025-02-30")],
            "limits.yaml: Invalid RFC3339 encoded date - at `$.rows[0].effective_from`",
        ),
        ([row(limit="6")], "limits.yaml: Expected `int`, got `str` - at `$.rows[0].limit`"),
        ([row(), row("b", limits=6)], "limits.yaml: Object contains unknown field `limits` - at `$.rows[1]`"),
        ([{"name": "a"}], "limits.yaml: Object missing required field `effective_from` - at `$.rows[0]`"),
        ([row(source=[])], "limits.yaml: Expected `array` of length >= 1 - at `$.rows[0].source`"),
        ([], "limits.yaml: Expected `array` of length >= 1 - at `$.rows`"),
        ([row(source=["W1"])], "limits.yaml: tag W1 is not explained: add it to $.sources - at `$.rows[0].source`"),
        (
            [row(effective_to="2025-03-31")],
            "limits.yaml: ends before it begins - at `$.rows[0].effective_to`",
        ),
        (
            [row(), row("b"), row(limit=2)],
            "limits.yaml: has the key and the first day of $.rows[0]: keep one - at `$.rows[2]`",
        ),
        (
            [row(effective_from="2025-05-01"), row(effective_to="2025-05-01")],
            "limits.yaml: holds on days on which $.rows[0] of its key holds: end it before, or leave it out - at "
            "`$.rows[1].effective_to`",
        ),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_its_place(rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(TableError) as refused:
        table(*rows)
    assert str(refused.value) == message


def test_a_row_of_one_day_before_the_next_begins_is_no_contradiction() -> None:
    limits = table(row(effective_from="2025-05-01", limit=2), row(effective_to="2025-04-30"))
    assert [limits.find(("a", "JP"), date(2025, *day)).limit for day in ((4, 30), (5, 1))] == [1, 2]


def test_a_table_names_its_sources_its_unverified_rows_and_its_content() -> None:
    told = {"sources": {"W1": "a page"}}
    limits = table(row(source=["W1", "UNV"]), row("b"), **told)
    assert [found.is_unverified for found in limits] == [True, False]
    assert len(limits) == 2
    assert limits.sources == {"W1": "a page"}
    assert limits.title == "Limits"
    assert len(limits.identity) == 12
    same = table(row(source=["W1", "UNV"]), row("b"), **told)
    assert same.identity == limits.identity
    changed = [table(row(source=["W1", "UNV"]), row("b", limit=2), **told), table(row(source=["W1"]), row("b"), **told)]
    assert len({limits.identity, *(other.identity for other in changed)}) == 3


def test_more_rows_than_a_table_may_have_are_refused() -> None:
    with pytest.raises(TableError, match="length <= 10000"):
        table(*(row(str(number)) for number in range(10_001)))


def test_the_text_of_a_file_is_refused_with_the_file_and_the_place() -> None:
    line = "- {name: a, limit: 6, effective_from: 2025-04-01, source: [DES]}"
    text = f"title: Limits\nrows:\n{line}\n"
    assert table_of(text.encode(), Limit, "limits.yaml").find(("a", "JP"), date(2026, 1, 1)) is not None
    for wrong, message in (
        (text.replace("limit: 6", "limit: six"), r"^limits.yaml: .*got `str` - at `\$.rows\[0\].limit`$"),
        (text.replace("DES", "W1"), r"^limits.yaml: tag W1 is not explained"),
        (f"title: b\n{text}", "^limits.yaml: line 2, column 1: key 'title' comes twice"),
    ):
        with pytest.raises(TableError, match=message):
            table_of(wrong.encode(), Limit, "limits.yaml")


def test_a_list_in_a_key_makes_a_row_for_each_of_its_values() -> None:
    rows = [
        {"networks": ["visa", "amex"], "codes": ["2", "3"], "effective_from": "2025-04-01", "source": ["DES"]},
        {"networks": ["amex"], "codes": ["3"], "effective_from": "2026-04-01", "source": ["UNV"]},
    ]
    results = table_from({"title": "Results", "rows": rows}, Results, "results.yaml")
    day = date(2026, 4, 1)
    assert set(results.on(day)) == {(network, code) for network in ("visa", "amex") for code in "23"}
    unverified = {key for key, found in results.on(day).items() if found.is_unverified}
    assert unverified == {("amex", "3")}
    assert results.find(("amex", "3"), date(2026, 3, 31)) is results.rows[0]
    for codes, message in (
        ([], "results.yaml: a list of networks, codes is empty: name a value, or delete the row - at `$.rows[1]`"),
        (["3", "3"], "results.yaml: has the key and the first day of $.rows[1]: keep one - at `$.rows[1]`"),
    ):
        with pytest.raises(TableError) as refused:
            table_from({"title": "Results", "rows": [rows[0], rows[1] | {"codes": codes}]}, Results, "results.yaml")
        assert str(refused.value) == message


def test_a_tag_has_sixteen_characters_at_most_and_a_file_no_unknown_keys() -> None:
    tag = "W" * 16
    assert table(row(source=[tag]), sources={tag: "a page"}).rows[0].source == (tag,)
    with pytest.raises(TableError, match=r"length <= 16 - at `\$.rows\[0\].source\[0\]`"):
        table(row(source=[tag + "W"]), sources={tag: "a page"})
    with pytest.raises(TableError, match="unknown field `source`"):
        table(row(), source={})
