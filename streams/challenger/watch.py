"""Load the challenger beside the running worker, and again when its files change.

The champion never waits: files are read and checked in a thread, from the moment at which the worker's services start.
Whatever is wrong with a challenger, it is left out, which is logged and counted, and the worker decides as without one.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from mode import Service

from scoring.features.all import FEATURES
from scoring.model.bundle import SIZE_MAX, BundleError
from scoring.model.challenger import Challenger
from streams.transport.tasks import WatchedService

log = logging.getLogger(__name__)

LOOK_S: Final = 10.0
"""Seconds between two looks at the files."""

SETTLE_S: Final = 0.05
"""Seconds until the second look at files that have changed."""

Stamp = tuple[tuple[int, int, int], ...]
"""Of each file: inode, size in bytes, time of its last change in ns. Empty if one is missing."""


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
        self._found: Stamp | None = None  # of the last look
        self._judged: Stamp | None = None  # what is in use or refused

    @Service.task
    async def _look_in_turn(self) -> None:
        while not self.should_stop:
            await self.look()
            await self.sleep(SETTLE_S if self._found != self._judged else self._interval_s)

    async def look(self) -> None:
        """Look once. Load or refuse the files if they are others than before and did not change since the last look."""
        stamp = await asyncio.to_thread(_stamp, self._folder)
        if stamp == self._found != self._judged:
            self._judged = stamp
            await self._judge()
        self._found = stamp

    async def _judge(self) -> None:
        try:
            challenger = await asyncio.to_thread(self._load, self._folder)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with a challenger must not end the worker
            self._engine.challenger = None
            self._telemetry.challenger(None, is_refused=True)
            fault = str(error) if isinstance(error, BundleError) else repr(error)
            log.error("challenger_refused folder=%s fault=%s", self._folder, fault.replace("\n", " | "))
            return
        self._engine.challenger = challenger
        self._telemetry.challenger(challenger.version, is_refused=False)
        log.info("challenger_loaded model=%s", challenger.version)


def load_challenger(folder: Path) -> Challenger:
    """Read and check the bundle in a folder. Blocks.

    Raises:
        BundleError: a file cannot be read, or the bundle does not fit this release.
    """
    return Challenger.load(_files(folder), FEATURES)


def _files(folder: Path) -> Mapping[str, bytes]:
    files = {}
    for name, size in SIZE_MAX.items():
        try:
            with (folder / name).open("rb") as stream:
                files[name] = stream.read(size + 1)
        except OSError as error:
            raise BundleError(f"{name} cannot be read: {error.strerror}; check model.challenger_dir") from None
    return files


def _stamp(folder: Path) -> Stamp:
    try:
        found = [(folder / name).stat() for name in SIZE_MAX]
    except OSError:
        return ()
    return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)
