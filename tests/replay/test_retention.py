"""Old records are sent only where they stay."""

import pytest

from streams.replay.keeping import ForgetfulTopicError, Keeping

WEEK_MS = 7 * 86_400_000
NOW_MS = 1_800_000_000_000


def keeping(retention_ms: int = WEEK_MS, *, stamps_itself: bool = False) -> Keeping:
    return Keeping(topic="t", retention_ms=retention_ms, stamps_itself=stamps_itself)


def test_what_is_younger_than_the_retention_may_go_and_what_is_older_may_not() -> None:
    keeping().require(NOW_MS - WEEK_MS, NOW_MS)
    keeping().require(NOW_MS + WEEK_MS, NOW_MS)
    with pytest.raises(ForgetfulTopicError, match=r"'t' deletes records older than 604800000 ms.*retention\.ms to -1"):
        keeping().require(NOW_MS - WEEK_MS - 1, NOW_MS)


def test_for_ever_is_long_enough() -> None:
    keeping(-1).require(0, NOW_MS)


def test_a_topic_that_stamps_records_itself_would_make_them_late() -> None:
    with pytest.raises(ForgetfulTopicError, match="CreateTime"):
        keeping(-1, stamps_itself=True).require(NOW_MS, NOW_MS)
