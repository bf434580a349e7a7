"""Decisions of a worker on Apache Kafka come out again byte for byte, and other versions are named."""

import asyncio
from pathlib import Path

import orjson
import pytest

from streams.cli import main
from streams.kafka.settings import Broker
from streams.replay.lines import event_id_of
from tests.brokers.load import producer
from tests.explain.worker import Written, recorded
from tests.integration.conftest import PARTITIONS, NewWorker
from tests.integration.deployed import Deployed, deploy

pytestmark = pytest.mark.kafka

PAYMENTS = 300
EXPLAINED = 4


async def write(deployed: Deployed, records: list[Written]) -> None:
    async with producer(deployed.broker) as client:
        for one in records:
            partition = 0 if one.field == "merchants" else one.partition % PARTITIONS
            topic = getattr(deployed.topics, one.field)
            await client.send_and_wait(topic, one.value, key=one.key, partition=partition, timestamp_ms=one.at_ms)


def test_decisions_of_a_worker_come_out_again_byte_for_byte(
    apache: Broker, new_worker: NewWorker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed = deploy(apache, new_worker(apache), tmp_path)
    told = list(recorded(PAYMENTS))
    payments = [one for one in told if one.field == "authorizations"]
    asyncio.run(write(deployed, [one for one in told if one.field == "merchants"]))
    known = set[str | None]()
    with deployed.worker():
        for low in range(0, len(payments), 40):  # several polls, in which partitions come in any order
            part = payments[low : low + 40]
            asyncio.run(write(deployed, part))
            known |= {event_id_of(one.value or b"") for one in part}
            found = deployed.records(deployed.topics.decisions, len(known - {None}))
    decisions = {orjson.loads(record.value)["decision_id"]: record.value for record in found}
    names = sorted(decisions)[:: len(decisions) // EXPLAINED]
    for name in names:
        assert main(["explain", name, "--config", str(deployed.config), "--json"]) == 0, name
        report = orjson.loads(capsys.readouterr().out)
        assert report["comparison"]["result"] == "EQUAL"
        assert report["comparison"]["size_bytes"] == len(decisions[name])
        assert report["input"]["partitions"] == PARTITIONS
    assert main(["replay", "--recorded", "--config", str(deployed.config), "--json"]) == 0
    told_of_all = orjson.loads(capsys.readouterr().out)
    assert (told_of_all["is_exact"], told_of_all["is_whole"]) == (True, True)
    assert sum(told_of_all["equal"].values()) == len(decisions)
    other = tmp_path / "other.yaml"
    other.write_text("{version: other, global: {review: 998, step_up: 999, block: 1000}}")
    assert main(["explain", names[-1], "--config", str(deployed.config), "--policy", str(other)]) == 1
    assert "name its file with --policy" in capsys.readouterr().out
    assert main(["explain", "none", "--config", str(deployed.config)]) == 1
    assert "has no such event" in capsys.readouterr().err
