"""Tables of the field: currencies and response codes."""

import pytest

from scoring.contract.codes import OutcomeClass
from scoring.contract.currencies import CURRENCIES
from scoring.contract.response_codes import ISO_8583, JAPAN_G, MASTERCARD, VISA, answers_of


@pytest.mark.parametrize(
    ("name", "number", "exponent"),
    [
        ("JPY", 392, 0),
        ("USD", 840, 2),
        ("KRW", 410, 0),
        ("KWD", 414, 3),
        ("TND", 788, 3),
        ("VND", 704, 0),
        ("TWD", 901, 2),
    ],
)
def test_a_currency_has_its_number_and_exponent(name: str, number: int, exponent: int) -> None:
    assert CURRENCIES[name] == (number, exponent)


def test_currency_numbers_are_unique_and_none_is_a_metal_or_a_test() -> None:
    numbers = [number for name, (number, _) in CURRENCIES.items() if name != "ANG"]  # XCG took its number over
    assert len(set(numbers)) == len(numbers)
    assert not set(numbers) & {*range(955, 965), 999}
    assert all(len(name) == 3 and name.isupper() for name in CURRENCIES)


@pytest.mark.parametrize(
    ("network", "code", "outcome"),
    [
        ("visa", "00", OutcomeClass.APPROVED),
        ("jcb", "14", OutcomeClass.BAD_PAN),
        ("visa", "N7", OutcomeClass.BAD_CRED),
        ("mastercard", "N7", OutcomeClass.UNKNOWN),
        ("visa", "1A", OutcomeClass.STEP_UP),
        ("jcb", "G65", OutcomeClass.BAD_PAN),
        ("other", "G44", OutcomeClass.BAD_CRED),
        ("visa", "82", OutcomeClass.BAD_CRED),
        ("mastercard", "82", OutcomeClass.POLICY),
        ("visa", "51", OutcomeClass.FUNDS),
        ("visa", "R1", OutcomeClass.STOP),
        ("visa", "", OutcomeClass.UNKNOWN),
        ("visa", "ZZ", OutcomeClass.UNKNOWN),
    ],
)
def test_a_response_code_is_classed_by_network(network: str, code: str, outcome: OutcomeClass) -> None:
    assert answers_of(network).get(code, OutcomeClass.UNKNOWN) is outcome


def test_the_tables_of_one_kind_agree_in_form() -> None:
    for table in (ISO_8583, VISA, MASTERCARD):
        assert all(len(code) == 2 for code in table)
    assert all(len(code) == 3 and code[0] == "G" for code in JAPAN_G)
