"""Worker processes that are replaced at once when they end, as by an orchestrator, with the last line of each."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-c", "from streams.cli import main; raise SystemExit(main())")
"""`sekisho` of this checkout, installed or not."""

TELLING = (sys.executable, "-m", "tests.chaos.worker")
KERNELS_S = 300.0
LOOK_S = 0.02
WAIT_S = 0.04
BRIEF_S = 1.0
PAUSE_S = 0.5
"""Delay before a worker is replaced that lived for less than BRIEF_S."""

STARTS_MAX = 200
READY_S = 60.0
TAIL_BYTES = 4_000


def environment() -> dict[str, str]:
    """Give the environment in which Python imports this checkout."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}


def sekisho(*words: str, timeout_s: float = 60.0) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=True,
    )
    return done.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The end of one process. `asked`: the test ended it. `line`: the last line that it printed."""

    worker: int
    status: int
    asked: bool
    lived_s: float
    line: str


class Process(Protocol):
    """A process started here, or by a nursery."""

    returncode: int | None

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""


class Worker:
    """A worker's place in a crew: its configuration, and the process that runs now."""

    def __init__(self, number: int, command: Sequence[str], log: Path, port: int) -> None:
        self.number = number
        self.ends: list[End] = []
        self.wanted = False  # whether a process that ends is replaced
        self.not_before = 0.0  # when the next process may start, monotonic
        self._command = command
        self.log = log
        self._port = port
        self._process: Process | None = None
        self._asked = False
        self._began = 0.0
        self._log_at = 0

    def start(self) -> None:
        """Start a process."""
        assert self._process is None, "the worker runs already"
        self._asked = False
        self._began = time.monotonic()
        self._log_at = self.log.stat().st_size if self.log.exists() else 0
        self._process = self._launch()

    def _launch(self) -> Process:
        with self.log.open("ab") as sink:
            return subprocess.Popen(
                self._command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
            )

    def signal(self, number: signal.Signals, *, ends: bool = True) -> None:
        """Send a signal to the process if it still runs; with `ends`, its end counts as asked for."""
        process = self._process
        if process is not None and process.poll() is None:
            self._asked |= ends
            process.send_signal(number)

    def reap(self) -> End | None:
        """Record the end of the process if it has ended."""
        process = self._process
        if process is None or process.poll() is None:
            return None
        end = End(
            worker=self.number,
            status=process.returncode,
            asked=self._asked,
            lived_s=round(time.monotonic() - self._began, 2),
            line=self._last_line(),
        )
        self._process = None
        self.ends.append(end)
        return end

    @property
    def runs(self) -> bool:
        """Tell whether a process is there."""
        return self._process is not None

    @property
    def is_ready(self) -> bool:
        """Tell whether the worker reports that it is ready."""
        if not self.runs:
            return False
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _last_line(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(self._log_at, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


class Crew:
    """Keep workers running until the context ends: a process that ends is replaced at once, and its end is recorded."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = tuple(workers)
        self.starts = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="crew")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for worker in self.workers:
            worker.wanted = False
            worker.signal(signal.SIGKILL)
        self._until(lambda: not any(self._reaped_or_runs(worker) for worker in self.workers), READY_S)

    @property
    def ends(self) -> list[End]:
        """List every end so far."""
        return [end for worker in self.workers for end in worker.ends]

    def hire(self, *numbers: int) -> None:
        """Keep these workers running from now on, and wait until they are ready."""
        for number in numbers or range(len(self.workers)):
            self.workers[number].wanted = True
        for number in numbers or range(len(self.workers)):
            self.await_ready(number)

    def freeze(self, number: int = 0) -> None:
        """Freeze a worker, like a machine that is migrated or short of memory. Callable from any thread."""
        self.workers[number].signal(signal.SIGSTOP, ends=False)

    def thaw(self, number: int = 0) -> None:
        """Thaw a frozen worker."""
        self.workers[number].signal(signal.SIGCONT, ends=False)

    def kill(self, number: int = 0, gone_s: float = 0.0) -> None:
        """End a worker as `kill -9` does, and replace it after a while. Callable from any thread."""
        self.workers[number].not_before = time.monotonic() + gone_s
        self.workers[number].signal(signal.SIGKILL)

    def dismiss(self, number: int = 0, timeout_s: float = READY_S, *, replaced: bool = False) -> End:
        """Ask a worker to end, and wait for it.

        Raises:
            TimeoutError: it has not within `timeout_s`.
        """
        worker = self.workers[number]
        before = len(worker.ends)
        worker.wanted = replaced
        worker.signal(signal.SIGTERM)
        if not self._until(lambda: len(worker.ends) > before, timeout_s):
            raise TimeoutError(f"worker {number} did not end within {timeout_s:.0f} s of SIGTERM")
        return worker.ends[before]

    def await_end(self, number: int, before: int, timeout_s: float) -> End | None:
        """Wait for the end of a worker that has ended `before` times; None if it does not end in time."""
        worker = self.workers[number]
        return worker.ends[before] if self._until(lambda: len(worker.ends) > before, timeout_s) else None

    def await_ready(self, number: int = 0, timeout_s: float = READY_S) -> None:
        """Wait until a worker is ready.

        Raises:
            TimeoutError: it is not within `timeout_s`.
        """
        worker = self.workers[number]
        if not self._until(lambda: worker.is_ready, timeout_s):
            said = worker.ends[-1].line if worker.ends else worker._last_line()
            raise TimeoutError(f"worker {number} was not ready within {timeout_s:.0f} s; last line: {said}")

    def _keep(self) -> None:
        while not self._over.wait(LOOK_S):
            with self._lock:
                for worker in self.workers:
                    end = worker.reap()
                    if end is not None and end.lived_s < BRIEF_S:
                        worker.not_before = max(worker.not_before, time.monotonic() + PAUSE_S)
                    due = time.monotonic() >= worker.not_before
                    if worker.wanted and not worker.runs and due and self.starts < STARTS_MAX:
                        worker.start()
                        self.starts += 1

    def _reaped_or_runs(self, worker: Worker) -> bool:
        worker.reap()
        return worker.runs

    def _until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(WAIT_S)
        return True
