"""How fast a service processes a backlog: the slope of its output topic, while it has a core of its own."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.harness.kafka_io import Gauge
from tests.bench.harness.machine import WORKER_CORE, pin
from tests.bench.harness.processes import NotRunningError, Service, running

STARTED_DEADLINE_S = 120.0
SKIP_S = 1.0
WINDOW_S = 8.0
TAIL_SHARE = 0.9
"""The last tenth of the backlog is not measured: there, one partition after the other is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A measured service: its command, and the topic of its decisions."""

    name: str
    command: Sequence[str]
    target: str
    port: int = 0


async def drain_rate(contender: Contender, bootstrap: str, backlog: int) -> float:
    """Start a service on a filled topic, measure its events per second, end it."""
    with running(contender.command) as service:
        async with Gauge(bootstrap, contender.target) as gauge:
            await _until_started(service, gauge, contender.name)
            pin(service.process.pid, WORKER_CORE)
            await asyncio.sleep(SKIP_S)
            rate = await _slope(gauge, int(backlog * TAIL_SHARE))
            service.check("being measured")
            return rate


async def _until_started(service: Service, gauge: Gauge, name: str) -> None:
    deadline = time.monotonic() + STARTED_DEADLINE_S
    while await gauge.read() == 0:
        service.check("starting")
        if time.monotonic() > deadline:
            raise NotRunningError(f"{name} wrote nothing: {service.tail()}")
        await asyncio.sleep(0.02)


async def _slope(gauge: Gauge, end: int) -> float:
    first, started = await gauge.read(), time.monotonic()
    last, ended = first, started
    while ended - started < WINDOW_S and last < end:
        await asyncio.sleep(0.05)
        last, ended = await gauge.read(), time.monotonic()
    assert last > first, "no event was decided during the measurement: the backlog is too small"
    return (last - first) / (ended - started)
