"""The watchdog: a thread that ends the process when it stalls.

Faust and aiokafka consumers can stop for ever without an error (faust-streaming issues 175, 523, 532, 549, 640). A
stalled worker keeps its partitions and reports nothing. A process that ends is restarted, and replays.
"""

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from faust.types import TP

from streams.kafka.failures import failures
from streams.kafka.wording import describe
from streams.transport.consumer import Progress
from streams.worker.settings import Watch

log = logging.getLogger(__name__)

EXIT_STALLED = 70  # EX_SOFTWARE


class Watched(Protocol):
    """What the watchdog reads of the consumer, from its own thread."""

    @property
    def is_alive(self) -> bool:
        """Tell whether the consumer still fetches and heartbeats."""
        ...

    @property
    def settled(self) -> bool:
        """Tell whether the group has assigned partitions and no rebalance is under way."""
        ...

    @property
    def restoring(self) -> bool:
        """Tell whether profiles are being restored."""
        ...

    @property
    def restore_steps(self) -> int:
        """Count the steps of restores. The count only grows; while a restore stalls it stays the same."""
        ...

    def progress(self) -> Iterable[Progress]:
        """List the progress of every partition."""
        ...


class StallDetector:
    """Decide from successive checks whether the worker stalls. Time is an argument, in monotonic ns."""

    def __init__(self, watch: Watch) -> None:
        self._stall_ns = int(watch.stall_s * 1e9)
        self._settle_ns = int(watch.settle_s * 1e9)
        self._restore_stall_s = watch.restore_stall_s
        self._settled_ns: int | None = None
        self._restore: tuple[int, int] | None = None  # steps of the one under way, and when they were first seen
        self._moved: dict[TP, tuple[int | None, int]] = {}  # watermark, and when it was first seen

    def fault(self, watched: Watched, now_ns: int) -> str | None:
        """Return a description of the fault, or None.

        There are five faults: the consumer's tasks are dead; a restore has made no step for `restore_stall_s`; the
        group has not settled for `settle_s`; the oldest unfinished batch of a partition is older than `stall_s`; a
        partition has lag and its watermark has not moved for `stall_s`.
        """
        if not watched.is_alive:
            return "consumer died"
        if self._is_stuck_in_restore(watched, now_ns):
            return f"the restore of profiles has made no progress for {self._restore_stall_s:g} s"
        if watched.settled or watched.restoring or self._settled_ns is None:
            self._settled_ns = now_ns
        elif now_ns - self._settled_ns > self._settle_ns:
            return "no partitions were assigned"
        seen = set()
        for row in watched.progress():
            seen.add(row.tp)
            if row.head_ns is not None and now_ns - row.head_ns > self._stall_ns:
                return f"{row.tp.topic}[{row.tp.partition}] has an unfinished batch"
            watermark, since_ns = self._moved.get(row.tp, (None, now_ns))
            if row.tp not in self._moved or watermark != row.watermark or not row.lag:
                self._moved[row.tp] = (row.watermark, now_ns)
            elif now_ns - since_ns > self._stall_ns:
                return f"{row.tp.topic}[{row.tp.partition}] has lag and makes no progress"
        for gone in self._moved.keys() - seen:
            del self._moved[gone]
        return None

    def _is_stuck_in_restore(self, watched: Watched, now_ns: int) -> bool:
        steps = watched.restore_steps
        if not watched.restoring:
            self._restore = None
        elif self._restore is None or self._restore[0] != steps:
            self._restore = (steps, now_ns)
        else:
            return now_ns - self._restore[1] > self._restore_stall_s * 1e9
        return False


class Watchdog:
    """Check once per interval. On a fault, log it, dump the stacks and end the process."""

    def __init__(
        self,
        watch: Watch,
        watched: Callable[[], Watched | None],
        *,
        observe: Callable[[Iterable[Progress]], None] = lambda _: None,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._watch = watch
        self._watched = watched
        self._observe = observe
        self._end = end
        self._detector = StallDetector(watch)
        self._stopped = threading.Event()
        self._deadline_ns: int | None = None

    def start(self) -> None:
        """Start the checks, in a daemon thread."""
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def draining(self) -> None:
        """Stop checking progress. The process now has `drain_s` to end by itself."""
        if self._deadline_ns is None:
            self._deadline_ns = time.monotonic_ns() + int(self._watch.drain_s * 1e9)

    def stop(self) -> None:
        """Stop the checks: the process is about to end in order."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._watch.interval_s):
            try:
                fault = self._look(time.monotonic_ns())
            except Exception:
                log.exception("watchdog_failed")  # a dead watchdog would go unnoticed
                fault = "watchdog failed"
            if fault is not None:
                faulthandler.dump_traceback(file=sys.stderr)
                unreachable = failures()
                if unreachable:
                    fault = f"{fault}; {describe(unreachable)}"
                log.critical("worker_stalled reason=%r", fault)  # the last line gives the reason
                self._end(EXIT_STALLED)
                return

    def _look(self, now_ns: int) -> str | None:
        if self._deadline_ns is not None:
            return "did not end in time" if now_ns > self._deadline_ns else None
        watched = self._watched()
        if watched is None:
            return None
        self._observe(watched.progress())
        return self._detector.fault(watched, now_ns)
