"""An event is judged by its record's time: late and early ones move no window, those out of order count in their
bucket.
"""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.matrix import replay
from models.training.records import Record
from scoring.clock import AHEAD_MAX_MS, BEHIND_MAX_MS, UNDATED, judge
from scoring.contract.codes import Clock
from scoring.contract.decision import Decision
from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.features.all import FEATURES
from scoring.observer import Observer, Settings
from scoring.outputs import Outputs, Source
from scoring.policy import policy_from
from scoring.profile import ProfileLimits
from tests.bundles import small_bundle
from tests.events import encoded
from tests.examples import examples

RECORD_MS = 1_777_604_400_000
MINUTE_MS, DAY_MS = 60_000, 86_400_000
ROWS = ProfileLimits(card=64, merchant=64, merchant_bin=64, bin=64, device=64, ip=64, account=64, address=64)
SETTINGS = Settings(decode=DecodeLimits(), profiles=ROWS)
ATTEMPTS_10M = [feature.name for feature in FEATURES].index("card_attempts_10m")
ATTEMPTS_1H = [feature.name for feature in FEATURES].index("card_attempts_1h")


def new_engine(**thresholds: int) -> Engine:
    bands = {"review": 400, "step_up": 600, "block": 800, **thresholds}
    return Engine(small_bundle(), policy_from({"version": "t", "global": bands}), SETTINGS, "test")


def value(event_id: str, event_ms: int, **changes: object) -> bytes:
    time = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=event_ms)
    return encoded(event_id=event_id, event_ts=time.isoformat(timespec="milliseconds"), **changes)


def score(engine: Engine, values: Sequence[bytes], stamps: Sequence[int], polled_at_ms: int = RECORD_MS) -> Outputs:
    source = Source(topic="authorizations", partition=0, offsets=range(len(values)), timestamps_ms=stamps)
    return engine.score(values, source, received_at_ms=polled_at_ms, decided_at_ms=lambda: polled_at_ms)


def decisions(outputs: Outputs) -> list[Decision]:
    return [msgspec.json.decode(made, type=Decision) for _, made in outputs.decisions]


def test_the_bounds_are_those_of_the_policy() -> None:
    assert (AHEAD_MAX_MS, BEHIND_MAX_MS) == (5 * MINUTE_MS, DAY_MS)


@pytest.mark.parametrize(
    ("ahead_ms", "clock", "status"),
    [
        (0, "ON_TIME", "SCORED"),
        (5 * MINUTE_MS, "ON_TIME", "SCORED"),
        (5 * MINUTE_MS + 1, "EARLY", "SCORED_TIME_SUSPECT"),
        (-DAY_MS, "ON_TIME", "SCORED"),
        (-DAY_MS - 1, "LATE", "SCORED_TIME_SUSPECT"),
    ],
)
def test_an_event_is_judged_to_the_millisecond(ahead_ms: int, clock: str, status: str) -> None:
    outputs = score(new_engine(), [value("e-1", RECORD_MS + ahead_ms)], [RECORD_MS])
    (made,) = decisions(outputs)
    assert (made.clock, made.status) == (clock, status)
    assert made.times.event_ms - made.times.record_ms == ahead_ms
    assert outputs.tally.clocks == {clock: 1}


def test_each_event_is_judged_by_its_own_record_also_behind_one_that_is_refused() -> None:
    values = [b"{", value("e-1", RECORD_MS), b"", value("e-2", RECORD_MS)]
    outputs = score(new_engine(), values, [RECORD_MS, RECORD_MS + 2 * DAY_MS, RECORD_MS, RECORD_MS + 7])
    made = decisions(outputs)
    assert [(decision.clock, decision.times.record_ms - RECORD_MS) for decision in made] == [
        ("LATE", 2 * DAY_MS),
        ("ON_TIME", 7),
    ]


def test_the_time_of_the_poll_changes_no_verdict() -> None:
    for polled_at_ms in (0, RECORD_MS, RECORD_MS + 400 * DAY_MS):
        (made,) = decisions(score(new_engine(), [value("e-1", RECORD_MS)], [RECORD_MS], polled_at_ms))
        assert (made.clock, made.status) == ("ON_TIME", "SCORED")


def test_without_a_timestamp_every_event_is_on_time_and_the_record_reads_as_unknown() -> None:
    for event_ms in (RECORD_MS - 3_000 * DAY_MS, RECORD_MS + 3_000 * DAY_MS):
        (made,) = decisions(score(new_engine(), [value("e-1", event_ms)], [UNDATED]))
        assert (made.clock, made.status, made.times.record_ms) == ("ON_TIME", "SCORED", 0)


@given(st.integers(-DAY_MS - 3, 5 * MINUTE_MS + 3) | st.integers(-(2**50), 2**50), st.integers(-1, 2**50))
def test_the_verdict_depends_only_on_the_difference(ahead_ms: int, record_ms: int) -> None:
    (clock,) = judge(np.array([record_ms + ahead_ms]), np.array([record_ms]))
    if record_ms < 0 or -BEHIND_MAX_MS <= ahead_ms <= AHEAD_MAX_MS:
        assert clock == Clock.ON_TIME
    else:
        assert clock == (Clock.EARLY if ahead_ms > 0 else Clock.LATE)


@pytest.mark.parametrize("ahead_ms", [6 * MINUTE_MS, -DAY_MS - 1])
def test_a_late_or_early_event_moves_no_window_and_its_id_is_remembered(ahead_ms: int) -> None:
    engine, untouched = new_engine(), new_engine()
    first, odd = value("e-0", RECORD_MS - 3 * DAY_MS), value("odd", RECORD_MS + ahead_ms)
    for one in (engine, untouched):
        assert len(score(one, [first], [RECORD_MS - 3 * DAY_MS]).decisions) == 1
    assert len(score(engine, [odd], [RECORD_MS]).decisions) == 1
    later = [value(f"e-{n}", RECORD_MS + n * 1000) for n in range(1, 4)]
    seen, expected = (one.observer.observe(later, [RECORD_MS] * 3).matrix for one in (engine, untouched))
    assert seen.tobytes() == expected.tobytes()
    again = score(engine, [odd], [RECORD_MS + 2 * DAY_MS])
    assert (again.decisions, again.repeats, again.tally.repeats) == ([], 1, 1)
    assert again.tally.clocks == {}


def test_an_event_out_of_order_is_flagged_and_counts_in_its_own_bucket() -> None:
    observer = Observer(SETTINGS)
    times = [0, 40 * MINUTE_MS, 5 * MINUTE_MS, 6 * MINUTE_MS, 41 * MINUTE_MS]
    values = [value(f"e-{n}", RECORD_MS + time) for n, time in enumerate(times)]
    observed = observer.observe(values, [RECORD_MS + 41 * MINUTE_MS] * 5)
    assert [Clock(clock).name for clock in observed.clocks] == ["ON_TIME", "ON_TIME", *["OUT_OF_ORDER"] * 2, "ON_TIME"]
    assert observed.matrix[:, ATTEMPTS_10M].tolist()[4] == 1  # the one of a minute before, not the two of the past
    assert observed.matrix[:, ATTEMPTS_1H].tolist()[4] == 4


def test_order_is_that_of_whole_seconds_and_of_one_card() -> None:
    first = value("e-0", RECORD_MS + 999)
    same_second, second_before = value("e-1", RECORD_MS), value("e-2", RECORD_MS - 1)
    other_card = value("e-3", RECORD_MS - MINUTE_MS, card={"pan_hmac": "another"})
    outputs = score(new_engine(), [first, same_second, second_before, other_card], [RECORD_MS] * 4)
    assert [made.clock for made in decisions(outputs)] == ["ON_TIME", "ON_TIME", "OUT_OF_ORDER", "ON_TIME"]
    assert {made.status for made in decisions(outputs)} == {"SCORED"}
    assert outputs.tally.clocks == {"ON_TIME": 3, "OUT_OF_ORDER": 1}


def test_an_early_event_puts_no_other_event_out_of_order() -> None:
    values = [value("early", RECORD_MS + DAY_MS), value("e-1", RECORD_MS), value("e-2", RECORD_MS + 1_000)]
    made = decisions(score(new_engine(), values, [RECORD_MS] * 3))
    assert [decision.clock for decision in made] == ["EARLY", "ON_TIME", "ON_TIME"]


def test_a_repeat_is_counted_only_as_a_repeat() -> None:
    values = [value("e-1", RECORD_MS), value("e-2", RECORD_MS + 5_000), value("e-1", RECORD_MS)]
    outputs = score(new_engine(), values, [RECORD_MS] * 3)
    assert (len(outputs.decisions), outputs.repeats, outputs.tally.repeats) == (2, 1, 1)
    assert outputs.tally.clocks == {"ON_TIME": 2}


@settings(max_examples=examples(20))
@given(
    offsets=st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=40),
    cuts=st.sets(st.integers(1, 39), max_size=6),
)
def test_the_cut_into_batches_changes_no_verdict(offsets: list[tuple[int, int, int]], cuts: set[int]) -> None:
    events = [
        value(f"e-{n}", RECORD_MS + days * DAY_MS + seconds * 500, card={"pan_hmac": f"card-{card}"})
        for n, (days, card, seconds) in enumerate(offsets)
    ]
    stamps = [RECORD_MS + n for n in range(len(events))]
    whole, engine = score(new_engine(), events, stamps).decisions, new_engine()
    bounds = [0, *sorted(cut for cut in cuts if cut < len(events)), len(events)]
    pieces = [score(engine, events[a:b], stamps[a:b]).decisions for a, b in itertools.pairwise(bounds)]
    assert [made for piece in pieces for made in piece] == whole


def test_a_decision_has_the_clock_after_its_status() -> None:
    ((_, made),) = score(new_engine(), [value("e-1", RECORD_MS + DAY_MS)], [RECORD_MS]).decisions
    assert b',"status":"SCORED_TIME_SUSPECT","clock":"EARLY","score":' in made
    assert "clock" not in orjson.loads(made)["times"]


def test_training_leaves_out_events_that_live_scoring_did_not_trust() -> None:
    times = [0, DAY_MS, -2 * DAY_MS, 5_000, 1_000]
    records = [
        Record("authorizations", b"k", value(f"e-{n}", RECORD_MS + time), RECORD_MS + n) for n, time in enumerate(times)
    ]
    samples = replay(records, {}, SETTINGS)
    assert samples.skipped == {"early": 1, "late": 1}
    assert samples.event_ms.tolist() == [RECORD_MS, RECORD_MS + 5_000, RECORD_MS + 1_000]
    observed = Observer(SETTINGS).observe([record.value or b"" for record in records], [r.at_ms for r in records])
    assert samples.matrix.tobytes() == observed.matrix[[0, 3, 4]].tobytes()


def test_a_wrong_clock_neither_closes_nor_keeps_open_an_alerts_case() -> None:
    engine = new_engine(review=1, step_up=998, block=999)
    big = {"amount": {"minor": 9_000_000}}
    assert len(score(engine, [value("early", RECORD_MS + 3_000 * DAY_MS, **big)], [RECORD_MS]).alerts) == 1
    month_ms = 30 * DAY_MS
    later = score(engine, [value("e-1", RECORD_MS + month_ms, **big)], [RECORD_MS + month_ms])
    assert (len(later.alerts), later.tally.alerts_suppressed) == (1, 0)
