"""Each bad record is refused for its own fault, and is made of a good event."""

import orjson

from scoring.decode import DecodeLimits, decode
from streams.demo.trouble import TROUBLES, Troublemaker, card_number
from tests.events import encoded

EXPECTED = {
    "JSON cut short": ["MALFORMED_JSON"],
    "sent twice": [],
    "a card number for an event id": ["SENSITIVE_PAN"],
    "yen with two decimals": ["WRONG_EXPONENT"],
    "a negative amount": ["OUT_OF_RANGE"],
    "bytes that are no UTF-8": ["INVALID_UTF8"],
    "an amount in words": ["WRONG_TYPE"],
}
GOOD = (b"key", encoded())


def test_every_trouble_is_refused_for_its_own_reason() -> None:
    for trouble in TROUBLES:
        key, value = trouble.spoil(GOOD, "trouble-1")
        rejects = decode([value], DecodeLimits()).rejects
        assert [reject.reason for _, reject in rejects] == EXPECTED[trouble.what], trouble.what
        assert key == GOOD[0]


def test_what_is_sent_twice_is_the_same_to_the_byte() -> None:
    again = [trouble.spoil(GOOD, "x") for trouble in TROUBLES if trouble.what == "sent twice"]
    assert again == [GOOD] * len(again) != []


def test_the_card_number_passes_luhn_and_is_not_the_events_own() -> None:
    number = card_number()
    digits = [int(digit) for digit in reversed(number)]
    assert len(number) == 16
    assert sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)) % 10 == 0
    assert number not in GOOD[1].decode()


def test_each_trouble_comes_once_and_in_its_time() -> None:
    maker = Troublemaker()
    assert maker.due(0.05, GOOD) == []
    first = maker.due(0.15, GOOD)
    assert len(first) == 1
    assert maker.due(0.15, GOOD) == []
    assert len(maker.due(1.0, GOOD)) == len(TROUBLES) - 1
    assert maker.made == [trouble.what for trouble in TROUBLES]


def test_broken_events_have_ids_of_their_own() -> None:
    records = Troublemaker().due(1.0, GOOD)
    ids = []
    for _, value in records:
        try:
            ids.append(orjson.loads(value)["event_id"])
        except orjson.JSONDecodeError:
            continue
    broken = [event_id for event_id in ids if event_id != "e-1"]
    assert len(set(broken)) == len(broken) == len(ids) - 2
