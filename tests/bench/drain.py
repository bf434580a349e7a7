"""How fast a service works off a backlog: the slope of its output topic, while it has a core to itself."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.kafka_io import Gauge
from tests.bench.machine import WORKER_CORE, pin

STARTED_DEADLINE_S = 120.0
SKIP_S = 1.0
WINDOW_S = 8.0
TAIL_SHARE = 0.9
"""The last tenth of the backlog is not measured: partitions run dry one after the other there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A service under measurement: its command, and the topic its decisions arrive on."""

    name: str
    command: Sequence[str]
    target: str


class NoProgressError(Exception):
    """The service wrote nothing in time; its output is in the message."""


async def drain_rate(contender: Contender, bootstrap: str, backlog: int) -> float:
    """Start a service on a filled topic, measure its events per second, end it."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(contender.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            async with Gauge(bootstrap, contender.target) as gauge:
                await _until_started(process, gauge, contender, log)
                pin(process.pid, WORKER_CORE)
                await asyncio.sleep(SKIP_S)
                return await _slope(gauge, int(backlog * TAIL_SHARE))
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def _until_started(
    process: subprocess.Popen[bytes], gauge: Gauge, contender: Contender, log: tempfile._TemporaryFileWrapper[bytes]
) -> None:
    deadline = time.monotonic() + STARTED_DEADLINE_S
    while await gauge.read() == 0:
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            raise NoProgressError(f"{contender.name} wrote nothing: {log.read()[-2000:].decode(errors='replace')}")
        await asyncio.sleep(0.02)


async def _slope(gauge: Gauge, end: int) -> float:
    first, started = await gauge.read(), time.monotonic()
    last, ended = first, started
    while ended - started < WINDOW_S and last < end:
        await asyncio.sleep(0.05)
        last, ended = await gauge.read(), time.monotonic()
    if last == first:
        return 0.0
    return (last - first) / (ended - started)
