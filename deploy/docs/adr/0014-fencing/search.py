"""Search every state of the takeover's model (`takeover.py`) for a broken promise.

python -m deploy.docs.adr.0014-fencing.search
"""

import gc
import sys
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from .takeover import EVENTS, LOST, OUTPUTS, PROFILES, STATE, TWICE, Protocol, State, broken, moves

WITHOUT: Final[dict[str, tuple[Protocol, tuple[str, ...]]]] = {
    "any fence, with a perfect lease": (
        Protocol(one_producer_id=False, fenced=(), lease_is_perfect=True),
        (TWICE, LOST, STATE),
    ),
    "control records": (Protocol(fenced=()), (TWICE, STATE)),
    "a fence in the outputs": (Protocol(fenced=(PROFILES,)), (TWICE,)),
    "a fence in the profiles, with a perfect lease": (
        Protocol(fenced=(OUTPUTS,), lease_is_perfect=True, writes_for_others=False),
        (LOST, STATE),
    ),
    "the same producer id: the transactional id has expired": (Protocol(one_producer_id=False), (TWICE, STATE)),
    "waiting for the fence": (Protocol(fence_is_awaited=False), (TWICE, STATE)),
    "the fence before the scan": (Protocol(takeover=("scan", "fence", "restore")), (TWICE,)),
    "the fence before the restore": (Protocol(takeover=("restore", "fence", "scan")), (STATE,)),
    "rewriting the rows of a crashed flush": (Protocol(crashed_rows_are_rewritten=False), (LOST, STATE)),
    "keeping `since`": (Protocol(since_is_kept=False), (TWICE,)),
    "acknowledged outputs before the marker": (Protocol(marker_awaits_outputs=False), (LOST,)),
    "the marker before the commit": (Protocol(commit_awaits_marker=False), (LOST,)),
}
"""The protocol without one of its parts, and the promises that are broken then."""


class Result(NamedTuple):
    """The result of a search: the broken promise, if there is one, and the shortest steps to it."""

    broken: str | None
    steps: list[str]
    states: int
    ends: int  # states without a next step


def search(protocol: Protocol, promises: Iterable[str] = (TWICE, LOST, STATE)) -> Result:
    """Visit every reachable state, the nearest first, until one breaks one of the promises.

    No step can be undone, so every path ends. At its end every event must have a decision.
    """
    gc.disable()  # states form no cycles, and the collector would visit all of them repeatedly
    try:
        return visit(protocol, tuple(promises))
    finally:
        gc.enable()


def visit(protocol: Protocol, promises: tuple[str, ...]) -> Result:
    """Search with the garbage collector off; see `search`."""
    before: dict[State, State | None] = {State(): None}
    waiting = deque(before)
    ends = 0
    while waiting:
        state = waiting.popleft()
        is_end = True
        for _, after in moves(protocol, state):
            is_end = False
            if after in before:
                continue
            before[after] = state
            waiting.append(after)
            for promise in promises:
                if broken(after, promise):
                    return Result(promise, steps_to(protocol, before, after), len(before), ends)
        ends += is_end
        if is_end and LOST in promises and not {*range(EVENTS)} <= {*state.outputs}:
            return Result(LOST, steps_to(protocol, before, state), len(before), ends)
    return Result(None, [], len(before), ends)


def steps_to(protocol: Protocol, before: dict[State, State | None], state: State) -> list[str]:
    """Return the steps that led to a state, in words."""
    steps: list[str] = []
    while (earlier := before[state]) is not None:
        steps.append(next(text for text, after in moves(protocol, earlier) if after == state))
        state = earlier
    return steps[::-1]


def described(found: Result) -> str:
    """Write the result of a search, step by step."""
    steps = [f"\n  {number:2}. {step}" for number, step in enumerate(found.steps, 1)]
    return f"{found.broken or 'every promise is kept'} ({found.states} states){''.join(steps)}\n"


def main() -> int:
    """Search the whole protocol, then without each of its parts; return 1 if it breaks a promise."""
    found = search(Protocol())
    sys.stdout.write(f"The protocol: {described(found)}")
    for part, (protocol, promises) in WITHOUT.items():
        for promise in promises:
            sys.stdout.write(f"\nWithout {part}: {described(search(protocol, [promise]))}")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
