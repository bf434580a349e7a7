"""Run a `sekisho` command as a child process, and wait for a worker to be ready."""

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
    """Raised when a child process ended, or was not ready in time. The text has its name and its last log lines."""


class Child:
    """A running command. Its output goes to `log`. It has its own session, so Ctrl-C reaches its parent only."""

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
        """Its standard output; only if started with `piped`."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def status(self) -> int | None:
        """Its exit status, or None while it runs."""
        return self._process.poll()

    def require_running(self) -> None:
        """Raise if the process has ended.

        Raises:
            ChildError: it has ended.
        """
        if self.status is not None:
            raise ChildError(f"`sekisho {self.name}` ended with status {self.status}\n{self.last_lines()}".rstrip())

    def last_lines(self) -> str:
        """Return the end of its log. A worker's log never contains a payload."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])

    def end(self, patience_s: float) -> int:
        """Send SIGTERM, after `patience_s` SIGKILL, and return the exit status."""
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
    """Run a command until the context is left."""
    child = Child(arguments, log, piped=piped)
    try:
        yield child
    finally:
        child.end(patience_s)


async def await_ready(worker: Child, http: HttpSettings, timeout_s: float) -> None:
    """Wait until `/readyz` of a worker answers 200.

    Raises:
        ChildError: the worker ended, or `timeout_s` passed.
    """
    deadline = time.monotonic() + timeout_s
    while not await asyncio.to_thread(_is_ready, http):
        worker.require_running()
        if time.monotonic() > deadline:
            raise ChildError(f"the worker was not ready within {timeout_s:.0f} s\n{worker.last_lines()}".rstrip())
        await asyncio.sleep(0.1)


def address_of(http: HttpSettings) -> str:
    """Return the base URL of the worker's endpoints, for this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(http.host, http.host)  # noqa: S104 - compared, not bound
    return f"http://{host}:{http.port}"


def fetch(url: str, timeout_s: float = 5.0) -> bytes:
    """Get a URL of our own worker, without a proxy.

    Raises:
        OSError: there is no answer, or not 200.
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
