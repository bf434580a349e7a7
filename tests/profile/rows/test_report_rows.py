"""What fraud reports write into a row, cell by cell: its log, what they settle, and no other cell."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from numpy.typing import NDArray

from scoring.profile import Entity, Profiles
from scoring.profile.entities import REPORTED
from scoring.profile.kernels import store
from scoring.profile.layout import ROW_LAYOUTS
from scoring.profile.row_plans import DAY_FIELDS, REPORT_FIELDS
from tests.examples import few
from tests.profile.events import NOON, Event, Report, Stream, at, spread
from tests.profile.oracles.report_oracle import DAY, LOG, WINDOWS, ReportOracle
from tests.profile.oracles.strategies import histories

KINDS = {"card": (REPORTED, store.REPORTS, Entity.CARD), "merchant": (Entity.MERCHANT, 1, Entity.MERCHANT)}
"""By kind of row: its layout, its store, and the entity of its key."""
FILLED = 0x0305_070B_0D11_1317
"""Fills eight bytes of a sum and four of a count: below their maxima, and no byte is 0."""

Cells = dict[str, NDArray[np.int64] | NDArray[np.uint32]]


def received(second: float, **fields: int) -> Report:
    return Report(received_ms=round((NOON + second) * 1000), **fields)


def begin_of(profiles: Profiles, kind: str, key: int) -> int:
    """Find the first word of a row."""
    _, number, entity = KINDS[kind]
    line, words = profiles._arena.stores[number], profiles._arena.words
    rows = range(line[store.ARENA_AT], line[store.ARENA_AT] + line[store.USED] * line[store.WORDS], line[store.WORDS])
    (begin,) = (row for row in rows if np.uint64(words[row]) == np.uint64(spread(entity, key)))
    return int(begin)


def cells_of(profiles: Profiles, kind: str, key: int) -> Cells:
    """Return the fields of reports of a row."""
    arena, begin, fields = profiles._arena, begin_of(profiles, kind, key), ROW_LAYOUTS[KINDS[kind][0]].fields
    return {
        name: (arena.words if width == 8 else arena.singles)[begin * 8 // width + fields[name] :][:count]
        for name, width, count in (*REPORT_FIELDS, *DAY_FIELDS)
        if name in fields and name != "attempts_by_day"
    }


@settings(max_examples=few(60))
@given(histories())
@example([received(second) for second in (3, 1, 2, 2, 0.5)])
@example([*(received(60 * k) for k in range(20)), at(900), *(received(60 * k - 7) for k in range(20))])
@example([at(DAY, card=3, merchant=3), *(received(7 * k % 100, amount=k) for k in range(120))])
def test_a_log_has_its_seconds_latest_first_then_empty_places_and_the_clock(steps: list[Event | Report]) -> None:
    stream, oracle = Stream(), ReportOracle()
    for step in steps:
        if isinstance(step, Event):
            stream.feed(step)
            oracle.moved(step)
            continue
        stream.report(step)
        oracle.report(step)
        for kind, of, key in (("card", oracle.cards, step.card), ("merchant", oracle.merchants, step.merchant)):
            if key:
                cells, log = cells_of(stream.profiles, kind, key), of[key][1].log
                seconds = sorted(log, reverse=True)
                empty = [0] * (LOG + 1 - len(log))
                assert cells["log_s"].tolist() == seconds + empty
                assert cells["log_n"].tolist() == [log[second][0] for second in seconds] + empty
                assert cells["log_jpy"].tolist() == [log[second][1] for second in seconds] + empty
                assert cells["heard_s"][0] == of[key][1].heard_s


@pytest.mark.parametrize("is_settled", [True, False], ids=["settled", "joined to the next"])
def test_a_second_that_leaves_a_full_log_changes_no_other_cell(is_settled: bool) -> None:
    """All cells around the log are filled first: fields before and behind it, and other rows."""
    stream = Stream()
    if is_settled:
        stream.feed(at(9_000, card=4, merchant=4))
    for key in (1, 2, 3):
        stream.report(*(received(60 * k, card=key, merchant=key) for k in range(LOG + 1)))
    words = stream.profiles._arena.words
    mine = {kind: cells_of(stream.profiles, kind, 2) for kind in KINDS}
    for kind, cells in mine.items():
        layout, _, _ = KINDS[kind]
        of_log = {name: cells[name].copy() for name in ("log_jpy", "log_s", "log_n", "settled_s", "heard_s")}
        size, first = ROW_LAYOUTS[layout].words, ROW_LAYOUTS[layout].fields["log_jpy"]
        for key in (1, 2, 3):
            begin = begin_of(stream.profiles, kind, key)
            last = words[begin + size - 1]
            words[begin + first : begin + size] = FILLED
            words[begin + size - 1] = last  # in a card's row: the partition that owns it
        for name, held in of_log.items():
            cells[name][:] = held
    before = words.copy()
    held = {kind: {name: cells.copy() for name, cells in of.items()} for kind, of in mine.items()}
    stream.report(received(60 * (LOG + 1), card=2, merchant=2, amount=7))
    for kind, cells in mine.items():
        for name, was in held[kind].items():
            if name.startswith("log_"):
                assert cells[name][-1] == 0
                cells[name][:] = was
            elif name == "settled_s":
                assert cells[name][0] == (NOON + 60 if is_settled else 0)
                cells[name][:] = was
            elif name.startswith("settled_"):
                added = 0 if not is_settled else 1_000 if "jpy" in name else 1
                assert sorted(cells[name] - was) == [0] * (len(was) - 1) + [added]
                cells[name][:] = was
    assert np.flatnonzero(words != before).tolist() == []


def test_an_event_of_any_time_sees_only_settled_reports_of_before() -> None:
    """Events in order and late. Reports of sixty days, then of sub-buckets that are just kept or just dropped."""
    stream, oracle = Stream(), ReportOracle()
    first = at(60 * DAY, card=3, merchant=3)
    stream.feed(first)
    oracle.moved(first)
    hours = [*range(0, 60 * 24, 7), *(59 * 24 + k / 3 for k in range(70))]
    last_s = NOON + round(hours[-LOG - 1] * 3_600)
    behind = [(last_s - count * width // 4 - NOON) / 3_600 for width in WINDOWS.values() for count in (3, 4, 5, 6)]
    for number, hour in enumerate([*hours, *behind]):
        report = received(hour * 3_600, amount=100 + number)
        stream.report(report)
        oracle.report(report)
    rows = {"card": oracle.cards[1][1], "merchant": oracle.merchants[1][1]}
    assert last_s == max(second for second, _, _ in rows["card"].settled)
    late = [60 * DAY - 7_000 * k for k in range(30)] + [60 * DAY - 5 * 3_600 * k for k in range(45, 250)]
    for second in (70 * DAY, 61 * DAY, last_s - NOON, last_s - NOON - 1, *late):
        features = stream.last(at(second))
        for kind, row in rows.items():
            found = row.read(NOON + second)
            known = {"reported": features[f"{kind}_reported_30d"]} | {
                window: features[name]
                for window in ("24h", "7d", "30d", "ever")
                if (name := f"{kind}_reports_{window}") in features
            }
            assert known == {what: found[what] for what in known}, (kind, second)


def test_events_of_cards_without_reports_count_no_reports() -> None:
    stream = Stream()
    seen = [
        features
        for second in range(60)
        for features in stream.feed(
            *(
                at(second, card=1 + card, amount=100 + card, mcc=5_000 + second, country=1 + second, device=1 + second)
                for card in range(3)
            )
        )
    ]
    names = ("card_reports_24h", "card_reports_30d", "card_reports_ever", "card_reported_30d")
    assert {features[name] for features in seen for name in names} == {0.0}
    stream.report(received(0, card=0))
    known = stream.last(at(60, card=1))
    assert (known["merchant_reports_24h"], known["card_reports_ever"]) == (1, 0)
