"""A storm of authorizations through the engine: one incident, a few alerts, and the same again after a crash."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import orjson
import pytest

from scoring.contract.alert import Alert
from scoring.engine import Engine
from scoring.outputs import NOTHING, Emitted, Outputs, Source
from scoring.policy import policy_from
from scoring.policy.policy import Policy
from scoring.profile.packed import Packed
from tests.bundles import small_bundle
from tests.engine.test_engine import NOW_MS, SETTINGS
from tests.events import encoded, outcome_of, request_of, token
from tests.examples import is_quick, sample

START = datetime(2026, 5, 1, 3, tzinfo=UTC)
LOUD = 900_000
"""Yen, of which the small model thinks ill."""


def policy(**alerts: object) -> Policy:
    return policy_from({"version": "t", "global": {"review": 300, "step_up": 600, "block": 800}, "alerts": alerts})


def attempt(number: int, seconds: float, *, card: int | None = None, yen: int = LOUD, **changes: object) -> bytes:
    """Make a declined attempt with a card of its own, so many seconds after the start."""
    card_number = number if card is None else card
    return encoded(
        event_id=f"a-{number}",
        event_ts=(START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        card={"pan_hmac": token(f"card-{card_number}"), **changes.pop("card_changes", {})},  # type: ignore[dict-item]
        amount={"minor": yen, "currency": "JPY", "exponent": 0},
        **({"outcome": {"phase": "POST_AUTH", "approved": False, "response_code": "14"}} | changes),  # type: ignore[arg-type]
    )


def later(seconds: float) -> bytes:
    """Make an ordinary payment elsewhere."""
    done = {"phase": "POST_AUTH", "approved": True, "response_code": "00"}
    return attempt(10**6 + int(seconds), seconds, yen=1_000, merchant={"id": "m-9"}, outcome=done)


def new_engine(partitions: int = 1, rules: Policy | None = None) -> Engine:
    engine = Engine(small_bundle(), rules or policy(), SETTINGS, "test")
    engine.set_partitions(partitions)
    return engine


def score(engine: Engine, values: Sequence[bytes], partition: int = 0, emitted: Emitted = NOTHING) -> Outputs:
    source = Source(
        topic="authorizations", partition=partition, offsets=range(len(values)), timestamps_ms=[-1] * len(values)
    )
    return engine.score(values, source, received_at_ms=NOW_MS, decided_at_ms=lambda: NOW_MS, emitted=emitted)


def alerts(outputs: Iterable[Outputs]) -> list[Alert]:
    return [msgspec.json.decode(value, type=Alert) for each in outputs for _, value in each.alerts]


def of_incidents(made: Iterable[Alert]) -> list[Alert]:
    return [alert for alert in made if alert.incident is not None]


@pytest.mark.parametrize(
    ("status", "contradicted"),
    [
        ("IMPLEMENTED", ["SC5_CREDMASTER"]),
        ("ALTERNATIVE", ["SC5_CREDMASTER"]),
        ("NOT_IMPLEMENTED", []),
        ("NOT_APPLICABLE", []),
        ("UNKNOWN", []),
        (None, []),
    ],
)
def test_an_attack_contradicts_a_merchant_that_declares_measures_against_it(
    status: str | None, contradicted: list[str]
) -> None:
    """Declared when the incident opens: all its alerts say so, also those of a worker that restores the rows."""
    engine, values = new_engine(), [attempt(k, k / 10) for k in range(200)]
    event = orjson.loads(values[0])
    ids = {"acquirer_id": event["acquirer"]["id"], "merchant_id": event["merchant"]["id"]}
    if status is not None:
        declare(engine, ids, {"SC5_CREDMASTER": {"status": status}, "SC6_LOGIN": {"status": "IMPLEMENTED"}})
    outputs = [score(engine, values[:100])]
    declare(engine, ids, {})
    made = of_incidents(alerts([*outputs, score(engine, values[100:]), score(engine, [later(20 + 1_801)])]))
    assert [one.incident.state for one in made if one.incident] == ["OPENED", "GREW", "CLOSED"]
    assert [one.incident.contradicts for one in made if one.incident] == [contradicted] * 3


def declare(engine: Engine, ids: dict[str, str], items: dict[str, dict[str, str]]) -> None:
    record = {**ids, "checklist": {"version": "6.0", "items": items}}
    source = Source(topic="merchants", partition=0, offsets=range(1), timestamps_ms=(NOW_MS,))
    taken = engine.merchant(["/".join(ids.values()).encode()], [orjson.dumps(record)], source, received_at_ms=NOW_MS)
    assert not taken.dead_letters


def in_batches(values: Sequence[bytes], size: int = 500) -> list[Sequence[bytes]]:
    return [values[at : at + size] for at in range(0, len(values), size)]


def told(made: Iterable[Alert]) -> list[tuple[str, int]]:
    return [(one.incident.state, one.incident.attempts) for one in made if one.incident]


MANY = 1_000 if is_quick() else 10_000


def test_ten_thousand_authorizations_are_one_incident_and_a_handful_of_alerts() -> None:
    engine = new_engine()
    outputs = [score(engine, batch) for batch in in_batches([attempt(k, k / 10) for k in range(MANY)])]
    outputs.append(score(engine, [later(1_000 + 1_801)]))
    made = alerts(outputs)
    incident = of_incidents(made)
    opened = told(incident)[0][1]
    assert 15 <= opened <= 20, "the number of cards before it is an estimate"
    grew = [("GREW", size) for size in (100, 1_000, 10_000) if size <= MANY]
    assert told(incident) == [("OPENED", opened), *grew, ("CLOSED", MANY)]
    assert len({one.incident.incident_id for one in incident if one.incident}) == 1
    assert len({alert.alert_id for alert in made}) == len(made) <= 5 + opened
    assert sum(each.tally.alerts_suppressed for each in outputs) > MANY - 100
    assert sum(each.tally.incident_attempts for each in outputs) == MANY + 1 - opened
    assert sum(sum(each.tally.bands.values()) for each in outputs) == MANY + 1, "each is decided"
    closed = incident[-1]
    assert closed.incident is not None
    assert (closed.type, closed.entity, closed.incident.bin) == ("INCIDENT", "MERCHANT_BIN", "453200")
    assert closed.incident.cards == pytest.approx(MANY, rel=0.08)
    mix = closed.incident
    answers = (mix.approved, mix.declined_card_data, mix.declined_funds, mix.declined_risk, mix.declined_other)
    assert answers == (0, MANY, 0, 0, 0)
    assert mix.visa_estimate == MANY
    start_ms = round(START.timestamp() * 1000)
    assert (
        (closed.first_seen_ms, closed.last_seen_ms)
        == (mix.start_ms, mix.last_ms)
        == (start_ms + 100 * (opened - 1), start_ms + 100 * (MANY - 1))
    )
    assert incident[0].dedup_key == closed.dedup_key
    assert closed.event_id == incident[0].event_id


def test_the_cut_into_batches_changes_no_alert() -> None:
    values = [attempt(k, k / 2, yen=LOUD if k % 3 else 500) for k in range(300)] + [later(150 + 1_801)]
    whole, pieces, draw = new_engine(), new_engine(), random.Random(3)  # noqa: S311 -- seeded
    made = [score(whole, values)]
    cut, at = [], 0
    while at < len(values):
        size = draw.choice([1, 3, 40])
        cut.append(score(pieces, values[at : at + size]))
        at += size
    assert [value for each in cut for value in each.alerts] == made[0].alerts
    assert told(alerts(made))[-1] == ("CLOSED", 300)


def flushed(engine: Engine, partitions: Iterable[int], logs: dict[int, list[Packed]]) -> None:
    for partition in partitions:
        for packed in engine.changelog.flush(partition):
            logs.setdefault(partition, []).append(Packed(*(array.copy() for array in packed)))


def restored(engine: Engine, logs: dict[int, list[Packed]]) -> None:
    for partition, log in logs.items():
        engine.changelog.own(partition)
        for packed in log:
            engine.changelog.restore(partition, packed)


@pytest.mark.parametrize("seed", sample(range(4)))
def test_redelivery_after_a_crash_publishes_no_alert_twice_and_counts_no_attempt_twice(seed: int) -> None:
    """Three partitions of one worker that dies again and again; each time its successor finds what was published."""
    draw, partitions, count = random.Random(seed), 3, 600 if is_quick() else 1_500  # noqa: S311 -- seeded
    inputs: list[list[bytes]] = [[], [], []]
    for k in range(count):
        inputs[k % partitions].append(attempt(k, k / 10))
    engine, logs, published = new_engine(partitions), dict[int, list[Packed]](), list[Alert]()
    for partition in range(partitions):
        engine.changelog.own(partition)
    done, durable, since = [0, 0, 0], [0, 0, 0], 0
    emitted = NOTHING
    while done != [len(values) for values in inputs]:
        behind = min(range(partitions), key=lambda p: done[p])
        partition, size = behind, draw.choice([5, 40, 120])
        batch = inputs[partition][done[partition] : done[partition] + size]
        found = alerts([score(engine, batch, partition, emitted)])
        assert not {one.alert_id for one in found} & {one.alert_id for one in published}
        published += found
        done[partition] += len(batch)
        if draw.random() < 0.4:
            flushed(engine, range(partitions), logs)
            durable, since = list(done), len(published)
        if draw.random() < 0.15:
            engine = new_engine(partitions)
            engine.restore_cases([msgspec.json.encode(one) for one in published])
            restored(engine, logs)
            done, lost = list(durable), published[since:]
            emitted = Emitted(
                alerts=frozenset(one.event_id.encode() for one in lost if one.incident is None),
                incidents=frozenset(one.alert_id for one in published if one.incident),
            )
    for partition in range(partitions):
        published += alerts([score(engine, [later(150 + 1_801 + partition)], partition, emitted)])
    incident = of_incidents(published)
    assert len({one.incident.incident_id for one in incident if one.incident}) == 1
    states = [state for state, _ in told(incident)]
    assert (states.count("OPENED"), states.count("CLOSED")) == (1, 1)
    assert told(incident)[-1][1] == pytest.approx(count, abs=3)
    assert len(incident) <= 5


def test_what_an_earlier_owner_published_is_known_by_a_worker_that_was_running() -> None:
    values = [attempt(k, k / 10) for k in range(200)]
    first, second = new_engine(), new_engine()
    made = of_incidents(alerts([score(first, values)]))
    ids = frozenset(one.alert_id for one in made)
    part = alerts([score(second, values[:50], emitted=Emitted(incidents=ids)), score(second, values[50:])])
    assert of_incidents(part) == []
    assert of_incidents(alerts([score(new_engine(), values)])) == made


def test_an_opening_that_was_published_keeps_its_id_and_start_where_it_is_found_later() -> None:
    """The worker that starts sees other rows than the one that died, and opens the incident at another event."""
    values = [attempt(k, k / 10) for k in range(120)]
    made = of_incidents(alerts([score(new_engine(), values[:60])]))
    again = new_engine()
    assert again.restore_cases([msgspec.json.encode(one) for one in made]) == 0
    found = of_incidents(alerts([score(again, values[40:])]))
    assert found == []
    (closed,) = of_incidents(alerts([score(again, [later(12 + 1_801)])]))
    assert closed.incident is not None
    assert made[0].incident is not None
    assert closed.incident.incident_id == made[0].incident.incident_id
    assert closed.incident.start_ms == made[0].incident.start_ms
    assert closed.incident.state == "CLOSED"
    ended = new_engine()
    ended.restore_cases([msgspec.json.encode(one) for one in (*made, closed)])
    anew = of_incidents(alerts([score(ended, [attempt(900 + k, 5_000 + k / 10) for k in range(40)])]))
    assert told(anew) == [("OPENED", 17)]
    assert anew[0].incident is not None
    assert anew[0].incident.incident_id != closed.incident.incident_id


@pytest.mark.parametrize(
    "change",
    [
        {"incident_id": "zz"},
        {"incident_id": "ab"},
        {"state": "MAYBE"},
        {"attempts": -1},
    ],
)
def test_what_is_no_alert_of_an_incident_opens_none(change: dict[str, object]) -> None:
    (made, *_) = of_incidents(alerts([score(new_engine(), [attempt(k, k / 10) for k in range(60)])]))
    value = orjson.loads(msgspec.json.encode(made))
    value["incident"] |= change
    engine = new_engine()
    assert not engine._alerting.incidents.restore(orjson.dumps(value))
    assert not engine._alerting.incidents.restore(b"{")


def test_numbers_of_many_bins_are_one_incident_about_the_merchant() -> None:
    values = [attempt(k, k / 10, card_changes={"bin": str(453_000 + k % 40)}) for k in range(400)]
    engine = new_engine()
    made = of_incidents(alerts([score(engine, values), score(engine, [later(40 + 1_801)])]))
    assert {(one.entity, one.incident.bin) for one in made if one.incident} == {("MERCHANT", None)}
    assert told(made)[-1] == ("CLOSED", 400)
    assert len({one.dedup_key for one in made}) == 1


def test_answers_and_outcomes_that_come_later_fill_the_mix_and_repeats_count_for_nothing() -> None:
    engine = new_engine(rules=policy(incidents={"card_data_percent": 0}))
    values = [attempt(k, k / 10) for k in range(100)]
    asked = [request_of(value) for value in values]
    outputs = [score(engine, asked), score(engine, asked[:50]), score(engine, values[:60])]
    source = Source(topic="authorization-outcomes", partition=0, offsets=range(60), timestamps_ms=[-1] * 60)
    records = [outcome_of(value) for value in values[40:]]
    engine.outcomes(records, source, received_at_ms=NOW_MS)
    outputs.append(score(engine, [later(10 + 1_801)]))
    closed = of_incidents(alerts(outputs))[-1].incident
    assert closed is not None
    assert (closed.state, closed.attempts, closed.approved) == ("CLOSED", 100, 0)
    assert closed.declined_card_data == 100, "sixty were answered by events, and the twenty of both count once"


def test_refunds_and_cards_at_hand_are_no_attempts_and_nothing_for_visa() -> None:
    engine = new_engine()
    values = [attempt(k, k / 10) for k in range(40)]
    values += [attempt(100 + k, 4 + k / 10, txn={"type": "refund"}) for k in range(5)]
    values += [attempt(200 + k, 5 + k / 10, txn={"channel": "card_present"}) for k in range(7)]
    values += [attempt(300 + k, 6 + k / 10, card_changes={"network": "jcb"}) for k in range(9)]
    closed = of_incidents(alerts([score(engine, values), score(engine, [later(7 + 1_801)])]))[-1].incident
    assert closed is not None
    assert (closed.attempts, closed.visa_estimate) == (56, 40)


def test_a_policy_that_wants_only_the_gravest_alerts_still_hears_of_the_incident() -> None:
    quiet = {"version": "t", "global": {"review": 1_000, "step_up": 1_000, "block": 1_000}}
    engine = new_engine(rules=policy_from(quiet | {"alerts": {"minimum_band": "BLOCK"}}))
    made = alerts([score(engine, [attempt(k, k / 10, yen=500) for k in range(60)])])
    assert [one.severity for one in of_incidents(made)] == ["MEDIUM"]
    assert of_incidents(made)[0].band == "ALLOW"
    assert of_incidents(made)[0].count == 0
