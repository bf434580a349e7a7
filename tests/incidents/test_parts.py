"""Parts come back from their rows as they were, move with their partition, and make one incident on several workers."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from scoring.incidents.opening import Opening
from scoring.incidents.part import Part, Scope, added_up, pack, unpack
from scoring.incidents.registry import Registry, Step
from scoring.profile import Profiles
from scoring.profile.packed import INCIDENT, ROW_FORMAT, Packed, RowFormatError
from tests.incidents.test_registry import OPENS, storm
from tests.incidents.traffic import NOON, QUIET_MS, Event, Naive, bin_key, stream, take
from tests.profile.events import SMALL

PARTITIONS: Final = 3
Log = dict[int, tuple[int, ...]]


class Worker:
    """A registry that owns some partitions, and the compacted logs of all."""

    def __init__(self, logs: list[Log], owned: Iterable[int]) -> None:
        self.logs, self.registry, self.told = logs, Registry(QUIET_MS, 2, PARTITIONS), list[Step]()
        for partition in range(PARTITIONS):
            self.read(partition)
        for partition in owned:
            self.registry.parts.own(partition)

    def read(self, partition: int) -> None:
        """Read the log of a partition anew."""
        self.registry.parts.forget(partition)
        self.registry.parts.restore(partition, rows_of(self.logs[partition], partition))

    def take(self, events: list[Event], partition: int) -> list[Step]:
        steps = list(take(self.registry, events, partition).steps)
        self.told += steps
        return steps

    def flush(self, partition: int) -> Packed:
        packed = self.registry.parts.flush(partition)
        ends = packed.ends.tolist()
        for key, begin, end in zip(packed.keys.tolist(), [0, *ends], ends, strict=False):
            assert key[0] == INCIDENT << 24 | partition
            self.logs[partition].pop(key[2] << 32 | key[1], None)
            if end > begin:
                self.logs[partition][key[2] << 32 | key[1]] = tuple(packed.values[begin:end].tolist())
        return packed


def rows_of(log: Log, partition: int) -> Packed:
    keys = np.array([[INCIDENT << 24 | partition, key & 0xFFFFFFFF, key >> 32] for key in log], dtype=np.uint32)
    values = np.array([word for value in log.values() for word in value], dtype=np.uint32)
    return Packed(keys.reshape(-1, 3), values, np.cumsum([len(value) for value in log.values()], dtype=np.int64))


def new_logs() -> list[Log]:
    return [{} for _ in range(PARTITIONS)]


def live(registry: Registry) -> dict[tuple[int, int], Part]:
    """Give all parts by partition and key, and check that each index agrees with them."""
    parts = registry.parts
    found = {(number, key): part for key, of in parts._parts.items() for number, part in of.items()}
    assert {(number, key) for number, keys in parts._keys.items() for key in keys} == set(found)
    assert len(parts) == len(found)
    of_merchant: dict[int, set[int]] = {}
    for (_, key), part in found.items():
        of_merchant.setdefault(part.merchant, set()).add(key)
    assert parts.of_merchant == of_merchant
    return found


def part(**changes: object) -> Part:
    made = Part(incident=bytes(range(16)), scope=Scope.MERCHANT, merchant=2**64 - 1, start_ms=5, last_ms=6, leads=True)
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"leads": False, "is_closed": True, "scope": Scope.MERCHANT_BIN, "base": b"{}"},
        {"told_level": 9, "told_band": 1, "band": 3, "cards_before": 2**32 - 1, "base": b"abcde" * 999},
        {"attempts": 1, "visa": 2, "flagged": 2**40, "answers": [3, 4, 5, 6, 7], "cards": bytearray(range(256)) * 4},
    ],
)
def test_a_part_comes_back_as_it_was(changes: dict[str, object]) -> None:
    value = pack(part(**changes))
    assert len(value) % 4 == 0
    assert int.from_bytes(value[:4], "little") == ROW_FORMAT
    assert unpack(value) == part(**changes)


@pytest.mark.parametrize("cut", [4, 60, 128, -4])
def test_a_damaged_part_is_refused_without_its_key(cut: int) -> None:
    value = np.frombuffer(pack(part(base=b"{}")), dtype=np.uint32)[: cut // 4]
    packed = Packed(np.array([[INCIDENT << 24, 7, 7]], dtype=np.uint32), value, np.array([len(value)]))
    profiles, registry = Profiles(SMALL, PARTITIONS), Registry(QUIET_MS, 2, PARTITIONS)
    profiles.changelog.attach(registry.parts)
    with pytest.raises(RowFormatError) as refused:
        profiles.changelog.restore(0, packed)
    assert str(refused.value) == "row 0 of INCIDENT is damaged"
    assert live(registry) == {}


def test_a_part_of_an_unknown_scope_or_with_words_behind_it_is_damaged() -> None:
    value = pack(part())
    assert unpack(value[:4] + b"\2" + value[5:]) is None
    assert unpack(value + bytes(4)) is None
    assert unpack((ROW_FORMAT + 1).to_bytes(4, "little") + value[4:]) is None


@pytest.mark.parametrize("seed", range(15))
def test_a_restart_at_a_flush_changes_nothing_and_repeats_no_id(seed: int) -> None:
    """What was taken after the last flush is taken again: it makes the same alerts with the same ids."""
    draw = random.Random(seed)  # noqa: S311 -- seeded
    events, logs = stream(draw, 300), new_logs()
    plain, naive = Worker(new_logs(), [0]), Naive()
    wanted = plain.take(events, 0)
    assert len(wanted) == sum(len(naive.take(event, 0)) for event in events)
    worker, flushed, at, told = Worker(logs, [0]), 0, 0, list[Step]()
    while at < len(events):
        size = draw.choice([1, 5, 30])
        told += worker.take(events[at : at + size], 0)
        at += size
        if draw.random() < 0.4:
            worker.flush(0)
            flushed = at
        if draw.random() < 0.2:
            again = Worker(logs, [0])
            lost = again.take(events[flushed:at], 0)
            assert [names(step) for step in lost] == [names(step) for step in told[len(told) - len(lost) :]]
            worker = again
    assert [names(step) for step in told] == [names(step) for step in wanted]
    assert live(worker.registry) == live(plain.registry)
    worker.flush(0)
    assert {key for _, key in live(plain.registry)} == set(logs[0]), "what is forgotten is buried"


def names(step: Step) -> tuple[object, ...]:
    return step.state, step.incident, step.lead.start_ms


def split(events: list[Event]) -> list[tuple[int, Event]]:
    return [(event.card % PARTITIONS, event) for event in events]


def test_a_storm_over_three_partitions_of_one_worker_is_one_incident() -> None:
    worker = Worker(new_logs(), range(PARTITIONS))
    for partition, event in split(storm(3_000)):
        worker.take([event], partition)
    for partition in range(PARTITIONS):
        worker.take([Event(at_ms=NOON + 10 * QUIET_MS, merchant=9)], partition)
    assert [(step.state, step.incident.attempts) for step in worker.told] == [
        ("OPENED", 16), ("GREW", 100), ("GREW", 1_000), ("CLOSED", 3_015),
    ]  # fmt: skip
    assert len({step.incident.incident for step in worker.told}) == 1
    assert worker.told[-1].incident.cards == pytest.approx(3_015, rel=0.08)
    last = worker.told[-1].incident
    assert (last.answers[1], last.visa, last.flagged, last.last_ms) == (3_012, 3_015, 3_000, NOON + 299_900)


@pytest.mark.parametrize("seed", range(8))
def test_a_storm_over_workers_that_crash_and_take_over_is_one_incident(seed: int) -> None:
    """Workers follow each other with a lag; partitions move; a crash loses what was not flushed, which comes again."""
    draw, logs = random.Random(seed), new_logs()  # noqa: S311 -- seeded
    inputs: list[list[Event]] = [[], [], []]
    for partition, event in split(storm(2_000)):
        inputs[partition].append(replace(event, openings=(Opening(Scope.MERCHANT_BIN, 0, 0, 0),)))
    owners = [Worker(logs, [0]), Worker(logs, [1, 2])]
    owner_of, done, flushed = [owners[0], owners[1], owners[1]], [0, 0, 0], [0, 0, 0]
    told: list[Step] = []
    while done != [len(events) for events in inputs]:
        partition = draw.randrange(PARTITIONS)
        owner, size = owner_of[partition], draw.choice([1, 10, 50])
        told += owner.take(inputs[partition][done[partition] : done[partition] + size], partition)
        done[partition] = min(done[partition] + size, len(inputs[partition]))
        what = draw.random()
        if what < 0.5:
            owner.flush(partition)
            flushed[partition] = done[partition]
            for other in set(owner_of) - {owner}:
                other.read(partition)
        elif what < 0.55:  # kill -9: another worker takes the partition over from its log
            owner_of[partition] = Worker(logs, [partition])
            owner.registry.parts.leave(partition)
            done[partition] = flushed[partition]
            owner.read(partition)
    for _ in range(2):  # the others close nothing before the leader has read their last rows
        for partition in range(PARTITIONS):
            owner_of[partition].flush(partition)
            for other in owner_of:
                if other is not owner_of[partition]:
                    other.read(partition)
    for partition in range(PARTITIONS):
        told += owner_of[partition].take([Event(at_ms=NOON + 10 * QUIET_MS, merchant=9)], partition)
    ids = Counter(step.incident.incident for step in told)
    assert len(ids) == 1
    different = {(step.state, step.lead.told_level, step.incident.band) for step in told}
    assert len(told) <= 4 * len(different), "a crash makes an alert again, with the same id"
    closed = {(step.incident.attempts, step.incident.answers) for step in told if step.state == "CLOSED"}
    assert closed == {(2_000, (0, 2_000, 0, 0, 0))}


def test_two_workers_that_open_one_incident_at_once_give_it_one_id_and_the_later_steps_down() -> None:
    logs = new_logs()
    first, second = Worker(logs, [0]), Worker(logs, [1])
    event = storm(1)[0]
    first.take([replace(event, at_ms=NOON + 10, card=3)], 0)
    second.take([replace(event, at_ms=NOON, card=4)], 1)
    assert len({step.incident.incident for step in first.told + second.told}) == 1
    for worker, partition in ((first, 0), (second, 1)):
        worker.flush(partition)
    first.read(1)
    second.read(0)
    for k in range(90):
        first.take([replace(event, at_ms=NOON + 20 + k, card=6 + 3 * k, openings=())], 0)
    first.flush(0)
    second.read(0)
    assert [step.state for step in first.told] == ["OPENED"]
    second.take([Event(at_ms=NOON + 200, merchant=9)], 1)
    assert [(step.state, step.incident.attempts) for step in second.told] == [("OPENED", 16), ("GREW", 122)]
    assert [part.leads for part in first.registry.parts.of(bin_key(1, 10)).values()] == [False, True]


def test_openings_on_both_sides_of_a_quiet_time_become_one_when_the_rows_are_read() -> None:
    logs = new_logs()
    first, second = Worker(logs, [0]), Worker(logs, [1])
    edge_ms = NOON - NOON % QUIET_MS + QUIET_MS
    first.take([replace(storm(1)[0], at_ms=edge_ms - 1)], 0)
    second.take([replace(storm(1)[0], at_ms=edge_ms)], 1)
    first.flush(0)
    second.read(0)
    second.take([Event(at_ms=edge_ms + 5, card=9)], 1)
    parts = second.registry.parts.of(bin_key(1, 10))
    assert parts[0].incident == parts[1].incident == first.told[0].incident.incident
    assert (parts[1].leads, parts[1].start_ms, parts[1].base) == (False, edge_ms - 1, b"")
    assert added_up(parts[0], parts.values()).attempts == 33
    second.flush(1)
    assert first.registry.parts.of(bin_key(1, 10)).keys() == {0}
    first.read(1)
    assert [step.state for step in first.take([Event(at_ms=edge_ms + QUIET_MS + 6, merchant=9)], 0)] == ["CLOSED"]
    assert second.take([Event(at_ms=edge_ms + QUIET_MS + 6, merchant=9)], 1) == []


def test_a_worker_joins_the_incident_of_another_and_writes_only_its_own_part() -> None:
    logs = new_logs()
    leader, other = Worker(logs, [0]), Worker(logs, [1])
    leader.take(storm(5), 0)
    assert len(leader.flush(0)) == 1
    assert len(leader.flush(0)) == 0
    other.read(0)
    assert other.take([Event(at_ms=NOON + 10, card=99, openings=OPENS)], 1) == []
    assert len(other.flush(1)) == 1
    assert len(other.flush(0)) == 0
    assert live(other.registry).keys() == {(0, 1_010), (1, 1_010)}
    other.registry.parts.leave(1)
    other.take([Event(at_ms=NOON + 11, card=98)], 1)
    assert len(other.flush(1)) == 0


def test_open_incidents_are_counted_by_the_worker_that_leads_them() -> None:
    def led(worker: Worker) -> list[int]:
        return [part.attempts for part in worker.registry.parts.led_by_this_worker()]

    logs = new_logs()
    leader, other = Worker(logs, [0]), Worker(logs, [1])
    leader.take(storm(5), 0)
    leader.flush(0)
    other.read(0)
    other.take([Event(at_ms=NOON + 10, card=99)], 1)
    assert (led(leader), led(other)) == ([20], [])
    leader.take([Event(at_ms=NOON + 10 * QUIET_MS, merchant=9)], 0)
    assert led(leader) == []
    alone = Registry(QUIET_MS, 2)
    take(alone, storm(5), 7)
    assert len(alone.parts.led_by_this_worker()) == 1, "without durable profiles no partition is owned"


def test_what_its_owner_forgets_a_follower_forgets_too() -> None:
    logs = new_logs()
    leader, other = Worker(logs, [0]), Worker(logs, [1])
    leader.take(storm(2), 0)
    leader.flush(0)
    other.read(0)
    for quiets in (2, 4):
        leader.take([Event(at_ms=NOON + quiets * QUIET_MS, merchant=9)], 0)
        other.registry.parts.restore(0, leader.flush(0))
        assert live(other.registry) == live(leader.registry)
    assert live(other.registry) == {}


def test_a_part_is_kept_until_the_leader_has_closed_the_incident_and_a_day_at_most() -> None:
    """The leader's partition may have no event for hours, while the other has many."""
    logs = new_logs()
    leader, other = Worker(logs, [0]), Worker(logs, [1])
    leader.take(storm(5), 0)
    leader.flush(0)
    other.read(0)
    other.take([Event(at_ms=NOON + 500, card=99)], 1)
    other.take([Event(at_ms=NOON + 500 + 40 * QUIET_MS, merchant=9)], 1)
    other.flush(1)
    leader.read(1)
    (step,) = leader.take([Event(at_ms=NOON + 500 + 40 * QUIET_MS, merchant=9)], 0)
    assert (step.state, step.incident.attempts) == ("CLOSED", 21)
    for day, kept in ((49, {1_010}), (51, set())):
        other.take([Event(at_ms=NOON + 500 + day * QUIET_MS, merchant=9)], 1)
        assert other.registry.parts._keys[1] == kept


def test_a_part_goes_two_quiet_times_after_an_incident_that_its_leader_has_closed() -> None:
    logs = new_logs()
    leader, other = Worker(logs, [0]), Worker(logs, [1])
    leader.take(storm(5), 0)
    leader.flush(0)
    other.read(0)
    other.take([Event(at_ms=NOON + 500, card=99)], 1)
    leader.take([Event(at_ms=NOON + 500 + 3 * QUIET_MS // 2, merchant=9)], 0)
    leader.flush(0)
    other.read(0)
    other.take([Event(at_ms=NOON + 501 + 2 * QUIET_MS, merchant=9)], 1)
    assert other.registry.parts.keys_of(1) == []


def test_rows_behind_the_last_marker_are_written_again_or_buried() -> None:
    worker = Worker(new_logs(), [0])
    worker.take(storm(2), 0)
    worker.flush(0)
    keys = rows_of({1_010: (), 77: ()}, 0).keys
    worker.registry.parts.rewrite(0, np.concatenate([keys, np.array([[3 << 24, 5, 5]], dtype=np.uint32)]))
    packed = worker.flush(0)
    assert packed.keys[:, 1].tolist() == [1_010, 77]
    assert np.diff(packed.ends, prepend=0).astype(bool).tolist() == [True, False]


def test_a_revoked_partition_is_led_by_its_next_owner_alone() -> None:
    logs = new_logs()
    one, two = Worker(logs, [0]), Worker(logs, [1])
    opening = (Opening(Scope.MERCHANT_BIN, 99, 50, 9),)
    one.take([replace(storm(1)[0], openings=opening)], 0)
    one.flush(0)
    two.read(0)
    two.registry.parts.own(0)
    one.registry.parts.leave(0)
    for k in range(1_000):
        two.take([Event(at_ms=NOON + k, card=3 * k + 1)], 1)
    assert [(step.state, step.incident.attempts) for step in two.take([Event(at_ms=NOON + 9, merchant=9)], 0)] == [
        ("GREW", 1_100)
    ]
