"""A `sekisho` command as a process of its own, ended by its id, and how to learn that a worker is ready."""

import asyncio
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from streams.telemetry.settings import HttpSettings

_MAIN = "from streams.cli import main; raise SystemExit(main())"
_LOG_LINES = 10


class ChildError(Exception):
    """A process that was needed ended, or was not ready in time; the text says which and the last it logged."""


class Child:
    """One running command. Its output goes to `log`; its session is its own, so that Ctrl-C reaches its owner only."""

    def __init__(self, arguments: Sequence[str], log: Path, *, piped: bool = False) -> None:
        self.name = arguments[0]
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and arguments of our own
                [sys.executable, "-P", "-c", _MAIN, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def output(self) -> IO[bytes]:
        """Its standard output, of a command started with `piped`."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def status(self) -> int | None:
        """Its exit status, or None while it runs."""
        return self._process.poll()

    def require_running(self) -> None:
        """Do nothing while it runs.

        Raises:
            ChildError: it has ended.
        """
        if self.status is not None:
            raise ChildError(f"`sekisho {self.name}` ended with status {self.status}\n{self.last_lines()}".rstrip())

    def last_lines(self) -> str:
        """Return the end of its output; a worker's log never holds a payload."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])

    def end(self, patience_s: float) -> int:
        """Ask it to end, insist after `patience_s`, and return its exit status."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        status = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return status


@contextmanager
def running(arguments: Sequence[str], log: Path, *, patience_s: float, piped: bool = False) -> Iterator[Child]:
    """Run a command for as long as the context is entered."""
    child = Child(arguments, log, piped=piped)
    try:
        yield child
    finally:
        child.end(patience_s)


async def await_ready(worker: Child, http: HttpSettings, timeout_s: float) -> None:
    """Wait until a worker says that it takes events.

    Raises:
        ChildError: it ended, or the time is over.
    """
    deadline = time.monotonic() + timeout_s
    while not await asyncio.to_thread(_is_ready, http):
        worker.require_running()
        if time.monotonic() > deadline:
            raise ChildError(f"the worker was not ready within {timeout_s:.0f} s\n{worker.last_lines()}".rstrip())
        await asyncio.sleep(0.1)


def address_of(http: HttpSettings) -> str:
    """Return the base of the worker's addresses, as seen from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(http.host, http.host)  # noqa: S104 - compared, not bound
    return f"http://{host}:{http.port}"


def fetch(url: str, timeout_s: float = 5.0) -> bytes:
    """Get a loopback address of our own worker, past any proxy.

    Raises:
        OSError: nobody answers, or not with 200.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=timeout_s) as answer:
        body: bytes = answer.read()
        return body


def _is_ready(http: HttpSettings) -> bool:
    try:
        fetch(f"{address_of(http)}/readyz", timeout_s=2.0)
    except OSError:  # URLError and HTTPError are OSErrors: refused, or 503
        return False
    return True
