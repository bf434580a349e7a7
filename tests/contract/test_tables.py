"""Tables of the field: currencies."""

import pytest

from scoring.contract.currencies import CURRENCIES


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
    numbers = [number for name, (number, _) in CURRENCIES.items() if name != "ANG"]  # XCG has taken over its number
    assert len(set(numbers)) == len(numbers)
    assert not set(numbers) & {*range(955, 965), 999}
    assert all(len(name) == 3 and name.isupper() for name in CURRENCIES)
