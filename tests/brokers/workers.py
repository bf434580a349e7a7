"""Worker processes for tests and benchmarks."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from streams.worker.settings import WorkerSettings
from tests.brokers.load import committed

ROOT = Path(__file__).resolve().parents[2]
END_S = 30.0
APPLIED_S = 60.0


@contextmanager
def worker_process(
    settings: WorkerSettings, *, module: str = "tests.integration.worker", arguments: tuple[str, ...] = ()
) -> Iterator["subprocess.Popen[str]"]:
    """Run a worker until the context ends; then it is killed if it still runs. Its log is in `stderr`."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, msgspec.json.encode(settings).decode(), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:" + os.environ.get("PYTHONPATH", "")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(END_S)


def terminate(process: "subprocess.Popen[str]") -> int:
    """Send SIGTERM to a worker and return its exit status."""
    process.send_signal(signal.SIGTERM)
    return process.wait(END_S)


def await_applied(
    settings: WorkerSettings, topic: str | None, at_least: int, partitions: int, *workers: "subprocess.Popen[str]"
) -> None:
    """Wait until the group has committed so many records of an input, over all partitions, while workers run."""
    assert topic is not None
    deadline = time.monotonic() + APPLIED_S
    while True:
        found = asyncio.run(committed(settings.broker, settings.consume.group, topic, range(partitions)))
        if sum(found.values()) >= at_least:
            return
        assert time.monotonic() < deadline, f"{topic}: committed {found}, expected {at_least}"
        assert [worker.poll() for worker in workers] == [None] * len(workers)


def cpu_seconds(process: "subprocess.Popen[str]") -> float:
    """Return the processor time a running process has used, user and system."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
