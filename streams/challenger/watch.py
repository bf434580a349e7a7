"""Load the challenger beside the running worker, and again when its files change.

The champion never waits: files are read and checked in a thread, from the moment at which the worker's services start.
Whatever is wrong with the files, it is logged and counted, and no decision depends on it. A challenger that scores goes
on when its files are replaced by refused ones; it ends when they are removed.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from mode import Service

from scoring.features.all import FEATURES
from scoring.model.absent import NO_VERSION
from scoring.model.bundle import BundleError
from scoring.model.challenger import Challenger
from streams.config.bundles import are_absent, read_files, signature
from streams.config.settled import Settled
from streams.transport.tasks import WatchedService

log = logging.getLogger(__name__)

LOOK_S: Final = 10.0
"""Seconds between two looks at the files."""

SETTLE_S: Final = 0.05
"""Seconds until the second look at files that have changed."""


class Engine(Protocol):
    """The engine, as a challenger needs it."""

    challenger: Challenger | None


class Telemetry(Protocol):
    """Record which challenger scores. Must neither block nor raise."""

    def challenger(self, version: str | None, *, is_refused: bool) -> None:
        """Record the challenger in use, None for none, and whether the configured one is refused."""


class ChallengerWatch(WatchedService):
    """Look at the files of a challenger, and load what two looks in a row find the same: they may be half written."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        telemetry: Telemetry,
        *,
        load: Callable[[Path], Challenger] | None = None,
        interval_s: float = LOOK_S,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._folder = folder
        self._engine = engine
        self._telemetry = telemetry
        self._load = load or load_challenger
        self._interval_s = interval_s
        self._settled = Settled()

    @Service.task
    async def _look_in_turn(self) -> None:
        while not self.should_stop:
            await self.look()
            await self.sleep(SETTLE_S if self._settled.is_waiting else self._interval_s)

    async def look(self) -> None:
        """Look once. Load or refuse the files if they are others than before and did not change since the last look."""
        if self._settled.look(await asyncio.to_thread(signature, self._folder)):
            await self._judge()

    async def _judge(self) -> None:
        try:
            challenger = await asyncio.to_thread(self._load, self._folder)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with a challenger must not end the worker
            if isinstance(error, ChallengerMissingError):
                self._engine.challenger = None
            old = self._engine.challenger
            kept = None if old is None else old.version
            self._telemetry.challenger(kept, is_refused=True)
            fault = (str(error) if isinstance(error, BundleError) else repr(error)).replace("\n", " | ")
            log.error("challenger_refused folder=%s kept=%s fault=%s", self._folder, kept or NO_VERSION, fault)
            return
        self._engine.challenger = challenger
        self._telemetry.challenger(challenger.version, is_refused=False)
        log.info("challenger_loaded model=%s", challenger.version)


class ChallengerMissingError(BundleError):
    """Raised when none of the files of a challenger is there."""


def load_challenger(folder: Path) -> Challenger:
    """Read and check the bundle in a folder. Blocks.

    Raises:
        ChallengerMissingError: none of its files is there.
        BundleError: a file cannot be read, or the bundle does not fit this release.
    """
    files, faults = read_files(folder)
    if faults:
        name, error = faults[0]
        kind = ChallengerMissingError if are_absent(files, faults) else BundleError
        raise kind(f"{name} cannot be read: {error.strerror}; check model.challenger_dir")
    return Challenger.load(files, FEATURES)
