"""No spelling of a card number passes, in a field that an output carries or in any other."""

import json

import pytest

from scoring.decode import DecodeLimits, decode
from tests.decode.guard.numbers import NETWORKS, luhn_digit, number
from tests.decode.guard.spellings import groups, spellings
from tests.events import event
from tests.examples import sample

LIMITS = DecodeLimits(guard="refuse")


def found(texts: list[str], field: str, *, is_ascii: bool) -> list[bool]:
    """Tell for each text whether it is found in a field."""
    values = [json.dumps(event(**{field: text}), ensure_ascii=is_ascii).encode() for text in texts]
    refused: set[int] = set()
    for start in range(0, len(values), 500):
        decoded = decode(values[start : start + 500], LIMITS)
        refused.update(start + at for at, reject in decoded.rejects if reject.reason.startswith("SENSITIVE_"))
    return [position in refused for position in range(len(values))]


@pytest.mark.parametrize("field", ["event_id", "unknown"])
@pytest.mark.parametrize("is_ascii", [True, False], ids=["escaped", "utf-8"])
def test_every_spelling_is_found(field: str, is_ascii: bool) -> None:
    texts = [text for text, _ in spellings()]
    assert len(texts) > 8_400
    texts = list(sample(texts, step=31))
    missed = [text for text, hit in zip(texts, found(texts, field, is_ascii=is_ascii), strict=True) if not hit]
    assert missed == []


@pytest.mark.parametrize("separator", [".", ","])
def test_two_groups_between_a_point_are_a_fraction_unless_they_are_an_identifier(separator: str) -> None:
    texts = [separator.join(groups(made, 6, 13)) for made in NETWORKS.values()]
    assert found(texts, "note", is_ascii=True) == [False] * len(texts)
    assert found(texts, "event_id", is_ascii=True) == [True] * len(texts)
    fractions = [f"0{separator}{made}" for made in NETWORKS.values()]
    assert found(fractions, "event_id", is_ascii=True) == [True] * len(texts)


def test_thirteen_digits_are_a_card_only_where_they_are_no_article() -> None:
    """Of thirteen digits only Maestro's are issued; those with the check digit of a GTIN-13 are article numbers."""
    maestro = [number("50" + two, 13, filler) for two in ("18", "20", "38") for filler in "123456789"]
    weights = [1, 3] * 6 + [1]
    is_article = [sum(map(int.__mul__, map(int, made), weights)) % 10 == 0 for made in maestro]
    assert 0 < sum(is_article) < len(maestro)
    assert found(maestro, "note", is_ascii=True) == [not article for article in is_article]
    assert found([number("4", 13, filler) for filler in "0123456789"], "event_id", is_ascii=True) == [False] * 10


def test_a_length_counts_only_before_that_many_digits() -> None:
    made = NETWORKS["visa 16"]
    wrong = [f"{length}{made}" for length in ("10", "13", "14", "15", "17", "18", "19", "61", "91")]
    assert found(wrong, "note", is_ascii=True) == [False] * len(wrong)
    assert found([f"16{made}9", f"1616{made}"], "note", is_ascii=True) == [False, False]


def test_a_prefix_beside_a_range_is_not_in_it() -> None:
    beside = ("504174", "504176", "506698", "506779", "508", "510999", "636296", "636298", "636367", "636369", "830000")
    texts = [number(prefix, 15 if prefix == "508" else 16) for prefix in beside]
    outside = [text for text in texts if not 51 <= int(text[:2]) <= 55]
    assert found(outside, "note", is_ascii=True) == [False] * len(outside)
    assert all(luhn_digit(text[:-1]) == text[-1] for text in outside)
