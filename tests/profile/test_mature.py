"""Reports of a merchant over the attempts of the very days that they speak of, recounted from all of both."""

from collections.abc import Sequence
from math import isnan

import pytest
from hypothesis import example, given, settings

from scoring.profile import Profiles
from tests.examples import examples, few
from tests.profile.events import ATTEMPT, NAMES, SMALL, Event, Report, Stream, at
from tests.profile.oracles.report_oracle import DAY, ReportOracle
from tests.profile.oracles.strategies import histories
from tests.profile.rows.test_changelog import Log, append, restored
from tests.profile.test_report_streams import DAYS_LATE, feed, now_of, received, reports_of_weeks

SPANS = (1, 2, 3, 7, 14, 21, 30)
DELAY = 7
KEPT = 40  # days of attempts
MATURE = {f"merchant_mature_{what}_{days}d" for days in SPANS for what in ("attempts", "report_rate")}

EVERY_DAY = [at(k * DAY / 2, card=1 + k % 3, merchant=1 + k % 2) for k in range(120)]
LATE_BY_DAYS = [
    *EVERY_DAY,
    *(at(59.5 * DAY - back * DAY) for back in (0, 1, 2, 3, 4, 10, 39, 40, 41, 58)),
    at(60 * DAY),
]
REPORTED = [*EVERY_DAY, *(received(k * DAY / 3, card=1 + k % 3, amount=k) for k in range(10, 180)), *LATE_BY_DAYS[120:]]


def expected(steps: Sequence[Event | Report], oracle: ReportOracle, event: Event) -> dict[str, float | None]:
    """Count for an event: attempts of the merchant in whole days until a week ago, reports in whole days until today.

    `None` is unknown. An event behind its merchant's latest day sees the days that are still kept.
    """
    if event.merchant == 0:
        return dict.fromkeys(MATURE)
    of = [e for e in steps if isinstance(e, Event) and e.trusted and e.merchant == event.merchant]
    last_s = max([e.time_ms // 1000 for e in of], default=0)
    today, latest = now_of(event, last_s) // DAY, last_s // DAY
    days = [e.time_ms // 1000 // DAY for e in of if e.kind == ATTEMPT]
    found: dict[str, float | None] = {}
    for span in SPANS:
        end = today - DELAY
        attempts = sum(end - span <= day < end and day > latest - KEPT for day in days)
        row = oracle.merchants.get(event.merchant)
        reports = row[1].of_days(today - span, today) if row else 0
        found[f"merchant_mature_attempts_{span}d"] = attempts
        found[f"merchant_mature_report_rate_{span}d"] = reports / attempts if attempts else None
    return found


@settings(max_examples=few(150))
@given(histories())
@example(EVERY_DAY)
@example(LATE_BY_DAYS)
@example(REPORTED)
@example(DAYS_LATE)
@example([*reports_of_weeks(99), at(99 * DAY), at(97 * DAY), at(100 * DAY), at(120 * DAY)])
def test_reports_are_set_against_the_attempts_of_a_week_before(steps: list[Event | Report]) -> None:
    stream, oracle = Stream(), ReportOracle()
    for number, step in enumerate(steps):
        if isinstance(step, Report):
            stream.report(step)
            oracle.report(step)
            continue
        features = stream.last(step)
        for name, wanted in expected(steps[:number], oracle, step).items():
            assert isnan(features[name]) if wanted is None else features[name] == pytest.approx(wanted), name
        oracle.moved(step)


def test_a_day_counts_whole_and_the_day_of_the_event_does_not() -> None:
    """Noon is the begin of a day here. Three attempts on day 0, one on day 1; two of day 0 are reported on day 7."""
    stream = Stream()
    stream.feed(at(0), at(1), at(DAY - 1), at(DAY))
    stream.report(received(7 * DAY), received(8 * DAY - 1), received(8 * DAY))
    before, first = stream.last(at(8 * DAY - 1)), stream.last(at(8 * DAY))
    assert (before["merchant_mature_attempts_1d"], first["merchant_mature_attempts_1d"]) == (0, 3)
    assert isnan(before["merchant_mature_report_rate_1d"])
    assert first["merchant_mature_report_rate_1d"] == pytest.approx(2 / 3)
    second = stream.last(at(9 * DAY))
    assert (second["merchant_mature_attempts_1d"], second["merchant_mature_attempts_2d"]) == (1, 4)
    assert (second["merchant_mature_report_rate_1d"], second["merchant_mature_report_rate_2d"]) == (1.0, 0.75)


def test_reversals_refunds_and_untrusted_times_are_no_attempts_and_answers_are_no_second_ones() -> None:
    stream = Stream()
    stream.feed(at(0, outcome=0, id=1), at(1, id=1), at(2, kind=1), at(3, kind=2), at(4, trusted=False))
    assert stream.last(at(8 * DAY))["merchant_mature_attempts_1d"] == 1


def test_an_attempt_without_an_answer_or_with_a_decline_counts() -> None:
    stream = Stream()
    stream.feed(at(0, outcome=0), at(1, outcome=4))
    assert stream.last(at(8 * DAY))["merchant_mature_attempts_1d"] == 2


def test_an_attempt_whose_outcome_came_first_counts_once() -> None:
    stream = Stream()
    assert stream.outcome(at(0, id=5)) == ["UNMATCHED"]
    stream.feed(at(1, id=5))
    assert stream.last(at(8 * DAY))["merchant_mature_attempts_1d"] == 1


def test_an_event_of_the_day_before_the_latest_one_misses_nothing() -> None:
    stream = Stream()
    stream.feed(*(at(day * DAY) for day in range(50)))
    stream.report(*(received(day * DAY, amount=day) for day in range(50)))
    for day in (48, 49):
        features = stream.last(at(day * DAY + 60))
        assert features["merchant_mature_attempts_30d"] == 30
        assert features["merchant_mature_report_rate_30d"] == 1.0


@settings(max_examples=examples(40))
@given(histories())
@example(REPORTED)
def test_days_of_several_partitions_add_up_and_survive_a_restart(steps: list[Event | Report]) -> None:
    log: Log = {}
    plain, durable, oracle = Profiles(SMALL), Profiles(SMALL, 3), ReportOracle()
    for number, step in enumerate(steps):
        if number % 25 == 24 and not any(row.has_merged for row in oracle.rows()):
            append(log, durable, range(3))
            durable = restored(log, SMALL)
        assert feed(durable, step, number + 1, step.card % 3) == feed(plain, step, number + 1)
        (oracle.report if isinstance(step, Report) else oracle.moved)(step)  # type: ignore[arg-type]


def test_all_features_of_this_page_exist() -> None:
    assert set(NAMES) >= MATURE
