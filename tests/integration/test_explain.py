"""Decisions of a worker on Apache Kafka come out again byte for byte, and other versions are named."""

import asyncio
from pathlib import Path

import orjson
import pytest

from streams.cli import main
from streams.kafka.settings import Broker
from tests.brokers.load import producer
from tests.explain.worker import Written, recorded
from tests.integration.conftest import PARTITIONS, NewWorker
from tests.integration.deployed import Deployed, deploy

pytestmark = pytest.mark.kafka

PAYMENTS = 300
EXPLAINED = 4


async def write(deployed: Deployed, records: list[Written]) -> int:
    """Write records; return the number of payments."""
    topics, payments = deployed.topics, 0
    async with producer(deployed.broker) as client:
        for one in records:
            partition = 0 if one.field == "merchants" else one.partition % PARTITIONS
            await client.send_and_wait(
                getattr(topics, one.field), one.value, key=one.key, partition=partition, timestamp_ms=one.at_ms
            )
            payments += one.field == "authorizations"
    return payments


def test_decisions_of_a_worker_come_out_again_byte_for_byte(
    apache: Broker, new_worker: NewWorker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed = deploy(apache, new_worker(apache), tmp_path)
    # fraud reports and outcomes are written before the worker starts: the order beside payments is then the worker's
    told = [one for one in recorded(PAYMENTS) if one.field in {"merchants", "authorizations"}]
    before = [one for one in told if one.field == "merchants"]
    payments = [one for one in told if one.field == "authorizations"]
    asyncio.run(write(deployed, before))
    count = 0
    with deployed.worker() as worker:
        for low in range(0, len(payments), 40):  # several polls
            count += asyncio.run(write(deployed, payments[low : low + 40]))
            deployed.await_balance(worker, count)
    decisions = {orjson.loads(r.value)["decision_id"]: r.value for r in deployed.records(deployed.topics.decisions, 1)}
    names = sorted(decisions)[:: len(decisions) // EXPLAINED]
    for name in names:
        assert main(["explain", name, "--config", str(deployed.config), "--json"]) == 0, name
        report = orjson.loads(capsys.readouterr().out)
        assert report["comparison"]["result"] == "EQUAL"
        assert report["comparison"]["size_bytes"] == len(decisions[name])
        assert report["input"]["partitions"] == PARTITIONS
    other = tmp_path / "other.yaml"
    other.write_text("{version: other, global: {review: 998, step_up: 999, block: 1000}}")
    assert main(["explain", names[-1], "--config", str(deployed.config), "--policy", str(other)]) == 1
    assert "name its file with --policy" in capsys.readouterr().out
    assert main(["explain", "none", "--config", str(deployed.config)]) == 1
    assert "has no such event" in capsys.readouterr().err
