"""Set a merchant's fraud reports against the attempts of the very days that they speak of.

A report comes about REPORT_DELAY_DAYS after its payment. So reports that were received on the w whole days before today
are compared with the attempts of w whole days that ended REPORT_DELAY_DAYS earlier. Both are in rings of days (UTC).
"""

from typing import Final

from scoring.jit import constant, helper, whole
from scoring.profile.entities import WINDOW_S, Entity, Window
from scoring.profile.kernels.arrays import Arena, Scratch
from scoring.profile.kernels.reports import MERCHANT_4, count_of_log, second_of_log, settled_s_of
from scoring.profile.kernels.rings import add_at, add_ring
from scoring.profile.kernels.store import LAST_S
from scoring.profile.layout import ROW_LAYOUTS, Value
from scoring.profile.row_plans import ATTEMPT_DAYS, MATURE_DAYS, REPORT_DAYS, REPORT_DELAY_DAYS, REPORT_LOG

_ATTEMPTS_AT: Final = ROW_LAYOUTS[Entity.MERCHANT].fields["attempts_by_day"]
_REPORTS_AT: Final = ROW_LAYOUTS[Entity.MERCHANT].fields["settled_by_day"]

_DAY_S: Final = WINDOW_S[Window.H24]
_COUNT_TOP: Final = constant(2**32 - 1)
_WINDOWS: Final = MATURE_DAYS
_LAST: Final = MATURE_DAYS[-1]
_ATTEMPTS: Final = int(Value.MATURE_ATTEMPTS)
_REPORTS: Final = int(Value.MATURE_REPORTS)


@helper
def add_attempts(arena: Arena, at: int, second: int, attempts: int) -> None:
    """Add attempts to the day of `second` in a merchant's row, and clear days that have passed.

    `at`: word offset of the row, whose last second is still that of the event before.
    """
    last_s = whole(arena.singles[2 * at + LAST_S])
    add_at(arena.singles, 2 * at + _ATTEMPTS_AT, ATTEMPT_DAYS, _DAY_S, last_s, second, attempts, _COUNT_TOP)


@helper
def add_attempts_of_part(arena: Arena, at: int, own: int, stands_s: int, own_s: int) -> None:
    """Add the days of a part of a merchant's row to the row at `at`. `stands_s`, `own_s`: the clocks of both."""
    to, of = 2 * at + _ATTEMPTS_AT, 2 * own + _ATTEMPTS_AT
    add_ring(arena.singles, to, of, ATTEMPT_DAYS, _DAY_S, stands_s, own_s, _COUNT_TOP)


@helper
def read_mature(arena: Arena, at: int, second: int, values: Scratch) -> None:
    """Write attempts and reports of each of MATURE_DAYS, as an event at `second` sees them, into the scratch.

    Only whole days before that of the event are read, so nothing that was received after it. A late event sees what
    the rings still hold: all, if it is at most a day behind the row.
    """
    today = second // _DAY_S
    last_s = whole(arena.singles[2 * at + LAST_S])
    _add_up(arena, 2 * at + _ATTEMPTS_AT, ATTEMPT_DAYS, last_s, today - REPORT_DELAY_DAYS, values, _ATTEMPTS)
    fours = 2 * at + MERCHANT_4
    settled_s = settled_s_of(arena, fours)
    _add_up(arena, 2 * at + _REPORTS_AT, REPORT_DAYS, settled_s, today, values, _REPORTS)
    for place in range(REPORT_LOG):
        received_s = second_of_log(arena, fours, place)
        if received_s == 0:
            break
        back = today - received_s // _DAY_S
        if back >= 1:
            for k in range(len(_WINDOWS)):
                if back <= _WINDOWS[k]:
                    values[_REPORTS + k] += float(count_of_log(arena, fours, place))


@helper
def _add_up(arena: Arena, first: int, length: int, stands_s: int, day: int, values: Scratch, to: int) -> None:
    """Write the sums of the days before `day` for each of MATURE_DAYS. `stands_s`: the head of the ring at `first`."""
    head = stands_s // _DAY_S
    total, slot, k = whole(0), day % length, 0
    for back in range(1, _LAST + 1):
        slot = slot - 1 if slot > 0 else length - 1
        if head - length < day - back <= head:
            total += whole(arena.singles[first + slot])
        if back == _WINDOWS[k]:
            values[to + k] = float(total)
            k += 1
