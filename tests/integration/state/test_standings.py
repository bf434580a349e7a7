"""Fraud reports on Apache Kafka: alerts about merchants come once each, though a worker is killed among them."""

import asyncio
import time
from typing import Any

import msgspec
import orjson
import pytest

from streams.worker.settings import WorkerSettings
from streams.worker.warmup import warm_up
from tests.brokers.load import load, producer
from tests.brokers.workers import await_applied, terminate, worker_process
from tests.bundles import small_bundle
from tests.integration.state.test_profiles import END_S, MODULE, alerts, new_worker
from tests.merchants.months.test_standings import expected_of, heavy

pytestmark = pytest.mark.kafka

PARTITIONS = 2
LATE = [f"late-{number}" for number in range(40)]
"""Merchants of which there is no report: their contract is told of, and nothing else."""


def earlier(report: dict[str, Any]) -> dict[str, Any]:
    """Date a report two years earlier, as one that is dated ahead of its record is not counted; double its amount."""
    year = int(report["received_ts"][:4]) - 2
    return report | {"received_ts": f"{year}{report['received_ts'][4:]}", "amount_jpy": 2 * report["amount_jpy"]}


INPUTS = [
    [earlier(report) for report in part if "-02-29T" not in report["received_ts"]] for part in heavy(1)[:PARTITIONS]
]
EXPECTED = {name: found[0] for name, found in expected_of([one for part in INPUTS for one in part]).items()}


def fill(settings: WorkerSettings, begin: float, end: float) -> None:
    """Write a share of the reports of each partition."""
    values = {
        number: [orjson.dumps(one) for one in part[int(begin * len(part)) : int(end * len(part))]]
        for number, part in enumerate(INPUTS)
    }
    asyncio.run(load(settings.broker, settings.topics.fraud_reports, values))


def overdue_merchants(settings: WorkerSettings) -> None:
    """Write records of merchants that were contracted after the date without 3-D Secure."""

    async def write() -> None:
        async with producer(settings.broker) as client:
            for name in LATE:
                record = {"acquirer_id": "acq-1", "merchant_id": name, "country": "JP", "contracted_on": "2025-04-01"}
                value = orjson.dumps(record | {"tds": {"mode": "NONE"}})
                await client.send_and_wait(settings.topics.merchants, value, key=f"acq-1/{name}".encode())

    asyncio.run(write())


def entered(settings: WorkerSettings) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for alert in alerts(settings):
        if alert.standing is not None and alert.standing.what == "ENTERED":
            found.setdefault(alert.merchant_id, []).append(alert.standing.now.status)
    return found


def test_no_kill_loses_an_alert_about_a_merchant_or_repeats_one(apache: Any) -> None:
    assert "ACTUALISED" in EXPECTED.values()
    warm_up(small_bundle())
    settings = new_worker(apache, PARTITIONS)
    settings = msgspec.structs.replace(settings, consume=msgspec.structs.replace(settings.consume, batch_max_events=5))
    fill(settings, 0.0, 0.6)
    overdue_merchants(settings)
    with worker_process(settings, module=MODULE) as worker:
        await_applied(settings, settings.topics.fraud_reports, 5, PARTITIONS, worker)
        worker.kill()
    with worker_process(settings, module=MODULE) as worker:
        fill(settings, 0.6, 1.0)
        await_applied(settings, settings.topics.fraud_reports, sum(map(len, INPUTS)), PARTITIONS, worker)
        deadline = time.monotonic() + END_S
        while not (
            all(status in entered(settings).get(name, ()) for name, status in EXPECTED.items())
            and {alert.merchant_id for alert in alerts(settings) if alert.overdue is not None} == set(LATE)
        ):
            assert time.monotonic() < deadline, (EXPECTED, entered(settings))
            assert worker.poll() is None
        assert terminate(worker) == 0
    found = alerts(settings)
    assert {alert.entity for alert in found} == {"STANDING", "OVERDUE"}
    assert len({alert.alert_id for alert in found}) == len(found)
    assert sorted(alert.merchant_id for alert in found if alert.overdue is not None) == sorted(LATE)
    for name, statuses in entered(settings).items():
        assert statuses.count("ACTUALISED") <= 1, (name, statuses)
