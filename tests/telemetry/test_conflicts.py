"""Cards in two partitions are logged once a minute, by their number."""

import json
import logging

import pytest

from streams.worker import conflicts
from streams.worker.conflicts import INTERVAL_S, CardConflicts, EarlyReports
from tests.telemetry.test_log import configured


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_the_first_conflict_is_logged_at_once_and_later_ones_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    told = CardConflicts(clock)
    with caplog.at_level(logging.WARNING, logger=conflicts.__name__):
        for partition, cards in ((3, 0), (3, 2), (3, 1), (11, 4), (3, 0)):
            told.note(partition, cards)
        assert caplog.messages == ["card_in_two_partitions partition=3 cards=2"]
        clock.now_s += INTERVAL_S - 1
        told.note(3, 1)
        assert len(caplog.messages) == 1
        clock.now_s += 1
        told.note(0, 0)
        assert caplog.messages[1:] == ["card_in_two_partitions partition=3,11 cards=6"]
        clock.now_s += 10 * INTERVAL_S
        told.note(0, 0)
    assert len(caplog.messages) == 2


def test_it_is_a_warning_with_two_fields() -> None:
    with configured() as out:
        told = CardConflicts()
        told.note(0, 0)
        told.note(1, 5)
    line = json.loads(out.getvalue())
    assert (line["level"], line["event"], line["partition"], line["cards"]) == (
        "WARNING",
        "card_in_two_partitions",
        "1",
        "5",
    )
    assert set(line) == {"ts", "level", "event", "logger", "partition", "cards"}


def test_reports_from_the_future_are_logged_in_the_same_way(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    told = EarlyReports(clock)
    with caplog.at_level(logging.WARNING, logger=conflicts.__name__):
        for partition, reports in ((3, 0), (3, 2), (5, 1)):
            told.note(partition, reports)
        clock.now_s += INTERVAL_S
        told.note(3, 4)
    assert caplog.messages == [
        "fraud_reports_from_the_future partition=3 reports=2",
        "fraud_reports_from_the_future partition=3,5 reports=5",
    ]
