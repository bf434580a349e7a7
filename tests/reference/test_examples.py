"""The examples in docstrings of the dated tables are executed."""

import doctest

from scoring.reference import table


def test_the_examples_hold() -> None:
    result = doctest.testmod(table)
    assert result.attempted > 0
    assert result.failed == 0
