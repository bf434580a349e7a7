"""No authorization is lost, on either broker: all committed input has its outputs, however the worker ends."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable

import pytest

from streams.kafka.settings import Broker
from streams.transport.settings import Consume
from streams.worker.settings import PoisonLimit, Watch, WorkerSettings
from streams.worker.watchdog import EXIT_STALLED
from tests.brokers.load import committed, load, producer, read
from tests.brokers.workers import terminate, worker_process
from tests.integration.conftest import PARTITIONS, NewWorker

END_S = 40.0


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [b"event %d" % number for number in range(start, start + count)]


def fill(settings: WorkerSettings, *parts: list[bytes]) -> None:
    asyncio.run(load(settings.broker, settings.topics.authorizations, dict(enumerate(parts))))


def decisions(settings: WorkerSettings, at_least: int) -> dict[int, list[tuple[int, bytes]]]:
    """Read (source offset, payload) of every decision, by partition, in order."""
    found: dict[int, list[tuple[int, bytes]]] = {number: [] for number in range(PARTITIONS)}
    for record in asyncio.run(read(settings.broker, settings.topics.decisions, at_least, END_S)):
        found[record.partition].append((int(record.key), record.value.split(b"|", 2)[2]))
    return found


def offsets(settings: WorkerSettings) -> dict[int, int]:
    topic, group = settings.topics.authorizations, settings.consume.group
    return asyncio.run(committed(settings.broker, group, topic, range(PARTITIONS)))


def slow_consume() -> Consume:
    """Make a batch take 20 ms, so 5,000 events/s: the worker is still busy when the test acts."""
    return Consume(group=f"group-{uuid.uuid4().hex[:8]}", commit_interval_s=0.1, batch_max_events=100)


def await_offsets(settings: WorkerSettings, expected: dict[int, int]) -> None:
    """Wait until the group has committed exactly the expected offsets."""
    deadline = time.monotonic() + END_S
    while (found := offsets(settings)) != expected:
        assert time.monotonic() < deadline, f"committed {found}, expected {expected}"


def test_every_event_is_decided_once_in_order_on_its_own_partition(broker: Broker, new_worker: NewWorker) -> None:
    settings = new_worker(broker)
    parts = [numbered(5_000), numbered(3_000, 10_000)]
    fill(settings, *parts)
    with worker_process(settings) as worker:
        found = decisions(settings, 8_000)
        assert terminate(worker) == 0
    assert found == {number: list(enumerate(part)) for number, part in enumerate(parts)}
    assert offsets(settings) == {0: 5_000, 1: 3_000}


def test_alerts_dead_letters_and_fraud_reports_reach_their_topics(broker: Broker, new_worker: NewWorker) -> None:
    settings = new_worker(broker)
    topics = settings.topics
    fill(settings, [b"good", b"!alert", b"!letter", b"good"])
    asyncio.run(load(broker, topics.fraud_reports, {1: [b"a", b"b"]}))
    with worker_process(settings) as worker:
        assert [key for key, _ in decisions(settings, 3)[0]] == [0, 1, 3]
        alerts = asyncio.run(read(broker, topics.alerts, 1))
        letters = asyncio.run(read(broker, topics.dead_letters, 3))
        assert terminate(worker) == 0
    assert [record.value for record in alerts] == [b"!alert"]
    assert sorted(record.value for record in letters) == [b"!letter", b"report|a", b"report|b"]
    reports = asyncio.run(committed(broker, settings.consume.group, topics.fraud_reports, [1]))
    assert reports == {1: 2}


@pytest.mark.parametrize("fault", ["!crash", "!refuse"])
def test_a_failure_ends_the_process_and_its_batch_stays_uncommitted(
    broker: Broker, new_worker: NewWorker, fault: str
) -> None:
    settings = new_worker(broker)
    fill(settings, numbered(100), numbered(10))
    with worker_process(settings, arguments=("refuse",)) as worker:
        await_offsets(settings, {0: 100, 1: 10})
        fill(settings, [*numbered(5), fault.encode(), *numbered(5)])
        assert worker.wait(END_S) == 1
    assert offsets(settings) == {0: 100, 1: 10}


def test_sigterm_in_the_middle_drains_and_commits_exactly_what_was_decided(
    broker: Broker, new_worker: NewWorker
) -> None:
    settings = new_worker(broker, consume=slow_consume())
    fill(settings, numbered(10_000), numbered(10_000))
    with worker_process(settings, arguments=("slow",)) as worker:
        while not offsets(settings):
            assert worker.poll() is None
        assert terminate(worker) == 0
    found = decisions(settings, 1)
    assert sum(map(len, found.values())) < 20_000
    assert offsets(settings) == {number: len(part) for number, part in found.items() if part}
    assert all([key for key, _ in part] == list(range(len(part))) for part in found.values())


def test_a_killed_worker_loses_nothing(broker: Broker, new_worker: NewWorker) -> None:
    settings = new_worker(broker, consume=slow_consume())
    parts = [numbered(10_000), numbered(10_000)]
    fill(settings, *parts)
    with worker_process(settings, arguments=("slow",)) as worker:
        while not offsets(settings):
            assert worker.poll() is None
        worker.kill()
    assert sum(offsets(settings).values()) < 20_000
    with worker_process(settings) as worker:
        while sum(offsets(settings).values()) < 20_000:
            assert worker.poll() is None
        assert terminate(worker) == 0
    found = decisions(settings, 20_000)
    for number, part in enumerate(parts):
        counts = Counter(key for key, _ in found[number])
        assert set(counts) == set(range(len(part)))
        repeated = sum(counts.values()) - len(counts)
        assert repeated <= 5_000, "at most the events of one commit interval and those in flight may come twice"


def test_too_many_dead_letters_stop_the_worker_before_the_topic_ends(broker: Broker, new_worker: NewWorker) -> None:
    settings = new_worker(broker, poison=PoisonLimit(window_events=100, max_ratio=0.5, max_letters=20))
    fill(settings, [*numbered(100), *[b"!letter"] * 10])
    with worker_process(settings) as worker:
        await_offsets(settings, {0: 110})
        fill(settings, [b"!letter"] * 5_000)
        assert worker.wait(END_S) == 1
    assert offsets(settings) == {0: 110}


def test_dead_letters_in_a_row_stop_the_worker_after_any_number_of_good_events(
    broker: Broker, new_worker: NewWorker
) -> None:
    settings = new_worker(broker, poison=PoisonLimit(max_consecutive=20))
    fill(settings, [*numbered(5_000), *[b"!letter"] * 20, *numbered(1), *[b"!letter"] * 20])
    with worker_process(settings) as worker:
        await_offsets(settings, {0: 5_041})
        fill(settings, [b"!letter"] * 10)
        assert worker.wait(END_S) == 1
    assert offsets(settings) == {0: 5_041}


def test_fraud_reports_have_the_limit_too(broker: Broker, new_worker: NewWorker) -> None:
    settings = new_worker(broker, poison=PoisonLimit(max_consecutive=20))
    asyncio.run(load(broker, settings.topics.fraud_reports, {1: numbered(21)}))
    with worker_process(settings) as worker:
        assert worker.wait(END_S) == 1
    group, topic = settings.consume.group, settings.topics.fraud_reports
    assert asyncio.run(committed(broker, group, topic, [1])) == {}


def test_a_worker_that_hangs_is_ended_by_its_watchdog(broker: Broker, new_worker: NewWorker) -> None:
    settings = new_worker(broker, watch=Watch(interval_s=0.1, stall_s=2.0, drain_s=5.0))
    fill(settings, [b"!hang"])
    with worker_process(settings) as worker:
        assert worker.wait(END_S) == EXIT_STALLED
    assert offsets(settings) == {}


def test_merchants_are_known_before_the_first_decision_and_followed_after(
    broker: Broker, new_worker: NewWorker
) -> None:
    settings = new_worker(broker)
    topics = settings.topics
    asyncio.run(load_keyed(broker, topics.merchants, 1_000))
    fill(settings, numbered(10))

    def known(at_least: int) -> list[int]:
        records = asyncio.run(read(broker, topics.decisions, at_least, END_S))
        return [int(record.value.split(b"|", 1)[0]) for record in sorted(records, key=lambda record: record.offset)]

    with worker_process(settings) as worker:
        assert known(10) == [1_000] * 10
        asyncio.run(load_keyed(broker, topics.merchants, 1_001))
        deadline, sent = time.monotonic() + END_S, 10
        while known(sent)[-1] != 1_001:
            assert time.monotonic() < deadline
            fill(settings, numbered(1))
            sent += 1
        assert terminate(worker) == 0


async def load_keyed(broker: Broker, topic: str, count: int) -> None:
    """Produce merchants with keys, many to a batch."""
    async with producer(broker) as client:
        acks = [await client.send(topic, b"merchant", key=b"m%d" % number, partition=0) for number in range(count)]
        await asyncio.gather(*acks)


def test_two_workers_share_the_partitions_and_one_takes_over(broker: Broker, new_worker: NewWorker) -> None:
    """Without timed commits: input that a rebalance or a stop does not commit would be decided twice."""
    settings = new_worker(broker, consume=Consume(group=f"group-{uuid.uuid4().hex[:8]}", commit_interval_s=600.0))
    sent = 0

    def decide_more() -> dict[int, int]:
        """Send one event to each partition, wait for both decisions, and return the process of each last decision."""
        nonlocal sent
        fill(settings, numbered(1, sent), numbered(1, sent))
        sent += 1
        records = asyncio.run(read(broker, settings.topics.decisions, 2 * sent, END_S))
        latest = sorted(records, key=lambda record: record.offset)
        return {record.partition: int(record.value.split(b"|", 2)[1]) for record in latest}

    def until(settled: Callable[[dict[int, int]], bool]) -> None:
        deadline = time.monotonic() + END_S
        while not settled(decide_more()):
            assert time.monotonic() < deadline

    with worker_process(settings) as first:
        until(lambda owners: set(owners.values()) == {first.pid})
        with worker_process(settings) as second:
            until(lambda owners: set(owners.values()) == {first.pid, second.pid})
            assert terminate(first) == 0
            until(lambda owners: set(owners.values()) == {second.pid})
            assert terminate(second) == 0
    found = decisions(settings, 2 * sent)
    assert {number: [key for key, _ in part] for number, part in found.items()} == {
        number: list(range(sent)) for number in range(PARTITIONS)
    }
    assert offsets(settings) == {0: sent, 1: sent}
