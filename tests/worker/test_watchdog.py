"""The watchdog ends the process if it makes no progress, and only then."""

import threading

import pytest
from faust.types import TP

from streams.kafka.failures import Failure
from streams.transport.consumer import Progress
from streams.worker.settings import Watch
from streams.worker.watchdog import EXIT_STALLED, StallDetector, Watchdog

WATCH = Watch(stall_s=10.0)
SECOND = 1_000_000_000
HERE = TP("authorizations", 0)


class FakeConsumer:
    def __init__(self, *rows: Progress, alive: bool = True, settled: bool = True) -> None:
        self.rows = list(rows)
        self.is_alive = alive
        self.settled = settled
        self.restoring = False
        self.restore_steps = 0

    def progress(self) -> list[Progress]:
        return self.rows


def test_a_quiet_worker_is_fine() -> None:
    detector, quiet = StallDetector(WATCH), FakeConsumer(Progress(HERE, 5, 0, None))
    assert [detector.fault(quiet, second * SECOND) for second in range(0, 100, 5)] == [None] * 20


def test_lag_without_progress_is_a_stall() -> None:
    detector, stuck = StallDetector(WATCH), FakeConsumer(Progress(HERE, 5, 3, None))
    assert detector.fault(stuck, 0) is None
    assert detector.fault(stuck, 10 * SECOND) is None
    assert detector.fault(stuck, 11 * SECOND) == "authorizations[0] has lag and makes no progress"


def test_lag_with_progress_is_not() -> None:
    detector = StallDetector(WATCH)
    for second in range(100):
        assert detector.fault(FakeConsumer(Progress(HERE, second // 5, 1_000, None)), second * SECOND) is None


def test_lag_that_begins_after_a_pause_is_given_its_time() -> None:
    detector = StallDetector(WATCH)
    for second in range(100):
        detector.fault(FakeConsumer(Progress(HERE, 5, 0, None)), second * SECOND)
    behind = FakeConsumer(Progress(HERE, 5, 3, None))
    assert detector.fault(behind, 105 * SECOND) is None
    assert detector.fault(behind, 111 * SECOND) is not None


def test_an_old_unfinished_batch_is_a_stall_even_without_known_lag() -> None:
    detector, stuck = StallDetector(WATCH), FakeConsumer(Progress(HERE, None, None, 2 * SECOND))
    assert detector.fault(stuck, 12 * SECOND) is None
    assert detector.fault(stuck, 13 * SECOND) == "authorizations[0] has an unfinished batch"


def test_a_partition_that_was_revoked_and_came_back_is_timed_from_the_start() -> None:
    detector, behind = StallDetector(WATCH), FakeConsumer(Progress(HERE, 5, 3, None))
    detector.fault(behind, 0)
    detector.fault(FakeConsumer(), 9 * SECOND)
    assert detector.fault(behind, 15 * SECOND) is None


def test_a_dead_consumer_is_a_fault_at_once() -> None:
    assert StallDetector(WATCH).fault(FakeConsumer(alive=False), 0) == "consumer died"


def test_a_rebalance_without_end_is_a_stall() -> None:
    detector, joining = StallDetector(WATCH), FakeConsumer(settled=False)
    assert detector.fault(joining, 0) is None
    assert detector.fault(joining, 300 * SECOND) is None
    assert detector.fault(joining, 301 * SECOND) == "no partitions were assigned"


def test_every_rebalance_is_given_its_own_time() -> None:
    detector = StallDetector(WATCH)
    for second in range(0, 1_000, 100):
        assert detector.fault(FakeConsumer(settled=second % 200 == 0), second * SECOND) is None


def test_a_restore_that_makes_steps_is_never_a_stall() -> None:
    detector, restoring = StallDetector(WATCH), FakeConsumer(settled=False)
    restoring.restoring = True
    for second in range(0, 10_000, 100):
        restoring.restore_steps += 1
        assert detector.fault(restoring, second * SECOND) is None


def test_a_restore_without_a_step_is_a_stall() -> None:
    detector, stuck = StallDetector(WATCH), FakeConsumer(settled=False)
    stuck.restoring = True
    assert detector.fault(stuck, 0) is None
    assert detector.fault(stuck, 120 * SECOND) is None
    assert detector.fault(stuck, 121 * SECOND) == "the restore of profiles has made no progress for 120 s"


def test_steps_of_another_restore_do_not_count_for_this_one() -> None:
    detector, consumer = StallDetector(WATCH), FakeConsumer()
    for second in (0, 100, 200):
        consumer.restoring = second != 100
        assert detector.fault(consumer, second * SECOND) is None
    assert detector.fault(consumer, 321 * SECOND) is not None


def test_a_stuck_restore_ends_the_process_and_the_last_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streams.worker.watchdog.failures", list)  # another test may have left one in this process
    stuck, ended = FakeConsumer(settled=False), threading.Event()
    stuck.restoring = True
    watch = Watch(interval_s=0.01, restore_stall_s=0.05)
    Watchdog(watch, lambda: stuck, end=lambda status: ended.set() if status == EXIT_STALLED else None).start()
    assert ended.wait(10)
    assert caplog.records[-1].getMessage() == (
        "worker_stalled reason='the restore of profiles has made no progress for 0.05 s'"
    )


def test_the_process_is_ended_with_its_own_status() -> None:
    ended, statuses = threading.Event(), []

    def end(status: int) -> None:
        statuses.append(status)
        ended.set()

    dead = FakeConsumer(alive=False)
    Watchdog(Watch(interval_s=0.01), lambda: dead, end=end).start()
    assert ended.wait(10)
    assert statuses == [EXIT_STALLED]


def test_a_stall_says_which_brokers_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused = Failure("broker", 9092, ConnectionRefusedError(), "PLAINTEXT", None, None, 30.0, 0, is_new=True)
    monkeypatch.setattr("streams.worker.watchdog.failures", lambda: [refused])
    ended, dead = threading.Event(), FakeConsumer(alive=False)
    Watchdog(Watch(interval_s=0.01), lambda: dead, end=lambda _: ended.set()).start()
    assert ended.wait(10)
    told = "consumer died; broker:9092: connection refused: nothing listens on this port"
    assert caplog.messages[-1] == f"worker_stalled reason='{told}'"


def test_a_drain_that_does_not_end_is_ended() -> None:
    ended = threading.Event()
    watchdog = Watchdog(Watch(interval_s=0.01, drain_s=0.02), lambda: None, end=lambda _: ended.set())
    watchdog.start()
    watchdog.draining()
    assert ended.wait(10)
