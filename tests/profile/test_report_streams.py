"""Fraud reports in any order, early, late and dated far ahead: none is seen early, and none is lost."""

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoring.profile import PROFILE_FEATURES, Entity, ProfileLimits, Profiles
from tests.examples import few
from tests.profile.events import NAMES, NOON, SMALL, Event, Report, Stream, at, columns_of, reports
from tests.profile.oracles.report_oracle import DAY, LOG, WINDOWS, Everything, ReportOracle
from tests.profile.oracles.strategies import histories
from tests.profile.rows.test_changelog import Log, append, restored
from tests.profile.rows.test_rows import TINY

OF_CARD = {"24h": "card_reports_24h", "30d": "card_reports_30d", "ever": "card_reports_ever"}
OF_MERCHANT = {window: f"merchant_reports_{window}" for window in ("24h", "7d", "30d")}


def received(second: float, **fields: int) -> Report:
    return Report(received_ms=round((NOON + second) * 1000), **fields)


LATE_AMONG_MANY = [
    *(received(-100 - k) for k in range(3)),
    at(9_000, card=2, merchant=2),
    *(received(k * 60) for k in range(1, 41)),
    at(0),
]
DAYS_LATE = [
    at(100 * DAY, card=2, merchant=2),
    *(received(day * DAY / 2, amount=day) for day in range(200)),
    *(at(day * DAY + 7_000) for day in (99, 98, 96, 92, 90, 75, 60, 50, 0)),
]
OLD_AFTER_MANY = [
    at(60 * DAY, card=2, merchant=2),
    *(received(60 * DAY - 60 * k) for k in range(30)),
    *(received(60 * DAY - days * DAY, amount=7) for days in (1.1, 1.3, 2, 3, 7.4, 9, 20, 37, 45)),
    *(at(60 * DAY + hours * 3_600) for hours in (0, 1, 30, 200)),
]
FUTURE_FIRST = [*(received(75 * 365 * DAY + 90 * k) for k in range(30)), at(1), *(received(k) for k in range(9)), at(8)]


def now_of(event: Event, last_s: int) -> int:
    """Return the second at which an event reads its rows: its own, or that of the row if its time is not trusted."""
    return event.time_ms // 1000 if event.trusted else last_s


@settings(max_examples=few(200))
@given(histories())
@example(LATE_AMONG_MANY)
@example(DAYS_LATE)
@example(OLD_AFTER_MANY)
@example(FUTURE_FIRST)
def test_no_report_is_seen_before_it_was_received_and_none_is_lost(
    steps: list[Event | Report],
) -> None:
    """Compared with all reports: the row only says whether it had to merge two seconds into one."""
    stream, oracle = Stream(), ReportOracle()
    for step in steps:
        if isinstance(step, Report):
            stream.report(step)
            oracle.report(step)
            continue
        features = stream.last(step)
        now_s = step.time_ms // 1000
        oracle.moved(step)
        if step.trusted:
            for prefix, of, key in (("card", oracle.cards, step.card), ("merchant", oracle.merchants, step.merchant)):
                if key in of:
                    everything, row = of[key]
                    check(everything, features, prefix, now_s, may_be_hidden=row.has_merged)


def check(everything: Everything, features: dict[str, float], prefix: str, now_s: int, *, may_be_hidden: bool) -> None:
    known = everything.ever(now_s)
    settled_s = everything.settled_s()
    is_late = now_s < settled_s
    quarter_s = now_s // (DAY // 4) * (DAY // 4)
    until_s = quarter_s - 1 if is_late else now_s
    if prefix == "card":
        assert features["card_reports_ever"] <= known
        if not may_be_hidden and (not is_late or settled_s - now_s < DAY):
            assert everything.ever(until_s) <= features["card_reports_ever"]
    for window, width in WINDOWS.items():
        name = f"{prefix}_reports_{window}"
        if name not in features:
            continue
        assert features[name] <= known, name
        if may_be_hidden:
            continue
        assert features[name] <= everything.count(now_s - 1.25 * width - 1, now_s), name
        if not is_late or settled_s - now_s < DAY:
            assert everything.count(max(now_s, settled_s) - width, until_s) <= features[name], name
    name = f"{prefix}_reported_30d"
    assert features[name] <= everything.amount(0, now_s)
    if not may_be_hidden and (not is_late or settled_s - now_s < DAY):
        assert everything.amount(max(now_s, settled_s) - WINDOWS["30d"], until_s) <= features[name]
        assert features[name] <= everything.amount(now_s - 1.25 * WINDOWS["30d"] - 1, now_s)


@settings(max_examples=few(200))
@given(histories())
@example(LATE_AMONG_MANY)
@example(DAYS_LATE)
@example(OLD_AFTER_MANY)
@example(FUTURE_FIRST)
def test_a_row_keeps_what_the_oracle_keeps(steps: list[Event | Report]) -> None:
    stream, oracle = Stream(), ReportOracle()
    last_s: dict[tuple[str, int], int] = {}
    for step in steps:
        if isinstance(step, Report):
            stream.report(step)
            oracle.report(step)
            continue
        features = stream.last(step)
        for prefix, of, key, counts in (
            ("card", oracle.cards, step.card, OF_CARD),
            ("merchant", oracle.merchants, step.merchant, OF_MERCHANT),
        ):
            names = {**counts, "reported": f"{prefix}_reported_30d"}
            if key == 0:
                assert all(math.isnan(features[name]) for name in names.values())
                continue
            now_s = now_of(step, last_s.get((prefix, key), 0))
            found = of[key][1].read(now_s) if key in of else dict.fromkeys(names, 0)
            assert {what: features[name] for what, name in names.items()} == {what: found[what] for what in names}
            if step.trusted:
                last_s[prefix, key] = max(last_s.get((prefix, key), 0), now_s)
        oracle.moved(step)


def feed(profiles: Profiles, step: Event | Report, name: int, partition: int = 0) -> bytes:
    if isinstance(step, Report):
        profiles.report(reports([step]), partition)
        return b""
    out = np.full((1, len(PROFILE_FEATURES)), -1.0)
    profiles.read_then_update(columns_of([step], [name]), out, 0, partition)
    return out.tobytes()


@settings(max_examples=few(80))
@given(histories(), st.data(), st.sampled_from([TINY, SMALL]))
def test_a_restart_changes_no_bit_of_the_features_of_reports(
    steps: list[Event | Report], data: st.DataObject, limits: ProfileLimits
) -> None:
    restarts = data.draw(st.sets(st.integers(0, len(steps)), max_size=5))
    plain, durable = Profiles(limits), Profiles(limits)
    log: Log = {}
    for number, step in enumerate(steps):
        if number in restarts:
            append(log, durable, [0])
            eviction_cursors = durable.changelog.eviction_cursors
            durable = restored(log, limits, 1)
            durable.changelog.eviction_cursors = eviction_cursors
        assert feed(durable, step, number + 1) == feed(plain, step, number + 1)
    assert (durable.sizes(), durable.reported) == (plain.sizes(), plain.reported)


@settings(max_examples=few(120))
@given(histories(), st.data())
def test_reports_of_several_partitions_add_up_to_those_of_one_row(
    steps: list[Event | Report], data: st.DataObject
) -> None:
    """A card has one partition; a merchant is reported in all. After a restart the sum is computed from the parts."""
    restarts = data.draw(st.sets(st.integers(0, len(steps)), max_size=4))
    plain, durable, oracle = Profiles(SMALL), Profiles(SMALL, 3), ReportOracle()
    log: Log = {}
    for number, step in enumerate(steps):
        if number in restarts and not any(row.has_merged for row in oracle.rows()):
            append(log, durable, range(3))
            durable = restored(log, SMALL)
        assert feed(durable, step, number + 1, step.card % 3) == feed(plain, step, number + 1)
        (oracle.report if isinstance(step, Report) else oracle.moved)(step)  # type: ignore[arg-type]


def test_a_sum_that_is_added_up_again_hides_each_report_until_its_second() -> None:
    plain, durable = Profiles(SMALL), Profiles(SMALL, 3)
    log: Log = {}
    steps = [at(9_000, card=2, merchant=2), *(received(100 * k, card=1 + k % 3) for k in range(40))]
    for number, step in enumerate(steps):
        assert feed(durable, step, number + 1, step.card % 3) == feed(plain, step, number + 1)
    append(log, durable, range(3))
    durable = restored(log, SMALL)
    for number, second in enumerate([*range(2_300, 4_000, 100), *range(2_299, 4_000, 100)]):
        event = at(second, card=1 + number % 3)
        assert feed(durable, event, 100 + number, event.card % 3) == feed(plain, event, 100 + number)


def test_a_report_of_the_first_second_of_all_is_added_up_again() -> None:
    plain, durable = Profiles(SMALL), Profiles(SMALL, 3)
    log: Log = {}
    for number, second in enumerate((1, 1, 2, 3, 1)):
        report = Report(received_ms=1_000 * second, card=number % 3)
        assert feed(durable, report, number + 1, number % 3) == feed(plain, report, number + 1)
    append(log, durable, range(3))
    durable = restored(log, SMALL)
    for number in range(1, 5):
        event = Event(time_ms=1_000 * number)
        seen = feed(durable, event, 100 + number, 1)
        assert seen == feed(plain, event, 100 + number)
        features = dict(zip(NAMES, np.frombuffer(seen), strict=True))
        assert features["merchant_reports_24h"] == (3, 4, 5, 5)[number - 1]


def test_a_full_log_ahead_of_all_events_merges_its_two_closest_seconds_when_it_is_added_up_again() -> None:
    plain, durable = Profiles(SMALL), Profiles(SMALL, 3)
    log: Log = {}
    for second in range(1, LOG + 2):
        report = Report(received_ms=1_000 * second, card=second % 3)
        assert feed(durable, report, second, second % 3) == feed(plain, report, second)
    append(log, durable, range(3))
    durable = restored(log, SMALL)
    for second, known in ((1, 0), (2, 2)):
        event = Event(time_ms=1_000 * second)
        seen = feed(durable, event, 100 + second, 1)
        assert seen == feed(plain, event, 100 + second)
        assert dict(zip(NAMES, np.frombuffer(seen), strict=True))["merchant_reports_24h"] == known


def reports_of_weeks(ends_day: int) -> list[Event | Report]:
    """Draw reports every eight hours up to a day, of three cards in turn, and then some that are read late."""
    first = at(ends_day * DAY, card=4, merchant=2)
    in_order = [received(ends_day * DAY - n * 8 * 3_600, card=1 + n % 3, amount=100 + n) for n in range(240, -1, -1)]
    late = [received(ends_day * DAY - n * 31 * 3_600, card=1 + n % 3, amount=7 * n) for n in range(1, 60, 2)]
    return [first, *in_order, *late]


def test_settled_reports_of_all_partitions_are_added_up_for_events_of_any_time() -> None:
    """One partition has settled up to a later second than the others, and dropped sub-buckets that they keep."""
    plain, durable, oracle = Profiles(SMALL), Profiles(SMALL, 3), ReportOracle()
    steps = [*reports_of_weeks(99), *(received(100 * DAY + 7 * k, card=3, amount=k) for k in range(20))]
    steps.insert(1, at(101 * DAY, card=4, merchant=2))
    for number, step in enumerate(steps):
        assert feed(durable, step, number + 1, step.card % 3) == feed(plain, step, number + 1)
        (oracle.report if isinstance(step, Report) else oracle.moved)(step)  # type: ignore[arg-type]
    log: Log = {}
    append(log, durable, range(3))
    durable = restored(log, SMALL)
    row = oracle.merchants[1][1]
    assert not row.has_merged
    for number, hour in enumerate(range(101 * 24, 60 * 24, -5)):
        event = at(hour * 3_600, card=1 + number % 3)
        seen = feed(durable, event, 1_000 + number, event.card % 3)
        assert seen == feed(plain, event, 1_000 + number)
        features = dict(zip(NAMES, np.frombuffer(seen), strict=True))
        found = row.read(event.time_ms // 1000)
        assert {window: features[name] for window, name in OF_MERCHANT.items()} == {w: found[w] for w in OF_MERCHANT}
        assert features["merchant_reported_30d"] == found["reported"]


@settings(max_examples=few(50))
@given(histories(), st.data())
def test_reported_cards_move_with_their_partition(steps: list[Event | Report], data: st.DataObject) -> None:
    moves = data.draw(st.sets(st.integers(0, len(steps)), max_size=4))
    plain, home, away, oracle = Profiles(SMALL), Profiles(SMALL, 3), Profiles(SMALL, 3), ReportOracle()
    log: Log = {}
    for number, step in enumerate(steps):
        if number in moves and not any(row.has_merged for row in oracle.rows()):
            append(log, home, range(3))
            for partition in range(3):
                home.changelog.forget_cards(partition)
            assert (home.reported, home.sizes()[Entity.CARD]) == (0, 0)
            home, away = away, home
            for partition in range(3):
                home.changelog.forget_cards(partition)
                home.changelog.forget_shared(partition)
            for partition, flushes in log.items():
                for packed in flushes:
                    home.changelog.restore(partition, packed)
        assert feed(home, step, number + 1, step.card % 3) == feed(plain, step, number + 1)
        (oracle.report if isinstance(step, Report) else oracle.moved)(step)  # type: ignore[arg-type]


def test_reported_cards_behind_the_last_marker_are_written_again_or_deleted_by_tombstones() -> None:
    counted, behind, again = Profiles(SMALL), Profiles(SMALL), Profiles(SMALL)
    kept = received(0, card=1, merchant=0)
    for profiles in (counted, behind):
        profiles.report(reports([kept]))
    behind.report(reports([received(1, card=1, merchant=0), received(2, card=2, merchant=0)]))
    again.changelog.restore(0, counted.changelog.flush(0)[0])
    again.changelog.rewrite(0, behind.changelog.flush(0)[0].keys)
    rows, _ = again.changelog.flush(0)
    assert sorted(np.diff(rows.ends, prepend=0) == 0) == [False, True], "card 1 written again, tombstone for card 2"
    last = Profiles(SMALL)
    last.changelog.restore(0, rows)
    assert last.reported == 1
    assert feed(last, at(9), 1) == feed(counted, at(9), 1)


@settings(max_examples=few(60))
@given(histories(), st.integers(1, 5))
def test_how_reports_are_cut_into_batches_changes_no_bit(steps: list[Event | Report], size: int) -> None:
    def run(size: int) -> list[bytes]:
        profiles, found, waiting = Profiles(SMALL), [], list[Report]()
        for number, step in enumerate(steps):
            if isinstance(step, Report):
                waiting.append(step)
            if waiting and (isinstance(step, Event) or len(waiting) == size):
                profiles.report(reports(waiting))
                waiting = []
            if isinstance(step, Event):
                found.append(feed(profiles, step, number + 1))
        return found

    assert run(size) == run(1)


def card_reports(stream: Stream, event: Event) -> Sequence[float]:
    features = stream.last(event)
    return [features[name] for name in OF_CARD.values()]


def test_forty_reports_received_after_an_event_are_hidden_from_it() -> None:
    for before in ((), (at(2 * 3_600, card=2, merchant=2),)):  # without and with a clock ahead of the reports
        stream = Stream()
        stream.feed(*before)
        stream.report(*(received(60 + k) for k in range(40)))
        features = stream.last(at(0))
        assert [features[name] for name in (*OF_CARD.values(), *OF_MERCHANT.values())] == [0] * 6
        assert features["card_reported_30d"] == features["merchant_reported_30d"] == 0
        assert card_reports(stream, at(100)) == [40, 40, 40]


def test_later_reports_erase_no_earlier_one() -> None:
    for later in (1, 5, 40):
        stream = Stream()
        stream.report(*(received(-30_000 - k) for k in range(3)))
        stream.report(*(received(40 * DAY + 3_600 * k) for k in range(later)))
        features = stream.last(at(0))
        assert [features[name] for name in (*OF_CARD.values(), *OF_MERCHANT.values())] == [3] * 6
        assert features["merchant_reported_30d"] == features["card_reported_30d"] == 3_000
        assert card_reports(stream, at(40 * DAY + 3_600 * later))[-1] == 3 + later


def test_reports_of_a_quiet_merchant_count_by_their_days() -> None:
    """The merchant has no event for forty days; others have."""
    stream = Stream()
    for day in range(40):
        stream.feed(at(day * DAY, card=2, merchant=2))
        stream.report(received(day * DAY - 60, card=0))
    features = stream.last(at(39 * DAY + 60, card=3))
    assert features["merchant_reports_24h"] == 1
    assert features["merchant_reports_7d"] == 7
    assert 30 <= features["merchant_reports_30d"] <= 38


def test_a_full_store_evicts_the_card_without_reports_for_longest_for_any_dates_in_reports() -> None:
    stream = Stream()  # room for eight reported cards
    for card in range(1, 9):
        stream.feed(at(card, card=99))
        stream.report(received(70 * 365 * DAY if card == 1 else -card, card=card, merchant=0))
    stream.feed(at(9, card=99))
    stream.report(received(9, card=9, merchant=0))
    assert stream.profiles.reported == 8
    ever = [stream.last(at(80 * 365 * DAY, card=card))["card_reports_ever"] for card in range(1, 10)]
    assert ever == [0, 1, 1, 1, 1, 1, 1, 1, 1]


def test_a_report_takes_no_row_from_a_card() -> None:
    stream = Stream(TINY)
    stream.feed(*(at(card, card=card) for card in range(1, 5)))
    stream.report(*(received(5, card=card, merchant=0) for card in range(100, 200)))
    stream.feed(*(at(10 + card, card=card, id=card) for card in range(1, 5)))
    stream.feed(*(at(20 + card, card=card, id=card) for card in range(1, 5)))
    assert stream.repeats == [False] * 8 + [True] * 4


def test_more_than_sixteen_seconds_of_reports_count_as_any_number_does() -> None:
    assert LOG == 16
    stream = Stream()
    stream.feed(at(10 * DAY, card=2, merchant=2))
    stream.report(*(received(10 * DAY - 1_000 * k) for k in range(60)))
    assert card_reports(stream, at(10 * DAY)) == [60, 60, 60]
    assert {name for name in NAMES if "report" in name} >= {*OF_CARD.values(), *OF_MERCHANT.values()}
