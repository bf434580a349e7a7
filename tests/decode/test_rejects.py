"""Every kind of bad record becomes a bounded reason and a path, in a dead letter with no other content."""

import json
from typing import Any, get_args

import msgspec
import pytest

from scoring.contract.dead_letter import REASONS, DeadLetter, DeadLetterReason, Reject
from scoring.decode import DecodeLimits, decode, encode_dead_letter
from scoring.decode.rejects import PATH_MAX, path_of
from tests.events import encoded, event

LIMITS = DecodeLimits()


def verdict(value: bytes, limits: DecodeLimits = LIMITS) -> tuple[str, str] | None:
    rejects = decode([value], limits).rejects
    return (rejects[0][1].reason, rejects[0][1].path) if rejects else None


@pytest.mark.parametrize(
    ("value", "reason", "path"),
    [
        (b"", "EMPTY", "$"),
        (b" ", "MALFORMED_JSON", "$"),
        (b"{", "MALFORMED_JSON", "$"),
        (b"{} x", "MISSING_FIELD", "$.event_id"),
        (encoded() + b"x", "MALFORMED_JSON", "$"),
        (encoded()[:-1] + b',"x":NaN}', "MALFORMED_JSON", "$"),
        (encoded()[:-1] + b',"x":-Infinity}', "MALFORMED_JSON", "$"),
        (encoded()[:-1] + b',"x":01}', "MALFORMED_JSON", "$"),
        (encoded()[:-1] + b',"x":1,}', "MALFORMED_JSON", "$"),
        (b"\xef\xbb\xbf" + encoded(), "MALFORMED_JSON", "$"),
        (b"[]", "WRONG_TYPE", "$"),
        (b"1e5", "WRONG_TYPE", "$"),
        (b'"x"', "WRONG_TYPE", "$"),
        (b'{"x":"\xc0\xaf"}', "INVALID_UTF8", "$"),  # overlong
        (b'{"x":"\xed\xa0\x80"}', "INVALID_UTF8", "$"),  # a surrogate
        (b'{"x":"\xe3\x81"}', "INVALID_UTF8", "$"),
        (b"\xe3", "INVALID_UTF8", "$"),
        (encoded()[:-1] + b',"x":' + b"[" * 32 + b"]" * 32 + b"}", "NESTED_TOO_DEEP", "$"),
        (b"[" * 60_000, "NESTED_TOO_DEEP", "$"),
        (b'{"a":' * 10_000, "NESTED_TOO_DEEP", "$"),
        (encoded(event_id=5), "WRONG_TYPE", "$.event_id"),
        (encoded(event_id=""), "OUT_OF_RANGE", "$.event_id"),
        (encoded(event_id="x" * 65), "OUT_OF_RANGE", "$.event_id"),
        (encoded(event_id=None), "MISSING_FIELD", "$.event_id"),
        (encoded(merchant={"id": None}), "MISSING_FIELD", "$.merchant.id"),
        (encoded(amount={"minor": -1}), "OUT_OF_RANGE", "$.amount.minor"),
        (encoded(amount={"minor": 10**12}), "OUT_OF_RANGE", "$.amount.minor"),
        (encoded(amount={"minor": 1.5}), "WRONG_TYPE", "$.amount.minor"),
        (encoded(amount={"minor": "12"}), "WRONG_TYPE", "$.amount.minor"),
        (encoded(amount={"minor": True}), "WRONG_TYPE", "$.amount.minor"),
        (encoded(card={"network": "Visa"}), "INVALID_VALUE", "$.card.network"),
        (encoded(schema_version="auth.event.v2"), "INVALID_VALUE", "$.schema_version"),
        (encoded(tds={"eci": 5}), "WRONG_TYPE", "$.tds.eci"),
        (encoded(tds={"eci": "123456789"}), "OUT_OF_RANGE", "$.tds.eci"),
        (encoded(tds={"challenge_ind": [1]}), "WRONG_TYPE", "$.tds.challenge_ind[0]"),
        (encoded(net={"asn": 2**32}), "OUT_OF_RANGE", "$.net.asn"),
    ],
)
def test_a_bad_record_has_a_reason_and_a_path(value: bytes, reason: str, path: str) -> None:
    assert verdict(value) == (reason, path)


def test_a_huge_integer_is_out_of_range_where_it_counts_and_harmless_elsewhere() -> None:
    huge = "7" * 5000
    value = encoded(amount={"minor": 12345})
    assert verdict(value.replace(b"12345", huge.encode())) == ("OUT_OF_RANGE", "$.amount.minor")
    assert verdict(encoded()[:-1] + f',"x":{huge}}}'.encode()) is None


def test_size_and_depth_are_judged_at_their_limits() -> None:
    padded = json.dumps(event(x="")).encode()
    at_limit = padded.replace(b'"x": ""', b'"x": "' + b"y" * (65_536 - len(padded)) + b'"')
    assert len(at_limit) == 65_536
    assert verdict(at_limit) is None
    assert verdict(at_limit.replace(b'"x"', b'"xy"')) == ("OVERSIZE", "$")
    assert verdict(encoded()[:-1] + b',"x":' + b"[" * 31 + b"]" * 31 + b"}") is None
    assert verdict(encoded(), DecodeLimits(bytes_max=10)) == ("OVERSIZE", "$")
    assert verdict(encoded(), DecodeLimits(depth_max=1)) == ("NESTED_TOO_DEEP", "$")


def test_brackets_in_strings_do_not_count_as_depth() -> None:
    assert verdict(encoded(x="[" * 100 + '\\"' + "{" * 100)) is None


def test_of_repeated_keys_the_last_counts() -> None:
    value = b'{"event_id":"first",' + encoded(event_id="last")[1:]
    assert decode([value], LIMITS).names[0][0] == b"last"


def test_a_path_is_bounded_and_holds_names_of_the_contract_only() -> None:
    assert path_of(["card", "pan_hmac"]) == "$.card.pan_hmac"
    assert path_of(["card", "secret", 3, 5000]) == "$.card.*[3][*]"
    assert len(path_of(["merchant"] * 100)) <= PATH_MAX
    assert path_of([]) == "$"


def test_a_dead_letter_names_the_coordinates_and_has_no_content_of_the_record() -> None:
    key, value = encode_dead_letter(Reject(reason="OVERSIZE", path="$"), "authorizations", 3, 17, 70_000, -1, 5)
    assert key == b"authorizations/3/17"
    assert msgspec.json.decode(value, type=DeadLetter) == DeadLetter(
        schema_version="dead-letter.v1",
        topic="authorizations",
        partition=3,
        offset=17,
        reason="OVERSIZE",
        path="$",
        size_bytes=70_000,
        record_ms=0,
        received_ms=5,
    )


def test_the_reasons_are_the_bounded_set_that_metrics_count() -> None:
    assert get_args(DeadLetterReason) == REASONS
    assert len(set(REASONS)) == len(REASONS) == 17


@pytest.mark.parametrize("extra", [{}, {"x": "\u5bb6" * 50}])
def test_values_of_a_batch_are_read_separately(extra: dict[str, Any]) -> None:
    """The next value must not complete a record that was cut inside a character."""
    cut = '{"x":"\u5bb6'.encode()[:-1]
    rest = '\u5bb6"}'.encode()[2:]
    decoded = decode([cut, rest, encoded(**extra)], LIMITS)
    assert [position for position, _ in decoded.rejects] == [0, 1]
    assert {reject.reason for _, reject in decoded.rejects} == {"INVALID_UTF8"}
