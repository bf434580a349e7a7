"""The same payments and reports as a file of JSON lines and on topics of Apache Kafka: one matrix, one backtest."""

import asyncio
import json
import random
from bisect import bisect_left
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from models.training.history import collect
from models.training.records import Record
from streams.cli import main
from streams.cli.train import TopicHistory, open_tables, parser
from streams.config.load import load_settings
from streams.history.extent import Asked
from streams.history.topics import open_topics
from streams.kafka.security import client_options
from streams.kafka.settings import Broker
from tests.brokers.load import producer
from tests.integration.conftest import PARTITIONS, NewWorker
from tests.integration.deployed import Deployed, deploy

pytestmark = pytest.mark.kafka

DAY_S = 86_400
START_S = 1_600_000_000
ROWS, DAYS = 1_200, 100
MAPPING = """\
acquirer: bank-1
time: {column: at, unit: seconds}
card: {column: card, type: text}
merchant: {column: shop, type: text}
amount: {column: yen, unit: minor, currency: JPY}
channel: {column: channel, values: {I: ecom, P: card_present}}
outcome: {response_code: {column: answer}}
reference: ref
reports:
  event: ref
  received: {column: got, unit: seconds}
"""
ALL = Asked(since_ms=None, until_ms=None)


def write(folder: Path) -> None:
    """Write payments and reports as JSON lines. No two have the same time: between partitions a tie has no order.

    Payments are made in one hour of every second day and reports come in another hour: a table gives the reports of up
    to a day before the payments of that day, and topics have them at their times.
    """
    draw = random.Random(3)  # noqa: S311 -- payments of a test
    times = sorted(_in_hour(draw, DAYS, 0))
    got = sorted(_in_hour(draw, DAYS + 20, 12))
    with (folder / "t.jsonl").open("wb") as payments, (folder / "r.jsonl").open("wb") as reports:
        for number, at in enumerate(times):
            is_fraud = draw.random() < 0.2
            row = {
                "at": at,
                "card": f"c{draw.randrange(80)}",
                "shop": f"s{draw.randrange(9)}",
                "yen": draw.randrange(40_000, 90_000) if is_fraud else draw.randrange(100, 60_000),
                "channel": "I" if is_fraud else draw.choice(["I", "P", ""]),
                "answer": draw.choice(["00", "51", ""]),
                "ref": f"p{number}",
            }
            payments.write(orjson.dumps(row) + b"\n")
            if is_fraud:
                reports.write(orjson.dumps({"ref": f"p{number}", "got": got.pop(_later(draw, got, at))}) + b"\n")
    (folder / "m.yaml").write_text(MAPPING)


def _in_hour(draw: random.Random, days: int, hour: int) -> list[int]:
    """Draw different times in one hour of every second day, in seconds."""
    drawn = draw.sample(range(days // 2 * 3_000), ROWS)
    return [START_S + number // 3_000 * 2 * DAY_S + hour * 3_600 + number % 3_000 for number in drawn]


def _later(draw: random.Random, times: list[int], at: int) -> int:
    """Return the place of a time in the 15 days after another one, or of the last time."""
    low, high = bisect_left(times, at), bisect_left(times, at + 15 * DAY_S)
    return draw.randrange(low, high) if high > low else len(times) - 1


async def send(deployed: Deployed, records: Iterable[Record]) -> None:
    """Write records to the topics, each card on its partition, with their times."""
    names = {"authorizations": deployed.topics.authorizations, "fraud-reports": deployed.topics.fraud_reports}
    async with producer(deployed.broker) as client:
        acks = [
            await client.send(
                names[one.topic], one.value, key=one.key, partition=sum(one.key) % PARTITIONS, timestamp_ms=one.at_ms
            )
            for one in records
        ]
        await asyncio.gather(*acks)


def words_of(folder: Path) -> list[str]:
    files = {"--table": "t.jsonl", "--reports": "r.jsonl", "--mapping": "m.yaml"}
    return [word for name, file in files.items() for word in (name, str(folder / file))]


@pytest.fixture
def deployed(apache: Broker, new_worker: NewWorker, tmp_path: Path) -> Deployed:
    write(tmp_path)
    return deploy(apache, new_worker(apache), tmp_path)


@pytest.fixture
def records(deployed: Deployed, tmp_path: Path) -> list[Record]:
    """Read the file, and send what it has to the topics."""
    options = parser().parse_args([*words_of(tmp_path), "--out", "x"])
    found = list(open_tables(options, print).records())
    asyncio.run(send(deployed, found))
    return found


def history_of(deployed: Deployed, wanted: Asked = ALL, tell: Callable[[str], None] = print) -> TopicHistory:
    worker = load_settings(deployed.config)
    return TopicHistory(worker, open_topics(worker, wanted, tell))


def plain(records: Iterable[Record]) -> list[Record]:
    return [one._replace(place=None) for one in records]


def report_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "backtest.json").read_bytes())
    return found


def test_a_file_and_topics_give_the_same_matrix_and_the_same_backtest(
    deployed: Deployed, records: list[Record], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = history_of(deployed)
    read = list(history.records())
    assert plain(read) == records
    assert plain(history.records()) == records
    assert {one.place for one in read if one.place is not None} >= {(0, 0), (1, 0)}
    of_topics = collect(history, tmp_path / "rows-1", history.settings, maturity_ms=DAY_S * 10_000, tell=print)
    of_file = collect(
        open_tables(parser().parse_args([*words_of(tmp_path), "--out", "x"]), print),
        tmp_path / "rows-2",
        history.settings,
        maturity_ms=DAY_S * 10_000,
        tell=print,
    )
    assert of_topics.matrix[:].tobytes() == of_file.matrix[:].tobytes()
    assert np.asarray(of_topics.matrix[:]).shape[0] == ROWS
    for name in ("event_ms", "amount_jpy", "card", "fraud", "known_ms"):
        assert getattr(of_topics, name).tobytes() == getattr(of_file, name).tobytes(), name
    assert of_topics.fraud.sum() > 100
    capsys.readouterr()
    both = ("--bundle", str(tmp_path / "bundle"), "--maturity-days", "10", "--alert-rate", "500")
    assert main(["backtest", *words_of(tmp_path), *both, "--out", str(tmp_path / "of-file")]) == 0
    words = ("--from-topics", str(deployed.config), *both, "--out", str(tmp_path / "of-topics"))
    assert main(["backtest", *words]) == 0
    found, wanted = report_in(tmp_path / "of-topics"), report_in(tmp_path / "of-file")
    assert found.pop("history").startswith(f"topics {deployed.topics.authorizations}, ")
    assert wanted.pop("history").startswith("table t.jsonl")
    assert found == wanted
    assert found["counted"] > 500


def test_a_range_ends_where_it_was_looked_up_and_its_name_has_its_offsets(
    deployed: Deployed, records: list[Record]
) -> None:
    told: list[str] = []
    history = history_of(deployed, tell=told.append)
    last = records[-1]
    asyncio.run(send(deployed, [last._replace(topic="authorizations", value=b"{")]))
    assert plain(history.records()) == records
    later = history_of(deployed)
    assert later.fingerprint != history.fingerprint
    assert len(list(later.records())) == len(records) + 1
    assert history_of(deployed).fingerprint == later.fingerprint
    assert " of cluster without id" not in history.source
    counts = [
        sum(one.topic == "authorizations" and sum(one.key) % PARTITIONS == number for one in records)
        for number in range(PARTITIONS)
    ]
    ends = ", ".join(f"[{number}] 0 to {count}" for number, count in enumerate(counts))
    assert told[0] == f"{deployed.topics.authorizations}: {sum(counts):,} offsets: {ends}"
    part = [one for one in records if START_S + 20 * DAY_S <= one.at_ms // 1000 < START_S + 60 * DAY_S]
    cut = Asked(since_ms=(START_S + 20 * DAY_S) * 1000, until_ms=(START_S + 60 * DAY_S) * 1000)
    assert plain(history_of(deployed, cut).records()) == part
    assert 300 < len(part) < len(records)


def test_a_beginning_that_the_brokers_deleted_is_named_and_an_open_range_fails(
    deployed: Deployed, records: list[Record]
) -> None:
    history, tp = history_of(deployed), TopicPartition(deployed.topics.authorizations, 1)

    async def delete() -> None:
        client = AIOKafkaAdminClient(**client_options(deployed.broker))
        await client.start()
        try:
            await client.delete_records({tp: RecordsToDelete(before_offset=7)})
        finally:
            await client.close()

    asyncio.run(delete())
    own = [one for one in records if one.topic == "authorizations" and sum(one.key) % PARTITIONS == 1]
    told: list[str] = []
    left = history_of(deployed, tell=told.append)
    assert left._stored.extent.lost == {tp: own[7].at_ms}
    assert any(text.startswith(f"{tp.topic}[1]: retention has deleted records of the beginning") for text in told)
    assert plain(left.records()) == [one for one in records if one not in own[:7]]
    with pytest.raises(ValueError, match=r"\[1\] at 0: OffsetOutOfRangeError: retention has deleted records of it"):
        list(history.records())
