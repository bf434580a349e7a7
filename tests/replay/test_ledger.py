"""The account names every event that was lost, doubled, refused or repeated."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.replay.ledger import Ledger
from streams.replay.source import NOT_OURS


def test_one_decision_for_each_event_is_exact() -> None:
    ledger = Ledger()
    ledger.sent(range(3))
    for position in (2, 0, 1):
        ledger.decided(position, position / 10)
    assert ledger.outstanding == 0
    assert ledger.account().is_exact
    np.testing.assert_allclose(ledger.probabilities(), [0.0, 0.1, 0.2])


def test_a_missing_decision_is_found_although_a_double_makes_up_the_number() -> None:
    ledger = Ledger()
    ledger.sent(range(3))
    for position in (0, 0, 1):
        ledger.decided(position, 0.5)
    account = ledger.account()
    assert (account.decisions, account.distinct, account.duplicates, account.missing) == (3, 2, 1, 1)
    assert ledger.outstanding == 1
    assert not account.is_exact


def test_a_dead_letter_is_an_answer_but_not_an_exact_account() -> None:
    ledger = Ledger()
    ledger.sent(range(2))
    ledger.decided(0, 0.5)
    ledger.refused("OUT_OF_RANGE")
    account = ledger.account()
    assert ledger.outstanding == 0
    assert (account.missing, account.dead_letters) == (0, 1)
    assert not account.is_exact


def test_a_repeat_is_neither_waited_for_nor_missing() -> None:
    ledger = Ledger()
    ledger.sent([0, 1, 0])
    ledger.decided(0, 0.5)
    ledger.decided(1, 0.5)
    assert ledger.outstanding == 0
    assert ledger.account().repeats == 1
    assert ledger.account().is_exact


def test_a_decision_on_an_event_that_was_not_sent_is_foreign() -> None:
    ledger = Ledger()
    ledger.sent(range(1))
    ledger.decided(NOT_OURS, 0.5)
    ledger.decided(0, 0.5)
    assert ledger.account().strangers == 1
    assert ledger.account().is_exact


@given(st.integers(0, 30), st.lists(st.integers(0, 29), max_size=600))
def test_the_account_equals_a_count_of_everything(sent: int, decided: list[int]) -> None:
    ledger, oracle = Ledger(), Counter(position for position in decided if position < sent)
    ledger.sent(range(sent))
    for position in decided:
        ledger.decided(position if position < sent else NOT_OURS, 0.5)
    account = ledger.account()
    assert account.decisions == oracle.total()
    assert account.distinct == len(oracle)
    assert account.duplicates == oracle.total() - len(oracle)
    assert account.missing == sent - len(oracle) == ledger.outstanding
    assert account.strangers == len(decided) - oracle.total()
