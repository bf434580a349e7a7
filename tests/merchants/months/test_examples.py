"""The examples in docstrings of the calendar are executed."""

import doctest

from scoring.merchants.months import calendar


def test_the_examples_hold() -> None:
    result = doctest.testmod(calendar)
    assert result.attempted > 0
    assert result.failed == 0
