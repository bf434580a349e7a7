"""The kernel reads all ordinary traffic, with the same meaning as msgspec."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.simulator.soak import soak_values
from scoring.contract.codes import NetworkCode, OutcomeClass
from scoring.decode import Col, DecodeLimits, decode
from scoring.decode.hashing import KEYS
from scoring.decode.page import lay_out
from scoring.decode.read import FAULTS, NAMES, READ, UNREAD, Reading, decode_event, read_batch, read_event
from scoring.decode.read.fields import FIELDS, OBJECT
from scoring.decode.read.oddities import blank_notes
from tests.events import encoded, event
from tests.examples import examples, sample

LIMITS = DecodeLimits(yen_per_unit={"USD": 150.0, "EUR": 160.5})
EXAMPLE = json.loads((Path(__file__).parents[2] / "scoring/contract/examples/auth.event.v1.json").read_text())
LEAVES = [field.path for field in FIELDS if field.kind != OBJECT]
SCALARS: list[Any] = [
    *(None, True, False, 0, 1, -1, 4, 5, 2**31, 10**12 - 1, 10**12, 10**18, 10**25, 1.0, 0.5, 1e3, [], {}, ["01"]),
    *("", "1", "01", "05", "8a", "Y", "y", "?", "JP", "jp", "T1", "USD", "XXX", "N0", "2.2.0", "none", "apple_pay"),
    *("5 ", " 5", "005", "00000005", "ZZ", "  ", " Y", "00N0", " none ", "low_value", "because", "79"),
    *(
        "5732",
        "573x",
        "453200",
        "45320012",
        "45320x",
        "visa",
        "VISA",
        "purchase",
        "ecom",
        "MIT",
        "POST_AUTH",
        "GENERIC",
    ),
    *("2026-05-01T03:00:00Z", "2026-02-29T03:00:00Z", "2024-02-29T23:59:59.999999+09:00", "2026-05-01 03:00:00Z"),
    *("2026-05-01T03:00:00.1234567Z", "2026-05-01T24:00:00Z", "2026-13-01T00:00:00Z", "2026-05-01T03:00:00-09:30"),
    *("1970-06-01T00:00:00Z", "2026-05-01T03:00:60Z", "2026-05-01t03:00:00z", "2026-05-01T03:00:00.Z", "2026-05-01"),
    *("x" * 9, "x" * 33, "x" * 64, "x" * 65, "x" * 129, "x" * 257, "\u5408", "\u5bb6" * 64, "\U0001f600", "a\u0000b"),
    *('a"b', "a\\b", "a/b", "a\nb", "\u007f", "e\u0301", "auth.event.v1", "unknown", "credit"),
]


def exactly(value: bytes) -> tuple[int, Any, Any, Any] | None:
    """Read a value by msgspec alone."""
    try:
        made = decode_event(value)
    except FAULTS:
        return None
    reading = Reading(
        np.empty(1, np.int8),
        np.empty((1, len(Col)), np.int64),
        np.empty((1, KEYS), np.uint64),
        np.zeros((1, 4, 2), np.int64),
        blank_notes(),
        np.zeros(len(NetworkCode), np.int64),
    )
    read_event(made, LIMITS, reading, 0)
    names = tuple(text.encode() for text in (made.event_id, made.acquirer.id, made.card.pan_hmac, made.merchant.id))
    return int(reading.verdicts[0]), reading.ints[0].tolist(), reading.hashes[0].tolist(), names


def agrees(value: bytes) -> bool:
    """Compare what the kernel reads of a value with msgspec; tell whether it read it."""
    page, _ = lay_out([value], LIMITS)
    reading = read_batch(page, LIMITS)
    if reading.verdicts[0] == UNREAD:
        return False
    exact = exactly(value)
    assert exact is not None, "the kernel accepted a value that msgspec refuses"
    verdict, ints, hashes, names = exact
    assert reading.verdicts[0] == verdict
    if verdict == READ:
        assert reading.ints[0].tolist() == ints
        assert reading.hashes[0].tolist() == hashes
        assert tuple(page.data[a:z] for a, z in reading.names[0].tolist()) == names
        assert len(names) == NAMES
    return True


def with_leaf(path: tuple[str, ...], leaf: Any) -> dict[str, Any]:
    made = json.loads(json.dumps(EXAMPLE))
    node = made
    for step in path[:-1]:
        node = node.setdefault(step, {})
    node[path[-1]] = leaf
    return dict(made)


def test_ordinary_traffic_needs_no_second_reading() -> None:
    """Otherwise every event would cost twice, and no other test would notice."""
    values = [value for batch in soak_values(examples(4_000), examples(2_000), 5) for _, value in batch]
    decoded = decode(values, LIMITS)
    assert len(decoded) == len(values)
    assert decoded.spelt == frozenset()
    assert agrees(json.dumps(EXAMPLE).encode())
    assert agrees(json.dumps(EXAMPLE, indent=2).encode())


@pytest.mark.parametrize("path", sample(LEAVES), ids=".".join)
def test_every_field_reads_as_msgspec_reads_it(path: tuple[str, ...]) -> None:
    read = 0
    for leaf in SCALARS:
        for ascii_only in (True, False):
            read += agrees(json.dumps(with_leaf(path, leaf), ensure_ascii=ascii_only).encode())
    assert read > 0


@pytest.mark.parametrize("section", [field.path for field in FIELDS if field.kind == OBJECT], ids=".".join)
def test_every_section_may_be_absent_null_or_wrong_as_with_msgspec(section: tuple[str, ...]) -> None:
    for made in (None, {}, [], "x", 1, True, {"new": {"a": [1, {}, "\u5bb6", None]}}):
        agrees(json.dumps(with_leaf(section, made)).encode())
    without = {name: value for name, value in EXAMPLE.items() if name != section[0]}
    agrees(json.dumps(without).encode())


@pytest.mark.parametrize(
    "text",
    [
        '"merchant":{"name":"\\u5bb6\\n\\"\\/","id":"m","mcc":"5732","country":"JP"}',
        '"merchant":{"name":"\\ud83d\\ude00","id":"m","mcc":"5732","country":"JP"}',
        '"merchant":{"name":"\\ud83d","id":"m","mcc":"5732","country":"JP"}',
        '"merchant":{"name":"\\x","id":"m","mcc":"5732","country":"JP"}',
        '"merchant":{"id":"m\\u002d1","mcc":"5732","country":"JP"}',
        '"merchant":{"id":"m","id":"n","mcc":"5732","country":"JP"}',
        '"merchant":{"id":"m","mcc":"5732","country":"JP"},"merchant":{"id":"n","mcc":"5732","country":"JP"}',
        '"new":[1,-0,0.5,-12.25,"x",[[]],{"a":{}},true,false,null]',
        '"new":01',
        '"new":1e400',
        '"new":-',
        '"new":1.',
        '"new":tru',
        '"new":[1,]',
        '"new":{"a":1,}',
        '"new":{"a"}',
        '"new":[}',
        '"new":"\x01"',
        '"":1',
        '"\\u0065vent_id":"other"',
        '"new":' + "[" * 31 + "]" * 31,
    ],
)
def test_unusual_spellings_are_left_to_msgspec_or_read_as_by_it(text: str) -> None:
    value = encoded()
    agrees(value[:-1] + b"," + text.encode() + b"}")
    agrees(b"{" + text.encode() + b"," + value[1:])
    agrees(b" \n{" + text.encode() + b" ,\t" + value[1:] + b"\r\n ")


@given(st.randoms(use_true_random=False), st.sampled_from([None, 1, 4]))
def test_the_order_of_keys_and_white_space_mean_nothing(random: Any, indent: int | None) -> None:
    def shuffled(node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        names = list(node)
        random.shuffle(names)
        return {name: shuffled(node[name]) for name in names}

    value = json.dumps(shuffled(EXAMPLE), indent=indent).encode()
    assert agrees(value)
    plain = decode([json.dumps(EXAMPLE).encode()], LIMITS)
    assert decode([value], LIMITS).ints.tolist() == plain.ints.tolist()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Give the bytes of the full example with some cut out, doubled, or changed."""
    value = json.dumps(EXAMPLE, ensure_ascii=draw(st.booleans()), separators=(",", ":")).encode()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(value)))
        to = draw(st.integers(at, min(len(value), at + 12)))
        teeth = st.sampled_from(
            [b'"', b"{", b"}", b"]", b"[", b"\\", b":", b",", b" ", b"0", b"-", b".", b"null", b"e"]
        )
        put = draw(teeth | st.binary(max_size=3) | st.just(value[at:to] * 2))
        value = value[:at] + put + value[to:]
    return value


@settings(max_examples=examples(600))
@given(damaged())
@example(b"{}")
@example(b"[]")
@example(b"{")
@example(json.dumps(EXAMPLE).encode() + b"}")
def test_damaged_records_are_read_as_by_msgspec(value: bytes) -> None:
    try:
        value.decode()
    except UnicodeDecodeError:
        return  # the guard refuses it: encodings are checked there
    if value:
        agrees(value)


def test_an_event_that_the_kernel_leaves_is_decided_too() -> None:
    """Events with escapes, lists and repeated keys are read by msgspec into the same columns."""
    plain = decode([encoded(tds={"challenge_ind": "04"}, merchant={"id": "m/1"})], LIMITS)
    long = encoded(tds={"challenge_ind": ["04"]}, merchant={"id": "m/1"}).replace(b"m/1", b"m\\/1")
    spelt = decode([long, encoded(event_id="e-2")], LIMITS)
    assert spelt.spelt == {0}
    assert spelt.ints[0].tolist() == plain.ints[0].tolist()
    assert spelt.hashes[0].tolist() == plain.hashes[0].tolist()
    assert spelt.names[0] == plain.names[0]
    assert decode_event(spelt.values[0]).merchant.id == "m/1"


def test_outcomes_follow_the_network_that_answered() -> None:
    made = event(outcome={"response_code": "N7", "approved": False})
    for network, outcome in (("visa", OutcomeClass.BAD_CRED), ("jcb", OutcomeClass.GENERIC)):
        made["card"]["network"] = network
        assert decode([json.dumps(made).encode()], LIMITS).ints[0, Col.OUTCOME] == outcome
