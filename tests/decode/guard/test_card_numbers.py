"""No spelling of a card number passes the guard, and numbers that only look like one do."""

import json
import random
from base64 import b64encode
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.dead_letter import Reject
from scoring.decode import DecodeLimits, decode
from scoring.decode.characters import CHARACTER_KINDS, DIGIT, JOINER, decimal_of, joins_digits
from tests.decode.guard.numbers import NETWORKS, PAN, luhn_digit
from tests.events import encoded, event
from tests.examples import examples, sample

LIMITS = DecodeLimits(guard="refuse")
GROUPED = " ".join(PAN[at : at + 4] for at in range(0, 16, 4))


def verdict(value: bytes) -> Reject | None:
    decoded = decode([value], LIMITS)
    assert len(decoded) + len(decoded.rejects) == 1
    return decoded.rejects[0][1] if decoded.rejects else None


def with_text(text: str) -> bytes:
    return json.dumps(event(unknown=text), ensure_ascii=False).encode()


def with_raw(fragment: str) -> bytes:
    return encoded()[:-1] + b',"unknown":' + fragment.encode() + b"}"


@pytest.mark.parametrize("network", NETWORKS)
def test_a_number_of_every_network_is_found_as_text_and_as_a_number(network: str) -> None:
    number = NETWORKS[network]
    hit = Reject(reason="SENSITIVE_PAN", path="$.*")
    assert verdict(with_text(number)) == hit
    assert verdict(with_raw(number)) == hit
    assert verdict(with_raw("-" + number)) == hit
    assert verdict(with_raw(number + ".0")) == hit


@pytest.mark.parametrize("network", NETWORKS)
def test_a_number_with_a_wrong_check_digit_or_an_unknown_prefix_is_none(network: str) -> None:
    number = NETWORKS[network]
    assert verdict(with_text(number[:-1] + str((int(number[-1]) + 1) % 10))) is None
    body = "1" + number[1:-1]
    assert verdict(with_text(body + luhn_digit(body))) is None


SPELLINGS = {
    "spaces": GROUPED,
    "dashes": GROUPED.replace(" ", "-"),
    "a space between any two digits": " ".join(PAN),
    "in a sentence": f"card {PAN}, thank you",
    "in a sentence with spaces": f"order 12345 {GROUPED} 99",
    "beside letters": f"card{PAN}x",
    "beside hexadecimal letters": f"ab{PAN}",
    "padded with zeros": "000" + PAN,
    "padded to a hash's length": PAN.zfill(64),
    "padded with letters": PAN + "F" * 16,
    "with an expiry behind": PAN + "2812",
    "with an expiry and a code behind": PAN + "1228" + "123",
    "full-width digits": PAN.translate({48 + digit: 0xFF10 + digit for digit in range(10)}),
    "Arabic digits": PAN.translate({48 + digit: 0x0660 + digit for digit in range(10)}),
    "mathematical digits": PAN.translate({48 + digit: 0x1D7CE + digit for digit in range(10)}),
    "one full-width digit": "\uff14" + PAN[1:],
    "ideographic spaces": GROUPED.replace(" ", "\u3000"),
    "en dashes": GROUPED.replace(" ", "\u2013"),
    "zero-width spaces": "\u200b".join(PAN),
    "a soft hyphen": PAN[:8] + "\u00ad" + PAN[8:],
    "behind kanji": "\u5730" + PAN,
    "between kana and hexadecimal letters": "\u30a2" + PAN + "cafe",
    "with an exponent, as spreadsheets write it": f"{PAN[0]}.{PAN[1:]}E+15",
    "in a document in the text": json.dumps({"a": [PAN]}),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_number_is_found_in_every_spelling(spelling: str) -> None:
    text = SPELLINGS[spelling]
    found = verdict(with_text(text))
    assert found is not None
    assert found.reason == "SENSITIVE_PAN"
    assert verdict(json.dumps(event(unknown=text), ensure_ascii=True).encode()) == found
    assert verdict(with_raw('"' + "".join(f"\\u{ord(c):04x}" for c in text if ord(c) < 0x10000) + '"')) is not None or (
        ord(max(text)) >= 0x10000
    )


@pytest.mark.parametrize(
    "fragment",
    [
        f"{PAN[0]}.{PAN[1:]}e15",
        f"{PAN[0]}.{PAN[1:]}E+15",
        f"{PAN}0e-1",
        f"[1, {PAN}e0]",
        '"\\u0034' + PAN[1:] + '"',
        '"' + PAN[:5] + "\\u003" + PAN[5] + PAN[6:] + '"',
        '"\\n' + PAN + '"',
        '"\\f' + PAN + '"',
        '"\\u5730' + PAN + '"',
        '"\\ud83d\\ude00' + PAN + '"',
        '{"a": 1, "a": "' + PAN + '", "a": 2}',
        "[" * 20 + PAN + "]" * 20,
        '{"' + PAN + '": null}',
        '{"\\u0034' + PAN[1:] + '": null}',
    ],
)
def test_a_number_is_found_in_every_part_of_the_syntax(fragment: str) -> None:
    found = verdict(with_raw(fragment))
    assert found is not None
    assert found.reason == "SENSITIVE_PAN"
    assert not any(character.isdigit() for character in found.path.replace("[0]", "").replace("[1]", ""))


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"event_id": PAN}, "$.event_id"),
        ({"card": {"pan_hmac": PAN}}, "$.card.pan_hmac"),
        ({"merchant": {"name": "shop " + PAN}}, "$.merchant.name"),
        ({"ids": {"rrn": PAN}}, "$.ids.rrn"),
        ({"ids": {"network_txn_id": PAN}}, "$.ids.network_txn_id"),
        ({"tds": {PAN: "x"}}, "$.tds.*"),
        ({"x" * 300: {"y": {"card": [PAN]}}}, "$.*.*.card[0]"),
    ],
)
def test_the_path_has_only_names_of_the_contract(changes: dict[str, object], path: str) -> None:
    assert verdict(encoded(**changes)) == Reject(reason="SENSITIVE_PAN", path=path)


@pytest.mark.parametrize(
    "value",
    [
        b'{"a": "' + PAN.encode(),
        PAN.encode(),
        b'{"a": "\\u0034' + PAN[1:].encode(),
        b'{"a": NaN, "b": "' + PAN.encode() + b'"}',
        b'{"a": "\xff", "b": "' + PAN.encode() + b'"}',
        b"[" * 40 + PAN.encode(),
        b"\xef\xbb\xbf" + json.dumps({"a": PAN}).encode(),
    ],
)
def test_broken_json_with_a_number_is_refused_for_the_number(value: bytes) -> None:
    found = verdict(value)
    assert found is not None
    assert found.reason == "SENSITIVE_PAN"
    assert found.path in {"$", "$.*"}


def test_a_reference_of_the_network_may_look_like_a_number_where_the_contract_has_it() -> None:
    reference = NETWORKS["amex 37"]
    assert verdict(encoded(ids={"network_txn_id": reference})) is None
    assert verdict(encoded(ids={"network_txn_id": GROUPED})) == Reject(
        reason="SENSITIVE_PAN", path="$.ids.network_txn_id"
    )
    assert verdict(encoded(ids={"rrn": reference})) == Reject(reason="SENSITIVE_PAN", path="$.ids.rrn")
    assert verdict(encoded(merchant={"id": reference})) is None
    assert verdict(encoded(merchant={"id": PAN})) == Reject(reason="SENSITIVE_PAN", path="$.merchant.id")
    none_allowed = DecodeLimits(pan_allowed=frozenset(), guard="refuse")
    assert len(decode([encoded(merchant={"id": reference})], none_allowed).rejects) == 1


HARMLESS: dict[str, Callable[[random.Random], str]] = {
    "hexadecimal of 256 bits": lambda r: f"{r.getrandbits(256):064x}",
    "hexadecimal of 160 bits": lambda r: f"{r.getrandbits(160):040x}",
    "hexadecimal of 128 bits": lambda r: f"{r.getrandbits(128):032x}",
    "capitals": lambda r: f"{r.getrandbits(256):064X}",
    "a prefix and hexadecimal": lambda r: f"tok_{r.getrandbits(256):064x}",
    "a prefix beside hexadecimal": lambda r: f"tok{r.getrandbits(256):064x}",
    "a UUID": lambda r: str(UUID(int=r.getrandbits(128), version=4)),
    "a UUID with a prefix": lambda r: f"order-{UUID(int=r.getrandbits(128), version=4)}",
    "base64": lambda r: b64encode(r.randbytes(32)).decode(),
    "milliseconds": lambda r: str(1_600_000_000_000 + r.getrandbits(38)),
    "microseconds": lambda r: str(1_600_000_000_000_000 + r.getrandbits(48)),
    "nanoseconds": lambda r: str(1_600_000_000_000_000_000 + r.getrandbits(58)),
    "a retrieval reference": lambda r: f"{r.randrange(10**12):012d}",
    "a time": lambda r: (
        f"2026-{r.randrange(1, 13):02d}-{r.randrange(1, 29):02d}T12:34:56.{r.randrange(10**9):09d}+09:00"
    ),
    "a fraction": lambda r: f"{r.random():.16f}",
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_tokens_times_and_references_pass(kind: str) -> None:
    make, generator = HARMLESS[kind], random.Random(2026)  # noqa: S311 - repeatable on purpose
    values = [with_text(make(generator)) for _ in range(examples(3_000))]
    assert decode(values, LIMITS).rejects == []


@pytest.mark.parametrize(
    "token",
    [
        "3fa9c" + PAN + "b7e" * 14 + "d",  # 64 characters
        "ab" * 4 + PAN + "cd" * 4,
        "ABCD1" * 2 + "E" + PAN + "F0A1B",
        "tok" + "e1f" * 9 + PAN,
        "c0de" * 3 + "-" + PAN[:8] + "-" + PAN[8:12] + "-4abc-8abc-abcdefabcdef",
        f"{PAN[:8]}-{PAN[8:12]}-{PAN[12:]}-8abc-abcdefabcdef",
        "0." + PAN,
    ],
)
def test_digits_inside_a_token_a_uuid_or_a_fraction_do_not_count(token: str) -> None:
    assert verdict(with_text(token)) is None


def test_every_digit_and_every_separator_of_the_basic_plane_is_marked() -> None:
    beyond = sample(range(0x80, 0x10000), step=3)
    kinds = [DIGIT if decimal_of(chr(code)) >= 0 else JOINER if joins_digits(chr(code)) else 0 for code in beyond]
    assert min(map(kinds.count, (DIGIT, JOINER))) > 30
    assert CHARACTER_KINDS[beyond].tolist() == kinds


@given(st.sampled_from(sorted(NETWORKS)), st.text(max_size=12), st.text(max_size=12))
def test_a_number_between_any_two_texts_is_found(network: str, before: str, after: str) -> None:
    text = f"{before}: {NETWORKS[network]} {after}" if not after[:1].isdigit() else f"{NETWORKS[network]} / {after}"
    assert verdict(json.dumps(event(unknown=text)).encode()) is not None
