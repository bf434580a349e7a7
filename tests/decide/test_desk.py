"""The desk against plain lists: events in any order, and a restart that knows only the published alerts."""

import itertools
from collections.abc import Iterable, Sequence

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoring.clock import AHEAD_MAX_MS, BEHIND_MAX_MS
from scoring.contract.codes import Band
from scoring.decide.alerts import Case, Subject
from scoring.decide.cases.desk import AlertDesk
from scoring.decide.decisions import BAND_NAMES
from scoring.policy.policy import AlertRules
from tests.examples import examples

MINUTE = 60_000
WINDOW, QUIET = 15 * MINUTE, 30 * MINUTE
RULES = AlertRules(minimum_band="REVIEW", dedup_minutes=15, incident_quiet_minutes=30)
CARD = Subject(type="TXN", entity="CARD", dedup_key="TXN:CARD:1")
ATTACK = Subject(type="INCIDENT", entity="DEVICE", dedup_key="INCIDENT:DEVICE:1")

Events = list[tuple[int, int]]
"""Time and band of each event, in the order of arrival."""

EVERY_SECOND_ONE_LATE = [(20 * MINUTE + n * 1_000 - n % 2 * 16 * MINUTE, 1) for n in range(60)]

events = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 180 * MINUTE), st.integers(0, 12).map(lambda n: n * 15 * MINUTE)), st.integers(1, 3)
    ),
    max_size=40,
)


def plain(stream: Events, subject: Subject) -> list[tuple[bool, int, int, int]]:
    """Give for each event whether it raises an alert, and its case then: begin, end and number."""
    case: Events = []
    found = []
    for at, band in stream:
        is_over = bool(case) and (
            at - max(time for time, _ in case) > QUIET if subject is ATTACK else at - case[0][0] > WINDOW
        )
        if is_over:
            case = []
        fires = not case or band > max(each for _, each in case)
        case.append((at, band))
        found.append((fires, case[0][0], max(time for time, _ in case), len(case)))
    return found


def published(subject: Subject, begin: int, end: int, count: int, band: int) -> bytes:
    name = BAND_NAMES[Band(band)]
    return msgspec.json.encode(
        {"dedup_key": subject.dedup_key, "band": name, "count": count, "first_seen_ms": begin, "last_seen_ms": end}
    )


def admit(desk: AlertDesk, subject: Subject, stream: Iterable[tuple[int, int]], log: list[bytes]) -> list[bool]:
    """Admit events and append their alerts to a log."""
    fired = []
    for at, band in stream:
        case, fires = desk.admit(subject, at, band)
        if fires:
            log.append(published(subject, case.first_ms, case.last_ms, case.count, case.band))
        fired.append(fires)
    return fired


@settings(max_examples=examples(150))
@given(events, st.sampled_from([CARD, ATTACK]))
@example(EVERY_SECOND_ONE_LATE, CARD)
@example(EVERY_SECOND_ONE_LATE, ATTACK)
def test_an_event_fires_if_it_opens_a_case_or_raises_its_band(stream: Events, subject: Subject) -> None:
    desk = AlertDesk(RULES)
    found = []
    for at, band in stream:
        case, fires = desk.admit(subject, at, band)
        found.append((fires, case.first_ms, case.last_ms, case.count))
    assert found == plain(stream, subject)


@settings(max_examples=examples(150))
@given(events, st.sampled_from([(CARD, WINDOW), (ATTACK, QUIET)]))
@example(EVERY_SECOND_ONE_LATE, (CARD, WINDOW))
def test_in_any_order_cases_begin_further_apart_than_the_window(stream: Events, kind: tuple[Subject, int]) -> None:
    subject, apart = kind
    desk = AlertDesk(RULES)
    begins = [at for at, _ in stream if desk.admit(subject, at, Band.REVIEW)[1]]
    assert all(later - earlier > apart for earlier, later in itertools.pairwise(begins))


def test_events_that_come_sixteen_minutes_late_open_no_case_after_case() -> None:
    assert sum(admit(AlertDesk(RULES), CARD, EVERY_SECOND_ONE_LATE, [])) == 1
    assert sum(admit(AlertDesk(RULES), CARD, EVERY_SECOND_ONE_LATE[1:], [])) == 2


@settings(max_examples=examples(200))
@given(events, st.data())
@example(EVERY_SECOND_ONE_LATE, None)
def test_a_restart_raises_no_alert_of_a_transaction_case_a_second_time(
    stream: Events, data: st.DataObject | None
) -> None:
    cut = data.draw(st.integers(0, len(stream))) if data else 31
    whole = admit(AlertDesk(RULES), CARD, stream, [])
    log: list[bytes] = []
    before = admit(AlertDesk(RULES), CARD, stream[:cut], log)
    restarted = AlertDesk(RULES)
    order = data.draw(st.permutations(log)) if data else log
    assert all(restarted.restore_case(value) for value in order)
    assert before + admit(restarted, CARD, stream[cut:], []) == whole


def test_a_restart_knows_an_incident_by_its_last_alert() -> None:
    restarted = AlertDesk(RULES)
    restarted.restore_case(published(ATTACK, 0, 10 * MINUTE, 7, Band.STEP_UP))
    assert not restarted.admit(ATTACK, 40 * MINUTE, Band.STEP_UP)[1]
    assert restarted.admit(ATTACK, 41 * MINUTE, Band.BLOCK) == (Case(0, 41 * MINUTE, 2, Band.BLOCK, 2, 0), True)
    assert restarted.admit(ATTACK, 72 * MINUTE, Band.REVIEW)[1]


def test_an_older_alert_does_not_change_an_open_case() -> None:
    desk = AlertDesk(RULES)
    desk.admit(CARD, 0, Band.REVIEW)
    desk.admit(CARD, MINUTE, Band.BLOCK)
    assert desk.restore_case(published(CARD, 0, 0, 1, Band.REVIEW))
    case, fires = desk.admit(CARD, 2 * MINUTE, Band.BLOCK)
    assert (fires, case.count, case.serial) == (False, 3, 1)


@pytest.mark.parametrize(
    "value",
    [
        b"hello",
        b"",
        b"{}",
        b"null",
        b'{"topic":null}',
        b"\xff",
        b"[" * 5_000,
        b'{"more":' + b"[" * 5_000,
        published(CARD, 0, 0, 1, Band.BLOCK).replace(b"BLOCK", b"MAYBE"),
        published(CARD, -1, 0, 1, Band.BLOCK),
        published(CARD, 0, 2**60, 1, Band.BLOCK),
        published(CARD, 0, 0, 1, Band.BLOCK)[:-1],
    ],
)
def test_a_record_that_is_no_alert_is_reported_and_changes_nothing(value: bytes) -> None:
    desk = AlertDesk(RULES)
    assert desk.restore_case(published(CARD, 0, 0, 1, Band.BLOCK))
    assert not desk.restore_case(value)
    assert not desk.admit(CARD, MINUTE, Band.BLOCK)[1]


def test_the_time_to_look_back_covers_the_window_and_how_far_a_record_may_be_from_its_event() -> None:
    assert AlertDesk(RULES).reach_of_cases_ms == QUIET + BEHIND_MAX_MS + AHEAD_MAX_MS
    long = AlertRules(minimum_band="REVIEW", dedup_minutes=90, incident_quiet_minutes=30)
    assert AlertDesk(long).reach_of_cases_ms == 90 * MINUTE + BEHIND_MAX_MS + AHEAD_MAX_MS


@settings(max_examples=examples(60))
@given(st.permutations(range(12)), st.integers(1, 5))
def test_of_more_published_alerts_than_allowed_the_latest_are_remembered(order: Sequence[int], cases_max: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scoring.decide.cases.desk.CASES_MAX", cases_max)
        desk = AlertDesk(RULES)
        subjects = [Subject(type="TXN", entity="CARD", dedup_key=str(n)) for n in range(12)]
        for n in order:
            desk.restore_case(published(subjects[n], n, n, 1, Band.REVIEW))
            assert len(desk._known) <= 2 * cases_max
        assert set(desk._known) >= {str(n) for n in range(12 - cases_max, 12)}


def test_an_alert_that_rises_after_a_restart_has_the_number_it_would_have_had() -> None:
    """The number is part of the alert's id, so an alert that is made again must have the same number."""
    first, second = published(CARD, 0, 0, 1, Band.REVIEW), published(CARD, 0, 5, 3, Band.STEP_UP)
    for known, serials in (
        ((first,), (0, 1)),
        ((first, second), (1, 2)),
        ((second,), (1, 2)),
        ((second, second), (1, 2)),
    ):
        desk = AlertDesk(RULES)
        assert all(desk.restore_case(value) for value in known)
        before = desk.admit(CARD, 6, Band.REVIEW)[0].serial
        assert (before, desk.admit(CARD, 7, Band.BLOCK)[0].serial) == serials
