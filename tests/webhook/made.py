"""Alerts, and settings of a webhook, for its tests."""

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

import orjson

from streams.kafka.reading.records import Record
from streams.kafka.settings import Secret
from streams.webhook.alerts import Offsets, WaitingAlert
from streams.webhook.settings import WebhookSettings

P = ParamSpec("P")

URL = "http://127.0.0.1:1/alerts"


def settings(**changes: Any) -> WebhookSettings:
    return WebhookSettings(**{"url": URL, "secrets": (Secret(env="SECRET"),)} | changes)


def body(number: int, acquirer: str = "acq-1") -> bytes:
    return orjson.dumps({"schema_version": "alert.v1", "alert_id": f"{number:032x}", "acquirer_id": acquirer})


def record(value: bytes | None, offset: int = 0) -> Record:
    return Record("alerts", 0, offset, int(time.time() * 1000), 0, b"key", value, ())


def alert(number: int, acquirer: str = "acq-1", *, offsets: Offsets | None = None, age_s: float = 0.0) -> WaitingAlert:
    """Return an alert that was read at offset `number`."""
    part = Offsets(number) if offsets is None else offsets
    part.begin(number)
    at_ms = int((time.time() - age_s) * 1000)
    return WaitingAlert(f"{number:032x}", acquirer, body(number, acquirer), at_ms, number, part)


def in_loop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run an asynchronous test in a loop of its own."""

    @functools.wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*arguments, **named))

    return run
