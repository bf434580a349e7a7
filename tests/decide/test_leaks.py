"""SYSTEM alerts of one desk: which are raised, their limits, and their content."""

import json

import pytest

from scoring.decide.leaks import ACQUIRERS_MAX, FIELDS_MAX, LeakDesk, encode_leak, is_leak
from scoring.decode.stripping import Finding
from scoring.policy.policy import AlertRules

MINUTE = 60_000
RULES = AlertRules(dedup_minutes=15)
OTHERS = Finding("$.*", "SENSITIVE_PAN")


def field(n: int) -> Finding:
    return Finding(f"$.f{n}", "SENSITIVE_PAN")


def told(desk: LeakDesk, acquirer: str, finding: Finding, event_ms: int) -> Finding | None:
    leak = desk.admit(acquirer, finding, event_ms)
    if leak is not None:
        assert leak.first_ms == event_ms
    return leak.finding if leak else None


def test_a_field_has_another_alert_only_after_the_window_of_its_acquirer_path_and_kind() -> None:
    desk = LeakDesk(RULES)
    security_code = Finding("$.f1", "SENSITIVE_CVV")
    assert told(desk, "a", field(1), 0) == field(1)
    assert told(desk, "a", field(1), 15 * MINUTE) is None
    assert told(desk, "a", security_code, 0) == security_code
    assert told(desk, "a", field(2), 0) == field(2)
    assert told(desk, "b", field(1), 0) == field(1)
    assert told(desk, "a", field(1), 15 * MINUTE + 1) == field(1)


def test_within_a_window_an_acquirer_has_a_limit_of_fields_and_one_alert_for_the_others() -> None:
    desk = LeakDesk(RULES)
    assert FIELDS_MAX == 64
    assert [told(desk, "a", field(n), 0) for n in range(64)] == [field(n) for n in range(64)]
    assert told(desk, "a", field(64), 15 * MINUTE) == OTHERS
    assert told(desk, "a", field(65), 15 * MINUTE) is None
    assert told(desk, "b", field(0), 0) == field(0)
    later = 15 * MINUTE + 1
    assert [told(desk, "a", field(100 + n), later) for n in range(64)] == [field(100 + n) for n in range(64)]
    assert told(desk, "a", field(200), later + MINUTE) is None, "the alert for the other fields is open"
    assert told(desk, "a", field(201), 2 * later - 1) == OTHERS
    assert told(desk, "a", field(300), 2 * later) == field(300)


@pytest.mark.parametrize("others", [1_023, 1_024])
def test_the_number_of_acquirers_is_bounded_and_the_least_recent_is_dropped_first(others: int) -> None:
    assert ACQUIRERS_MAX == 1_024
    desk = LeakDesk(RULES)
    for n in range(FIELDS_MAX - 1):
        told(desk, "a", field(n), 0)
    told(desk, "idle", field(0), 0)
    assert told(desk, "a", field(63), 0) == field(63), "it is no longer the least recent"
    for n in range(others - 1):
        assert told(desk, f"other-{n}", field(0), 0) == field(0)
    assert told(desk, "a", field(64), 0) == OTHERS
    for n in range(others):
        told(desk, f"more-{n}", field(0), 0)
    assert told(desk, "a", field(66), 0) == (None if others < ACQUIRERS_MAX else field(66))


def test_two_thousand_open_cases_are_known() -> None:
    desk = LeakDesk(RULES)
    for n in range(2_000):
        assert told(desk, f"acq-{n // 50}", field(n), 0) == field(n)
    assert all(told(desk, f"acq-{n // 50}", field(n), 1) is None for n in range(2_000))


@pytest.mark.parametrize("band", range(4))
def test_an_alert_names_the_place_the_kind_and_the_time(band: int) -> None:
    desk = LeakDesk(RULES)
    leak = desk.admit("acq", Finding("$.ext.cvv", "SENSITIVE_CVV"), 17)
    assert leak
    key, value = encode_leak(leak, (b"e-9", b"acq", b"card", b"m-1"), band, 12_800, {"score": 7, "action": "look"})
    shown = json.loads(value)
    assert is_leak(value)
    assert shown == {
        "schema_version": "alert.v1",
        "alert_id": "689dd77467ff88079bac42ed6f8acad0",
        "dedup_key": key.decode(),
        "type": "SYSTEM",
        "severity": "HIGH",
        "event_id": "e-9",
        "acquirer_id": "acq",
        "merchant_id": "m-1",
        "pan_hmac": "card",
        "entity": "FIELD",
        "band": ["ALLOW", "REVIEW", "STEP_UP", "BLOCK"][band],
        "reasons": [],
        "count": 1,
        "first_seen_ms": 17,
        "last_seen_ms": 17,
        "amount_jpy": 12_800,
        "score": 7,
        "action": "look",
        "sensitive": {"path": "$.ext.cvv", "kind": "CVV"},
    }
    assert key.decode() == "SYSTEM:FIELD:df0d71ec568ea91d4c237fbd"


@pytest.mark.parametrize("value", [b"", b"{}", b"null", b'{"type":null}', b'{"type":"TXN"}', b"[" * 5_000])
def test_no_other_value_is_such_an_alert(value: bytes) -> None:
    assert not is_leak(value)


def test_a_published_alert_is_not_raised_again_by_the_next_worker() -> None:
    leak = LeakDesk(RULES).admit("acq", field(1), 17)
    assert leak
    _, value = encode_leak(leak, (b"e", b"acq", b"card", b"m"), 0, None, {})
    desk = LeakDesk(RULES)
    assert desk.restore_case(value)
    assert told(desk, "acq", field(1), 17 + 15 * MINUTE) is None
    assert not desk.restore_case(b"{}")
