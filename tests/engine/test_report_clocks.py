"""A fraud report is judged by its record's time: one from the future is counted, and updates no row."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.matrix import replay
from models.training.records import Record
from scoring.clock import UNDATED
from scoring.engine import Engine
from scoring.features.all import FEATURES
from scoring.observer import Observer
from scoring.outputs import Outputs, Source
from tests.engine.test_clocks import DAY_MS, MINUTE_MS, RECORD_MS, ROWS, SETTINGS, new_engine, score, value
from tests.examples import examples

NAMES = [feature.name for feature in FEATURES]
OF_REPORTS = [NAMES.index(name) for name in ("card_reports_ever", "card_reports_30d", "merchant_reports_30d")]
FUTURE_MS = 4_133_980_000_000  # in 2100


def report(received_ms: int, **changes: object) -> bytes:
    time = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=received_ms)
    made: dict[str, object] = {
        "label_id": "l-1",
        "event_id": "e-1",
        "acquirer_id": "acq-1",
        "merchant_id": "m-1",
        "pan_hmac": "card",
        "label": "FRAUD",
        "source": "TC40",
        "received_ts": time.isoformat(timespec="milliseconds"),
        "amount_jpy": 900,
    }
    return orjson.dumps({**made, **changes})


def take(engine: Engine, values: Sequence[bytes], stamps: Sequence[int]) -> Outputs:
    source = Source(topic="fraud-reports", partition=0, offsets=range(len(values)), timestamps_ms=stamps)
    return engine.report(values, source, received_at_ms=RECORD_MS)


def seen(engine: Engine, event_ms: int, event_id: str = "probe") -> list[float]:
    """Return the features of reports for an event of the reported card at the reported merchant."""
    event = value(event_id, event_ms, acquirer={"id": "acq-1"}, merchant={"id": "m-1"}, card={"pan_hmac": "card"})
    return engine.observer.observe([event], [event_ms]).matrix[0, OF_REPORTS].tolist()  # type: ignore[no-any-return]


def rows(engine: Engine) -> list[bytes]:
    return [column.tobytes() for packed in engine.changelog.flush(0) for column in packed]


@pytest.mark.parametrize(
    ("ahead_ms", "clock", "counts"),
    [
        (0, "ON_TIME", 1),
        (5 * MINUTE_MS, "ON_TIME", 1),
        (5 * MINUTE_MS + 1, "EARLY", 0),
        (FUTURE_MS - RECORD_MS, "EARLY", 0),
        (-DAY_MS, "ON_TIME", 1),
        (-DAY_MS - 1, "LATE", 1),
        (-20 * DAY_MS, "LATE", 1),
    ],
)
def test_a_report_is_judged_to_the_millisecond(ahead_ms: int, clock: str, counts: int) -> None:
    engine = new_engine()
    outputs = take(engine, [report(RECORD_MS + ahead_ms)], [RECORD_MS])
    assert outputs.tally.report_clocks == {clock: 1}
    assert outputs.tally.reports == {"FRAUD": 1}
    assert outputs.dead_letters == []
    assert seen(engine, RECORD_MS + 10 * MINUTE_MS) == [counts] * 3


def test_each_report_is_judged_by_its_own_record() -> None:
    engine = new_engine()
    values = [b"{", report(RECORD_MS), report(RECORD_MS, label="LEGIT"), b"", report(FUTURE_MS), report(RECORD_MS + 9)]
    stamps = [RECORD_MS, RECORD_MS - DAY_MS, RECORD_MS + 2 * DAY_MS, FUTURE_MS, RECORD_MS, UNDATED]
    outputs = take(engine, values, stamps)
    assert outputs.tally.report_clocks == {"EARLY": 2, "LATE": 1, "ON_TIME": 1}
    assert outputs.tally.reports == {"FRAUD": 3, "LEGIT": 1}
    assert seen(engine, RECORD_MS + MINUTE_MS) == [1.0] * 3


def test_reports_from_the_future_leave_no_trace_in_any_row() -> None:
    engine, untouched = new_engine(), new_engine()
    for one in (engine, untouched):
        score(
            one,
            [value(f"e-{n}", RECORD_MS + n * 1_000, card={"pan_hmac": f"c{n}"}) for n in range(64)],
            [RECORD_MS] * 64,
        )
        take(one, [report(RECORD_MS)], [RECORD_MS])
    many = [report(FUTURE_MS + n, pan_hmac=f"c{n}", merchant_id=f"m-{n % 100}") for n in range(300)]
    assert take(engine, many, [RECORD_MS] * 300).tally.report_clocks == {"EARLY": 300}
    assert rows(engine) == rows(untouched)
    assert engine.changelog.eviction_cursors == untouched.changelog.eviction_cursors
    later = [value(f"f-{n}", RECORD_MS + (70 + n) * 1_000, card={"pan_hmac": f"c{n}"}) for n in range(64)]
    found, expected = (one.observer.observe(later, [RECORD_MS] * 64).matrix for one in (engine, untouched))
    assert found.tobytes() == expected.tobytes()


def test_reports_of_a_wrong_clock_evict_no_card_however_many_they_are() -> None:
    """The record's time is as wrong as the report's: only the times that the stores have seen show it."""
    engine = new_engine()
    take(engine, [report(FUTURE_MS, pan_hmac=f"x{n}") for n in range(ROWS.card)], [FUTURE_MS] * ROWS.card)
    events = [value(f"e-{n}", RECORD_MS + n * 1_000, card={"pan_hmac": f"c{n}"}) for n in range(ROWS.card)]
    assert score(engine, events, [RECORD_MS] * ROWS.card).repeats == 0
    assert score(engine, events, [RECORD_MS] * ROWS.card).repeats == ROWS.card


def test_a_report_that_is_judged_again_after_a_crash_has_the_same_result() -> None:
    stamps = [RECORD_MS, RECORD_MS, UNDATED, RECORD_MS]
    values = [report(at_ms) for at_ms in (RECORD_MS, FUTURE_MS, RECORD_MS + 1_000, RECORD_MS + 2_000)]
    once, twice = new_engine(), new_engine()
    take(once, values, stamps)
    for text, stamp in zip(values, stamps, strict=True):
        source = Source(topic="fraud-reports", partition=0, offsets=[0], timestamps_ms=[stamp])
        twice.report([text], source, received_at_ms=RECORD_MS + 400 * DAY_MS)
    assert rows(once) == rows(twice)


@settings(max_examples=examples(30))
@given(
    st.lists(
        st.tuples(st.integers(-2 * DAY_MS, 10 * MINUTE_MS), st.sampled_from(["FRAUD", "LEGIT"]), st.booleans()),
        max_size=20,
    )
)
def test_reports_of_fraud_that_are_not_from_the_future_count(reports: list[tuple[int, str, bool]]) -> None:
    engine = new_engine()
    values = [report(RECORD_MS + ahead_ms, label=label) for ahead_ms, label, _ in reports]
    outputs = take(engine, values, [RECORD_MS if is_dated else UNDATED for _, _, is_dated in reports])
    early = [is_dated and ahead_ms > 5 * MINUTE_MS for ahead_ms, _, is_dated in reports]
    late = [is_dated and ahead_ms < -DAY_MS for ahead_ms, _, is_dated in reports]
    expected = {"EARLY": sum(early), "LATE": sum(late), "ON_TIME": len(reports) - sum(early) - sum(late)}
    assert outputs.tally.report_clocks == {clock: count for clock, count in expected.items() if count}
    counted = sum(label == "FRAUD" and not is_early for (_, label, _), is_early in zip(reports, early, strict=True))
    assert seen(engine, RECORD_MS + DAY_MS) == [counted] * 3


def test_training_sees_the_same_reports_as_live_scoring() -> None:
    event = value(
        "e-9", RECORD_MS + DAY_MS, acquirer={"id": "acq-1"}, merchant={"id": "m-1"}, card={"pan_hmac": "card"}
    )
    times = [RECORD_MS, RECORD_MS + 6 * MINUTE_MS, FUTURE_MS, RECORD_MS - 3 * DAY_MS]
    records = [Record("fraud-reports", b"k", report(time), RECORD_MS) for time in times]
    samples = replay([*records, Record("authorizations", b"k", event, RECORD_MS + DAY_MS)], {}, SETTINGS)
    observer = Observer(SETTINGS)
    observer.report([record.value or b"" for record in records], [RECORD_MS] * 4)
    live = observer.observe([event], [RECORD_MS + DAY_MS]).matrix
    assert samples.matrix.tobytes() == live.tobytes()
    assert np.array_equal(live[0, OF_REPORTS], [2.0] * 3)
