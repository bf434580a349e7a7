"""Sensitive data in a field that no output carries: the event is decided, and one SYSTEM alert names the field."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from scoring.contract.alert import Alert
from scoring.decide.leaks import FIELDS_MAX, OTHER_FIELDS
from scoring.decode import DecodeLimits
from scoring.decode.settings import GuardMode
from scoring.decode.stripping.contracts import CARRIED
from scoring.engine import Engine
from scoring.observer import Settings
from scoring.outputs import Emitted, Outputs
from scoring.policy import policy_from
from scoring.profile import ProfileLimits
from tests.bundles import small_bundle
from tests.decode.guard.numbers import PAN
from tests.decode.guard.spellings import spellings
from tests.decode.guard.test_stripping import FULL
from tests.engine.test_engine import NOW_MS, POLICY, source
from tests.events import encoded, event, token
from tests.examples import sample

ALL_ALERT = policy_from({"version": "t", "global": {"review": 1, "step_up": 998, "block": 999}})
NO_IDENTIFIERS: frozenset[tuple[str, int]] = frozenset()
"""By default a merchant's id of 15 digits may look like American Express: `decode.identifiers`."""


def new_engine(guard: GuardMode = "strip", policy: Any = POLICY) -> Engine:
    settings = Settings(decode=DecodeLimits(guard=guard, pan_allowed=NO_IDENTIFIERS), profiles=ProfileLimits())
    return Engine(small_bundle(), policy, settings, "test")


def score(engine: Engine, values: Sequence[bytes], first: int = 0, **more: Any) -> Outputs:
    return engine.score(
        values, source(len(values), first=first), received_at_ms=NOW_MS, decided_at_ms=lambda: NOW_MS, **more
    )


def leaks(outputs: Outputs) -> list[Alert]:
    alerts = [msgspec.json.decode(value, type=Alert) for _, value in outputs.alerts]
    return [alert for alert in alerts if alert.type == "SYSTEM"]


def leaves(made: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in made.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name)


def test_outputs_carry_the_texts_of_these_fields_and_no_other() -> None:
    """Put a marker into every free text of the contract, and find the ones that decisions and alerts carry."""
    markers: dict[str, tuple[str, ...]] = {}
    made, probing = json.loads(json.dumps(FULL)), new_engine()
    for number, path in enumerate(leaves(FULL)):
        node = made
        for step in path[:-1]:
            node = node[step]
        kept, marker = node[path[-1]], f"Zq{number:03d}"
        node[path[-1]] = marker
        if isinstance(kept, str) and not score(probing, [json.dumps(made).encode()]).dead_letters:
            markers[marker] = path
        else:
            node[path[-1]] = kept
    assert len(markers) > 25
    outputs = score(new_engine(policy=ALL_ALERT), [json.dumps({**made, "note": PAN}).encode(), b"{"])
    assert (len(outputs.decisions), len(outputs.alerts), len(outputs.dead_letters)) == (1, 2, 1)
    for records in ([outputs.decisions[0]], [outputs.alerts[0]], [outputs.alerts[1]]):
        text = b"".join(key + value for key, value in records).decode()
        assert {path for marker, path in markers.items() if marker in text} == CARRIED
    assert {("event_id",), ("acquirer", "id"), ("card", "pan_hmac"), ("merchant", "id")} == CARRIED


def test_no_text_of_a_merchants_record_or_a_report_is_carried() -> None:
    engine = new_engine(policy=ALL_ALERT)
    texts = {"guideline_version": "Zq1", "checklist": {"version": "Zq2", "attested_by": "Zq3", "items": {}}}
    record = {"acquirer_id": "acq-1", "merchant_id": "m-1", "mcc": "5732", **texts}
    outputs = [engine.merchant([b"acq-1/m-1"], [json.dumps(record).encode()], source(1), received_at_ms=0)]
    report = {"label_id": "Zq4", "event_id": "e", "acquirer_id": "acq-1", "merchant_id": "m-1", "pan_hmac": "p"}
    report |= {"label": "FRAUD", "source": "TC40", "received_ts": "2026-05-01T02:00:00Z", "analyst_id": "Zq5"}
    report |= {"network_txn_id": "Zq6", "code": "Zq7"}
    outputs.append(engine.report([json.dumps(report).encode()], source(1), received_at_ms=0))
    outputs.append(score(engine, [encoded()]))
    assert [len(made.dead_letters) for made in outputs] == [0, 0, 0]
    assert not any(b"Zq" in key + value for made in outputs for key, value in made.decisions + made.alerts)


PLACES: list[Callable[[str], dict[str, Any]]] = [
    lambda text: {"note": text},
    lambda text: {"ext": {"a": [0, {"b": text}]}},
    lambda text: {"ext": {text: 1}},
    lambda text: {"raw": json.dumps({"x": text})},
    lambda text: {"merchant": {"name": text}},
    lambda text: {"ids": {"rrn": text}},
    lambda text: {"device": {"fp_hmac": text}},
    lambda text: {"shopper": {"email_domain": text, "account_hmac": text}},
    lambda text: {"event_id": text},
    lambda text: {"card": {"pan_hmac": text}},
    lambda text: {"merchant": {"id": text}},
    lambda text: {"acquirer": {"id": text}},
]
FREE = 8  # places whose text no output carries


@pytest.mark.parametrize("guard", ["strip", "refuse"])
def test_no_sensitive_data_is_published_in_any_spelling(guard: GuardMode, capfd: pytest.CaptureFixture[str]) -> None:
    engine, made = new_engine(guard, ALL_ALERT), list(spellings())
    assert len(made) > 8_400
    made = list(sample(made, step=31))
    for start in range(0, len(made), 120):
        chunk = made[start : start + 120]
        values, free = [], 0
        for number, (text, _) in enumerate(chunk):
            place = number % len(PLACES)
            free += place < FREE
            changes = {"event_id": f"e-{start + number}", **PLACES[place](text)}
            values.append(json.dumps(event(**changes), ensure_ascii=number % 2 == 0).encode())
        outputs = score(engine, values, first=start)
        assert len(outputs.decisions) == (free if guard == "strip" else 0)
        assert len(outputs.decisions) + len(outputs.dead_letters) == len(values)
        out = b"\n".join(key + value for key, value in outputs.decisions + outputs.alerts + outputs.dead_letters)
        tally = repr(outputs.tally)
        for text, number in chunk:
            assert number.encode() not in out
            assert json.dumps(text)[1:-1].encode() not in out
            assert text.encode() not in out
            assert number not in tally
    assert capfd.readouterr() == ("", "")


def at(minute: float, event_id: str, **changes: Any) -> bytes:
    seconds = round(minute * 60)
    stamp = f"2026-05-01T{3 + seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.000Z"
    return encoded(event_id=event_id, event_ts=stamp, **changes)


STREAM = [
    at(0, "a", note=PAN),
    at(1, "b", note=PAN, ext={"cvv": "123"}),
    at(2, "c", note=PAN, acquirer={"id": "acq-2"}),
    at(3, "d"),
    at(14, "e", note=PAN),
    at(15, "f", note=PAN),
    at(15.5, "g", note=PAN),
    at(16, "h", note=PAN),
    at(16, "h", note=PAN),
]


def test_each_field_of_an_acquirer_has_one_alert_within_the_window() -> None:
    engine = new_engine()
    outputs = score(engine, STREAM)
    found = [(a.event_id, a.acquirer_id, a.sensitive.path, a.sensitive.kind) for a in leaks(outputs) if a.sensitive]
    assert found == [
        ("a", "acq-1", "$.note", "PAN"),
        ("b", "acq-1", "$.ext.cvv", "CVV"),
        ("c", "acq-2", "$.note", "PAN"),
        ("g", "acq-1", "$.note", "PAN"),  # more than 15 minutes after the first
    ]
    assert len({alert.alert_id for alert in leaks(outputs)}) == 4
    assert outputs.tally.alerts["SYSTEM", "HIGH"] == 4
    assert outputs.tally.stripped == {"SENSITIVE_PAN": 7, "SENSITIVE_CVV": 1}
    assert outputs.tally.repeats == 1
    assert all(key == msgspec.json.decode(value)["dedup_key"].encode() for key, value in outputs.alerts)


def test_the_decision_is_that_of_the_event_without_the_field() -> None:
    one, other = score(new_engine(), [encoded(note=PAN)]), score(new_engine(), [encoded()])
    assert one.decisions == other.decisions
    assert one.tally.bands == other.tally.bands


@pytest.mark.parametrize("cut", range(1, len(STREAM)))
def test_a_restart_raises_no_alert_again_and_loses_none(cut: int) -> None:
    """The next worker knows what a dead worker published: restored from alerts, or found behind the marker."""
    whole = [alert.alert_id for alert in leaks(score(new_engine(), STREAM))]
    dead = leaks(score(new_engine(), STREAM[:cut]))
    published = [msgspec.json.encode(alert) for alert in dead]
    ids = frozenset(alert.alert_id for alert in dead)
    recalled = new_engine()
    assert recalled.restore_cases(published) == 0
    rest = leaks(score(recalled, STREAM, emitted=Emitted(leaks=ids)))
    assert ids.isdisjoint(alert.alert_id for alert in rest)
    assert ids | {alert.alert_id for alert in rest} == set(whole)
    behind = new_engine()
    assert behind.restore_cases(published) == 0
    after = leaks(score(behind, STREAM[cut:], first=cut))  # everything published is before the marker
    assert {alert.alert_id for alert in after} == set(whole) - ids
    took_over = leaks(score(new_engine(), STREAM, emitted=Emitted(leaks=ids)))  # without restored alerts
    assert {alert.alert_id for alert in took_over} == set(whole) - ids


def test_a_repeat_raises_no_alert() -> None:
    outputs = score(new_engine(), [at(0, "a"), at(0, "a", note=PAN)])
    assert (leaks(outputs), outputs.tally.stripped, outputs.tally.repeats) == ([], {}, 1)


def test_alerts_about_a_field_and_about_its_payment_do_not_suppress_each_other() -> None:
    value = [encoded(note=PAN)]
    both = score(new_engine(policy=ALL_ALERT), value)
    (leak,) = leaks(both)
    assert len(both.alerts) == 2
    only = score(new_engine(policy=ALL_ALERT), value, emitted=Emitted(leaks=frozenset({leak.alert_id})))
    assert only.alerts == [both.alerts[0]]
    other = score(new_engine(policy=ALL_ALERT), value, emitted=Emitted(alerts=frozenset({b"e-1"})))
    assert other.alerts == [both.alerts[1]]


def test_invented_names_of_fields_raise_a_bounded_number_of_alerts() -> None:
    letters = [chr(97 + n // 26) + chr(97 + n % 26) for n in range(400)]
    values = [at(0, f"e-{n}", card={"pan_hmac": token(str(n))}, **{letters[n]: PAN}) for n in range(400)]
    found = leaks(score(new_engine(), values))
    paths = [alert.sensitive.path for alert in found if alert.sensitive]
    assert len(paths) == len(set(paths)) == FIELDS_MAX + 1
    assert paths[-1] == OTHER_FIELDS


def test_a_refusal_raises_no_alert_and_removed_data_of_reports_is_counted() -> None:
    refused = score(new_engine("refuse"), STREAM)
    assert (len(refused.decisions), len(refused.dead_letters), leaks(refused)) == (1, 8, [])
    report = {"label_id": "l", "event_id": "e", "acquirer_id": "a", "merchant_id": "m", "pan_hmac": "p", "note": PAN}
    report |= {"label": "FRAUD", "source": "TC40", "received_ts": "2026-05-01T02:00:00Z"}
    outputs = new_engine().report([json.dumps(report).encode()], source(1), received_at_ms=0)
    assert (outputs.tally.stripped, outputs.tally.reports, outputs.alerts) == ({"SENSITIVE_PAN": 1}, {"FRAUD": 1}, [])
