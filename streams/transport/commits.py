"""Commit policies: up to which offset the input may be committed. The settings choose one."""

from collections.abc import Mapping
from typing import Final, Protocol

from faust.types import TP

from streams.transport.window import AckWindow

Windows = Mapping[TP, AckWindow]


class CommitPolicy(Protocol):
    """Give the next offset of each partition that may be committed."""

    @property
    def is_durable(self) -> bool:
        """Whether profiles must be durable up to the committed offset."""
        ...

    @property
    def positions(self) -> Mapping[TP, int]:
        """Start offsets of partitions that do not start at the group's committed offset."""
        ...

    def partitions(self, windows: Windows) -> list[TP]:
        """List the partitions that may have something to commit."""
        ...

    def offset(self, tp: TP, windows: Windows) -> int | None:
        """Return the next offset of a partition that may be committed, or None if there is none yet."""
        ...

    def start_from(self, positions: Mapping[TP, int]) -> None:
        """Replace all positions by those of a new assignment."""
        ...

    def make_durable(self, tp: TP, offset: int) -> None:
        """Record that profiles are durable up to an offset."""
        ...

    def forget(self, tp: TP) -> None:
        """Forget a partition that was revoked."""
        ...


class WatermarkCommits:
    """Commit up to the watermark: every batch before it is finished. For workers without durable profiles."""

    is_durable: Final = False
    positions: Final[Mapping[TP, int]] = {}

    def partitions(self, windows: Windows) -> list[TP]:
        """List the partitions that have delivered a batch."""
        return list(windows)

    def offset(self, tp: TP, windows: Windows) -> int | None:
        """Return the watermark."""
        window = windows.get(tp)
        return window.watermark if window is not None else None

    def start_from(self, positions: Mapping[TP, int]) -> None:
        """Raise AssertionError: without durable profiles nothing calls it."""
        raise AssertionError("state.enabled is false")

    def make_durable(self, tp: TP, offset: int) -> None:
        """Raise AssertionError: without durable profiles nothing calls it."""
        raise AssertionError("state.enabled is false")

    def forget(self, tp: TP) -> None:
        """Do nothing: the consumer forgets the window."""


class DurableCommits:
    """Commit up to the offset in the last marker, at or below the watermark: profiles are durable up to there."""

    is_durable: Final = True

    def __init__(self) -> None:
        self._offsets: dict[TP, int] = {}

    @property
    def positions(self) -> Mapping[TP, int]:
        """The offset of each partition in its last marker, restored or written."""
        return self._offsets

    def partitions(self, windows: Windows) -> list[TP]:
        """List the partitions whose profiles are restored."""
        return list(self._offsets)

    def offset(self, tp: TP, windows: Windows) -> int | None:
        """Return the offset in the last marker."""
        return self._offsets.get(tp)

    def start_from(self, positions: Mapping[TP, int]) -> None:
        """Start from the offsets that the restored profiles include."""
        self._offsets = dict(positions)

    def make_durable(self, tp: TP, offset: int) -> None:
        """Record the offset in an acknowledged marker."""
        self._offsets[tp] = offset

    def forget(self, tp: TP) -> None:
        """Forget a partition that was revoked."""
        self._offsets.pop(tp, None)
