"""Worker processes for tests and benchmarks."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from streams.worker.settings import WorkerSettings

ROOT = Path(__file__).resolve().parents[2]
END_S = 30.0


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


def cpu_seconds(process: "subprocess.Popen[str]") -> float:
    """Return the processor time a running process has used, user and system."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
