"""Count the fraud reports of a card or of a merchant by time of receipt, so that no event includes a later one.

A row keeps the reports of the last REPORT_LOG seconds that had any, second by second: the log. In a full log the oldest
second is settled: its reports move into rings of sub-buckets. The head of the rings is the latest settled second. They
include no second of the log.

* An event at or after the latest settled second includes all settled reports, and those in the log up to its own time.
* An event before it is late. If it is at most one day late, it includes the settled reports before its own quarter of a
  day. If it is later, it includes the sub-buckets of each window before its own.
* A second is settled only once the clock of the stores has reached it. While all of a full log is ahead of that clock,
  the two seconds closest together become one, the later. Their reports count a little later, never too early. A date
  far ahead moves no ring, and removes no report from it.

All of it but the last depends on the reports alone, not on their order. So the parts of a row add up exactly, unless
more seconds than the log has were ahead of the clock.
"""

from typing import Final

import numpy as np

from scoring.jit import constant, helper, whole
from scoring.profile.columns import Reports
from scoring.profile.entities import REPORTED, RING, SUB_BUCKETS, TIME_S_MAX, WINDOW_S, Entity, Window
from scoring.profile.kernels.arrays import Arena, Journal, Scratch
from scoring.profile.kernels.rings import Cells, add_at, add_ring
from scoring.profile.kernels.store import CLOCK_S, LIVE, OWN, REPORTS, find, find_or_insert, part_of, salted, touch
from scoring.profile.layout import ROW_LAYOUTS, SUB_S, Value
from scoring.profile.row_plans import REPORT_DAYS, REPORT_LOG

_FIELDS = ROW_LAYOUTS[REPORTED].fields
_OF_MERCHANT = ROW_LAYOUTS[Entity.MERCHANT].fields

# Where the fields of reports begin in a row: those of eight bytes, and those of four.
_CARD_8: Final = _FIELDS["log_jpy"]
_CARD_4: Final = _FIELDS["log_s"]
MERCHANT_8: Final = _OF_MERCHANT["log_jpy"]
MERCHANT_4: Final = _OF_MERCHANT["log_s"]
_BY_DAY: Final = _OF_MERCHANT["settled_by_day"] - MERCHANT_4
_NO_DAYS: Final = constant(-1)
"""In place of where a ring of days begins: rows of cards have none."""

_JPY_24H: Final = _FIELDS["settled_jpy_24h"] - _CARD_8
_JPY_30D: Final = _FIELDS["settled_jpy_30d"] - _CARD_8
_LOG_N: Final = _FIELDS["log_n"] - _CARD_4
_24H: Final = _FIELDS["settled_24h"] - _CARD_4
_7D: Final = _FIELDS["settled_7d"] - _CARD_4
_30D: Final = _FIELDS["settled_30d"] - _CARD_4
_EVER: Final = _FIELDS["settled_ever"] - _CARD_4
_SETTLED_S: Final = _FIELDS["settled_s"] - _CARD_4
_HEARD_S: Final = _FIELDS["heard_s"] - _CARD_4

_QUARTER_DAY: Final = constant(SUB_S[Window.H24])
_QUARTER_WEEK: Final = constant(SUB_S[Window.D7])
_QUARTER_MONTH: Final = constant(SUB_S[Window.D30])
_DAY_S: Final = WINDOW_S[Window.H24]
_WEEK_S: Final = WINDOW_S[Window.D7]
_MONTH_S: Final = WINDOW_S[Window.D30]

_MERCHANT: Final = constant(Entity.MERCHANT)
_STORE: Final = constant(REPORTS)
_CARD_VALUES: Final = int(Value.CARD_REPORTS_24H)
_MERCHANT_VALUES: Final = int(Value.MERCHANT_REPORTS_24H)
_VALUES: Final = 5  # in 24 h, 7 d and 30 d, ever, and yen in 30 d

_ABSENT: Final = np.uint64(0)
_AMOUNT_TOP: Final = 10**15
_CARD_AMOUNT_TOP: Final = 2**32 - 1
_COUNT_TOP: Final = constant(2**32 - 1)
_SUM_TOP: Final = constant(2**60)
_TO_THE_END: Final = constant(2**32)  # after every bucket


@helper
def take_reports(columns: Reports, partition: int, arena: Arena, journal: Journal) -> None:
    """Count fraud reports in the rows of their cards and merchants."""
    clock_s = arena.stores[0, CLOCK_S]
    for i in range(len(columns.card)):
        received_s = (columns.received_ms[i] + 999) // 1000  # rounded up: never visible to an event before it
        if not 1 <= received_s <= TIME_S_MAX:
            continue
        amount = min(max(columns.amount_jpy[i], 0), _AMOUNT_TOP)
        if columns.card[i] != _ABSENT:
            at = find_or_insert(arena, _STORE, columns.card[i], partition, journal)
            touch(arena, _STORE, at, journal)
            of_card = min(amount, _CARD_AMOUNT_TOP)
            _hear(arena, at + _CARD_8, 2 * at + _CARD_4, _NO_DAYS, received_s, whole(1), of_card, clock_s)
        if columns.merchant[i] != _ABSENT:
            merchant = columns.merchant[i]
            at = find_or_insert(arena, _MERCHANT, merchant, partition, journal)
            part = part_of(arena, _MERCHANT, at, merchant, partition, journal)
            touch(arena, _MERCHANT if part == at else OWN + _MERCHANT, part, journal)
            _hear_of_merchant(arena, at, received_s, whole(1), amount, clock_s)
            if part != at:
                _hear_of_merchant(arena, part, received_s, whole(1), amount, clock_s)


@helper
def read_card_reports(arena: Arena, card: np.uint64, partition: int, second: int, values: Scratch) -> None:
    """Read the reports of a card up to `second` into the scratch."""
    at = find(arena, _STORE, salted(card, partition)) if arena.stores[_STORE, LIVE] else -1
    if at < 0:
        for k in range(_VALUES):
            values[_CARD_VALUES + k] = 0.0
    else:
        _read(arena, at + _CARD_8, 2 * at + _CARD_4, second, values, _CARD_VALUES)


@helper
def read_merchant_reports(arena: Arena, at: int, second: int, values: Scratch) -> None:
    """Read the reports of a merchant up to `second` into the scratch. `at`: word offset of its row."""
    _read(arena, at + MERCHANT_8, 2 * at + MERCHANT_4, second, values, _MERCHANT_VALUES)


@helper
def settled_s_of(arena: Arena, fours: int) -> int:
    """Return the second at the head of the rings of reports of a row, 0 if they are empty."""
    return whole(arena.singles[fours + _SETTLED_S])


@helper
def second_of_log(arena: Arena, fours: int, place: int) -> int:
    """Return a second of a row's log, 0 after the last one."""
    return whole(arena.singles[fours + place])


@helper
def count_of_log(arena: Arena, fours: int, place: int) -> int:
    """Return the number of reports that were received in a second of a row's log."""
    return whole(arena.singles[fours + _LOG_N + place])


@helper
def _held(cells: Cells, at: int, width: int, settled_s: int, first: int, last: int) -> int:
    """Add up the buckets from `first` to `last` that a ring at `settled_s` holds."""
    head = settled_s // width
    total = whole(0)
    for bucket in range(max(first, head - SUB_BUCKETS), min(last, head) + 1):
        total += whole(cells[at + bucket % RING])
    return whole(total)


@helper
def _read(arena: Arena, eights: int, fours: int, second: int, values: Scratch, to: int) -> None:
    """Write the five values of a row's reports as an event at `second` sees them."""
    day, week, month, ever, reported = whole(0), whole(0), whole(0), whole(0), whole(0)
    settled_s = whole(arena.singles[fours + _SETTLED_S])
    if second >= settled_s > 0:
        day, week, month, ever, reported = _all_settled(arena, eights, fours, second, settled_s)
    elif settled_s > 0 and second // _QUARTER_DAY >= settled_s // _QUARTER_DAY - SUB_BUCKETS:
        day, week, month, ever, reported = _settled_before(arena, eights, fours, second, settled_s)
    elif settled_s > 0:
        day, week, month, ever, reported = _settled_long_before(arena, eights, fours, second, settled_s)
    for k in range(REPORT_LOG):
        received_s = whole(arena.singles[fours + k])
        if received_s == 0:
            break
        if received_s <= second:
            count = whole(arena.singles[fours + _LOG_N + k])
            ever += count
            day += count if received_s > second - _DAY_S else 0
            week += count if received_s > second - _WEEK_S else 0
            if received_s > second - _MONTH_S:
                month += count
                reported += arena.words[eights + k]
    values[to] = float(day)
    values[to + 1] = float(week)
    values[to + 2] = float(month)
    values[to + 3] = float(ever)
    values[to + 4] = float(reported)


Five = tuple[int, int, int, int, int]


@helper
def _all_settled(arena: Arena, eights: int, fours: int, second: int, settled_s: int) -> Five:
    """Read the settled reports for an event at or after the latest settled second."""
    day, week, month = second // _QUARTER_DAY, second // _QUARTER_WEEK, second // _QUARTER_MONTH
    return (
        _held(arena.singles, fours + _24H, _QUARTER_DAY, settled_s, day - SUB_BUCKETS, day),
        _held(arena.singles, fours + _7D, _QUARTER_WEEK, settled_s, week - SUB_BUCKETS, week),
        _held(arena.singles, fours + _30D, _QUARTER_MONTH, settled_s, month - SUB_BUCKETS, month),
        whole(arena.singles[fours + _EVER]),
        _held(arena.words, eights + _JPY_30D, _QUARTER_MONTH, settled_s, month - SUB_BUCKETS, month),
    )


@helper
def _settled_before(arena: Arena, eights: int, fours: int, second: int, settled_s: int) -> Five:
    """Read them for a late event whose quarter of a day is in the ring: without that quarter and all after it."""
    day, week, month = second // _QUARTER_DAY, second // _QUARTER_WEEK, second // _QUARTER_MONTH
    hidden = _held(arena.singles, fours + _24H, _QUARTER_DAY, settled_s, day, _TO_THE_END)
    hidden_jpy = _held(arena.words, eights + _JPY_24H, _QUARTER_DAY, settled_s, day, _TO_THE_END)
    in_week = _held(arena.singles, fours + _7D, _QUARTER_WEEK, settled_s, week - SUB_BUCKETS, _TO_THE_END)
    in_month = _held(arena.singles, fours + _30D, _QUARTER_MONTH, settled_s, month - SUB_BUCKETS, _TO_THE_END)
    jpy = _held(arena.words, eights + _JPY_30D, _QUARTER_MONTH, settled_s, month - SUB_BUCKETS, _TO_THE_END)
    return (
        _held(arena.singles, fours + _24H, _QUARTER_DAY, settled_s, day - SUB_BUCKETS, day - 1),
        whole(max(in_week - hidden, 0)),
        whole(max(in_month - hidden, 0)),
        whole(max(whole(arena.singles[fours + _EVER]) - hidden, 0)),
        whole(max(jpy - hidden_jpy, 0)),
    )


@helper
def _settled_long_before(arena: Arena, eights: int, fours: int, second: int, settled_s: int) -> Five:
    """Read them for an event that is even later: of each window the sub-buckets before its own that are in the ring."""
    week, month = second // _QUARTER_WEEK, second // _QUARTER_MONTH
    hidden = _held(arena.singles, fours + _30D, _QUARTER_MONTH, settled_s, month, _TO_THE_END)
    ever = whole(max(whole(arena.singles[fours + _EVER]) - hidden, 0))
    return (
        whole(0),
        _held(arena.singles, fours + _7D, _QUARTER_WEEK, settled_s, week - SUB_BUCKETS, week - 1),
        _held(arena.singles, fours + _30D, _QUARTER_MONTH, settled_s, month - SUB_BUCKETS, month - 1),
        ever if month >= settled_s // _QUARTER_MONTH - SUB_BUCKETS else whole(0),
        _held(arena.words, eights + _JPY_30D, _QUARTER_MONTH, settled_s, month - SUB_BUCKETS, month - 1),
    )


@helper
def _hear_of_merchant(arena: Arena, at: int, received_s: int, count: int, amount: int, clock_s: int) -> None:
    """Add reports of one second to a merchant's row. `at`: its word offset."""
    fours = 2 * at + MERCHANT_4
    _hear(arena, at + MERCHANT_8, fours, fours + _BY_DAY, received_s, count, amount, clock_s)


@helper
def _hear(
    arena: Arena, eights: int, fours: int, days: int, received_s: int, count: int, amount: int, clock_s: int
) -> None:
    """Add reports of one second, and their sum, to a row.

    `days`: where its ring of days begins, or _NO_DAYS. `clock_s`: the clock of the stores.
    """
    heard_s = max(whole(arena.singles[fours + _HEARD_S]), clock_s)
    arena.singles[fours + _HEARD_S] = heard_s
    place = 0
    while place < REPORT_LOG and received_s < whole(arena.singles[fours + place]):
        place += 1
    if received_s != whole(arena.singles[fours + place]):
        _insert(arena, eights, fours, place, received_s)
    _join(arena, eights, fours, place, count, amount)
    oldest_s = whole(arena.singles[fours + REPORT_LOG])
    if oldest_s != 0:
        place = REPORT_LOG
        count, amount = whole(arena.singles[fours + _LOG_N + place]), arena.words[eights + place]
        if oldest_s <= heard_s:
            _settle(arena, eights, fours, days, oldest_s, count, amount)
        else:
            place = _closest(arena, fours) + 1
            count, amount = whole(arena.singles[fours + _LOG_N + place]), arena.words[eights + place]
            _join(arena, eights, fours, place - 1, count, amount)
        _drop(arena, eights, fours, place)


@helper
def _closest(arena: Arena, fours: int) -> int:
    """Return the place of the later of the two seconds that are closest; of two pairs as close, of the earlier."""
    closest, least_s = 0, TIME_S_MAX
    for place in range(REPORT_LOG):
        apart_s = whole(arena.singles[fours + place]) - whole(arena.singles[fours + place + 1])
        if apart_s <= least_s:
            closest, least_s = place, apart_s
    return closest


@helper
def _join(arena: Arena, eights: int, fours: int, place: int, count: int, amount: int) -> None:
    """Count reports at a second of the log."""
    cell = fours + _LOG_N + place
    arena.singles[cell] = min(whole(arena.singles[cell]) + count, _COUNT_TOP)
    arena.words[eights + place] = min(arena.words[eights + place] + amount, _SUM_TOP)


@helper
def _insert(arena: Arena, eights: int, fours: int, place: int, received_s: int) -> None:
    """Make room for a second in the log, whose last place is free."""
    for k in range(REPORT_LOG, place, -1):
        arena.singles[fours + k] = arena.singles[fours + k - 1]
        arena.singles[fours + _LOG_N + k] = arena.singles[fours + _LOG_N + k - 1]
        arena.words[eights + k] = arena.words[eights + k - 1]
    arena.singles[fours + place] = received_s
    arena.singles[fours + _LOG_N + place] = 0
    arena.words[eights + place] = 0


@helper
def _drop(arena: Arena, eights: int, fours: int, place: int) -> None:
    """Take a second out of the log; its last place is free then."""
    for k in range(place, REPORT_LOG):
        arena.singles[fours + k] = arena.singles[fours + k + 1]
        arena.singles[fours + _LOG_N + k] = arena.singles[fours + _LOG_N + k + 1]
        arena.words[eights + k] = arena.words[eights + k + 1]
    arena.singles[fours + REPORT_LOG] = 0
    arena.singles[fours + _LOG_N + REPORT_LOG] = 0
    arena.words[eights + REPORT_LOG] = 0


@helper
def _settle(arena: Arena, eights: int, fours: int, days: int, second: int, count: int, amount: int) -> None:
    """Count the reports of a second in the rings, and bring these up to it."""
    stands_s = whole(arena.singles[fours + _SETTLED_S])
    add_at(arena.singles, fours + _24H, RING, _QUARTER_DAY, stands_s, second, count, _COUNT_TOP)
    add_at(arena.singles, fours + _7D, RING, _QUARTER_WEEK, stands_s, second, count, _COUNT_TOP)
    add_at(arena.singles, fours + _30D, RING, _QUARTER_MONTH, stands_s, second, count, _COUNT_TOP)
    add_at(arena.words, eights + _JPY_24H, RING, _QUARTER_DAY, stands_s, second, amount, _SUM_TOP)
    add_at(arena.words, eights + _JPY_30D, RING, _QUARTER_MONTH, stands_s, second, amount, _SUM_TOP)
    if days >= 0:
        add_at(arena.singles, days, REPORT_DAYS, _DAY_S, stands_s, second, count, _COUNT_TOP)
    arena.singles[fours + _EVER] = min(whole(arena.singles[fours + _EVER]) + count, _COUNT_TOP)
    arena.singles[fours + _SETTLED_S] = max(stands_s, second)


@helper
def set_report_clocks(arena: Arena, at: int, own: int) -> None:
    """Bring the clocks of a merchant's reports in the row at `at` up to those of a part of it, before it is added."""
    to, of = 2 * at + MERCHANT_4, 2 * own + MERCHANT_4
    for clock in (_SETTLED_S, _HEARD_S):
        arena.singles[to + clock] = max(arena.singles[to + clock], arena.singles[of + clock])


@helper
def add_merchant_reports(arena: Arena, at: int, own: int) -> None:
    """Add the reports of a part of a merchant's row to the row at `at`, whose clocks are the latest of all parts."""
    eights, fours, own_8, own_4 = at + MERCHANT_8, 2 * at + MERCHANT_4, own + MERCHANT_8, 2 * own + MERCHANT_4
    stands_s, own_s = whole(arena.singles[fours + _SETTLED_S]), whole(arena.singles[own_4 + _SETTLED_S])
    add_ring(arena.singles, fours + _24H, own_4 + _24H, RING, _QUARTER_DAY, stands_s, own_s, _COUNT_TOP)
    add_ring(arena.singles, fours + _7D, own_4 + _7D, RING, _QUARTER_WEEK, stands_s, own_s, _COUNT_TOP)
    add_ring(arena.singles, fours + _30D, own_4 + _30D, RING, _QUARTER_MONTH, stands_s, own_s, _COUNT_TOP)
    add_ring(arena.words, eights + _JPY_24H, own_8 + _JPY_24H, RING, _QUARTER_DAY, stands_s, own_s, _SUM_TOP)
    add_ring(arena.words, eights + _JPY_30D, own_8 + _JPY_30D, RING, _QUARTER_MONTH, stands_s, own_s, _SUM_TOP)
    days, own_days = fours + _BY_DAY, own_4 + _BY_DAY
    add_ring(arena.singles, days, own_days, REPORT_DAYS, _DAY_S, stands_s, own_s, _COUNT_TOP)
    ever = whole(arena.singles[fours + _EVER]) + whole(arena.singles[own_4 + _EVER])
    arena.singles[fours + _EVER] = min(ever, _COUNT_TOP)
    for k in range(REPORT_LOG):
        second = whole(arena.singles[own_4 + k])
        if second == 0:
            break
        count = whole(arena.singles[own_4 + _LOG_N + k])
        _hear_of_merchant(arena, at, second, count, arena.words[own_8 + k], whole(0))
