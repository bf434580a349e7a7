"""Protocols of the app as the transport uses it, beyond what Faust's own classes use."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from typing import Protocol

from faust.types import TP

from streams.kafka.settings import Broker
from streams.transport.settings import Consume


class Settings(Protocol):
    """Settings of how the input is read and committed."""

    @property
    def broker(self) -> Broker:
        """The brokers and how to reach them."""
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
        """Whether the broker fences earlier owners of a partition. Otherwise a lease by the clock does."""
        ...


class Assignments(Protocol):
    """Receive every change of the assignment, at once and in order."""

    def interrupted(self) -> None:
        """Record that a rebalance has begun."""

    def assigned(self, assigned: Iterable[TP], generation: int) -> None:
        """Record what the group has assigned, before anything else happens."""


class Host(Protocol):
    """The app that owns the consumer and the producer."""

    consumer_generation_id: int

    @property
    def settings(self) -> Settings:
        """How the input is read and committed."""
        ...

    @property
    def assignment(self) -> Assignments:
        """The receiver of assignments; used if profiles are durable."""
        ...

    @property
    def should_stop(self) -> bool:
        """Whether the app is stopping."""
        ...

    @property
    def crash_reason(self) -> BaseException | None:
        """The error that ended the app, if it has crashed."""
        ...

    async def crash(self, reason: BaseException) -> None:
        """End the app with an error."""

    def add_future(self, coro: Awaitable[None]) -> "asyncio.Future[None]":
        """Run a task until it or the app ends."""
        ...

    async def drain(self) -> None:
        """Flush the profiles of all partitions."""

    def check_produce(self) -> None:
        """Raise ExpelledError if another worker may own this one's partitions."""

    def on_committed(self, offsets: Mapping[TP, int]) -> None:
        """Record committed offsets."""
