"""A card in two partitions is reported once, for any assignment of partitions, any order of rows and any restarts."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.profile import Profiles
from scoring.profile.packed import ROW_FORMAT, Packed
from tests.examples import few
from tests.profile.events import SMALL
from tests.profile.rows.test_sightings import PARTITIONS, cards, said


@dataclass
class Group:
    """Workers with profiles of their own, and the log of `shared-profiles` of every partition."""

    workers: list[Profiles]
    owner: dict[int, int]
    log: dict[int, list[Packed]] = field(default_factory=lambda: {p: [] for p in range(PARTITIONS)})
    heard: dict[tuple[int, int], int] = field(default_factory=dict)  # (worker, partition) -> flushes
    reported: int = 0

    def see(self, partition: int, *numbers: int) -> None:
        worker = self.workers[self.owner[partition]]
        self.reported += worker.changelog.sightings.observe(cards(*numbers), partition)

    def flush(self, partition: int) -> None:
        flushed = self.workers[self.owner[partition]].changelog.flush(partition)
        assert len(flushed[0]) == 0
        self.log[partition].append(Packed(*(array.copy() for array in flushed[1])))

    def follow(self, worker: int, partition: int) -> None:
        if self.owner[partition] != worker:
            for packed in self.log[partition][self.heard.get((worker, partition), 0) :]:
                self.workers[worker].changelog.restore(partition, packed)
            self.heard[worker, partition] = len(self.log[partition])

    def move(self, partition: int, worker: int) -> None:
        """Restore a partition at another worker from its log; its earlier owner has flushed and leaves it."""
        self.flush(partition)
        self.workers[self.owner[partition]].changelog.forget_cards(partition)
        self.heard[self.owner[partition], partition] = len(self.log[partition])
        self.owner[partition] = worker
        changelog = self.workers[worker].changelog
        changelog.forget_shared(partition)
        changelog.own(partition)
        for packed in self.log[partition]:
            changelog.restore(partition, packed)

    def restart(self, worker: int) -> None:
        """End a worker after its flush and start another in its place."""
        own = [partition for partition, owner in self.owner.items() if owner == worker]
        for partition in own:
            self.flush(partition)
        self.workers[worker] = Profiles(SMALL, PARTITIONS)
        for partition in own:
            self.workers[worker].changelog.own(partition)
            for packed in self.log[partition]:
                self.workers[worker].changelog.restore(partition, packed)
        for partition in range(PARTITIONS):
            self.heard.pop((worker, partition), None)
            self.follow(worker, partition)

    def settle(self) -> None:
        """Let every worker follow all rows, and score a batch of every partition."""
        for _ in range(2):
            for partition in range(PARTITIONS):
                self.flush(partition)
            for worker in range(len(self.workers)):
                for partition in range(PARTITIONS):
                    self.follow(worker, partition)
            for partition in range(PARTITIONS):
                self.see(partition)


def group(*owners: int) -> Group:
    """Make as many workers as needed; worker `owners[p]` owns partition p."""
    workers = [Profiles(SMALL, PARTITIONS) for _ in range(max(owners) + 1)]
    return Group(workers, dict(enumerate((*owners, *[0] * (PARTITIONS - len(owners))))))


def test_two_workers_find_a_conflict_in_the_rows_that_they_follow() -> None:
    two = group(0, 1)
    two.see(0, 1)
    two.flush(0)
    two.follow(1, 0)
    two.see(1, 1, 2)
    assert two.reported == 1
    two.flush(1)
    two.follow(0, 1)
    two.see(0, 1)
    assert two.reported == 1
    two.settle()
    assert two.reported == 1


def test_two_workers_that_see_it_in_the_same_second_report_it_once() -> None:
    two = group(0, 1)
    two.see(0, 1)
    two.see(1, 1)
    for partition in (0, 1):
        two.flush(partition)
    assert two.reported == 0
    for worker in (0, 1):
        two.follow(worker, 1 - worker)
    two.see(0)
    assert two.reported == 0
    two.see(1)
    assert two.reported == 1
    two.flush(1)
    assert said(two.log[1][-1]) == [(1, 1, [ROW_FORMAT, 1])]


def test_a_reported_conflict_is_reported_again_by_no_restarted_and_no_new_worker() -> None:
    one = group(0, 0, 0, 0)
    one.see(0, 1, 2)
    one.see(1, 1)
    assert one.reported == 1
    one.restart(0)
    one.see(0, 1)
    one.see(1, 1)
    assert one.reported == 1
    one.see(3, 2)
    assert one.reported == 2, "sightings from before the restart must be known"
    one.workers.append(Profiles(SMALL, PARTITIONS))
    for partition in (0, 1, 3):
        one.flush(partition)
        one.follow(1, partition)
    one.move(2, 1)
    one.see(2)
    one.settle()
    assert one.reported == 2
    one.see(2, 1)
    assert one.reported == 3


def test_a_conflict_whose_worker_died_before_its_report_is_found_when_both_logs_are_restored() -> None:
    two = group(0, 1)
    two.see(0, 1)
    two.see(1, 1)
    for partition in (1, 0):
        two.move(partition, 0)
    two.see(0)
    two.see(1)
    assert two.reported == 1


def test_a_conflict_is_not_written_as_reported_before_it_was() -> None:
    some = group(1, 0, 0, 0)
    some.see(3, 1)
    some.see(0, 1)
    some.move(3, 1)
    some.see(0, 2)  # a batch of another partition, after the rows have met
    some.restart(1)
    assert some.reported == 0
    some.see(3)
    assert some.reported == 1


@settings(max_examples=few(200))
@given(st.data())
def test_a_card_in_k_partitions_makes_k_minus_1_reports_through_any_sequence_of_events(data: st.DataObject) -> None:
    workers = data.draw(st.integers(1, 3))
    some = group(*data.draw(st.lists(st.integers(0, workers - 1), min_size=PARTITIONS, max_size=PARTITIONS)))
    number = st.integers(0, PARTITIONS - 1)
    one = st.integers(0, len(some.workers) - 1)
    step = st.one_of(
        st.tuples(st.just("see"), number, st.integers(1, 3)),
        st.tuples(st.just("flush"), number),
        st.tuples(st.just("follow"), one, number),
        st.tuples(st.just("restart"), one),
        st.tuples(st.just("move"), number, one),
    )
    where: dict[int, set[int]] = {}
    for name, *arguments in data.draw(st.lists(step, max_size=30)):
        if name == "see":
            where.setdefault(arguments[1], set()).add(arguments[0])
        getattr(some, name)(*arguments)
    some.settle()
    expected = sum(len(partitions) - 1 for partitions in where.values())
    assert some.reported == expected
    for worker in range(len(some.workers)):
        some.restart(worker)
    some.settle()
    assert some.reported == expected
