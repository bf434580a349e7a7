"""Old records are sent only to topics that keep them."""

import pytest

from streams.replay.retention import Retention, RetentionError

WEEK_MS = 7 * 86_400_000
NOW_MS = 1_800_000_000_000


def retention(retention_ms: int = WEEK_MS, *, is_dated_by_broker: bool = False) -> Retention:
    return Retention(topic="t", retention_ms=retention_ms, is_dated_by_broker=is_dated_by_broker)


def test_records_younger_than_the_retention_are_sent_and_older_ones_are_not() -> None:
    retention().require(NOW_MS - WEEK_MS, NOW_MS)
    retention().require(NOW_MS + WEEK_MS, NOW_MS)
    with pytest.raises(RetentionError, match=r"'t' deletes records older than 604800000 ms.*retention\.ms to -1"):
        retention().require(NOW_MS - WEEK_MS - 1, NOW_MS)


def test_unlimited_retention_is_long_enough() -> None:
    retention(-1).require(0, NOW_MS)


def test_a_topic_that_stamps_records_itself_would_make_them_late() -> None:
    with pytest.raises(RetentionError, match="CreateTime"):
        retention(-1, is_dated_by_broker=True).require(NOW_MS, NOW_MS)
