"""The guard removes sensitive data, and the rest is decided as if the data had never been sent; or the event is
refused.
"""

import json
from copy import deepcopy
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.dead_letter import Reject
from scoring.decode import Decoded, DecodeLimits, decode, parse_merchants, parse_reports
from scoring.decode.settings import IDENTIFIERS
from scoring.decode.stripping import Finding, told_path
from tests.decode.guard.numbers import NETWORKS, PAN, luhn_runs
from tests.decode.test_side_inputs import merchant, report
from tests.events import encoded, event
from tests.examples import sample

STRIP, REFUSE = DecodeLimits(), DecodeLimits(guard="refuse")
SCHEMA = json.loads((resources.files("scoring.contract") / "schemas" / "auth.event.v1.json").read_text("utf-8"))
FULL: dict[str, Any] = json.loads(
    (resources.files("scoring.contract") / "examples" / "auth.event.v1.json").read_text("utf-8")
)
CARRIED = {("event_id",), ("acquirer", "id"), ("card", "pan_hmac"), ("merchant", "id")}
LEAVES = [
    (section, name) if isinstance(value, dict) else (section,)
    for section, value in FULL.items()
    for name in (value if isinstance(value, dict) else (section,))
]


def read(value: bytes, limits: DecodeLimits = STRIP) -> Decoded:
    decoded = decode([value], limits)
    assert len(decoded) + len(decoded.rejects) == 1
    return decoded


def same(one: Decoded, other: Decoded) -> bool:
    rows = [(d.names, d.ints.tolist(), d.hashes.tolist()) for d in (one, other)]
    return rows[0] == rows[1] and one.event(0) == other.event(0)


def needs(section: str | None, name: str) -> bool:
    """Look up in the shipped schema, which is written by hand, whether a field is required."""
    if section is None:
        return name in SCHEMA["required"]
    told = SCHEMA["properties"][section]
    kind = (told.get("$ref") or told["anyOf"][0]["$ref"]).rsplit("/", 1)[1]
    return name in SCHEMA["$defs"][kind].get("required", [])


def without(path: tuple[str, ...]) -> dict[str, Any] | None:
    """Give the full event without the smallest optional part around a field; None if there is none."""
    made = deepcopy(FULL)
    if len(path) == 2 and not needs(*path):
        del made[path[0]][path[1]]
    elif not needs(None, path[0]):
        del made[path[0]]
    else:
        return None
    return made


@pytest.mark.parametrize("path", sample(LEAVES), ids=".".join)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_field_with_a_card_number_reads_as_a_missing_field(path: tuple[str, ...], wrapped: bool) -> None:
    made, value = deepcopy(FULL), {"x": [PAN]} if wrapped else PAN
    if len(path) == 2:
        made[path[0]][path[1]] = value
    else:
        made[path[0]] = value
    decoded = read(json.dumps(made, ensure_ascii=False).encode())
    expected = without(path)
    if path in CARRIED or expected is None:
        assert [reject.reason for _, reject in decoded.rejects] == ["SENSITIVE_PAN"]
        assert decoded.rejects[0][1].path.startswith("$." + ".".join(path))
    else:
        assert same(decoded, read(json.dumps(expected, ensure_ascii=False).encode()))
        assert [finding.kind for finding in decoded.findings[0]] == ["SENSITIVE_PAN"]
        assert decoded.findings[0][0].path.startswith("$." + ".".join(path))
    assert len(read(json.dumps(made).encode(), REFUSE).rejects) == 1


UNKNOWN = [
    {"ext": {"items": [{"jan": "4969070293131", "qty": 1}]}},
    {"ext": {"shipping": {"track": "451234567890"}}},
    {"ext": {"address": {"pin": "560001"}}},
    {"ext": {"cid": "1234"}},
    {"note": f"please ring {PAN}"},
    {"ext": {PAN: {"a": 1}, "b": [1.50, -0.0, 1e3, True, None]}},
    {"ext": {"raw": json.dumps({"cvv": "123"}), "name": "\u5bb6"}},
    {"ext": [[{"pin": 1234}]]},
]


@pytest.mark.parametrize("unknown", UNKNOWN, ids=str)
def test_a_number_in_an_unknown_field_does_not_change_the_score(unknown: dict[str, Any]) -> None:
    made = json.dumps({**event(), **unknown}, ensure_ascii=False).encode()
    assert same(read(made), read(encoded()))


def test_values_that_do_not_fit_are_not_found_at_all() -> None:
    assert all(not read(json.dumps({**event(), **unknown}).encode()).findings for unknown in UNKNOWN[:3])
    assert all(read(json.dumps({**event(), **unknown}).encode()).findings for unknown in UNKNOWN[3:])


@given(
    st.lists(st.sampled_from([*LEAVES, ("ext", "note"), ("device", "more"), ("free",)]), max_size=3),
    st.sampled_from(sorted(NETWORKS.values())),
    st.booleans(),
)
def test_any_fields_may_be_hit_and_neighbours_do_not_matter(
    paths: list[tuple[str, ...]], number: str, is_ascii: bool
) -> None:
    made = deepcopy(FULL)
    for path in paths:
        section = made.setdefault(path[0], {}) if len(path) == 2 else made
        if isinstance(section, dict):
            section[path[-1]] = number
    value = json.dumps(made, ensure_ascii=is_ascii).encode()
    alone, among = read(value), decode([encoded(), value, encoded(note=PAN), b"{", value], STRIP)
    assert [reject for at, reject in among.rejects if at in {1, 4}] == [reject for _, reject in alone.rejects] * 2
    for at, findings in among.findings.items():
        place = among.index[at]
        assert findings == ((Finding("$.note", "SENSITIVE_PAN"),) if place == 2 else alone.findings[0])
        stays = any((told_path(path), len(number)) in IDENTIFIERS for path in paths)
        assert (number.encode() in among.values[place]) == (stays and place != 2)
    assert read(json.dumps({**made, "note": ""}).encode()).findings == alone.findings


def test_all_repeated_keys_are_removed() -> None:
    value = encoded()[:-1] + b',"psp":{"id":"p"},"psp":{"id":"%b"}}' % PAN.encode()
    assert same(read(value), read(encoded()))
    twice = encoded()[:-1] + b',"event_id":"%b"}' % PAN.encode()
    assert read(twice).rejects == [(0, Reject(reason="SENSITIVE_PAN", path="$.event_id"))]


@pytest.mark.parametrize(
    "text", ['"\\ud800"', '"\\u0000\\u001f\\"\\\\"', "1e5", "-0", "12345678901234567890.10", "[]", "{}"]
)
def test_the_rest_keeps_its_spelling(text: str) -> None:
    plain = encoded()[:-1] + b',"merchant":' + json.dumps(event()["merchant"])[:-1].encode()
    for place in (b',"goods_class":', b',"x":'):
        value = plain + place + text.encode() + b"}"
        clean, hit = read(value + b"}"), read(value + b',"note":"%b"}' % PAN.encode())
        assert (clean.rejects == []) == (hit.rejects == [])
        assert bool(clean.rejects) or same(clean, hit)


def test_a_record_that_is_refused_after_stripping_has_the_reason_of_the_finding() -> None:
    assert read(encoded(event_id=None, note=PAN)).rejects == [(0, Reject(reason="SENSITIVE_PAN", path="$.*"))]
    assert read(encoded(event_id=None)).rejects == [(0, Reject(reason="MISSING_FIELD", path="$.event_id"))]
    assert read(encoded(note=PAN)[:-1]).rejects[0][1].reason == "SENSITIVE_PAN"


@given(st.lists(st.text(max_size=40) | st.integers(0, 10**6) | st.sampled_from([PAN, "cvv2", "line_1"]), max_size=12))
def test_a_shown_path_can_hold_no_card_number(steps: list[str | int]) -> None:
    path = told_path(steps)
    assert len(path) <= 128
    assert path.isascii()
    assert sum(map(str.isdigit, path)) <= 4
    assert list(luhn_runs(path)) == []


def test_a_path_names_fields_as_their_sender_does() -> None:
    steps = ["ext", "items", 17, "gift_note2", "\u5bb6", PAN, "a b", "x" * 33]
    assert told_path(steps) == "$.ext.items[*].gift_note2.*.*.*.*"
    assert told_path(["a12", "b34", "c56", "d"]) == "$.*.*.*.d"


@pytest.mark.parametrize("name", ["note", "network_txn_id", "analyst_id", "code", "reported_at"])
def test_a_report_counts_without_the_removed_text(name: str) -> None:
    parsed = parse_reports([report(**{name: PAN}), report()], STRIP)
    assert parsed.rejects == []
    assert parsed.card.tolist() == parse_reports([report()] * 2, STRIP).card.tolist()
    assert parsed.findings == {0: (Finding(f"$.{name}", "SENSITIVE_PAN"),)}
    assert len(parse_reports([report(**{name: PAN})], REFUSE).rejects) == 1


@pytest.mark.parametrize("name", ["label_id", "event_id", "merchant_id", "acquirer_id", "pan_hmac"])
def test_a_report_that_names_a_number_as_an_id_is_refused(name: str) -> None:
    (reject,) = parse_reports([report(**{name: PAN})], STRIP).rejects
    assert reject == (0, Reject(reason="SENSITIVE_PAN", path=f"$.{name}"))


def test_a_merchant_is_stored_without_the_removed_text() -> None:
    key, item = b"acq-1/m/1", {"status": "IMPLEMENTED", "alternative_text": PAN}
    checklist = {"version": "1", "attested_by": PAN, "items": {"SC1_ADMIN": item, "SC2_DIR": {"status": "UNKNOWN"}}}
    parsed = parse_merchants([key], [merchant(checklist=checklist, note=PAN)], STRIP)
    del item["alternative_text"], checklist["attested_by"]
    assert parsed.changes == parse_merchants([key], [merchant(checklist=checklist)], STRIP).changes
    assert {finding.path for finding in parsed.findings[0]} == {
        "$.note",
        "$.checklist.attested_by",
        "$.checklist.items.SC1_ADMIN.alternative_text",
    }
    assert len(parse_merchants([key], [merchant(note=PAN)], REFUSE).rejects) == 1
