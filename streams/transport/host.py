"""What the transport asks of the app that it runs in, beyond what Faust's own classes ask of it."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from typing import Protocol

from faust.types import TP

from streams.kafka.settings import Broker
from streams.transport.settings import Consume


class Settings(Protocol):
    """Say how the input is read and committed."""

    @property
    def broker(self) -> Broker:
        """Where the brokers are."""
        ...

    @property
    def consume(self) -> Consume:
        """How the input is read."""
        ...

    @property
    def is_durable(self) -> bool:
        """Whether profiles are kept: then input is committed once they are durable."""
        ...

    @property
    def is_fenced(self) -> bool:
        """Whether the broker keeps out every earlier owner of a partition, and no clock has to."""
        ...


class Assignments(Protocol):
    """Hear of every change of the assignment, at once and in order."""

    def interrupted(self) -> None:
        """Hear that a rebalance has begun."""

    def assigned(self, assigned: Iterable[TP], generation: int) -> None:
        """Hear what the group has assigned, before anything is done about it."""


class Host(Protocol):
    """Be the app of a consumer and a producer."""

    consumer_generation_id: int

    @property
    def settings(self) -> Settings:
        """How the input is read and committed."""
        ...

    @property
    def assignment(self) -> Assignments:
        """Who hears of assignments where profiles are kept."""
        ...

    @property
    def should_stop(self) -> bool:
        """Whether the app is stopping."""
        ...

    @property
    def crash_reason(self) -> BaseException | None:
        """What ended the app, if it has crashed."""
        ...

    async def crash(self, reason: BaseException) -> None:
        """End the app with an error."""

    def add_future(self, coro: Awaitable[None]) -> "asyncio.Future[None]":
        """Run something beside, until the app ends."""
        ...

    async def drain(self) -> None:
        """Make all that is applied durable."""

    def check_produce(self) -> None:
        """Raise ExpelledError for a produce that a successor may make too."""

    def on_committed(self, offsets: Mapping[TP, int]) -> None:
        """Hear which offsets were committed."""
