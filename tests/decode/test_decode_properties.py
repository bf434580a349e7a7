"""For any input: no exception, no lost value, no sensitive data in outputs, and the same result for any batches."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scoring.decode import Col, Decoded, DecodeLimits, decode, encode_dead_letter, parse_merchants, parse_reports
from tests.decode.guard.numbers import NETWORKS, luhn_runs
from tests.events import encoded, event

LIMITS = DecodeLimits()
GOOD = encoded()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NUMBERS = st.sampled_from(sorted(NETWORKS.values()))
TEETH = st.sampled_from([b'"', b"{", b"]", b"\\", b"\\u00", b"\xe3", b"1e5", b","])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Give the bytes of a good event with some cut out, inserted, or changed."""
    value = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(value)))
        to = draw(st.integers(at, min(len(value), at + 20)))
        value[at:to] = draw(
            st.binary(max_size=8) | st.sampled_from([b'"', b"{", b"]", b"\\", b"\\u00", b"\xe3", b"1e5", b","])
        )
    return bytes(value)


@st.composite
def leaking(draw: st.DrawFn) -> bytes:
    """Give an event, maybe broken, with a card number somewhere."""
    number = draw(NUMBERS)
    made: dict[str, Any] = event(unknown=draw(JSON))
    where = draw(st.sampled_from(["event_id", "unknown", "merchant", "device", number]))
    made[where] = draw(st.sampled_from([number, int(number), [number], {"x": f"no. {number}"}, {number: None}]))
    value = json.dumps(made, ensure_ascii=draw(st.booleans())).encode(errors="replace")
    return value[: draw(st.integers(0, len(value)))] if draw(st.booleans()) else value


VALUES = st.one_of(
    st.binary(max_size=200),
    st.just(GOOD),
    damaged(),
    leaking(),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.text(max_size=40).map(lambda text: text.encode(errors="replace")),
    st.text('{}[]",:\\e.-019u ', max_size=60).map(str.encode),
)


def rows(decoded: Decoded) -> list[tuple[int, list[int], list[int]]]:
    return list(zip(decoded.index.tolist(), decoded.ints.tolist(), decoded.hashes.tolist(), strict=True))


@given(st.lists(VALUES, max_size=8))
def test_every_value_is_either_an_event_or_a_reject(values: list[bytes]) -> None:
    decoded = decode(values, LIMITS)
    taken, refused = decoded.index.tolist(), [position for position, _ in decoded.rejects]
    assert sorted(taken + refused) == list(range(len(values)))
    assert taken == sorted(taken)
    assert refused == sorted(refused)
    assert decoded.ints.shape == (len(decoded), len(Col))
    assert decoded.hashes.shape == (len(decoded), 9)
    for other in (
        parse_reports(values, LIMITS).rejects,
        parse_merchants([b"a/b"] * len(values), values, LIMITS).rejects,
    ):
        assert len(other) == len(values)


@given(st.lists(VALUES, max_size=8), st.data())
def test_the_result_does_not_depend_on_how_a_stream_is_cut(values: list[bytes], data: st.DataObject) -> None:
    whole = decode(values, LIMITS)
    cut = data.draw(st.integers(0, len(values)))
    left, right = decode(values[:cut], LIMITS), decode(values[cut:], LIMITS)
    assert whole.rejects == left.rejects + [(cut + at, reject) for at, reject in right.rejects]
    assert rows(whole) == rows(left) + [(cut + at, ints, hashes) for at, ints, hashes in rows(right)]
    assert whole.names == left.names + right.names


@given(st.lists(leaking(), min_size=1, max_size=5))
def test_no_dead_letter_holds_a_number_of_its_record(values: list[bytes]) -> None:
    for position, reject in decode(values, LIMITS).rejects:
        key, letter = encode_dead_letter(reject, "t", 0, position, len(values[position]), 0, 0)
        assert list(luhn_runs((key + letter).decode())) == []
        assert reject.path.replace("[0]", "").isascii()
        assert not set("0123456789") & set(reject.path.replace("[0]", ""))


@given(leaking())
def test_no_number_of_a_network_gets_through(value: bytes) -> None:
    decoded = decode([value], LIMITS)
    if decoded.names:
        text = json.dumps(json.loads(decoded.values[0]), ensure_ascii=False)
        assert not any(number in text for number in NETWORKS.values())


@given(damaged())
def test_damage_is_refused_or_harmless_but_never_fatal(value: bytes) -> None:
    decoded = decode([GOOD, value, GOOD], LIMITS)
    assert decoded.index.tolist()[0] == 0
    assert decoded.index.tolist()[-1] == 2
