"""The oracle detects each fault that a worker could commit."""

from collections import Counter
from collections.abc import Callable

import pytest

from scoring.outputs import Source
from streams.config.settings import Settings
from streams.config.wiring import build_engine
from tests.chaos.oracles.oracle import (
    Decision,
    Input,
    Output,
    Record,
    exactly_once,
    same_bytes,
    same_cards,
    take_alerts,
    take_decision,
    take_input,
    take_letters,
)
from tests.chaos.oracles.sharing import ENTITIES, shared_counts
from tests.chaos.traffic import Mix, Traffic, is_bad
from tests.chaos.worker import telling
from tests.examples import is_quick, sample

TOPIC = "authorizations"
BATCH = 500
EVENTS = 2_000 if is_quick() else 3_000


def run(traffic: Traffic, *, skip: int = -1, at_ms: int = 0) -> tuple[Input, Output]:
    """Score traffic with the real engine as one worker would; leave out the event at place `skip`."""
    engine = telling(build_engine(Settings()))
    went_in: list[Record] = []
    ends = Counter[int]()
    decisions: list[Record] = []
    letters: list[Record] = []
    events = list(traffic)
    for first in range(0, len(events), BATCH):
        for partition in range(traffic.partitions):
            chosen = [(n, e) for n, e in enumerate(events[first : first + BATCH], first) if e.partition == partition]
            records = [Record(partition, ends[partition] + place, e.value) for place, (_, e) in enumerate(chosen)]
            ends[partition] += len(records)
            went_in += records
            given = [record for record, (number, _) in zip(records, chosen, strict=True) if number != skip]
            outputs = engine.score(
                [record.value for record in given],
                Source(
                    topic=TOPIC,
                    partition=partition,
                    offsets=[record.offset for record in given],
                    timestamps_ms=[e.at_ms for number, e in chosen if number != skip],
                ),
                received_at_ms=at_ms + 2**41 + first,
                decided_at_ms=lambda first=first: at_ms + 2**41 + first,
            )
            decisions += [Record(partition, 0, value) for _, value in outputs.decisions]
            letters += [Record(0, 0, value) for _, value in outputs.dead_letters]
    return take_input(went_in), Output([take_decision(d) for d in decisions], take_letters(letters), Counter())


@pytest.fixture(scope="module")
def books() -> tuple[Input, Output]:
    return run(Traffic(events=EVENTS, mix=Mix(bad=0.01)))


@pytest.fixture(scope="module")
def parted() -> tuple[Input, Output]:
    return run(Traffic(events=EVENTS, partitions=3))


def changed(out: Output, change: Callable[[list[Decision]], list[Decision]]) -> Output:
    return Output(change(list(out.decisions)), out.letters, out.alerts)


def test_the_outputs_of_the_real_engine_are_exact(books: tuple[Input, Output], parted: tuple[Input, Output]) -> None:
    for asked, out in (books, parted):
        assert exactly_once(asked, out, TOPIC).failures == []
        assert same_bytes(out, out).failures == []
        assert asked.repeats > 10


def test_a_decision_that_is_missing_is_seen(books: tuple[Input, Output]) -> None:
    asked, out = books
    fewer = changed(out, lambda made: made[:100] + made[101:])
    assert exactly_once(asked, fewer, TOPIC).failures == [
        f"1 ids without a decision: {out.decisions[100].name.decode()}"
    ]


def test_a_decision_that_came_twice_is_seen(books: tuple[Input, Output]) -> None:
    asked, out = books
    finding = exactly_once(asked, changed(out, lambda made: [*made, *made[5:9]]), TOPIC)
    assert len(finding.failures) == 1
    assert finding.failures[0].startswith("4 ids decided more than once")
    assert finding.numbers["decided_again"] == 4


def test_a_decision_on_another_partition_is_seen(books: tuple[Input, Output]) -> None:
    asked, out = books
    finding = exactly_once(asked, changed(out, lambda made: [made[0]._replace(partition=1), *made[1:]]), TOPIC)
    assert finding.failures[0].startswith("1 decisions on another partition")


def test_a_decision_on_a_bad_or_unknown_event_is_seen(books: tuple[Input, Output]) -> None:
    asked, out = books
    finding = exactly_once(asked, changed(out, lambda made: [*made, made[0]._replace(name=b"else")]), TOPIC)
    assert finding.failures == ["1 decisions on what nobody sent: else"]


def test_dead_letters_that_are_missing_wrong_or_repeated_are_seen(books: tuple[Input, Output]) -> None:
    asked, out = books
    assert len(asked.bad) > 10
    coordinates = sorted(out.letters)
    fewer = Output(out.decisions, Counter(coordinates[1:]), Counter())
    assert exactly_once(asked, fewer, TOPIC).failures == [f"1 bad events without a dead letter: {coordinates[0][1:]}"]
    more = Output(out.decisions, Counter([*coordinates, (TOPIC, 0, 10**6)]), Counter())
    assert exactly_once(asked, more, TOPIC).failures == ["1 dead letters of no bad event: (0, 1000000)"]
    again = Output(out.decisions, Counter([*coordinates, coordinates[0]]), Counter())
    assert exactly_once(asked, again, TOPIC).failures == [
        f"1 bad events with several dead letters: {coordinates[0][1:]}"
    ]
    others = Output(out.decisions, Counter([*coordinates, ("merchants", 0, 1), ("merchants", 0, 1)]), Counter())
    assert exactly_once(asked, others, TOPIC).failures == [], "letters about merchants must not count"
    assert exactly_once(asked, again, TOPIC).numbers["letters_again"] == 1


def test_an_event_that_raised_two_alerts_is_seen(books: tuple[Input, Output]) -> None:
    asked, out = books
    alerts = take_alerts(Record(0, place, b'{"event_id":"%s"}' % name) for place, name in enumerate((b"a", b"b", b"b")))
    finding = exactly_once(asked, Output(out.decisions, out.letters, alerts), TOPIC)
    assert finding.failures == ["1 events with several alerts: b"]
    assert finding.numbers["alerts"] == 3


def test_alerts_of_an_incident_are_told_apart_by_their_own_ids() -> None:
    values = [
        b'{"event_id":"a","alert_id":"%s","incident":{"state":"%s"}}' % (name, state)
        for name, state in ((b"1", b"OPENED"), (b"2", b"GREW"), (b"2", b"GREW"))
    ]
    values.append(b'{"event_id":"a","alert_id":"3","incident":null}')
    assert take_alerts(Record(0, place, value) for place, value in enumerate(values)) == {"1": 1, "2": 2, "a": 1}


def test_one_event_lost_from_the_state_changes_bytes_and_card_digests(books: tuple[Input, Output]) -> None:
    traffic = Traffic(events=EVENTS, mix=Mix(bad=0.01))
    lost = next(n for n, e in enumerate(traffic) if n > 200 and not is_bad(e.value))
    _, forgetful = run(traffic, skip=lost)
    _, out = books
    assert same_bytes(out, forgetful).numbers["different"] > 0
    assert same_cards(out, forgetful).numbers["different"] > 0
    assert "probability" in same_bytes(out, forgetful).failures[0]


def test_times_are_not_compared(books: tuple[Input, Output]) -> None:
    _, out = books
    _, later = run(Traffic(events=EVENTS, mix=Mix(bad=0.01)), at_ms=77)
    assert out.decisions[0].times != later.decisions[0].times
    assert same_bytes(out, later).failures == []


def test_shared_counts_of_one_worker_are_exact(parted: tuple[Input, Output]) -> None:
    finding = shared_counts(*parted, behind_s=0.0)
    assert finding.failures == []
    assert finding.numbers["shared_behind_s_max"] == 0
    assert finding.numbers["shared_judged"] == len(parted[1].decisions)


WRONG = [
    (entity, by, failure)
    for entity in range(len(ENTITIES))
    for by, failure in ((1, "above what had been decided"), (-1, "own partition"))
]


@pytest.mark.parametrize(("entity", "by", "failure"), sample(WRONG, step=3))
def test_a_wrong_shared_count_is_seen(books: tuple[Input, Output], entity: int, by: int, failure: str) -> None:
    def bend(made: list[Decision]) -> list[Decision]:
        row = next(n for n, d in enumerate(made) if d.extra["shared"][entity][0] and d.extra["shared"][entity][1] > 0)
        shared = [list(pair) for pair in made[row].extra["shared"]]
        shared[entity][1] += by
        made[row] = made[row]._replace(extra={**made[row].extra, "shared": shared})
        return made

    asked, out = books
    finding = shared_counts(asked, changed(out, bend), behind_s=0.0)
    assert len(finding.failures) == 1
    assert failure in finding.failures[0]


def test_a_shared_count_that_lags_is_seen_except_in_unsettled_spans(parted: tuple[Input, Output]) -> None:
    asked, out = parted
    entity, found = 0, {}

    def lag(made: list[Decision]) -> list[Decision]:
        """Lower the last count of each partition to its own events at its merchant."""
        for partition in range(3):
            row = max(n for n, d in enumerate(made) if d.partition == partition)
            key, told = made[row].extra["shared"][entity]
            own = sum(
                d.extra["kind"] == 0 and d.extra["shared"][entity][0] == key
                for d in made[:row]
                if d.partition == partition
            )
            found[partition] = (told, own)
            shared = [[key, own], *made[row].extra["shared"][1:]]
            made[row] = made[row]._replace(extra={**made[row].extra, "shared": shared})
        return made

    lagging = changed(out, lag)
    assert any(told > own for told, own in found.values())
    assert "lack what had been decided" in shared_counts(asked, lagging, behind_s=0.1).failures[0]
    assert shared_counts(asked, lagging, behind_s=10.0).failures == []
    assert "1 in 100" in shared_counts(asked, lagging, behind_s=10.0, usually_s=0.1).failures[0]
    assert shared_counts(asked, lagging, behind_s=10.0, usually_s=10.0).failures == []
    assert shared_counts(asked, lagging, behind_s=0.1, unsettled=[(2**41 + EVENTS - 600, 2**42)]).failures == []
