"""Reload the model of a running worker when its files change, or on SIGHUP.

Files are noticed by name, inode, size and time of change. A change counts when two looks in a row find the same: a file
may be half written. Then the bundle is loaded, checked and run beside the event loop, and taken into use between two
batches. If anything is wrong, the worker goes on as before: with the model in use, or without one.

To go back to the model before is one step: put its folder, or the link to it, back in place.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from mode import Service

from scoring.judging import Judge
from scoring.model.absent import NO_VERSION, NoModel
from scoring.model.bundle import Bundle
from streams.config.bundles import signature
from streams.config.settings import Settings
from streams.config.settled import Settled
from streams.config.strict import ConfigError
from streams.config.wiring import load_bundle
from streams.transport.tasks import WatchedService

log = logging.getLogger(__name__)

SETTLE_S: Final = 0.5
"""Time between the two looks at a change. A bundle is three files, which are rarely written at once."""


class Engine(Protocol):
    """The engine, as a reload of its model uses it."""

    @property
    def model(self) -> Bundle | NoModel:
        """The model in use, or why there is none."""
        ...

    def judge_by(self, model: Bundle | NoModel) -> Judge:
        """Prepare a model for `use_model`. May run in another thread."""
        ...

    def use_model(self, judge: Judge) -> None:
        """Decide the next batches by another model."""
        ...


class Telemetry(Protocol):
    """Record reloads. Must neither block nor raise."""

    def model_applied(self, version: str, trained_until_ms: int) -> None:
        """Record that another model is in use."""

    def model_refused(self, is_refused: bool) -> None:
        """Record whether the files are missing or refused."""


class ModelReload(WatchedService):
    """Look for changes of the model's files.

    `sign` returns a text that changes with them and must not raise; `load` raises ConfigError. Both run in a thread.
    """

    def __init__(
        self,
        sign: Callable[[], str],
        load: Callable[[], Bundle],
        engine: Engine,
        telemetry: Telemetry,
        *,
        interval_s: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._sign = sign
        self._load = load
        self._engine = engine
        self._telemetry = telemetry
        self._interval_s = interval_s
        self._settled = Settled()
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Look at once, and judge again what was refused."""
        self._asked.set()

    @Service.task
    async def _look_in_turn(self) -> None:
        while not self.should_stop:
            await self.look()
            try:
                async with asyncio.timeout(SETTLE_S if self._settled.is_waiting else self._interval_s):
                    await self._asked.wait()
            except TimeoutError:
                continue
            self._asked.clear()
            self._settled.judge_again()

    async def look(self) -> None:
        """Look at the files once. Take their model into use if they changed and were the same at the last look."""
        if self._settled.look(await asyncio.to_thread(self._sign)):
            await self._take()

    async def _take(self) -> None:
        old = self._engine.model
        kept = old.version if isinstance(old, Bundle) else NO_VERSION
        try:
            new, judge = await asyncio.to_thread(self._prepared)
        except ConfigError as error:
            self._telemetry.model_refused(True)
            log.error("model_refused kept=%s fault=%s", kept, str(error).replace("\n", " | "))
            return
        if new.version != kept:
            self._engine.use_model(judge)
            self._telemetry.model_applied(new.version, new.trained_until_ms)
            log.info("model_changed old=%s new=%s", kept, new.version)
        self._telemetry.model_refused(False)

    def _prepared(self) -> tuple[Bundle, Judge]:
        """Load the bundle, and run it once. Runs in a thread."""
        new = self._load()
        judge = self._engine.judge_by(new)
        judge.run_once()
        return new, judge


def model_reload_of(settings: Settings, engine: Engine, telemetry: Telemetry) -> ModelReload | None:
    """Return the reload of a worker; None with the bundle inside the package, which does not change.

    Call it inside the loop that will run it.
    """
    folder = settings.model.bundle_dir
    if folder is None:
        return None
    return ModelReload(
        lambda: signature(Path(folder)),
        lambda: load_bundle(settings),
        engine,
        telemetry,
        interval_s=settings.model.watch_interval_s,
    )
