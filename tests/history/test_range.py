"""A range of topics gives the records of one file in their order, at each reading, and names what is not there."""

import asyncio
from contextlib import aclosing
from itertools import islice
from typing import NamedTuple

import pytest
from aiokafka.structs import TopicPartition

from streams.history import merged as memory
from streams.history import topics as module
from streams.history.extent import Asked, asked
from streams.history.merged import Lane, Part, lanes, merged, step_of
from streams.history.merged import Record as Read
from streams.kafka.errors import MissingTopicError, UnreadableError
from tests.explain.worker import NAMES, PARTITIONS
from tests.history.stored import ALL, RangeReader, Stored
from tests.state.fakes import FakeBroker

HOUR_MS = 3_600_000
NOW_MS = 1_777_604_400_000  # 2026-05-01T03:00:00Z
AUTHS = [TopicPartition(NAMES.authorizations, number) for number in range(PARTITIONS)]


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Stored:
    return Stored(monkeypatch, 120)


def test_the_records_are_those_of_one_file_in_its_order_at_each_reading(stored: Stored) -> None:
    wanted = stored.sorted()
    read = stored.open()
    assert {record.topic for record in wanted} == {name.replace("_", "-") for name in memory._ORDER} - {"fraud-reports"}
    assert list(read.records()) == wanted
    assert list(read.records()) == wanted
    assert read.extent.payments == sum(record.topic == "authorizations" for record in wanted) >= 120


def test_what_comes_after_the_range_was_looked_up_is_not_read(stored: Stored) -> None:
    wanted, read = stored.sorted(), stored.open()
    last_ms = wanted[-1].at_ms
    for field in ("authorizations", "fraud_reports", "merchants"):
        stored.write(field, 0, b"k", b"{}", last_ms - HOUR_MS)
        stored.write(field, 0, b"k", b"{}", last_ms + 1)
    assert list(read.records()) == wanted
    assert len(list(stored.open().records())) == len(wanted) + 6


def test_since_and_until_are_times_of_records_and_merchants_are_read_from_the_first(stored: Stored) -> None:
    wanted = stored.sorted()
    others = [record for record in wanted if record.topic != "merchants"]
    first, last = (next(at for at in range(low, 150) if others[at - 1].at_ms < others[at].at_ms) for low in (40, 90))
    since_ms, until_ms = others[first].at_ms, others[last].at_ms
    stored.write("merchants", 0, b"late", b"{}", until_ms)
    read = stored.open(Asked(since_ms=since_ms, until_ms=until_ms))
    inside = [one for one in wanted if one.topic == "merchants" or since_ms <= one.at_ms < until_ms]
    assert list(read.records()) == inside
    assert (others[first] in inside, others[last] in inside) == (True, False)
    only = Asked(since_ms=since_ms, until_ms=None)
    assert next(one for one in stored.open(only).records() if one.topic != "merchants") == others[first]


def test_a_record_with_an_older_time_stays_behind_its_predecessor_and_ties_have_one_order(stored: Stored) -> None:
    last_ms = stored.sorted()[-1].at_ms
    at_ms = last_ms + HOUR_MS
    stored.write("authorizations", 1, b"k", b"first", at_ms)
    stored.write("authorizations", 1, b"k", b"older", at_ms - HOUR_MS // 2)
    stored.write("authorization_outcomes", 0, b"k", b"outcome", at_ms)
    stored.write("authorizations", 0, b"k", b"zero", at_ms)
    stored.write("authorizations", 2, b"k", b"between", at_ms - HOUR_MS // 4)
    stored.write("fraud_reports", 2, b"k", b"report", at_ms)
    stored.write("threeds_results", 2, b"k", b"result", at_ms)
    stored.write("merchants", 0, b"k", b"merchant", at_ms)
    stored.write("authorizations", 0, b"k", None, at_ms + 1)
    values = [record.value for record in stored.open().records()][-9:]
    texts = [b"between", b"merchant", b"result", b"report", b"zero", b"first", b"older", b"outcome", None]
    assert values == texts


class Change(NamedTuple):
    """What changes a range, and whether it is another one then."""

    name: str
    is_other: bool


@pytest.mark.parametrize(
    "change",
    [
        Change("nothing", False),
        Change("cluster", True),
        Change("topic", True),
        Change("end", True),
        Change("begin", True),
        Change("merchant", True),
        Change("value of a merchant", True),
    ],
)
def test_the_fingerprint_names_the_range(stored: Stored, monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    before = stored.open().extent.fingerprint
    match change.name:
        case "cluster":
            monkeypatch.setattr(RangeReader, "cluster", "c-2")
        case "topic":
            stored.broker.topic_ids[NAMES.authorizations] = "another"
        case "end":
            stored.write("fraud_reports", 2, b"k", b"{}", NOW_MS)
        case "begin":
            stored.broker.begins[AUTHS[0]] = 1
            del stored.broker.logs[AUTHS[0]][0]
        case "value of a merchant":  # of a topic without an id that was created anew
            log = stored.broker.logs[TopicPartition(NAMES.merchants, 0)]
            log[2] = log[2]._replace(value=(log[2].value or b"")[::-1])
        case "merchant":  # of compaction: the offsets stay
            del stored.broker.logs[TopicPartition(NAMES.merchants, 0)][3]
    assert (stored.open().extent.fingerprint != before) == change.is_other


def test_the_words_name_cluster_topics_and_times(stored: Stored) -> None:
    names = ", ".join((*NAMES.inputs[:4], "merchants"))
    assert stored.open().source == f"topics {names} of cluster c-1, from the first record"
    text = stored.open(Asked(since_ms=0, until_ms=NOW_MS)).source
    assert text.endswith("from 1970-01-01T00:00:00Z until 2026-05-01T03:00:00Z")
    count = sum(len(stored.broker.logs[tp]) for tp in AUTHS)
    ends = ", ".join(f"[{tp.partition}] 0 to {len(stored.broker.logs[tp])}" for tp in AUTHS)
    assert f"authorizations: {count} offsets: {ends}" in stored.told


def deleted(stored: Stored, tp: TopicPartition, count: int) -> None:
    stored.broker.begins[tp] = stored.broker.logs[tp][count].offset
    del stored.broker.logs[tp][:count]


def test_a_beginning_that_retention_has_deleted_is_named(stored: Stored) -> None:
    deleted(stored, AUTHS[1], 5)
    first_ms = stored.broker.logs[AUTHS[1]][0].at_ms
    lost = stored.open().extent.lost
    assert lost == {AUTHS[1]: first_ms}
    (line,) = [text for text in stored.told if "retention" in text]
    assert line.startswith(
        "authorizations[1]: retention has deleted records of the beginning; the first one left is of "
    )
    assert "deleted the beginning of 1 partitions" in stored.open().source
    assert stored.open(Asked(since_ms=first_ms, until_ms=None)).extent.lost == {}, "all of this range is there"
    assert stored.open(Asked(since_ms=first_ms - 1, until_ms=None)).extent.lost == lost
    later = next(one for one in stored.broker.logs[AUTHS[1]] if one.at_ms > first_ms + 1)
    assert stored.open(Asked(since_ms=later.at_ms - 1, until_ms=None)).extent.lost == {}, "all of this range is there"
    stored.broker.begins[AUTHS[2]] = stored.broker.end(AUTHS[2])
    stored.broker.logs[AUTHS[2]].clear()
    stored.told.clear()
    assert stored.open().extent.lost[AUTHS[2]] is None
    assert any(text.endswith("none is left") for text in stored.told)


def test_a_range_that_changes_under_the_reader_is_an_error_and_no_other_history(stored: Stored) -> None:
    read = stored.open()
    stored.broker.topic_ids["fraud-reports"] = "another"
    with pytest.raises(ValueError, match="topic fraud-reports was created anew"):
        list(read.records())
    stored.broker.topic_ids["fraud-reports"] = "id of fraud-reports"
    assert list(read.records()) == stored.sorted()
    del stored.broker.logs[TopicPartition(NAMES.merchants, 0)][3]
    with pytest.raises(ValueError, match="compaction has removed records of merchants"):
        list(read.records())
    deleted(stored, AUTHS[1], 5)
    with pytest.raises(ValueError, match=r"authorizations\[1\] at 0: gone: retention has deleted"):
        list(read.records())


def test_another_error_of_the_broker_stays_one(stored: Stored) -> None:
    read = stored.open()
    stored.broker.logs[AUTHS[1]].pop()
    with pytest.raises(UnreadableError, match="the range is not there"):
        list(read.records())


def test_a_reading_that_is_left_early_closes_its_reader(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def reader(*_: object, **__: object) -> RangeReader:
        made.append(RangeReader(stored.broker))
        return made[-1]

    monkeypatch.setattr(module, "LogReader", reader)
    records = stored.open().records()
    assert len(list(islice(records, 10))) == 10
    assert [one.is_closed for one in made] == [True, False]
    records.close()
    assert [one.is_closed for one in made] == [True, True]


def test_nothing_to_learn_from_and_a_missing_topic_are_errors(stored: Stored) -> None:
    with pytest.raises(ValueError, match=r"authorizations has no payment in the range$"):
        stored.open(Asked(since_ms=None, until_ms=1))
    for tp in AUTHS:
        stored.broker.begins[tp] = stored.broker.end(tp)
        stored.broker.logs[tp].clear()
    with pytest.raises(ValueError, match=r"range: retention has deleted records of authorizations\[0\], auth"):
        stored.open()
    for number in range(PARTITIONS):
        del stored.broker.logs[TopicPartition("threeds-results", number)]
    with pytest.raises(MissingTopicError, match="threeds-results"):
        stored.open()


def test_little_of_each_partition_is_in_memory(stored: Stored) -> None:
    parts = stored.open().extent.parts
    longest = 0

    async def run(step: int, bytes_max: int) -> list[Read]:
        nonlocal longest
        each = [Lane(RangeReader(stored.broker), part, step, bytes_max) for part in parts]
        longest, found = 0, []
        async with aclosing(merged(each)) as chunks:
            async for chunk in chunks:
                found += chunk
                longest = max(longest, *(len(lane.ahead) for lane in each))
        return found

    wanted = stored.sorted()
    for step, bytes_max in ((1, 1 << 20), (7, 1 << 20), (1_000, 1), (1_000, 3_000)):
        memory.CHUNK, before = 5, memory.CHUNK
        try:
            assert asyncio.run(run(step, bytes_max)) == wanted, (step, bytes_max)
        finally:
            memory.CHUNK = before
        assert longest <= (step if step < 1_000 else 12), (step, longest)
    assert [step_of(count) for count in (0, 1, 16, 17, 1_000, 1 << 20)] == [8_192, 8_192, 8_192, 7_710, 131, 1]
    made = lanes(RangeReader(FakeBroker()), [Part(field="merchants", tp=AUTHS[0], begin=0, end=1)] * 64)
    assert {(lane._step, lane._bytes_max) for lane in made} == {(2_048, 4 << 20)}


def test_times_are_durations_before_now_or_times(stored: Stored) -> None:
    assert asked(None, None, NOW_MS) == ALL
    assert asked("2h", "2026-05-01T02:59:00Z", NOW_MS) == Asked(since_ms=NOW_MS - 2 * HOUR_MS, until_ms=NOW_MS - 60_000)
    assert asked("2026-04-01", "1h", NOW_MS).until_ms == NOW_MS - HOUR_MS
    for since, until, why in (
        ("soon", None, "--read-since soon: neither a duration"),
        (None, "x", "--read-until x: neither a duration"),
        (None, "2026-05-01T03:00:01Z", "--read-until lies in the future"),
        ("1h", "1h", "--read-since is not before --read-until"),
        ("1h", "2h", "--read-since is not before --read-until"),
    ):
        with pytest.raises(ValueError, match=why):
            asked(since, until, NOW_MS)
