"""A measured service: started, kept on its core, ended by its own handle."""

import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

READY_DEADLINE_S = 120.0
STOP_DEADLINE_S = 20.0


class NotRunningError(Exception):
    """The service ended or was not ready in time; the message has its last output."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running process and its output."""

    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def check(self, doing: str) -> None:
        """Raise NotRunningError if the process has ended."""
        if self.process.poll() is not None:
            raise NotRunningError(f"ended with {self.process.returncode} while {doing}: {self.tail()}")

    def tail(self) -> str:
        """Read the end of its output."""
        self.log.flush()
        self.log.seek(0)
        return self.log.read()[-3000:].decode(errors="replace")

    def until_ready(self, port: int) -> None:
        """Wait until `/readyz` on a loopback port answers 200."""
        deadline = time.monotonic() + READY_DEADLINE_S
        while time.monotonic() < deadline:
            self.check("getting ready")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.1)
        raise NotRunningError(f"not ready in {READY_DEADLINE_S:.0f} s: {self.tail()}")


@contextmanager
def running(command: Sequence[str]) -> Iterator[Service]:
    """Run a command until the context ends; then it gets SIGTERM, and SIGKILL if it does not end."""
    with tempfile.TemporaryFile() as log:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}  # one core each: a second OpenMP thread would only spin
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            yield Service(process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
