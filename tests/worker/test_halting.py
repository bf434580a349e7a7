"""A worker that halts logs the cause once, and ends whatever its services do."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from types import SimpleNamespace
from typing import cast

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from streams.kafka.failures import Failure
from streams.kafka.rights.table import Right
from streams.kafka.settings import EMBEDDED, Broker
from streams.state.settings import State
from streams.worker.app import EXIT_HALTED, FraudApp, _serve
from streams.worker.deliveries import UndeliveredError
from streams.worker.settings import WorkerSettings
from tests.doubles import NoTelemetry


class FirstError(Exception):
    pass


class LaterError(Exception):
    pass


class FakeApp:
    """An app that has crashed, crashes again while it stops, and leaves a task that ignores a cancellation."""

    def __init__(self, reason: BaseException | None = None) -> None:
        self.reason = reason or FirstError("a broker refused")
        self.settings = WorkerSettings()
        self.telemetry = NoTelemetry()
        self.crash_reason: BaseException | None = None
        self.is_ready, self.watched = False, None
        self.left: asyncio.Task[None] | None = None
        self.did: list[str] = []

    async def start(self) -> None:
        self.left = asyncio.create_task(self._forget_one())
        self.crash_reason = self.reason

    async def wait_until_stopped(self) -> None:
        pass

    async def leave_group(self) -> None:
        self.did.append("leave")

    async def stop(self) -> None:
        self.did.append("stop")
        self.crash_reason = LaterError("as all was cancelled")

    async def _forget_one(self) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    yield caplog
    logging.disable(logging.NOTSET)


def test_the_first_cause_is_the_last_line_and_nothing_delays_the_end(logs: pytest.LogCaptureFixture) -> None:
    app = FakeApp()

    async def play() -> int:
        with ExitStack() as stack:
            async with asyncio.timeout(20):
                return await _serve(lambda: cast(FraudApp, app), stack)

    assert asyncio.run(play()) == EXIT_HALTED
    assert logs.records[-1].getMessage() == "worker_halted reason=FirstError"
    assert app.left is not None
    assert app.left.cancelled()
    assert app.did == ["leave", "stop"], "it must leave its group before it closes the rest"


def test_a_group_that_does_not_answer_does_not_delay_a_halt(
    logs: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.worker.app.LEAVE_S", 0.01)
    app = FakeApp()

    async def never() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(app, "leave_group", never)

    async def play() -> int:
        with ExitStack() as stack:
            async with asyncio.timeout(20):
                return await _serve(lambda: cast(FraudApp, app), stack)

    assert asyncio.run(play()) == EXIT_HALTED
    assert app.did == ["stop"]
    assert logs.records[-1].getMessage() == "worker_halted reason=FirstError"


@pytest.mark.parametrize(
    ("settings", "leaves"),
    [
        (WorkerSettings(), True),
        (WorkerSettings(broker=Broker(profile=EMBEDDED)), False),
        (WorkerSettings(state=State(enabled=False)), False),
    ],
)
def test_it_leaves_early_only_where_a_fence_protects_the_successor_from_produces_in_flight(
    settings: WorkerSettings, leaves: bool
) -> None:
    did: list[str] = []

    async def leave_group() -> None:
        did.append("leave")

    app = SimpleNamespace(settings=settings, _consumer=SimpleNamespace(leave_group=leave_group))
    asyncio.run(FraudApp.leave_group(cast(FraudApp, app)))
    assert bool(did) is leaves
    app._consumer = None  # it crashes before there is one
    asyncio.run(FraudApp.leave_group(cast(FraudApp, app)))


def halted(reason: BaseException, logs: pytest.LogCaptureFixture) -> str:
    """Halt for a cause, and return the error of the last line."""

    async def play() -> int:
        with ExitStack() as stack:
            async with asyncio.timeout(20):
                return await _serve(lambda: cast(FraudApp, FakeApp(reason)), stack)

    assert asyncio.run(play()) == EXIT_HALTED
    assert logs.records[-1].getMessage().startswith("worker_halted reason=")
    exc_info = logs.records[-1].exc_info
    assert exc_info is not None
    return f"{type(exc_info[1]).__name__}: {exc_info[1]}"


def refused_output() -> UndeliveredError:
    error = UndeliveredError("output not acknowledged: TopicAuthorizationFailedError")
    error.__cause__ = TopicAuthorizationFailedError("decisions")
    return error


def test_brokers_that_cannot_be_reached_are_named_with_the_cause(
    logs: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Failure("broker", 9092, ConnectionRefusedError(), "PLAINTEXT", None, None, 30.0, 0, is_new=True)
    monkeypatch.setattr("streams.kafka.explain.failures", lambda: [refused])
    told = halted(KafkaConnectionError("Unable to bootstrap from [('broker', 9092, 2)]"), logs)
    assert told == "UnreachableError: broker:9092: connection refused: nothing listens on this port"


def test_a_refusal_is_logged_with_the_missing_right(
    logs: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def missing(_: object, rights: tuple[Right, ...]) -> list[Right]:
        assert rights == WorkerSettings().rights
        return [right for right in rights if (right.operation, right.name) == ("Write", "decisions")]

    monkeypatch.setattr("streams.kafka.explain.missing_of", missing)
    told = halted(refused_output(), logs)
    assert told.startswith("RightsError: User:ANONYMOUS lacks Write on Topic 'decisions'. Grant with: kafka-acls ")


def test_a_refusal_is_logged_unchanged_if_the_missing_right_is_unknown(
    logs: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> list[Right]:
        raise KafkaConnectionError("no broker")

    monkeypatch.setattr("streams.kafka.explain.missing_of", away)
    assert halted(refused_output(), logs) == f"UndeliveredError: {refused_output()}"
