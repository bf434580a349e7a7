"""The scan finds everything that the last owner of a partition published, from the place that the marker gives."""

import asyncio

import msgspec
from aiokafka.structs import TopicPartition

from streams.state.published import Published, Since, alerts_since, scan
from tests.state.fakes import TOPICS, FakeBroker, FakeReader


def encoded(**fields: object) -> bytes:
    return msgspec.json.encode({**fields, "something": ["else"]})


def letter(topic: str, partition: int, offset: int) -> bytes:
    return encoded(topic=topic, partition=partition, offset=offset)


def found(broker: FakeBroker, since: Since, partition: int = 1) -> Published:
    return asyncio.run(scan(FakeReader(broker), TOPICS, partition, since, {}))


def a_broker() -> FakeBroker:
    broker = FakeBroker()
    for partition in range(3):
        for number in range(10):
            name = f"e-{partition}-{number}"
            broker.append(TopicPartition(TOPICS.decisions, partition), b"card", encoded(decision_id=name))
    for number in range(8):
        alert = encoded(event_id=f"e-1-{number}", alert_id="other")
        broker.append(TopicPartition(TOPICS.alerts, number % 2), b"case", alert)
    for number in range(6):
        value = letter(TOPICS.authorizations if number % 2 else TOPICS.fraud_reports, 1 + number // 4, 100 + number)
        broker.append(TopicPartition(TOPICS.dead_letters, 0), b"place", value)
    return broker


START = Since(decisions=0, alerts={0: 0, 1: 0}, dead_letters={0: 0})


def test_only_outputs_of_the_partition_are_found() -> None:
    published = found(a_broker(), START)
    assert published.of[TOPICS.authorizations].decisions == {b"e-1-%d" % number for number in range(10)}
    assert published.of[TOPICS.authorizations].alerts == {b"e-1-%d" % number for number in range(8)}
    assert published.of[TOPICS.authorizations].dead_letters == {101, 103}
    assert published.of[TOPICS.fraud_reports].dead_letters == {100, 102}
    assert not published.of[TOPICS.fraud_reports].decisions | published.of[TOPICS.fraud_reports].alerts
    assert published.size == 10 + 8 + 2 + 2


def test_an_alert_about_a_field_has_its_own_id_and_suppresses_none_about_its_payment() -> None:
    broker, tp = FakeBroker(), TopicPartition(TOPICS.alerts, 0)
    broker.append(tp, b"case", encoded(event_id="e-1", alert_id="a-1", type="SYSTEM"))
    broker.append(tp, b"case", encoded(event_id="e-2", alert_id="a-2", type="TXN"))
    published = found(broker, Since(decisions=0, alerts={0: 0}, dead_letters={}))
    assert (published.of[TOPICS.authorizations].alerts, published.of[TOPICS.authorizations].leaks) == (
        {b"e-2"},
        {"a-1"},
    )
    assert published.size == 2
    assert not published.foreign


def test_an_alert_of_an_incident_is_known_by_its_own_id_and_hides_none_of_its_event() -> None:
    broker, tp = FakeBroker(), TopicPartition(TOPICS.alerts, 0)
    broker.append(tp, b"case", encoded(event_id="e-1", alert_id="a-1", type="INCIDENT", incident={"state": "GREW"}))
    broker.append(tp, b"case", encoded(event_id="e-1", alert_id="a-2", type="INCIDENT", incident=None))
    published = found(broker, Since(decisions=0, alerts={0: 0}, dead_letters={}))
    of = published.of[TOPICS.authorizations]
    assert (of.alerts, of.incidents, of.leaks) == ({b"e-1"}, {"a-1"}, set())
    assert published.size == 2


def test_only_outputs_behind_the_marker_are_scanned() -> None:
    published = found(a_broker(), Since(decisions=7, alerts={0: 3, 1: 4}, dead_letters={0: 2}))
    assert published.of[TOPICS.authorizations].decisions == {b"e-1-7", b"e-1-8", b"e-1-9"}
    assert published.of[TOPICS.authorizations].alerts == {b"e-1-6"}
    assert published.of[TOPICS.authorizations].dead_letters == {103}
    assert published.of[TOPICS.fraud_reports].dead_letters == {102}


def test_outputs_that_retention_deleted_are_not_read() -> None:
    broker = a_broker()
    tp = TopicPartition(TOPICS.decisions, 1)
    broker.begins[tp], broker.logs[tp] = 8, broker.logs[tp][8:]
    assert found(broker, START).of[TOPICS.authorizations].decisions == {b"e-1-8", b"e-1-9"}


def test_a_topic_that_was_emptied_since_yields_nothing() -> None:
    far = Since(decisions=99, alerts={0: 99}, dead_letters={0: 99})
    assert found(a_broker(), far).size == 0
    assert found(FakeBroker(), START).size == 0


async def alerts_of(broker: FakeBroker, since_ms: int) -> list[bytes]:
    found: list[tuple[int, bytes]] = []
    async for rows in alerts_since(FakeReader(broker), TOPICS, 3, since_ms):  # type: ignore[arg-type]
        found += [(at, value) for at, value in zip(rows.timestamps_ms, rows.values, strict=True) if value]
    return [value for _, value in sorted(found, key=lambda pair: pair[0])]


def test_published_alerts_are_those_of_the_last_period_oldest_first() -> None:
    broker = FakeBroker()
    for number in range(10):
        tp = TopicPartition(TOPICS.alerts, number % 3)
        broker.append(tp, b"case", b"%d" % number if number != 8 else None, at_ms=1_000 + number)
    alerts = asyncio.run(alerts_of(broker, 1_004))
    assert alerts == [b"4", b"5", b"6", b"7", b"9"]
