"""Outcomes of their own topic through the engine: they are not decided, and later requests are."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.contract.dead_letter import DeadLetter
from scoring.engine import Engine
from scoring.outputs import NOTHING, Emitted, Outputs
from tests.decode.guard.numbers import PAN
from tests.engine.test_answers import COLUMN, EVENT_MS, HOUR_MS, answered, asked
from tests.engine.test_engine import NOW_MS, TRAFFIC, decisions, new_engine, score, source
from tests.events import encoded, outcome_of, request_of
from tests.examples import examples

KEYS = {"device": {"fp_hmac": "d"}, "net": {"ip_hmac": "n"}, "shopper": {"account_hmac": "s"}}


def take(engine: Engine, *values: bytes, first: int = 0, emitted: Emitted = NOTHING, stamp_ms: int = -1) -> Outputs:
    where = source(len(values), first=first, topic="authorization-outcomes", stamp_ms=stamp_ms)
    outputs = engine.outcomes(values, where, received_at_ms=NOW_MS, emitted=emitted)
    tally = outputs.tally
    assert tally.events == sum(tally.outcomes.values()) + len(outputs.dead_letters) + tally.replayed
    assert (outputs.decisions, outputs.alerts, tally.bands) == ([], [], {})
    return outputs


def features(engine: Engine, *values: bytes) -> dict[str, float]:
    """Give the features of the last event."""
    row = engine.observer.observe(values, [-1] * len(values)).matrix[-1]
    return {name: float(row[column]) for name, column in COLUMN.items()}


@pytest.mark.parametrize("code", ["00", "51", "59", "82", "91"])
def test_an_outcome_has_the_same_effect_as_an_answer_among_the_events(code: str) -> None:
    said = {"phase": "POST_AUTH", "approved": None, "response_code": code}
    answer = answered(outcome=said, **KEYS)
    among, apart = new_engine(), new_engine()
    score(among, [asked(**KEYS), answer])
    score(apart, [asked(**KEYS)])
    assert take(apart, outcome_of(answer)).tally.outcomes == {"COUNTED": 1}
    now = features(apart, encoded(event_id="e-2", **KEYS))
    assert str(now) == str(features(among, encoded(event_id="e-2", **KEYS)))
    assert now["card_approval_rate_24h"] == float(code == "00")


def test_a_request_after_its_outcome_is_decided_once_and_counts_once() -> None:
    engine = new_engine()
    assert take(engine, outcome_of(answered())).tally.outcomes == {"UNMATCHED": 1}
    outputs = score(engine, [asked(), asked()])
    assert [made.decision_id for made in decisions(outputs)] == ["e-1"]
    assert (outputs.tally.repeats, outputs.tally.answers) == (1, {})
    assert take(engine, outcome_of(answered())).tally.outcomes == {"REPEAT": 1}
    now = features(engine, encoded(event_id="e-2"))
    assert (now["card_attempts_1h"], now["card_approved_1h"], now["card_spend_1h"]) == (1, 1, 12_800)


def test_an_outcome_that_never_comes_leaves_an_attempt_that_no_rate_counts() -> None:
    engine = new_engine()
    score(engine, [asked(f"e-{n}") for n in range(3)])
    take(
        engine,
        outcome_of(answered("e-1")),
        outcome_of(answered("e-1", outcome={"approved": None, "response_code": None})),
    )
    now = features(engine, encoded(event_id="e-9"))
    assert (now["card_attempts_1h"], now["card_approval_rate_24h"], now["merchant_approval_rate_1h"]) == (3, 1, 1)


def test_an_outcome_with_an_unlisted_code_is_counted_and_updates_nothing() -> None:
    engine = new_engine()
    score(engine, [asked()])
    tally = take(engine, outcome_of(answered(outcome={"approved": None, "response_code": "ZZ"}))).tally
    assert tally.unknown_codes == {"visa": 1}
    assert np.isnan(features(engine, encoded(event_id="e-2"))["card_approval_rate_24h"])


def test_an_outcome_whose_time_is_not_trusted_moves_nothing() -> None:
    engine = new_engine()
    score(engine, [asked()], stamp_ms=EVENT_MS)
    late = take(engine, outcome_of(answered()), stamp_ms=EVENT_MS + 25 * HOUR_MS)
    assert late.tally.outcomes == {"UNTIMED": 1}
    assert np.isnan(features(engine, encoded(event_id="e-2"))["card_approval_rate_24h"])


def test_refused_outcomes_get_one_dead_letter_with_place_and_reason() -> None:
    engine = new_engine()
    values = [outcome_of(encoded()), b"{", outcome_of(encoded(event_id=PAN)), outcome_of(encoded(), note=PAN)]
    outputs = take(engine, *values, first=7, emitted=Emitted(dead_letters=frozenset({8})))
    (letter,) = [msgspec.json.decode(value, type=DeadLetter) for _, value in outputs.dead_letters]
    assert (letter.topic, letter.offset, letter.reason) == ("authorization-outcomes", 9, "SENSITIVE_PAN")
    assert PAN.encode() not in b"".join(key + value for key, value in outputs.dead_letters)
    assert (outputs.tally.replayed, outputs.tally.stripped) == (1, {"SENSITIVE_PAN": 1})
    assert outputs.tally.dead_letters == {"SENSITIVE_PAN": 1}
    assert outputs.tally.letter_runs == (0, 0, 2)
    assert outputs.tally.outcomes == {"UNMATCHED": 1, "REPEAT": 1}


@settings(max_examples=examples(10))
@given(st.lists(st.tuples(st.integers(0, 99), st.booleans()), max_size=40), st.integers(1, 60))
def test_every_request_is_decided_for_any_place_of_its_outcome(places: list[tuple[int, bool]], cut: int) -> None:
    """In any order of the topics and any cut into batches, each outcome counts once."""
    engine, found, results = new_engine(), [], dict[str, int]()
    told = dict(places)
    for start in range(0, 100, cut):
        part = list(enumerate(TRAFFIC[:100]))[start : start + cut]
        for before in (True, False):
            values = [outcome_of(value) for number, value in part if told.get(number) is before]
            for name, count in take(engine, *values, *values).tally.outcomes.items():
                results[name] = results.get(name, 0) + count
            if before:
                events = [request_of(value) if number in told else value for number, value in part]
                found += [made.decision_id for made in decisions(score(engine, events))]
    named = [msgspec.json.decode(value)["event_id"] for value in TRAFFIC[:100]]
    assert found == list(dict.fromkeys(named))
    assert results.get("REPEAT", 0) >= len(told)
