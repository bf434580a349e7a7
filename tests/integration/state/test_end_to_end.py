"""From records to decisions, alerts and the report on Apache Kafka: two kills of a worker change nothing."""

import asyncio
import json
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import orjson
import pytest

from scoring.compliance.report import Report
from scoring.contract.alert import Alert, Enumeration, StandingNotice
from scoring.outputs import Source
from streams.cli import main
from streams.kafka.settings import Broker, Topics
from streams.worker.settings import WorkerSettings
from streams.worker.warmup import warm_up
from tests.brokers.load import producer, stamp_ms
from tests.brokers.workers import await_applied, terminate, worker_process
from tests.bundles import small_bundle
from tests.compliance.history import History
from tests.compliance.inputs.test_topics import lines
from tests.compliance.page import opening
from tests.events import encoded, token
from tests.incidents.test_storm import LOUD, START, attempt, later
from tests.integration.state.deciding import new_engine
from tests.integration.state.test_profiles import END_S, MODULE, alerts, answers, letters, new_worker
from tests.integration.state.test_threeds_memory import AGAIN, BEFORE, PAID, SETTLING

pytestmark = pytest.mark.kafka

BATCH: Final = 10
AS_OF: Final = date(2026, 5, 1)
NAMES: Final = Topics(threeds_results="threeds-results")
MONTHS: Final = (2, 3, 4)
EARLY_N, ATTEMPTS = 88, 300
ATTACKED, FREQUENT = "m-8", "m-2"
REFUSED: Final = b'{"event_ts":"2026-02-01T00:00:00.000Z"}'
CONTRACTED, STALE, CHANGED = "m-contracted", "m-stale", "m-changed"

Row = tuple[int, bytes | None, bytes]
"""Timestamp of a record in ms, key, value."""


class Step(NamedTuple):
    """Records that follow each other in one input. A worker is killed after some of them are written and some applied,
    where `is_fatal`.
    """

    field: str
    rows: list[Row]
    is_fatal: bool = False


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def dated(values: list[bytes], field: bytes = b"event_ts") -> list[Row]:
    """Give each record the time that it names."""
    return [(stamp_ms(value.replace(field, b"event_ts"), ms(START)), None, value) for value in values]


def merchant(name: str, **fields: Any) -> Row:
    record = {"schema_version": "merchant.v1", "acquirer_id": "acq-1", "merchant_id": name, "country": "JP", **fields}
    return ms(datetime(2026, 1, 5, tzinfo=UTC)), f"acq-1/{name}".encode(), orjson.dumps(record)


def checklist(attested: str) -> dict[str, Any]:
    items = {"SC5_CREDMASTER": {"status": "IMPLEMENTED"}, "SC6_LOGIN": {"status": "NOT_IMPLEMENTED"}}
    return {"version": "6.0", "attested_at": f"{attested}T00:00:00Z", "source": "PSP", "items": items}


def merchants() -> list[Row]:
    told = {"mode": "EVERY_PAYMENT", "introduced_on": "2024-01-01"}
    return [
        merchant(FREQUENT, tds={"mode": "NONE"}, contracted_on="2019-01-01"),
        merchant(ATTACKED, tds=told, contracted_on="2019-01-01", checklist=checklist("2026-01-10")),
        merchant("m-3", tds=told, contracted_on="2019-01-01", checklist=checklist("2026-01-10")),
        merchant(CONTRACTED, tds={"mode": "NONE"}, contracted_on="2025-04-01"),
        merchant(STALE, tds=told, contracted_on="2019-01-01", checklist=checklist("2024-12-01")),
    ]


def early() -> list[bytes]:
    """Give payments of February to April, some with 3-D Secure, some large; one record is refused."""
    made = [REFUSED]
    for number in range(EARLY_N):
        at = datetime(2026, 2, 1, 5, tzinfo=UTC) + timedelta(days=number, minutes=number)
        made.append(
            encoded(
                event_id=f"p-{number}",
                event_ts=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                merchant={"id": f"m-{number % 5}"},
                card={"pan_hmac": token(f"early-{number % 9}")},
                amount={"minor": LOUD if number % 11 == 3 else 3_000 + number},
                tds=[None, {"performed": False}, {"performed": True, "trans_status": "Y", "eci": "05"}][number % 3],
            )
        )
    return made


def reports(month: int) -> list[bytes]:
    """Report small frauds at other merchants, and in their midst one that is above the line at one merchant.

    So any part of them that is judged by itself says the same as all of them.
    """
    day = (date(2026, month, 15) - date(2026, 2, 1)).days
    numbers = [day // 5 * 5 + n for n in (3, 4, 2, -1, -2, 1)]  # of payments, the third one at the merchant
    return [
        orjson.dumps(
            {
                "schema_version": "label.v1",
                "label_id": f"l-{number}",
                "event_id": f"p-{number}",
                "acquirer_id": "acq-1",
                "merchant_id": f"m-{number % 5}",
                "pan_hmac": token(f"early-{number % 9}"),
                "label": "FRAUD",
                "source": "TC40",
                "received_ts": f"2026-{month:02}-20T03:00:{n:02}Z",
                "amount_jpy": 600_000 if f"m-{number % 5}" == FREQUENT else 1_000,
            }
        )
        for n, number in enumerate(numbers)
    ]


ATTACK: Final = [attempt(1_000 + k, 1_000 + k / 10, merchant={"id": ATTACKED}) for k in range(ATTEMPTS)]
STEPS: Final = (
    Step("merchants", merchants()),
    Step("authorizations", dated(early())),
    *(Step("fraud_reports", dated(reports(month), b"received_ts"), month == MONTHS[1]) for month in MONTHS),
    Step("merchants", [merchant(CHANGED, tds={"mode": "NONE"}, contracted_on="2025-05-01")]),
    Step("threeds_results", dated(BEFORE, b"result_ts")),
    Step("authorizations", dated(PAID)),
    Step("threeds_results", dated(SETTLING, b"result_ts")),
    Step("authorizations", dated(ATTACK), is_fatal=True),
    Step("authorizations", dated([*AGAIN, later(2_900), later(2_901)])),
)


class Made(NamedTuple):
    """What comes out: decisions by id without times, alerts by id as `told_by`, offsets of refused authorizations."""

    decisions: dict[str, dict[str, Any]]
    alerts: dict[str, tuple[object, ...]]
    letters: list[int]


def told_by(alert: Alert) -> tuple[object, ...]:
    """Give what an alert says, without the counts of its case and the day on which a record was looked at."""
    overdue = alert.overdue and (alert.overdue.what, alert.overdue.since, alert.overdue.last)
    about = (alert.type, alert.entity, alert.dedup_key, alert.acquirer_id, alert.merchant_id, alert.event_id)
    return *about, alert.severity, alert.score, alert.band, alert.tds, alert.standing, alert.incident, overdue


def uninterrupted(size: int) -> Made:
    """Give the records to one engine in memory, in batches, and judge the merchants after each of them."""
    engine, made, offsets = new_engine(), Made({}, {}, []), Counter[str]()
    engine.set_partitions(1)
    engine.changelog.own(0)
    now_ms = ms(datetime(2026, 6, 1, tzinfo=UTC))
    calls = {"fraud_reports": engine.report, "threeds_results": engine.threeds_results}
    for step in STEPS:
        for begin in range(0, len(step.rows), size):
            times, keys, values = zip(*step.rows[begin : begin + size], strict=True)
            places = range(offsets[step.field], offsets[step.field] + len(values))
            source = Source(topic=step.field, partition=0, offsets=places, timestamps_ms=list(times))
            offsets[step.field] += len(values)
            if step.field == "merchants":
                found = engine.merchant(list(keys), list(values), source, received_at_ms=now_ms)
            elif step.field == "authorizations":
                found = engine.score(list(values), source, received_at_ms=now_ms, decided_at_ms=lambda: now_ms)
            else:
                found = calls[step.field](list(values), source, received_at_ms=now_ms)
            for _, value in found.decisions:
                decided = json.loads(value)
                decided["times"] = decided["times"].get("record_ms")
                assert decided["decision_id"] not in made.decisions
                made.decisions[decided["decision_id"]] = decided
            for _, value in (*found.alerts, *engine.judge_merchants(0).alerts):
                alert = msgspec.json.decode(value, type=Alert)
                assert alert.alert_id not in made.alerts
                made.alerts[alert.alert_id] = told_by(alert)
            made.letters.extend(json.loads(value)["offset"] for _, value in found.dead_letters)
    return made


def write(settings: WorkerSettings, field: str, rows: list[Row]) -> None:
    """Write records to partition 0 of an input, with their own times."""

    async def written() -> None:
        async with producer(settings.broker) as client:
            for at_ms, key, value in rows:
                await client.send(getattr(settings.topics, field), value, key=key, partition=0, timestamp_ms=at_ms)
            await client.flush()

    asyncio.run(written())


def await_overdue(settings: WorkerSettings, name: str, worker: Any) -> None:
    """Wait until a merchant is told to be overdue: workers do not commit what they read of merchants."""
    deadline = time.monotonic() + END_S
    while name not in (found := {alert.merchant_id for alert in alerts(settings) if alert.overdue is not None}):
        assert time.monotonic() < deadline, found
        assert worker.poll() is None


def play(settings: WorkerSettings) -> int:
    """Write each step, wait until it is applied, and kill the worker amid some. Return how many were killed."""
    write(settings, STEPS[0].field, STEPS[0].rows)
    written, killed = Counter[str](), 0
    with ExitStack() as stack:
        worker = stack.enter_context(worker_process(settings, module=MODULE))
        for step in STEPS[1:]:
            half = len(step.rows) // 2 if step.is_fatal else 0
            if step.is_fatal:
                write(settings, step.field, step.rows[:half])
                await_applied(settings, getattr(settings.topics, step.field), written[step.field] + 1, 1, worker)
                worker.kill()
                killed += 1
                worker = stack.enter_context(worker_process(settings, module=MODULE))
            write(settings, step.field, step.rows[half:])
            written[step.field] += len(step.rows)
            if step.field == "merchants":
                await_overdue(settings, CHANGED, worker)
            else:
                await_applied(settings, getattr(settings.topics, step.field), written[step.field], 1, worker)
        assert terminate(worker) == 0
    return killed


def history() -> History:
    """Give the records that a report is made of."""
    told = History()
    for step in STEPS:
        if step.field == "merchants":
            told.merchants += [(at_ms, key or b"", value) for at_ms, key, value in step.rows]
        elif step.field != "threeds_results":
            kept = told.events if step.field == "authorizations" else told.reports
            kept += [(at_ms, value) for at_ms, _, value in step.rows]
    return told


def reported(out: Path, *source: str) -> Report:
    options = ("--acquirer", "acq-1", "--as-of", AS_OF.isoformat(), "--out", str(out))
    assert main(["compliance", "report", *source, *options]) == 0
    return msgspec.json.decode((out / "report.json").read_bytes(), type=Report)


def configured(settings: WorkerSettings, folder: Path) -> str:
    file, prefix = folder / "config.yaml", settings.topics.merchants.removesuffix(NAMES.merchants)
    (address,) = settings.broker.bootstrap
    file.write_text(f'kafka: {{bootstrap_servers: ["{address}"]}}\ntopics: {{prefix: "{prefix}"}}\n')
    return str(file)


def check_report(settings: WorkerSettings, folder: Path) -> None:
    """Compare the report of the topics with that of a file of the records, and both with the alerts."""
    file = folder / "events.jsonl"
    file.write_bytes(lines(history()))
    topics = reported(folder / "topics", "--config", configured(settings, folder))
    stored = reported(folder / "file", "--events", str(file))
    for name in Report.__struct_fields__:
        if name != "head":
            assert getattr(topics, name) == getattr(stored, name), name
    assert (topics.head.source, stored.head.source) == ("TOPICS", "FILE")
    assert [(one.name, one.read, one.counts) for one in topics.head.inputs][1:] == [
        (one.name, one.read, one.counts) for one in stored.head.inputs
    ][1:]
    stands = {line.merchant_id: line for line in topics.pipeline}
    assert stands[FREQUENT].status == "ACTUALISED"
    assert [month.jpy for month in stands[FREQUENT].months if month.jpy] == [600_000] * len(MONTHS)
    assert {line.merchant_id for line in topics.checklist if line.is_stale} == {STALE}
    assert ATTACKED in {line.merchant_id for line in topics.contradictions}
    path = opening.browser()
    if path is not None:
        picture = folder / "page.png"
        assert not opening.script_errors(path, folder / "topics" / "report.html", picture)
        assert picture.stat().st_size > opening.PICTURE_MIN


def check_traffic(expected: Made) -> None:
    """Check by hand that the traffic brings about what the test is about."""
    assert expected.letters == [0]
    payments = sum(len(step.rows) for step in STEPS if step.field == "authorizations") - len(expected.letters)
    assert len(expected.decisions) == payments
    broken = {rule["id"] for made in expected.decisions.values() for rule in made["tds"].get("broken_rules", ())}
    assert broken >= {"TDS08", "TDS09", "TDS10", "TDS12", "TDS13", "TDS23"}
    told = Counter(one[1] for one in expected.alerts.values())
    assert told.keys() >= {"CARD", "STANDING", "OVERDUE", "MERCHANT_BIN"}
    standings = [one[-3] for one in expected.alerts.values() if isinstance(one[-3], StandingNotice)]
    entered = [one.now.status for one in standings if one.what == "ENTERED"]
    assert entered == ["WATCH", "WARNING", "ACTUALISED"]
    assert "WITHOUT_TDS" in {one.what for one in standings}
    overdue = {(one[4], one[-1][0]) for one in expected.alerts.values() if isinstance(one[-1], tuple)}
    without = "CONTRACTED_WITHOUT_TDS"
    assert overdue == {(CONTRACTED, without), (CHANGED, without), (STALE, "ATTESTATION_STALE")}
    incidents = [one[-2] for one in expected.alerts.values() if isinstance(one[-2], Enumeration)]
    assert (incidents[0].state, incidents[-1].state, incidents[-1].attempts) == ("OPENED", "CLOSED", ATTEMPTS)
    assert len({one.incident_id for one in incidents}) == 1


def test_two_kills_change_no_decision_no_alert_and_no_figure_of_the_report(apache: Broker, tmp_path: Path) -> None:
    warm_up(small_bundle())
    expected = uninterrupted(BATCH)
    check_traffic(expected)
    assert uninterrupted(3) == expected, "where batches end and merchants are judged must not matter"
    settings = new_worker(apache, 1, names=NAMES)
    consume = msgspec.structs.replace(settings.consume, batch_max_events=BATCH)
    settings = msgspec.structs.replace(settings, consume=consume)
    assert play(settings) == 2
    decided, told = answers(settings), alerts(settings)
    assert {name: len(made) for name, made in decided.items() if len(made) > 1} == {}, "each is decided once"
    assert {name: made[0] for name, made in decided.items()} == expected.decisions
    assert len(told) == len({alert.alert_id for alert in told}), "each is told once"
    assert {alert.alert_id: told_by(alert) for alert in told} == expected.alerts
    assert letters(settings) == {(0, offset): 1 for offset in expected.letters}
    check_report(settings, tmp_path)
