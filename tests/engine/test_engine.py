"""The engine answers every authorization exactly once, the same for any cut into batches."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.simulator import Simulator, SimulatorConfig
from scoring.clock import UNDATED
from scoring.contract.alert import Alert
from scoring.contract.dead_letter import DeadLetter
from scoring.contract.decision import Decision
from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.observer import Observer, Settings
from scoring.outputs import Emitted, LetterRuns, Outputs, Source
from scoring.policy import policy_from
from scoring.profile import ProfileLimits
from tests.bundles import small_bundle
from tests.events import encoded, event, token
from tests.examples import examples

NOW_MS = 1_800_000_000_000
POLICY = policy_from({"version": "t", "global": {"review": 400, "step_up": 600, "block": 800}})
SETTINGS = Settings(decode=DecodeLimits(), profiles=ProfileLimits())


def new_engine() -> Engine:
    return Engine(small_bundle(), POLICY, SETTINGS, "test")


def source(
    n: int, *, first: int = 0, partition: int = 0, topic: str = "authorizations", stamp_ms: int = UNDATED
) -> Source:
    return Source(topic=topic, partition=partition, offsets=range(first, first + n), timestamps_ms=[stamp_ms] * n)


def score(
    engine: Engine, values: Sequence[bytes], first: int = 0, partition: int = 0, stamp_ms: int = UNDATED
) -> Outputs:
    return engine.score(
        values,
        source(len(values), first=first, partition=partition, stamp_ms=stamp_ms),
        received_at_ms=NOW_MS,
        decided_at_ms=lambda: NOW_MS + 1,
    )


def decisions(outputs: Outputs) -> list[Decision]:
    return [msgspec.json.decode(value, type=Decision) for _, value in outputs.decisions]


def traffic(n: int) -> list[bytes]:
    config = SimulatorConfig(seed=5, days=1, events_per_day=2_000, cards=300, merchants=80, repeat_share=0.02)
    values = [item.value for item in Simulator(config).traffic() if item.topic == "authorizations"]
    assert len(values) >= n
    return values[:n]


TRAFFIC = traffic(600)


def test_values_in_are_decisions_and_dead_letters_and_repeats() -> None:
    values = [encoded(), b"{", encoded(), encoded(event_id="e-2"), encoded(amount={"exponent": 2}, event_id="e-3")]
    outputs = score(new_engine(), values)
    assert [decision.decision_id for decision in decisions(outputs)] == ["e-1", "e-2"]
    letters = [msgspec.json.decode(value, type=DeadLetter) for _, value in outputs.dead_letters]
    assert [(letter.offset, letter.reason) for letter in letters] == [(1, "MALFORMED_JSON"), (4, "WRONG_EXPONENT")]
    assert outputs.repeats == 1
    assert outputs.tally.events == 5
    assert outputs.tally.dead_letters == {"MALFORMED_JSON": 1, "WRONG_EXPONENT": 1}
    assert outputs.tally.letter_runs == LetterRuns(leading=0, trailing=1, longest=1)
    assert sum(outputs.tally.bands.values()) == 2


def test_a_repeat_ends_a_series_of_dead_letters() -> None:
    outputs = score(new_engine(), [encoded(), b"{", b"{", encoded(), b"{", b"{", b"{"])
    assert outputs.repeats == 1
    assert outputs.tally.letter_runs == LetterRuns(leading=0, trailing=3, longest=3)


def test_a_decision_says_what_produced_it_and_when() -> None:
    (made,) = decisions(score(new_engine(), [encoded()], stamp_ms=NOW_MS - 5))
    assert made.decision_id == event()["event_id"]
    assert made.versions.policy == POLICY.identity
    assert made.versions.model == small_bundle().version
    assert made.times.record_ms == NOW_MS - 5
    assert made.times.received_ms == NOW_MS
    assert made.times.decided_ms == NOW_MS + 1
    assert made.tds.status == "UNKNOWN"
    assert made.compliance.known is False
    assert made.compliance.stale is None
    assert made.compliance.high_risk_goods is True  # by the category of the event


def test_an_exemption_in_no_list_is_counted_once_for_its_event() -> None:
    values = [encoded(event_id=f"e-{n}", tds={"exempt_reason": word}) for n, word in enumerate(("none", "x", "mit"))]
    engine = new_engine()
    assert score(engine, values).tally.unknown_exemptions == 1
    assert score(engine, values).tally.unknown_exemptions == 0  # repeats


def test_unknown_keys_near_a_field_and_repeated_keys_are_counted() -> None:
    twice = encoded(event_id="e-2", tds={"eci": "05"}).replace(b'"eci"', b'"eci":"06","eci"')
    tally = score(new_engine(), [encoded(threeds={"eci": "05"}, terminal={"eci": "05"}), twice]).tally
    assert tally.near_keys == {"tds": 1}
    assert tally.repeated_keys == 1


def test_response_codes_in_no_list_are_counted_by_network() -> None:
    odd = {"response_code": "ZZ", "approved": False}
    tally = score(
        new_engine(), [encoded(outcome=odd), encoded(event_id="e-2"), encoded(event_id="e-3", outcome=odd)]
    ).tally
    assert tally.unknown_codes == {"visa": 2}


def test_decisions_carry_the_card_token_as_key() -> None:
    ((key, _value),) = score(new_engine(), [encoded()]).decisions
    assert key.decode() == token("card-1")


def test_the_model_scores_an_event_as_lightgbm_would() -> None:
    observer, engine = Observer(SETTINGS), new_engine()
    for start in range(0, 300, 100):
        values = TRAFFIC[start : start + 100]
        observed = observer.observe(values, [UNDATED] * len(values))
        margins = np.empty(len(observed.matrix))
        small_bundle().trees.margins(observed.matrix, margins)
        probabilities, scores = small_bundle().calibration.apply(margins)
        made = decisions(score(engine, values))
        kept = ~observed.repeats
        assert [decision.score for decision in made] == scores[kept].tolist()
        assert [decision.probability for decision in made] == pytest.approx(probabilities[kept].tolist())


@settings(max_examples=examples(15))
@given(cuts=st.lists(st.integers(1, 599), max_size=12), is_spread=st.booleans())
def test_the_cut_into_batches_and_the_number_of_partitions_change_no_decision(cuts: list[int], is_spread: bool) -> None:
    bounds = [0, *sorted(set(cuts)), 600]
    engine = new_engine()
    got: list[Any] = []
    for batch, (start, end) in enumerate(itertools.pairwise(bounds)):
        outputs = score(engine, TRAFFIC[start:end], first=start, partition=batch % 4 if is_spread else 0)
        got += [*outputs.decisions]
    assert got == WHOLE


WHOLE = score(new_engine(), TRAFFIC).decisions


def test_decisions_with_a_high_score_have_reasons_and_raise_alerts_that_agree() -> None:
    outputs = score(new_engine(), [encoded(amount={"minor": 9_000_000})])
    (made,) = decisions(outputs)
    ((_key, value),) = outputs.alerts
    alert = msgspec.json.decode(value, type=Alert)
    assert made.band in {"REVIEW", "STEP_UP", "BLOCK"}
    assert next(reason.id for reason in made.reasons) == "AMT_HIGH"
    assert (alert.event_id, alert.score, alert.reasons) == (made.decision_id, made.score, made.reasons)
    assert outputs.tally.alerts == {("TXN", alert.severity): 1}


def test_the_same_card_again_is_suppressed_and_counted() -> None:
    values = [encoded(event_id=f"e-{n}", amount={"minor": 9_000_000}) for n in range(5)]
    outputs = score(new_engine(), values)
    assert len(outputs.alerts) + outputs.tally.alerts_suppressed == 5
    assert outputs.tally.alerts_suppressed >= 3


def test_a_merchant_record_shows_in_the_decision_and_a_tombstone_removes_it() -> None:
    engine = new_engine()
    record = {
        "acquirer_id": "acq-1",
        "merchant_id": "m-1",
        "tds": {"mode": "EVERY_PAYMENT"},
        "checklist": {"version": "jp-6.0", "items": {"SC5_CREDMASTER": {"status": "NOT_IMPLEMENTED"}}},
    }
    where = source(1, topic="merchants")
    assert not engine.merchant([b"acq-1/m-1"], [orjson.dumps(record)], where, received_at_ms=NOW_MS).dead_letters
    outputs = score(engine, [encoded()])
    (made,) = decisions(outputs)
    assert made.compliance.gaps == ["SC5_CREDMASTER"]
    assert made.tds.expected == "REQUIRED"
    assert outputs.tally.gaps == {"SC5_CREDMASTER": 1}
    engine.merchant([b"acq-1/m-1"], [None], where, received_at_ms=NOW_MS)
    (made,) = decisions(score(engine, [encoded(event_id="e-2")]))
    assert made.compliance.known is False


def test_a_refused_merchant_record_is_a_dead_letter_and_changes_nothing() -> None:
    engine = new_engine()
    outputs = engine.merchant([b"acq-1/other"], [b'{"acquirer_id":"acq-1"}'], source(1), received_at_ms=NOW_MS)
    (letter,) = [msgspec.json.decode(value, type=DeadLetter) for _, value in outputs.dead_letters]
    assert letter.reason == "MISSING_FIELD"
    assert len(engine.observer.merchants) == 0


def test_a_refused_merchant_record_can_be_judged_again_without_being_stored() -> None:
    engine = new_engine()
    keys = [b"acq-1/m-0", b"acq-1/other", b"acq-1/another"]
    records = [b'{"acquirer_id":"acq-1","merchant_id":"m-0"}', b"{", b"{"]
    where = source(3, first=7, topic="merchants")
    taken = engine.merchant(keys, records, where, received_at_ms=NOW_MS)
    assert engine.refused_merchants(keys, records, where, received_at_ms=NOW_MS).dead_letters == taken.dead_letters
    emitted = Emitted(dead_letters=frozenset({8}))
    again = engine.refused_merchants(keys, records, where, received_at_ms=NOW_MS, emitted=emitted)
    assert again.dead_letters == taken.dead_letters[1:]
    fresh = new_engine()
    fresh.refused_merchants(keys, records, where, received_at_ms=NOW_MS)
    assert len(fresh.observer.merchants) == 0


def test_a_merchant_beyond_the_limit_is_counted_and_unknown_and_no_dead_letter() -> None:
    engine = Engine(small_bundle(), POLICY, replace(SETTINGS, merchants_max=1), "test")
    keys = [b"acq-1/m-0", b"acq-1/m-1", b"acq-1/m-0"]
    records = [
        orjson.dumps({"acquirer_id": "acq-1", "merchant_id": key.decode()[-3:], "fraud_status": status})
        for key, status in zip(keys, ("NORMAL", "NORMAL", "WARNING"), strict=True)
    ]
    outputs = engine.merchant(keys, records, source(3, topic="merchants"), received_at_ms=NOW_MS)
    assert (outputs.tally.merchants_beyond_limit, outputs.dead_letters) == (1, [])
    known, unknown = decisions(
        score(engine, [encoded(event_id="e-1", merchant={"id": "m-0"}), encoded(event_id="e-2")])
    )
    assert (known.compliance.known, known.compliance.fraud_status) == (True, "WARNING")
    assert unknown.compliance.known is False


def report(event_id: str, received: str, **changes: Any) -> bytes:
    return orjson.dumps(
        {
            "label_id": f"l-{event_id}",
            "event_id": event_id,
            "acquirer_id": "acq-1",
            "merchant_id": "m-1",
            "pan_hmac": token("card-1"),
            "label": "FRAUD",
            "source": "TC40",
            "received_ts": received,
            **changes,
        }
    )


def test_a_fraud_report_is_seen_only_by_events_after_its_receipt() -> None:
    from scoring.features.all import FEATURES

    column = [feature.name for feature in FEATURES].index("card_reports_30d")
    observer = Observer(SETTINGS)
    observer.observe([encoded(event_id="e-0", event_ts="2026-05-01T00:00:00Z")], [UNDATED])
    reported = observer.report([report("e-0", "2026-05-03T00:00:00Z")], [UNDATED])
    assert (reported.labels, reported.rejects) == (["FRAUD"], [])
    before = observer.observe([encoded(event_id="e-1", event_ts="2026-05-02T00:00:00Z")], [UNDATED]).matrix[0, column]
    after = observer.observe([encoded(event_id="e-2", event_ts="2026-05-04T00:00:00Z")], [UNDATED]).matrix[0, column]
    assert (before, after) == (0.0, 1.0)


def test_reports_that_clear_a_payment_count_as_no_fraud() -> None:
    from scoring.features.all import FEATURES

    column = [feature.name for feature in FEATURES].index("card_reports_30d")
    engine = new_engine()
    outputs = engine.report(
        [report("e-0", "2026-05-01T00:00:00Z", label="LEGIT"), b"{}"], source(2), received_at_ms=NOW_MS
    )
    assert outputs.tally.reports == {"LEGIT": 1}
    assert len(outputs.dead_letters) == 1
    assert outputs.tally.letter_runs == LetterRuns(leading=0, trailing=1, longest=1)
    observed = engine.observer.observe([encoded(event_id="e-2", event_ts="2026-05-04T00:00:00Z")], [UNDATED])
    assert observed.matrix[0, column] == 0.0


def test_an_empty_batch_has_no_outputs() -> None:
    outputs = score(new_engine(), [])
    assert outputs == Outputs(tally=outputs.tally)
    assert outputs.tally.events == 0


def test_no_card_number_leaves_in_any_output() -> None:
    digits = "4" + "1" * 14
    number = digits + next(d for d in "0123456789" if _luhn(digits + d))
    poisoned = [
        encoded(card={"pan_hmac": number}),
        f'{{"broken": "{number}"'.encode(),
        encoded(event_id="e-1", unknown={"deep": [number]}),
        encoded(event_id="e-2").replace(b'"m-1"', f'"m-1", "{number}": 1'.encode()),
    ]
    outputs = score(new_engine(), poisoned)
    assert [decision.decision_id for decision in decisions(outputs)] == ["e-1", "e-2"]
    assert [json.loads(value)["reason"] for _, value in outputs.dead_letters] == ["SENSITIVE_PAN"] * 2
    for key, value in [*outputs.decisions, *outputs.alerts, *outputs.dead_letters]:
        assert number.encode() not in key + value


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(int(d) * (1 + i % 2), 10)) for i, d in enumerate(reversed(digits)))
    return sum(doubled) % 10 == 0
