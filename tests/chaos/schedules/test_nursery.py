"""The nursery starts the real command, reports its end, and ends its workers when it ends."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.brokers.ports import steady_ports
from tests.chaos.schedules.nursery import Child, Nursery

END_S = 30.0


@pytest.fixture(scope="module")
def running() -> Iterator[list[Nursery]]:
    """Hold the nursery of this file, if one runs: it takes seconds to start."""
    found: list[Nursery] = []
    yield found
    for nursery in found:
        nursery.__exit__()


@pytest.fixture
def nursery(running: list[Nursery]) -> Nursery:
    if not running:
        running.append(Nursery().__enter__())
    return running[0]


def ended(child: Child) -> int:
    """Wait for the end of a worker."""
    deadline = time.monotonic() + END_S
    while (status := child.poll()) is None:
        assert time.monotonic() < deadline, "the worker still runs"
        time.sleep(0.02)
    return status


def await_line(log: Path, words: str) -> None:
    deadline = time.monotonic() + END_S
    while words not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline, f"never said {words!r}"
        time.sleep(0.02)


def config(folder: Path) -> Path:
    """Write the configuration of a worker whose broker is not there."""
    path, (broker, http) = folder / "worker.yaml", steady_ports(2)
    path.write_text(f"kafka: {{bootstrap_servers: ['127.0.0.1:{broker}']}}\nhttp: {{port: {http}}}\n")
    return path


def test_it_reports_the_end_of_a_worker_and_keeps_its_output(nursery: Nursery, tmp_path: Path) -> None:
    missing, log = tmp_path / "missing.yaml", tmp_path / "log"
    assert ended(nursery.start(["worker", "--config", str(missing)], log)) > 0
    assert "missing.yaml" in log.read_text()


def test_a_worker_can_be_killed_and_its_successor_is_another(nursery: Nursery, tmp_path: Path) -> None:
    path, log = config(tmp_path), tmp_path / "log"
    log.write_text("before\n")
    first = nursery.start(["worker", "--config", str(path)], log)
    await_line(log, "engine_built")
    first.send_signal(signal.SIGKILL)
    assert ended(first) == -signal.SIGKILL
    first.send_signal(signal.SIGKILL)  # the process has ended: the signal has no effect
    assert log.read_text().startswith("before\n")
    assert nursery.start(["worker", "--config", str(path)], log).pid != first.pid


def test_its_workers_end_with_it(nursery: Nursery, running: list[Nursery], tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = nursery.start(["worker", "--config", str(config(tmp_path))], log)
    await_line(log, "engine_built")
    running.remove(nursery)
    nursery.__exit__()
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)
