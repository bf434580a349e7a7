"""Outcomes on a topic of their own, before or after their requests: each counts once, in any order."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples, few
from tests.profile.events import BAD_CRED, FRAUD, FUNDS, NAMES, REVERSAL, Event, Stream, at, ids
from tests.profile.oracles.ledger import ANSWER, DECIDED, REPEAT, Ledger
from tests.profile.outcomes.conversations import conversations

ASKED = 0


def test_an_outcome_answers_the_request_that_waits_for_it_once() -> None:
    stream = Stream()
    stream.feed(at(0, id=1, outcome=ASKED))
    assert stream.outcome(at(1.5, id=1, amount=900), at(2, id=1), at(3, id=1, outcome=FRAUD)) == [
        "COUNTED",
        "REPEAT",
        "REPEAT",
    ]
    features = stream.last(at(10, id=2))
    assert (features["card_attempts_1h"], features["card_approved_1h"], features["card_spend_1h"]) == (1, 1, 900)
    assert features["card_approval_rate_24h"] == features["merchant_approval_rate_1h"] == 1.0
    assert features["card_risk_declines_24h"] == 0


def test_an_outcome_without_its_request_counts_as_request_and_outcome() -> None:
    stream = Stream()
    assert stream.outcome(at(0, id=1, outcome=BAD_CRED), at(1, id=2, amount=700)) == ["UNMATCHED", "UNMATCHED"]
    features = stream.last(at(10))
    assert (features["card_attempts_1h"], features["merchant_attempts_1h"]) == (2, 2)
    assert (features["card_cred_declines_1h"], features["card_spend_1h"]) == (1, 700)
    assert features["card_approval_rate_24h"] == 0.5
    assert (round(features["device_cards_1h"]), features["card_new_device"]) == (1, 0.0)


def test_a_request_after_its_outcome_is_decided_and_counts_as_no_second_attempt() -> None:
    stream = Stream()
    assert stream.outcome(at(1, id=1, amount=700)) == ["UNMATCHED"]
    request = stream.last(at(2, id=1, amount=700, outcome=ASKED, tds_failed=True))
    assert request["card_attempts_1h"] == 1, "the rows must have its outcome"
    assert (stream.repeats, stream.answers) == ([False], [False])
    assert stream.outcome(at(3, id=1)) == ["REPEAT"]
    stream.feed(at(4, id=1), at(5, id=1, outcome=ASKED))
    assert (stream.repeats[1:], stream.answers[1:]) == ([True, True], [False, False])
    features = stream.last(at(10))
    assert (features["card_attempts_1h"], features["card_approved_1h"], features["card_spend_1h"]) == (1, 1, 700)
    assert features["card_threeds_failed_24h"] == 1, "the outcome has no such field"


def test_an_event_with_an_outcome_of_its_own_after_that_outcome_counts_no_outcome() -> None:
    stream = Stream()
    stream.feed(at(0, id=8, outcome=FUNDS, amount=900))
    assert stream.outcome(at(1, id=9, outcome=FUNDS, amount=700)) == ["UNMATCHED"]
    stream.feed(at(2, id=9, outcome=FUNDS, amount=700))
    features = stream.last(at(3))
    assert (features["card_attempts_1h"], features["card_funds_declines_1h"]) == (2, 2)
    assert features["card_funds_ladder"] == 2, "counting the same decline twice would begin a new series"


def test_only_a_request_without_an_outcome_is_answered() -> None:
    stream = Stream()
    stream.feed(at(0, id=1), at(1, id=2, outcome=ASKED, kind=REVERSAL), at(2, id=3, outcome=ASKED))
    assert stream.outcome(at(3, id=1), at(3, id=2), at(3, id=3, outcome=ASKED)) == ["REPEAT", "REPEAT", "UNKNOWN"]
    assert stream.outcome(at(4, id=9, outcome=ASKED), at(5, id=3)) == ["UNKNOWN", "COUNTED"]
    assert stream.last(at(6))["card_attempts_1h"] == 2, "an unknown outcome of an unseen request counts as none"


def test_an_outcome_without_trusted_time_moves_nothing() -> None:
    stream = Stream()
    stream.feed(at(0, id=1, outcome=ASKED))
    assert stream.outcome(at(9 * 86_400, id=1, trusted=False), at(1, id=1)) == ["UNTIMED", "REPEAT"]
    assert stream.outcome(at(9 * 86_400, id=2, trusted=False)) == ["UNTIMED"]
    stream.feed(at(2, id=2, outcome=ASKED))
    assert stream.outcome(at(3, id=2)) == ["COUNTED"], "no state of it must be kept"
    features = stream.last(at(4))
    assert (features["card_attempts_1h"], features["card_approved_1h"]) == (2, 1)


def test_an_outcome_counts_for_the_entities_that_it_names() -> None:
    stream = Stream()
    stream.feed(at(0, id=1, outcome=ASKED))
    stream.outcome(at(1, id=1, account=0, merchant_bin=0, outcome=BAD_CRED))
    features = stream.last(at(2))
    assert (features["device_cred_declines_24h"], features["ip_cred_declines_1h"]) == (1, 1)
    assert math.isnan(features["merchant_bin_cred_rate_1h"])


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 2_000), st.sampled_from([1, 1, 3, 4, 5])), max_size=9))
def test_an_outcome_leaves_the_same_rows_as_an_answer_among_the_events(payments: list[tuple[int, int, int]]) -> None:
    among, apart, first, at_once = Stream(), Stream(), Stream(), Stream()
    second = 0
    for number, (gap, amount, outcome) in enumerate(payments, 1):
        second += gap
        event = at(second, id=number, amount=amount, outcome=outcome)
        request = replace(event, outcome=ASKED)
        among.feed(request, event)
        apart.feed(request)
        assert apart.outcome(event) == ["COUNTED"]
        at_once.feed(event)
        assert first.outcome(event) == ["UNMATCHED"]
        assert first.last(request)["card_attempts_1h"] >= 1, "the request must be decided"
    probe = at(second + 5)
    assert str(apart.last(probe)) == str(among.last(probe))
    assert str(first.last(probe)) == str(at_once.last(probe)), "the order of the topics must not change the rows"


@settings(max_examples=few(60))
@given(conversations(apart=True))
def test_every_counter_rate_and_mean_is_that_of_the_ledger(events: list[Event]) -> None:
    stream, ledger = Stream(), Ledger()
    for event, event_id in zip(events, ids(events), strict=True):
        if event.apart:
            assert stream.outcome(event) == [ledger.take_outcome(event, event_id)]
            continue
        expected = {name: ledger.expected(name, event) for name in NAMES}
        (features,) = stream.feed(event)
        what = ledger.take(event, event_id)
        assert (stream.repeats[-1], stream.answers[-1]) == (what == REPEAT, what == ANSWER)
        if what == DECIDED and event.trusted:
            for name, value in expected.items():
                if value is not None:
                    assert features[name] == pytest.approx(value, rel=1e-12, nan_ok=True), name
