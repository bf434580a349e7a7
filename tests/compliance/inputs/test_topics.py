"""A report from topics is the one from a file of the same records, whatever the partitions, and names what it read."""

import asyncio
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from aiokafka.structs import TopicPartition

from scoring.compliance.assembly import Assembly
from scoring.compliance.programmes import Terms
from scoring.compliance.report import Report
from scoring.compliance.scope import Scope
from scoring.decode import DecodeLimits
from scoring.threeds.settings import ThreeDsSettings
from streams.compliance import topics as module
from streams.compliance.files import read_file
from streams.compliance.topics import TopicsReader
from streams.config.settings import Settings
from streams.kafka.errors import MissingTopicError
from streams.kafka.settings import Topics
from streams.kafka.topics import TopicsSettings
from streams.replay.source import SourceError
from tests.compliance.history import AS_OF, TOKYO, History, history, ms, stamp
from tests.compliance.inputs.test_outcomes import split
from tests.compliance.inputs.test_settlements import settled
from tests.events import event
from tests.examples import is_quick
from tests.state.fakes import STEP, FakeBroker, FakeReader

PARTITIONS = 2 if is_quick() else 3
TERMS = Terms(region="AP", efm_region="AU", rates={})
NAMES = Topics()


class Reader(FakeReader):
    """A reader with partitions, that is opened and closed."""

    def __init__(self, broker: FakeBroker) -> None:
        super().__init__(broker)
        self.step = 20 * STEP if is_quick() else STEP

    async def __aenter__(self) -> "Reader":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def partitions_of(self, topic: str) -> list[TopicPartition]:
        return sorted(tp for tp in self._broker.logs if tp.topic == topic)


def assembly() -> Assembly:
    return Assembly(Scope(acquirer_id="acq-1", as_of=AS_OF), DecodeLimits(), ThreeDsSettings(), 1_000)


def lines(told: History) -> bytes:
    made: list[dict[str, Any]] = [
        {
            "topic": "merchants",
            "key": key.decode(),
            "at_ms": at,
            "value": None if value is None else orjson.loads(value),
        }
        for at, key, value in told.merchants
    ]
    told_by = {"fraud-reports": told.reports, "authorizations": told.events, "authorization-outcomes": told.outcomes}
    told_by |= {"settlements": told.settlements}
    for topic, records in told_by.items():
        made += [{"topic": topic, "key": "k", "at_ms": at, "value": orjson.loads(value)} for at, value in records]
    return b"".join(orjson.dumps(line) + b"\n" for line in made)


@pytest.fixture(scope="module")
def told() -> History:
    return history(7, 900 if is_quick() else 1_500)


@pytest.fixture(scope="module")
def from_file(told: History, tmp_path_factory: pytest.TempPathFactory) -> Report:
    file = tmp_path_factory.mktemp("report") / "events.jsonl"
    file.write_bytes(lines(told))
    made = assembly()
    read_file(file, [made], DecodeLimits())
    return made.finish(TERMS, None, "1.0")


def broker_of(told: History, foreign_ms: int | None = None) -> FakeBroker:
    """Write the records of a history, and in each topic one batch that nobody can unpack."""
    broker = FakeBroker()
    for at, key, value in told.merchants:
        broker.append(TopicPartition(NAMES.merchants, 0), key, value, at_ms=at)
    for at, value in told.settlements:
        broker.append(TopicPartition("settlements", len(value) % PARTITIONS), b"k", value, at_ms=at)
    for number in range(PARTITIONS):
        broker.logs[TopicPartition(NAMES.authorization_outcomes, number)] = []
    for at, value in told.outcomes:
        broker.append(TopicPartition(NAMES.authorization_outcomes, len(value) % PARTITIONS), b"k", value, at_ms=at)
    for topic, records in ((NAMES.fraud_reports, told.reports), (NAMES.authorizations, told.events)):
        foreign: list[tuple[int, bytes | None]] = [] if foreign_ms is None else [(foreign_ms, None)]
        for at, value in sorted([*records, *foreign], key=lambda record: record[0]):
            broker.append(TopicPartition(topic, len(value or b"") % PARTITIONS), b"k", value, at_ms=at)
    return broker


def read_topics(broker: FakeBroker, monkeypatch: pytest.MonkeyPatch, settlements: str | None = None) -> Report:
    monkeypatch.setattr(module, "LogReader", lambda *_, **__: Reader(broker))
    made, names = assembly(), Topics(settlements=settlements)
    settings = Settings(topics=TopicsSettings(names=names))
    reader = TopicsReader(settings, DecodeLimits(), lambda _: None)
    ranges = asyncio.run(reader.read([made]))
    return made.finish(TERMS, ranges, "1.0")


def test_topics_and_a_file_of_their_records_give_one_report(
    told: History, from_file: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = broker_of(told)
    found = read_topics(broker, monkeypatch)
    for name in Report.__struct_fields__:
        if name != "head":
            assert getattr(found, name) == getattr(from_file, name), name
    assert (found.head.source, from_file.head.source) == ("TOPICS", "FILE")
    assert sum(line.covered.of for line in found.coverage) > (120 if is_quick() else 200)
    payments, reports, merchants = found.head.inputs
    scope = assembly().scope
    for partition in range(PARTITIONS):
        log = broker.logs[TopicPartition(NAMES.authorizations, partition)]
        wanted = [record.offset for record in log if scope.payments_from_ms <= record.at_ms < scope.written_before_ms]
        assert payments.ranges[str(partition)] == (wanted[0], wanted[-1] + 1)
        whole = len(broker.logs[TopicPartition(NAMES.fraud_reports, partition)])
        assert reports.ranges[str(partition)] == (0, whole)
    assert merchants.ranges == {"0": (0, len(told.merchants))}
    assert payments.read == sum(end - begin for begin, end in payments.ranges.values())
    assert (from_file.head.inputs[0].ranges, from_file.head.inputs[1].counts) == ({}, reports.counts)


def test_outcomes_of_a_topic_of_their_own_give_the_report_of_answers_among_the_payments(
    told: History, from_file: Report, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    apart = split(told)
    broker = broker_of(apart)
    found = read_topics(broker, monkeypatch)
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(apart))
    made = assembly()
    read_file(file, [made], DecodeLimits())
    for other in (found, made.finish(TERMS, None, "1.0")):
        for name in Report.__struct_fields__:
            if name != "head":
                assert getattr(other, name) == getattr(from_file, name), name
        *_, outcomes = other.head.inputs
        assert outcomes.name == "authorization-outcomes"
        assert other.head.inputs[0].counts["joined"] > 500
    ours = found.head.inputs[-1]
    begin_ms, end_ms = assembly().scope.payments_from_ms - 86_400_000, assembly().scope.written_before_ms
    for partition in range(PARTITIONS):
        log = broker.logs[TopicPartition(NAMES.authorization_outcomes, partition)]
        wanted = [record.offset for record in log if begin_ms <= record.at_ms < end_ms]
        assert ours.ranges[str(partition)] == (wanted[0], wanted[-1] + 1)
    assert ours.read == sum(end - begin for begin, end in ours.ranges.values())


def test_settlements_are_read_from_their_topic_where_it_is_named_and_from_a_file(
    told: History, from_file: Report, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    paid, _ = settled(told, 3)
    broker = broker_of(paid)
    assert read_topics(broker, monkeypatch).vamp == from_file.vamp, "the topic is there, and the deployment names none"
    found = read_topics(broker, monkeypatch, "settlements")
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(paid))
    made = assembly()
    read_file(file, [made], DecodeLimits())
    stored = made.finish(TERMS, None, "1.0")
    for name in Report.__struct_fields__:
        if name != "head":
            assert getattr(found, name) == getattr(stored, name), name
    assert {month.basis for month in found.vamp} == {"SETTLED"}
    *_, one = found.head.inputs
    assert (one.name, one.read, one.counts) == ("settlements", len(paid.settlements), stored.head.inputs[-1].counts)
    assert sum(end - begin for begin, end in one.ranges.values()) == one.read
    with pytest.raises(MissingTopicError, match="elsewhere"):
        read_topics(broker, monkeypatch, "elsewhere")


def test_a_batch_that_cannot_be_unpacked_counts_as_a_record_that_is_refused(
    told: History, from_file: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = broker_of(told, assembly().scope.end_ms - 1)
    broker.append(TopicPartition(NAMES.merchants, 0), b"", None, at_ms=0)
    found = read_topics(broker, monkeypatch)
    for one, other in zip(found.head.inputs, from_file.head.inputs, strict=True):
        assert one.counts["refused"] == other.counts["refused"] + 1, one.name
    assert found.summary == from_file.summary


def test_two_reports_of_one_reading_are_those_of_two_readings(told: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a payment of the earlier report's last hour was written two days later."""
    earlier = Scope(acquirer_id="acq-1", as_of=date(2026, 8, 31))
    late = event(event_id="late", event_ts=stamp(datetime(2026, 8, 31, 23, tzinfo=TOKYO)), merchant={"id": "m-every"})
    written = sorted([*told.events, (earlier.end_ms + 2 * 86_400_000, orjson.dumps(late))], key=lambda row: row[0])
    broker = broker_of(History(events=written, reports=told.reports, merchants=told.merchants))
    monkeypatch.setattr(module, "LogReader", lambda *_, **__: Reader(broker))
    scopes = [assembly().scope, earlier]
    both = [Assembly(scope, DecodeLimits(), ThreeDsSettings(), 1_000) for scope in scopes]
    asyncio.run(TopicsReader(Settings(), DecodeLimits(), lambda _: None).read(both))
    alone = Assembly(earlier, DecodeLimits(), ThreeDsSettings(), 1_000)
    asyncio.run(TopicsReader(Settings(), DecodeLimits(), lambda _: None).read([alone]))
    together, found = both[1].finish(TERMS, None, "1.0"), alone.finish(TERMS, None, "1.0")
    for name in Report.__struct_fields__:
        if name != "head":
            assert getattr(together, name) == getattr(found, name), name
    outside = both[1].finish(TERMS, None, "1.0").head.inputs[0].counts["outside"]
    assert outside > found.head.inputs[0].counts["outside"]
    (month,) = [line.due + line.unclear + line.not_due for line in found.coverage if line.merchant_id == "m-every"]
    purchases = [
        one
        for one in told.plain
        if one["acquirer"]["id"] == "acq-1"
        and one["merchant"]["id"] == "m-every"
        and one["txn"]["type"] == "purchase"
        and earlier.begin_ms <= ms(datetime.fromisoformat(one["event_ts"])) < earlier.end_ms
    ]
    assert month == len(purchases)


def test_a_topic_that_does_not_exist_is_named(told: History, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = broker_of(History(merchants=told.merchants))
    with pytest.raises(MissingTopicError, match="fraud-reports"):
        read_topics(broker, monkeypatch)


@pytest.mark.parametrize(("content", "fault"), [(b"", "is empty"), (b"{}\n", "line 1"), (b'{"topic":', "line 1")])
def test_a_file_that_holds_no_records_is_refused_by_its_place(content: bytes, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(content)
    with pytest.raises(SourceError, match=fault):
        read_file(file, [assembly()], DecodeLimits())


def test_a_report_comes_back_from_its_json(from_file: Report) -> None:
    assert msgspec.json.decode(msgspec.json.encode(from_file), type=Report) == from_file
