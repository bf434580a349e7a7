"""Response codes become classes by switch and day; what no list holds is counted."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.codes import OutcomeClass
from scoring.reference import table_from
from scoring.reference.response_codes import SWITCHES, UNKNOWN_MAX, ResponseCodes, classify, switch_of
from scoring.reference.rows import ResponseCode
from streams.config.tables import shipped_table
from tests.reference.shipped import CODES

TODAY = date(2026, 11, 27)
SHIPPED = ResponseCodes(shipped_table("response_codes", ResponseCode), TODAY)


def oracle(switch: str, code: str) -> str:
    """Walk the lists in their order: the switch's own, ISO, the domestic ones."""
    for list_of in (switch, "ISO", "DOMESTIC"):
        if (list_of, code) in CODES:
            return CODES[list_of, code][0]
    return "UNKNOWN"


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_code_has_the_class_of_its_switch(switch: str) -> None:
    letters = "0123456789ANPRGC"
    for code in {a + b for a in letters for b in letters} | {code for _, code in CODES} | {"G99", ""}:
        assert SHIPPED.class_of(switch, code).name == oracle(switch, code), code
        assert SHIPPED.of_switch(switch).get(code, OutcomeClass.UNKNOWN).name == oracle(switch, code)


@pytest.mark.parametrize(
    ("network", "code", "outcome"),
    [
        ("visa", "82", "BAD_CRED"),
        ("mastercard", "82", "POLICY"),
        ("mastercard", "65", "FUNDS"),
        ("jcb", "G65", "BAD_PAN"),
        ("visa", "G44", "BAD_CRED"),
        ("visa", "N7", "BAD_CRED"),
        ("jcb", "N7", "UNKNOWN"),
        ("amex", "1A", "STEP_UP"),
        ("unionpay", "70", "UNKNOWN"),
    ],
)
def test_a_network_has_its_switch(network: str, code: str, outcome: str) -> None:
    assert SHIPPED.class_of(switch_of(network), code).name == outcome


def row(**columns: Any) -> dict[str, Any]:
    return {
        "switch": "ISO",
        "code": "83",
        "outcome": "FRAUD",
        "effective_from": "2020-01-01",
        "source": ["DES"],
    } | columns


def test_a_code_changes_its_class_on_its_day() -> None:
    changed = date(2026, 10, 25)
    rows = [row(), row(switch="VISA", outcome="HARD", effective_from=str(changed))]
    table = table_from({"title": "Codes", "rows": rows}, ResponseCode, "codes.yaml")
    for switch, day, outcome in (
        ("VISA", changed - timedelta(1), "FRAUD"),
        ("VISA", changed, "HARD"),
        ("JCB", changed, "FRAUD"),
        ("VISA", date(2019, 12, 31), "UNKNOWN"),
    ):
        assert ResponseCodes(table, day).class_of(switch, "83").name == outcome


_CODES = st.one_of(
    st.sampled_from(sorted({code for _, code in CODES})), st.text("0179GRZ", max_size=4), st.text(max_size=8)
)


@given(st.lists(st.tuples(st.sampled_from(SWITCHES), _CODES), max_size=60))
def test_unknown_codes_are_counted_and_never_guessed(answers: list[tuple[str, str]]) -> None:
    classes, unknown = classify(SHIPPED, answers)
    assert [found.name for found in classes] == [oracle(*answer) for answer in answers]
    expected: Counter[tuple[str, str]] = Counter()
    for switch, code in answers:
        if code and oracle(switch, code) == "UNKNOWN":
            plain = len(code) <= 3 and all(
                character in "0123456789" or "A" <= character.upper() <= "Z" for character in code
            )
            expected[switch, code if plain and code.isascii() else "*"] += 1
    assert unknown == expected


def test_so_many_unknown_codes_are_counted_by_themselves_and_no_more() -> None:
    letters = "QWXY"
    codes = [a + b + c for a in letters for b in letters for c in "0123456789ABCDEFGHIJ"]
    assert len(codes) > UNKNOWN_MAX + 1
    _, unknown = classify(SHIPPED, [("VISA", code) for code in [*codes, codes[0], codes[-1]]])
    assert unknown["VISA", codes[0]] == 2
    assert unknown["VISA", codes[UNKNOWN_MAX - 1]] == 1
    assert ("VISA", codes[UNKNOWN_MAX]) not in unknown
    assert unknown["VISA", "*"] == len(codes) - UNKNOWN_MAX + 1
    assert len(unknown) == UNKNOWN_MAX + 1


def test_networks_and_limits_are_what_they_are_said_to_be() -> None:
    assert [switch_of(name) for name in ("visa", "mastercard", "jcb", "diners")] == ["VISA", "MASTERCARD", "JCB", "ISO"]
    assert UNKNOWN_MAX == 256
