"""Security codes, tracks and PINs are refused by the name of their field; results and tokens pass."""

import json

import pytest

from scoring.decode import DecodeLimits, decode
from scoring.decode.sensitive import KIND_OF_NAME, kind_of
from tests.decode.guard.numbers import PAN, number
from tests.events import encoded

LIMITS = DecodeLimits(guard="refuse")
PRIVATE = number("9", 16)  # a prefix of no network, as of store cards


def verdict(value: bytes) -> tuple[str, str] | None:
    rejects = decode([value], LIMITS).rejects
    return (rejects[0][1].reason, rejects[0][1].path) if rejects else None


def with_raw(fragment: str) -> bytes:
    return encoded()[:-1] + b"," + fragment.encode() + b"}"


@pytest.mark.parametrize(
    ("fragment", "reason", "path"),
    [
        ('"cvv":"123"', "SENSITIVE_CVV", "$.*"),
        ('"CVV2" : "1234"', "SENSITIVE_CVV", "$.*"),
        ('"Card_Security-Code":987', "SENSITIVE_CVV", "$.*"),
        ('"c.v.c":"007"', "SENSITIVE_CVV", "$.*"),
        ('"_cvc2_":"007"', "SENSITIVE_CVV", "$.*"),
        ('"\\u0063vv":"123"', "SENSITIVE_CVV", "$.*"),
        ('"\uff43\uff56\uff56":"123"', "SENSITIVE_CVV", "$.*"),
        ('"cvv":"\\u0031\\u0032\\u0033"', "SENSITIVE_CVV", "$.*"),
        ('"cvv":"\uff11\uff12\uff13"', "SENSITIVE_CVV", "$.*"),
        ('"cvv":123.0', "SENSITIVE_CVV", "$.*"),
        ('"cvv":1.23e2', "SENSITIVE_CVV", "$.*"),
        ('"cvv":["123"]', "SENSITIVE_CVV", "$.*[0]"),
        ('"cvv":{"value":123}', "SENSITIVE_CVV", "$.*.*"),
        ('"a":{"b":[{"cid":"4321"}]}', "SENSITIVE_CVV", "$.*.*[0].*"),
        ('"cvv":null,"cvv":"123"', "SENSITIVE_CVV", "$.*"),
        ('"raw":"{\\"cvv\\":\\"123\\"}"', "SENSITIVE_CVV", "$.*.*"),
        ('"pin":"1234"', "SENSITIVE_PIN", "$.*"),
        ('"pin":"560001"', "SENSITIVE_PIN", "$.*"),
        ('"address":{"pin":"1234"}', "SENSITIVE_PIN", "$.*.*"),
        ('"address":{"pin":"0412AC89ABCDEF67"}', "SENSITIVE_PIN", "$.*.*"),
        ('"track":"%s=2912101"', "SENSITIVE_TRACK", "$.*"),
        ('"track":{"two":"%sD2912101"}', "SENSITIVE_TRACK", "$.*.*"),
        ('"PIN":123456', "SENSITIVE_PIN", "$.*"),
        ('"pinBlock":"0412AC89ABCDEF67"', "SENSITIVE_PIN", "$.*"),
        ('"track2":"%s"', "SENSITIVE_TRACK", "$.*"),
        ('"x":";%s=29121010000012300000?"', "SENSITIVE_TRACK", "$.*"),
        ('"x":"%%B%s^DOE/JANE^29121010000000000"', "SENSITIVE_TRACK", "$.*"),
        ('"x":"%%B4%s^"', "SENSITIVE_TRACK", "$.*"),
        ('"card_number":"%s"', "SENSITIVE_PAN", "$.*"),
        ('"pan":%s', "SENSITIVE_PAN", "$.*"),
    ],
)
def test_a_value_under_a_sensitive_name_is_refused(fragment: str, reason: str, path: str) -> None:
    value = fragment % PRIVATE if "%" in fragment else fragment
    assert verdict(with_raw(value)) == (reason, path)


@pytest.mark.parametrize(
    "text",
    [
        f";{PAN}=2912101",
        f"{PAN}=29121011234",
        f"%B{PAN}^DOE/JANE^2912101",
        f"{PAN}D29121010000012300F",
        f"{PAN}^DOE^2912",
    ],
)
def test_a_track_with_a_known_number_is_called_a_track_or_a_number(text: str) -> None:
    found = verdict(encoded(note=text))
    assert found is not None
    assert found[0] in {"SENSITIVE_TRACK", "SENSITIVE_PAN"}


def test_the_result_of_a_security_code_check_passes_and_a_code_does_not() -> None:
    for harmless in ("M", "N", "", " ", None):
        assert verdict(json.dumps({**json.loads(encoded()), "checks": {"cvv2": harmless}}).encode()) is None
    assert verdict(encoded(checks={"cvv2": "123"})) == ("SENSITIVE_CVV", "$.checks.cvv2")
    assert verdict(encoded(checks={"cvv2": "9"})) is None


@pytest.mark.parametrize(
    "fragment",
    [
        '"pan":"tok_5f2c9a"',
        '"pan":"411111******1111"',
        '"pan":{"bin":"453200","last4":"0417"}',
        '"pin":true',
        '"pin":{"tries":3}',
        '"cvv":"match"',
        '"cvv":false',
        '"cvv":0.5',
        '"cvv":1e99999',
        '"track":"Moonlight Sonata 3"',
        '"shipping":{"track":"451234567890"}',
        '"track":"1Z999AA10123456784"',
        '"track":{"number":"9400111899223100001234"}',
        '"address":{"pin":"560001"}',
        '"delivery":{"to":{"PIN":560001}}',
        '"epb":"1234"',
        '"pin_code_area":"1000001"',
        '"cid":"campaign-2026-spring"',
        '"company":"1234"',
    ],
)
def test_a_harmless_value_under_such_a_name_passes(fragment: str) -> None:
    assert verdict(with_raw(fragment)) is None


@pytest.mark.parametrize("name", sorted(KIND_OF_NAME))
def test_every_name_is_known_in_every_spelling_and_found_by_the_scan(name: str) -> None:
    values = {"SENSITIVE_PAN": PRIVATE, "SENSITIVE_CVV": "123", "SENSITIVE_TRACK": PRIVATE, "SENSITIVE_PIN": "1234"}
    own = {"track": f"{PRIVATE}=29121010000012300000", "epb": "0412AC89ABCDEF67"}  # names with another usual meaning
    kind = KIND_OF_NAME[name]
    for spelling in (name, name.upper(), name.title(), "_".join(name), f"-{name} "):
        assert kind_of(spelling) == kind
        found = verdict(with_raw(f'"{spelling}":"{own.get(name, values[kind])}"'))
        assert found is not None
        assert found[0] == kind
