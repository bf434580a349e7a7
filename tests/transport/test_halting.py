"""A worker that halts says why once, and ends whatever its parts make of it."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import cast

import pytest

from streams.app import EXIT_HALTED, FraudApp, _serve
from streams.seams import NoTelemetry
from streams.transport.settings import WorkerSettings


class FirstError(Exception):
    pass


class LaterError(Exception):
    pass


class FakeApp:
    """Be an app that has crashed, crashes again while it is stopped, and leaves a task that forgets a cancellation."""

    def __init__(self) -> None:
        self.settings = WorkerSettings()
        self.telemetry = NoTelemetry()
        self.crash_reason: BaseException | None = None
        self.is_ready, self.watched = False, None
        self.left: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.left = asyncio.create_task(self._forget_one())
        self.crash_reason = FirstError("a broker refused")

    async def wait_until_stopped(self) -> None:
        pass

    async def stop(self) -> None:
        self.crash_reason = LaterError("as all was cancelled")

    async def _forget_one(self) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    yield caplog
    logging.disable(logging.NOTSET)


def test_the_first_reason_is_the_last_line_and_nothing_holds_up_the_end(logs: pytest.LogCaptureFixture) -> None:
    app = FakeApp()

    async def play() -> int:
        with ExitStack() as stack:
            async with asyncio.timeout(20):
                return await _serve(lambda: cast(FraudApp, app), stack)

    assert asyncio.run(play()) == EXIT_HALTED
    assert logs.records[-1].getMessage() == "worker_halted reason=FirstError"
    assert app.left is not None
    assert app.left.cancelled()
