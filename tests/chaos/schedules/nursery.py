"""Start workers without their seconds of imports: one process has imported all that they need, and forks for each
start.

From its command line on, a forked worker does what `tests.chaos.worker` does. It uses the model bundle and the compiled
kernels that the nursery has loaded.
"""

import contextlib
import gc
import json
import os
import random
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

from tests.chaos.workers import ROOT, Worker, environment

END_S = 10.0


class Nursery:
    """Run the process until the context ends; all its workers end with it, also if this process dies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.schedules.nursery"],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def start(self, arguments: Sequence[str], log: Path) -> "Child":
        """Fork a worker with these arguments; its output is appended to a file."""
        with self._lock:
            return Child(self, int(self._ask("start", str(log), *arguments)))

    def poll(self, child: "Child") -> int | None:
        """Return the exit status of a worker, negative for a signal; None while it runs."""
        with self._lock:
            if child.returncode is None:
                child.returncode = self._ask("poll", str(child.pid))
            return child.returncode

    def signal(self, child: "Child", number: int) -> None:
        """Send a signal. The process id cannot be reused: only `poll`, through the nursery, releases it."""
        with self._lock:
            if child.returncode is None:
                os.kill(child.pid, number)

    def _ask(self, *words: str) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class Child:
    """A worker, with the part of `subprocess.Popen` that a crew uses."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""
        return self._nursery.poll(self)

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        self._nursery.signal(self, number)


class ForkedWorker(Worker):
    """A worker's place in a crew, filled by a nursery."""

    def __init__(self, nursery: Nursery, number: int, arguments: Sequence[str], log: Path, port: int) -> None:
        super().__init__(number, arguments, log, port)
        self._nursery = nursery

    def _launch(self) -> Child:
        return self._nursery.start(self._command, self.log)


def main() -> None:
    """Load, then execute the lines of standard input until its end: each line has one line as answer."""
    _load()
    children: set[int] = set()
    try:
        for line in sys.stdin.buffer:
            verb, *words = json.loads(line)
            answer = _fork(words[0], words[1:], children) if verb == "start" else _reap(int(words[0]), children)
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)


def _load() -> None:
    """Load all that a worker needs, so that a forked worker has it already."""
    from streams.cli import worker  # noqa: F401 - the same
    from streams.config import wiring
    from streams.config.settings import Settings
    from streams.worker import warmup
    from tests.chaos import worker as telling  # noqa: F401 - the same

    bundle = wiring.load_bundle(Settings())
    seconds = warmup.warm_up(bundle)
    wiring.load_bundle = lambda _: bundle
    warmup.warm_up = lambda _: seconds
    gc.collect()
    gc.freeze()


def _fork(log: str, arguments: Sequence[str], children: set[int]) -> int:
    pid = os.fork()
    if pid == 0:
        _live(log, arguments)
    children.add(pid)
    return pid


def _live(log: str, arguments: Sequence[str]) -> NoReturn:
    """Run a worker, and end without returning to the nursery's loop."""
    status = 1
    try:
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (sink, 1), (sink, 2)):
            os.dup2(source, target)
        random.seed()
        from tests.chaos.worker import main as work

        status = work(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - the last place that can report an error
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _reap(pid: int, children: set[int]) -> int | None:
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        return None
    children.discard(pid)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
