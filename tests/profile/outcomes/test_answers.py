"""Issuer's answers to requests: outcomes update profiles once; rates count only attempts with a known outcome."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.profile import Profiles
from tests.examples import examples, few
from tests.profile.events import (
    BAD_CRED,
    FRAUD,
    FUNDS,
    NAMES,
    REVERSAL,
    SMALL,
    Event,
    Stream,
    at,
    ids,
)
from tests.profile.oracles.ledger import ANSWER, DECIDED, RATES, REPEAT, Ledger
from tests.profile.outcomes.conversations import conversations
from tests.profile.rows.test_changelog import Log, append, feed, partition_of, restored

ASKED = 0  # an outcome that is unknown
OUTCOME_RATES = [name for name, (_, below) in RATES.items() if below == "answered"]


def test_an_answer_moves_approvals_spend_and_rates_and_is_no_event_of_its_own() -> None:
    stream = Stream()
    stream.feed(at(0, id=1, outcome=ASKED), at(1.5, id=1, amount=900))
    features = stream.last(at(10, id=2))
    assert (features["card_attempts_1h"], features["card_approved_1h"], features["card_spend_1h"]) == (1, 1, 900)
    assert features["card_approval_rate_24h"] == features["merchant_approval_rate_1h"] == 1.0
    assert features["card_mean_amount_30d"] == 900
    assert features["account_spend_24h"] == features["address_spend_7d"] == 900
    assert (stream.repeats, stream.answers) == ([False] * 3, [False, True, False])


def test_requests_without_an_answer_have_no_rate_of_outcomes() -> None:
    stream = Stream()
    stream.feed(*(at(k, outcome=ASKED, tds_failed=True) for k in range(9)))
    features = stream.last(at(10))
    assert all(math.isnan(features[name]) for name in OUTCOME_RATES)
    assert math.isnan(features["card_mean_amount_30d"])
    assert features["card_attempts_1h"] == 9
    assert features["merchant_threeds_failed_rate_24h"] == 1.0
    stream.feed(at(11, outcome=FRAUD), at(12))
    assert stream.last(at(13))["merchant_approval_rate_1h"] == 2 / 3
    assert stream.last(at(13))["merchant_risk_rate_24h"] == 1 / 4


@pytest.mark.parametrize(("outcome", "counter"), [(BAD_CRED, "cred"), (FUNDS, "funds"), (FRAUD, "risk")])
def test_a_declining_answer_counts_by_its_class(outcome: int, counter: str) -> None:
    stream = Stream()
    stream.feed(at(0, id=1, outcome=ASKED), at(1, id=1, outcome=outcome))
    features = stream.last(at(2))
    assert features[f"card_{counter}_declines_24h"] == 1
    assert (features["card_approval_rate_24h"], features["card_spend_24h"]) == (0.0, 0.0)


def test_a_second_answer_is_a_repeat_whatever_its_outcome() -> None:
    stream = Stream()
    stream.feed(
        at(0, id=1, outcome=ASKED), at(1, id=1), at(2, id=1), at(3, id=1, outcome=FRAUD), at(4, id=1, outcome=ASKED)
    )
    assert (stream.repeats, stream.answers) == ([False, False, True, True, True], [False, True, False, False, False])
    features = stream.last(at(5))
    assert (features["card_approved_1h"], features["card_risk_declines_24h"]) == (1, 0)


def test_an_answer_after_six_other_ids_of_the_card_or_before_its_request_is_an_event_of_its_own() -> None:
    stream = Stream()
    stream.feed(at(0, id=1, outcome=ASKED), *(at(k, id=k, outcome=ASKED) for k in range(2, 8)), at(9, id=1))
    assert not any(stream.repeats + stream.answers)
    features = stream.last(at(10))
    assert (features["card_attempts_1h"], features["card_approved_1h"]) == (8, 1)
    other = Stream()
    other.feed(at(0, id=1), at(1, id=1, outcome=ASKED), at(2, id=1))
    assert (other.repeats, other.answers) == ([False, True, True], [False] * 3)


def test_only_an_attempt_is_answered() -> None:
    stream = Stream()
    stream.feed(at(0, id=1, outcome=ASKED, kind=REVERSAL), at(1, id=1), at(2, id=2, outcome=ASKED))
    stream.feed(at(3, id=2, kind=REVERSAL), at(4, id=2))
    assert (stream.repeats, stream.answers) == ([False, True, False, True, False], [False] * 4 + [True])


def test_an_answer_without_trusted_time_moves_nothing_and_comes_once() -> None:
    stream = Stream()
    stream.feed(at(0, id=1, outcome=ASKED), at(86_400 * 9, id=1, trusted=False), at(1, id=1))
    assert (stream.repeats, stream.answers) == ([False, False, True], [False, True, False])
    assert stream.last(at(2))["card_approved_1h"] == 0


def test_an_answer_counts_in_the_bucket_of_its_own_time() -> None:
    stream = Stream()
    stream.feed(at(899.5, id=1, outcome=ASKED), at(900.5, id=1))
    features = stream.last(at(899 + 4_500))
    assert (features["card_attempts_1h"], features["card_approved_1h"]) == (0, 1)
    assert features["merchant_approval_rate_1h"] == 1.0


def test_a_series_of_funds_declines_is_the_same_in_two_phases() -> None:
    at_once, asked = Stream(), Stream()
    amounts = [900, 800, 700]
    steps = [at(86_402 * (k == 2) + 10 * k, id=k, amount=amount, outcome=FUNDS) for k, amount in enumerate(amounts, 1)]
    at_once.feed(*steps)
    asked.feed(*(_phase(step, is_answer) for step in steps for is_answer in (False, True)))
    probe = at(86_500, amount=600)
    assert at_once.last(probe)["card_funds_ladder"] == asked.last(probe)["card_funds_ladder"] == 2


def _phase(event: Event, is_answer: bool) -> Event:
    fields = {name: getattr(event, name) for name in Event.__slots__}
    return Event(**fields if is_answer else {**fields, "outcome": ASKED})


@settings(max_examples=examples(30))
@given(st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 2_000)), min_size=1, max_size=12))
def test_a_request_and_its_approval_within_a_second_leave_the_same_rows_as_one_event(
    payments: list[tuple[int, int]],
) -> None:
    seconds = np.cumsum([gap for gap, _ in payments]).tolist()
    amounts = [amount for _, amount in payments]
    steps = [at(second, id=k, amount=amounts[k - 1]) for k, second in enumerate(seconds, 1)]
    at_once, asked = Stream(), Stream()
    at_once.feed(*steps)
    asked.feed(*(_phase(step, is_answer) for step in steps for is_answer in (False, True)))
    probe = at(seconds[-1] + 5)
    assert str(at_once.last(probe)) == str(asked.last(probe))


def test_every_rate_is_in_the_ledger() -> None:
    others = {name for name in NAMES if name.startswith(("merchant_report_rate", "merchant_mature_report_rate"))}
    assert {name for name in NAMES if "_rate_" in name or "_over_attempts" in name} - others <= set(RATES)


@settings(max_examples=few(50))
@given(conversations())
def test_every_counter_rate_and_mean_is_that_of_the_ledger(events: list[Event]) -> None:
    stream, ledger = Stream(), Ledger()
    for event, event_id, features in zip(events, ids(events), stream.feed(*events), strict=True):
        expected = {name: ledger.expected(name, event) for name in NAMES}
        was = (stream.repeats.pop(0), stream.answers.pop(0))
        what = ledger.take(event, event_id)
        assert was == (what == REPEAT, what == ANSWER)
        if what != DECIDED:
            assert all(math.isnan(value) for value in features.values())
        elif event.trusted:
            for name, value in expected.items():
                if value is not None:
                    assert features[name] == pytest.approx(value, rel=1e-12, nan_ok=True), name


@settings(max_examples=examples(15))
@given(conversations(apart=True), st.data(), st.sampled_from([1, 3]))
def test_requests_and_answers_are_exact_across_restarts_and_partitions(
    events: list[Event], data: st.DataObject, partitions: int
) -> None:
    """A restart may come between a request and its answer. Events since the last flush are then applied again."""
    plain, durable = Profiles(SMALL), Profiles(SMALL, partitions)
    names, log, flushed = ids(events), Log(), 0
    flushes = data.draw(st.sets(st.integers(0, len(events))))
    crashes = data.draw(st.sets(st.integers(0, len(events)), max_size=2))
    answers: list[bytes] = []
    for number, (event, name) in enumerate(zip(events, names, strict=True)):
        if number in flushes:
            append(log, durable, range(partitions))
            flushed = number
        if number in crashes:
            durable = restored(log, SMALL, partitions)
            for again in range(flushed, number):
                assert _feed(durable, events[again], names[again], partitions) == answers[again]
        answers.append(_feed(plain, event, name, 1))
        assert _feed(durable, event, name, partitions) == answers[-1]


def _feed(profiles: Profiles, event: Event, event_id: int, partitions: int) -> bytes:
    return feed(profiles, event, event_id, partition_of(event, partitions))
