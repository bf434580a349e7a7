"""An acquirer that asks before the issuer answers: one decision for the request; the answer updates profiles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.clock import UNDATED
from scoring.features.all import FEATURES
from scoring.observer import Observer
from scoring.outputs import Emitted
from tests.engine.test_engine import SETTINGS, TRAFFIC, decisions, new_engine, score
from tests.engine.test_replayed import adds_up
from tests.engine.test_replayed import score as score_again
from tests.events import encoded, in_two_phases, request_of
from tests.examples import examples

COLUMN = {feature.name: number for number, feature in enumerate(FEATURES)}
EVENT_MS = 1_777_604_400_000  # of the plain event
HOUR_MS = 3_600_000


def asked(event_id: str = "e-1", **changes: object) -> bytes:
    return request_of(encoded(event_id=event_id, **changes))


def answered(event_id: str = "e-1", second: int = 1, **changes: object) -> bytes:
    return encoded(event_id=event_id, event_ts=f"2026-05-01T03:00:{second:02}.500Z", **changes)


def features(*values: bytes) -> dict[str, float]:
    """Give the features of the last event."""
    observer = Observer(SETTINGS)
    row = observer.observe(values, [UNDATED] * len(values)).matrix[-1]
    return {name: float(row[column]) for name, column in COLUMN.items()}


def test_a_request_its_answer_and_the_next_payment() -> None:
    now = features(asked(), answered(), encoded(event_id="e-2"))
    assert (now["card_attempts_1h"], now["card_approved_1h"], now["card_approval_rate_24h"]) == (1.0, 1.0, 1.0)
    assert now["merchant_approval_rate_1h"] == now["bin_cred_rate_1h"] + 1.0 == 1.0
    assert now["card_spend_1h"] == 12_800
    outputs = score(new_engine(), [asked(), answered(), answered(second=2), encoded(event_id="e-2")])
    assert [made.decision_id for made in decisions(outputs)] == ["e-1", "e-2"]
    assert (outputs.tally.repeats, outputs.tally.answers) == (1, {"COUNTED": 1})
    adds_up(outputs)


def test_a_card_and_a_merchant_with_requests_only_have_no_rates() -> None:
    now = features(*(asked(f"e-{n}") for n in range(5)), encoded(event_id="e-9"))
    rates = ["card_approval_rate_24h", "merchant_approval_rate_1h", "merchant_risk_rate_24h", "merchant_cred_rate_1h"]
    assert np.isnan([now[name] for name in (*rates, "merchant_bin_approval_rate_1h", "bin_cred_rate_1h")]).all()
    assert now["card_attempts_1h"] == 5.0


@pytest.mark.parametrize("code", ["00", "51", "59", "82", "91"])
def test_an_answer_counts_by_the_class_of_its_code(code: str) -> None:
    outcome = {"phase": "POST_AUTH", "approved": None, "response_code": code}
    at_once = features(encoded(outcome=outcome), encoded(event_id="e-2"))
    in_two = features(asked(), answered(second=0, outcome=outcome), encoded(event_id="e-2"))
    learnt = {name for name in COLUMN if name.endswith(("_declines_1h", "_declines_24h", "_spend_1h", "ladder"))}
    learnt |= {name for name in COLUMN if "_rate_" in name or "approved" in name}
    assert len(learnt) > 12
    assert {name: str(in_two[name]) for name in learnt} == {name: str(at_once[name]) for name in learnt}
    assert in_two["card_approval_rate_24h"] == float(code == "00")


def test_the_outcome_in_a_request_is_ignored() -> None:
    """A switch without an answer may still fill the fields of one."""
    claims = encoded(outcome={"phase": "PRE_AUTH", "approved": False, "response_code": "05"})
    assert np.isnan(features(claims, encoded(event_id="e-2"))["card_approval_rate_24h"])
    assert features(claims, answered(), encoded(event_id="e-2"))["card_approval_rate_24h"] == 1.0


def test_an_answer_without_an_outcome_is_a_repeat() -> None:
    silent = answered(outcome={"phase": "POST_AUTH", "approved": None, "response_code": None})
    outputs = score(new_engine(), [asked(), silent, answered()])
    assert (outputs.tally.repeats, outputs.tally.answers, len(outputs.decisions)) == (1, {"COUNTED": 1}, 1)


def test_an_answer_whose_time_is_not_trusted_moves_nothing_and_is_counted_as_such() -> None:
    engine = new_engine()
    score(engine, [asked()], stamp_ms=EVENT_MS)
    outputs = score(engine, [answered()], stamp_ms=EVENT_MS + 25 * HOUR_MS)
    assert (outputs.tally.answers, outputs.decisions, outputs.tally.clocks) == ({"UNTIMED": 1}, [], {})
    adds_up(outputs)
    again = score(engine, [answered()], stamp_ms=EVENT_MS)
    assert (again.tally.repeats, again.tally.answers) == (1, {})


def test_an_answer_raises_no_alert_and_suppresses_none() -> None:
    large = {"amount": {"minor": 9_000_000}}
    outputs = score(new_engine(), [asked(**large), answered(**large)])
    assert (len(outputs.alerts), outputs.tally.alerts_suppressed, sum(outputs.tally.bands.values())) == (1, 0, 1)


@settings(max_examples=examples(10))
@given(cut=st.integers(0, 120), known=st.booleans())
def test_a_restart_between_requests_and_answers_decides_nothing_twice(cut: int, known: bool) -> None:
    """The events since the marker again, with or without the decisions that were published before the crash."""
    stream = in_two_phases(TRAFFIC[:100], every=2, behind=7)
    whole = score(new_engine(), stream)
    engine = new_engine()
    before = score(engine, stream[:cut])
    made = {decision.decision_id.encode() for decision in decisions(before)} if known else set()
    again = score_again(new_engine(), stream, Emitted(decisions=frozenset(made)))
    adds_up(again)
    assert again.tally.answers == whole.tally.answers
    assert sum(whole.tally.answers.values()) > 25
    assert again.tally.replayed == len(made)
    assert [made.decision_id for made in decisions(again)] == [
        made.decision_id for made in decisions(whole) if not known or made.decision_id.encode() not in _ids(before)
    ]


def _ids(outputs: object) -> set[bytes]:
    return {made.decision_id.encode() for made in decisions(outputs)}  # type: ignore[arg-type]
