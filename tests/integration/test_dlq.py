"""Refused events return to their partition of Apache Kafka, and a real worker decides each of them once."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiokafka
import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import ConsumerRecord, TopicPartition

from scoring.contract.dead_letter import Reject
from scoring.decode import encode_dead_letter
from streams.cli import main
from streams.kafka.security import client_options
from streams.kafka.settings import Broker, Topics
from streams.replay.child import running
from streams.worker.settings import WorkerSettings
from tests.brokers.load import producer, read
from tests.bundles import bundle_files
from tests.events import encoded, event, token
from tests.integration.conftest import NewWorker

pytestmark = pytest.mark.kafka

READ_S = 180.0  # the first worker on a machine compiles its kernels
LONG = "x" * 2_000
SENT_MS = 1_777_604_400_000
CONFIG = """\
kafka: {{bootstrap_servers: ["{address}"]}}
topics: {{names: {names}}}
consume: {{group: {group}}}
decode: {{bytes_max: {bytes_max}}}
http: {{enabled: false}}
model: {{bundle_dir: "{bundle}"}}
"""


class Place(NamedTuple):
    """Topics on a broker, and the same deployment before and after its limit was raised."""

    broker: Broker
    topics: Topics
    strict: Path
    lenient: Path


@pytest.fixture
def place(apache: Broker, new_worker: NewWorker, tmp_path: Path) -> Place:
    settings: WorkerSettings = new_worker(apache)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for name, content in bundle_files().items():
        (bundle / name).write_bytes(content)
    topics = settings.topics
    names = json.dumps({field: getattr(topics, field) for field in Topics.__struct_fields__})
    files = []
    for name, bytes_max in (("strict.yaml", 1_024), ("lenient.yaml", 65_536)):
        text = CONFIG.format(
            address=apache.bootstrap[0], names=names, group=settings.consume.group, bytes_max=bytes_max, bundle=bundle
        )
        (tmp_path / name).write_text(text)
        files.append(tmp_path / name)
    return Place(apache, topics, *files)


async def fill(place: Place) -> None:
    """Send good events, long ones, a broken one, one without a key, and a broken report."""
    key = token("card-1").encode()
    authorizations, reports = place.topics.authorizations, place.topics.fraud_reports
    records: list[tuple[str, int, bytes | None, bytes]] = [
        (authorizations, 0, key, encoded(event_id="e-good")),
        (authorizations, 0, key, encoded(event_id="e-long-0", note=LONG)),
        (authorizations, 0, key, b"{"),
        (authorizations, 1, token("card-2").encode(), encoded(event_id="e-long-1", note=LONG)),
        (authorizations, 1, None, encoded(event_id="e-keyless", note=LONG)),
        (reports, 1, key, b'{"label": "FRAUD"}'),
    ]
    async with producer(place.broker) as client:
        for number, (topic, partition, record_key, value) in enumerate(records):
            await client.send_and_wait(
                topic, value, key=record_key, partition=partition, timestamp_ms=SENT_MS + number, headers=[("n", b"1")]
            )


@contextmanager
def worker(config: Path) -> Iterator[None]:
    log = config.with_suffix(".log")
    with running(["worker", "--config", str(config)], log, patience_s=30.0) as child:
        yield
        assert child.end(30.0) == 0, child.last_lines()


def records(place: Place, topic: str, at_least: int) -> list[ConsumerRecord]:
    found = asyncio.run(read(place.broker, topic, at_least, READ_S))
    return sorted(found, key=lambda record: (record.partition, record.offset))


def decided(place: Place, at_least: int) -> list[str]:
    return sorted(
        orjson.loads(record.value)["decision_id"] for record in records(place, place.topics.decisions, at_least)
    )


def line(place: Place, offset: int, value: object) -> bytes:
    return orjson.dumps({"topic": place.topics.authorizations, "partition": 0, "offset": offset, "value": value})


async def delete_before(place: Place, partition: int, offset: int) -> None:
    admin = AIOKafkaAdminClient(**client_options(place.broker))
    await admin.start()
    try:
        tp = TopicPartition(place.topics.authorizations, partition)
        await admin.delete_records({tp: RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


def run(capsys: pytest.CaptureFixture[str], verb: str, config: Path, *words: str) -> tuple[int, list[str]]:
    """Run the command; return its status and lines. No line may hold content of an event."""
    status = main(["dlq", verb, "--config", str(config), *words])
    out, err = capsys.readouterr()
    assert token("card-1") not in out + err
    assert "e-long" not in out + err
    assert status in {0, 1}, err
    return status, [*out.splitlines(), *err.splitlines()]


def test_refused_events_are_listed_redriven_once_and_decided_once(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(fill(place))
    with worker(place.strict):
        assert decided(place, 1) == ["e-good"]
        records(place, place.topics.dead_letters, 5)

    authorizations, reports = place.topics.authorizations, place.topics.fraud_reports
    status, lines = run(capsys, "list", place.strict, "--json")
    assert status == 0
    assert [list(json.loads(text).values())[:5] for text in lines] == [
        [authorizations, "OVERSIZE", "$", 3, 0],
        [authorizations, "MALFORMED_JSON", "$", 1, 0],
        [reports, "MISSING_FIELD", "$.label_id", 1, 0],
    ]
    _, lines = run(capsys, "list", place.strict, "--each", "--partition", "1", "--topic", authorizations)
    assert [text.split("  ")[1] for text in lines] == [f"{authorizations}/1/0", f"{authorizations}/1/1"]

    before = records(place, authorizations, 5)
    status, lines = run(capsys, "redrive", place.strict)
    assert status == 1
    assert any("0 to send, 5 still refused" in text for text in lines)
    status, lines = run(capsys, "redrive", place.lenient)
    assert status == 1
    assert any("3 to send, 2 still refused" in text and "add --yes" in text for text in lines)
    assert len(records(place, authorizations, 5)) == 5
    status, lines = run(capsys, "redrive", place.lenient, "--yes")
    assert status == 1
    assert any("3 sent, 2 still refused, 0 already redriven" in text for text in lines)
    status, lines = run(capsys, "redrive", place.lenient, "--yes")
    assert any("0 sent, 2 still refused, 3 already redriven" in text for text in lines)
    after = records(place, authorizations, 8)
    check_copies(before, [record for record in after if record not in before])

    mend(place, tmp_path / "mended.jsonl", capsys)
    with worker(place.lenient):
        expected = ["e-good", "e-keyless", "e-long-0", "e-long-1", "e-mended"]
        assert decided(place, 5) == expected
    assert decided(place, 5) == expected

    asyncio.run(delete_before(place, 1, 2))
    _, lines = run(capsys, "list", place.lenient, "--each", "--reason", "OVERSIZE")
    assert [text.endswith("  gone") for text in sorted(lines, key=lambda text: text.split("  ")[1])] == [
        False,
        True,
        True,
    ]
    _, lines = run(capsys, "redrive", place.lenient, "--partition", "1", "--topic", authorizations)
    assert any("2 gone by retention" in text for text in lines)


def test_a_transaction_that_stays_open_does_not_hide_what_was_redriven(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = place.topics

    async def play() -> None:
        key, value = token("card-1").encode(), encoded(event_id="e-long-0")
        reject = Reject(reason="OVERSIZE", path="$")
        async with producer(place.broker) as client:
            await client.send_and_wait(topics.authorizations, value, key=key, partition=0, timestamp_ms=SENT_MS)
            letter = encode_dead_letter(reject, topics.authorizations, 0, 0, len(value), SENT_MS, SENT_MS)
            await client.send_and_wait(topics.dead_letters, letter[1], key=letter[0], partition=0)
        upstream = aiokafka.AIOKafkaProducer(**client_options(place.broker), transactional_id=topics.authorizations)
        await upstream.start()
        try:
            await upstream.begin_transaction()
            await upstream.send_and_wait(topics.authorizations, b"open", partition=0)
            for told in ("1 sent, 0 still refused, 0 already", "0 sent, 0 still refused, 1 already"):
                status, lines = await asyncio.to_thread(run, capsys, "redrive", place.lenient, "--yes")
                assert status == 0
                assert any(told in text for text in lines), lines
            await upstream.abort_transaction()
        finally:
            await upstream.stop()

    asyncio.run(play())


def check_copies(originals: list[ConsumerRecord], copies: list[ConsumerRecord]) -> None:
    """Compare each copy with its original: only the offset and the headers about it differ."""
    sources = [record for record in originals if len(record.value) > 1_024]
    assert len(copies) == len(sources) == 3
    for copy, source in zip(copies, sources, strict=True):
        assert (copy.partition, copy.key, copy.value) == (source.partition, source.key, source.value)
        assert (copy.timestamp, copy.timestamp_type) == (source.timestamp, 0)
        assert dict(copy.headers) == {
            "n": b"1",
            "sekisho-redrive-topic": source.topic.encode(),
            "sekisho-redrive-partition": b"%d" % source.partition,
            "sekisho-redrive-offset": b"%d" % source.offset,
        }


def mend(place: Place, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mend the broken event: first wrongly (another card; an offset without a letter), then correctly."""
    mended: dict[str, Any] = event(event_id="e-mended")
    wrong = event(event_id="e-mended", card={"pan_hmac": token("card-3")})
    file.write_bytes(line(place, 2, wrong) + b"\n" + line(place, 0, mended))
    status, lines = run(capsys, "redrive", place.lenient, "--mended", str(file), "--yes")
    assert status == 1
    assert any("mended.jsonl:1: " in text and "card token is not the key" in text for text in lines)
    assert any("mended.jsonl:2: " in text and "no such dead letter" in text for text in lines)
    file.write_bytes(line(place, 2, mended))
    status, lines = run(capsys, "redrive", place.lenient, "--mended", str(file), "--yes")
    assert status == 0, lines
    (copy,) = [record for record in records(place, place.topics.authorizations, 9) if b"e-mended" in record.value]
    assert (copy.partition, copy.key, copy.timestamp) == (0, token("card-1").encode(), SENT_MS + 2)
    assert dict(copy.headers)["sekisho-redrive-offset"] == b"2"
