"""The table of response codes has the content of its sources, and a code changes its class on its day."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.codes import NetworkCode, OutcomeClass
from scoring.reference.response_codes import CODE_CHARACTERS, RADIX, Answers, ResponseCode, answers, answers_of, packed
from scoring.reference.table import shipped_table, table_from

FIRST = date(2000, 1, 1)
TABLE = shipped_table("response_codes", ResponseCode)
LISTED = """
ISO APPROVED 00 10 11             | D16 D17
ISO APPROVED 08 16 85             | ISO8583
ISO BAD_PAN 14 15                 | D16 D17
ISO BAD_PAN 56                    | ISO8583
ISO BAD_CRED 54 55 75             | D16 D17
ISO BAD_CRED 33 38                | ISO8583
ISO BAD_CRED 82                   | UNV
ISO FUNDS 51 61 65                | D16 D17
ISO FRAUD 07 34 41 43 59 63       | D16 D17
ISO FRAUD 83                      | D19
ISO HARD 04 46 78                 | D16 D17
ISO HARD 36                       | ISO8583
ISO POLICY 03 57 58 62            | D16 D17
ISO POLICY 39 40 93               | ISO8583
ISO TECH 12 13 30 91 96           | D16 D17
ISO TECH 06 09 19 22 25 68 88 89 90 92 94 95 | ISO8583
ISO GENERIC 01 02 05              | D16 D17
ISO GENERIC 21                    | ISO8583
ISO STEP_UP 1A                    | UNV
ISO STOP R0 R1 R3                 | D18
VISA BAD_CRED N7 6P               | UNV
VISA STEP_UP 1A 70                | UNV
VISA POLICY 5C 9G                 | D20
VISA TECH 86                      | UNV
MASTERCARD GENERIC 70 71          | MDR UNV
MASTERCARD POLICY 79 82           | MDR UNV
MASTERCARD FRAUD 83               | MDR UNV
MASTERCARD APPROVED 87            | MDR UNV
MASTERCARD BAD_CRED 89            | MDR UNV
DOMESTIC BAD_PAN G61 G65          | UNV
DOMESTIC BAD_CRED G42 G44 G83     | UNV
DOMESTIC FUNDS G02 G03 G54 G55    | UNV
DOMESTIC FRAUD G60                | UNV
DOMESTIC HARD G12                 | UNV
DOMESTIC GENERIC G30              | UNV
"""
"""Written from the specification, independent of the YAML."""

CODES: dict[tuple[str, str], tuple[str, str]] = {
    (switch, code): (outcome, sources.strip())
    for told, sources in (line.split("|") for line in LISTED.strip().splitlines())
    for switch, outcome, *codes in [told.split()]
    for code in codes
}
SWITCHES = {"visa": "VISA", "mastercard": "MASTERCARD", "jcb": "JCB"}
NETWORKS = ("visa", "mastercard", "jcb", "amex", "diners", "discover", "unionpay", "other")


def class_of(known: Answers, network: str, code: str, day: date) -> str:
    """Read the arrays as the kernel does: the latest change before the event's time, noon in Tokyo."""
    noon_ms = (day - date(1970, 1, 1)).days * 86_400_000 + 3 * 3_600_000
    eras = [era for era, begun_ms in enumerate(known.eras_ms.tolist()) if begun_ms <= noon_ms]
    if not eras:
        return "UNKNOWN"
    return OutcomeClass(known.classes[eras[-1], NetworkCode[network.upper()], known.places[packed(code)]]).name


def told(rows: tuple[ResponseCode, ...]) -> dict[Any, Any]:
    return {(r.switch, code, r.effective_from): (r.outcome, " ".join(r.source)) for r in rows for code in r.codes}


EXPECTED = {(switch, code, FIRST): says for (switch, code), says in CODES.items()}


def test_the_table_has_the_content_of_the_specification() -> None:
    assert told(TABLE.rows) == EXPECTED
    assert all(row.effective_to is None for row in TABLE)
    assert set(TABLE.sources) == {tag for row in TABLE for tag in row.source} - {"UNV", "DES"}


def mutated(row: ResponseCode) -> Iterator[ResponseCode]:
    replace = msgspec.structs.replace
    yield replace(row, switch="JCB")
    yield replace(row, codes=row.codes[1:])
    yield replace(row, codes=(*row.codes, "ZZ"))
    yield replace(row, outcome="UNKNOWN")
    yield replace(row, effective_from=row.effective_from + timedelta(1))
    yield replace(row, source=(*row.source, "UNV"))


def test_no_row_can_change_or_go_unnoticed() -> None:
    for number, row in enumerate(TABLE.rows):
        assert told((*TABLE.rows[:number], *TABLE.rows[number + 1 :])) != EXPECTED
        for changed in mutated(row):
            assert told((*TABLE.rows[:number], changed, *TABLE.rows[number + 1 :])) != EXPECTED, (number, changed)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("day", [FIRST, date(2026, 11, 27)])
def test_a_code_is_looked_up_at_its_network_then_in_iso_then_among_the_domestic_ones(network: str, day: date) -> None:
    letters = "0123456789ANPRGC"
    for code in {a + b for a in letters for b in letters} | {code for _, code in CODES} | {"G99", "ZZ"}:
        lists = (SWITCHES.get(network, "ISO"), "ISO", "DOMESTIC")
        expected = next((CODES[name, code][0] for name in lists if (name, code) in CODES), "UNKNOWN")
        assert class_of(answers(), network, code, day) == expected, code
        assert class_of(answers(), network, code, FIRST - timedelta(1)) == "UNKNOWN"


@pytest.mark.parametrize(
    ("column", "within", "beyond"),
    [
        ("codes", [["00"], ["G44", "ZZ"], ["00"] * 64], [[], ["0"], ["G444"], ["g1"], ["0 "], ["00\n"], ["00"] * 65]),
        ("switch", ["DOMESTIC", "JCB"], ["AMEX", "visa"]),
        ("outcome", ["STOP", "UNKNOWN"], ["DECLINED"]),
    ],
)
def test_a_column_accepts_values_within_its_bounds(column: str, within: list[Any], beyond: list[Any]) -> None:
    base = {"switch": "ISO", "codes": ["00"], "outcome": "APPROVED", "effective_from": "2025-04-01", "source": ["DES"]}
    for value in within:
        row = msgspec.convert({**base, column: value}, ResponseCode)
        assert getattr(row, column) == (tuple(value) if column == "codes" else value)
    for value in beyond:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**base, column: value}, ResponseCode)


BEGIN = date(2024, 2, 25)  # before a leap day
_CHANGES = st.dictionaries(
    st.tuples(st.sampled_from(["ISO", "VISA", "MASTERCARD", "JCB", "DOMESTIC"]), st.sampled_from(["00", "83", "G83"])),
    st.dictionaries(st.integers(0, 12), st.sampled_from([None, "APPROVED", "HARD", "FRAUD", "UNKNOWN"]), min_size=1),
    min_size=1,
)


@given(_CHANGES)
def test_a_code_has_on_each_day_the_class_of_the_row_in_force(
    changes: dict[tuple[str, str], dict[int, str | None]],
) -> None:
    """`None` ends the row before; days are days in Tokyo."""
    rows = []
    for (switch, code), course in changes.items():
        days = sorted(course)
        for day, after in zip(days, [*days[1:], None], strict=True):
            if course[day] is not None:
                ends = None if after is None or course[after] is not None else str(BEGIN + timedelta(after - 1))
                rows.append(
                    {"switch": switch, "codes": [code], "outcome": course[day], "source": ["DES"]}
                    | {"effective_from": str(BEGIN + timedelta(day)), "effective_to": ends}
                )
    if not rows:
        return
    known = answers_of(table_from({"title": "Codes", "rows": rows}, ResponseCode, "codes.yaml"))
    for day in range(-1, 15):
        for code in ("00", "83", "G83", "99"):
            for network in NETWORKS:
                expected = "UNKNOWN"
                for switch in ("DOMESTIC", "ISO", SWITCHES.get(network, "ISO")):
                    course = changes.get((switch, code), {})
                    begun = [change for change in course if change <= day]
                    now = course[max(begun)] if begun else None
                    expected = expected if now is None else now
                assert class_of(known, network, code, BEGIN + timedelta(day)) == expected


def test_packed_codes_differ_and_fit() -> None:
    every = [chr(n) for n in (*range(48, 58), *range(65, 91))]
    codes = [*every, *(a + b for a in every for b in every), *("G" + a + b for a in every for b in every), "ZZZ"]
    numbers = {packed(code) for code in codes}
    assert len(numbers) == len(codes)
    assert (min(numbers), max(numbers)) == (1, RADIX**CODE_CHARACTERS - 1)
