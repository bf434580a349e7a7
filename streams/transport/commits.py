"""How far the input of a worker may be committed: a policy, chosen once from the settings."""

from collections.abc import Mapping
from typing import Final, Protocol

from faust.types import TP

from streams.transport.window import AckWindow

Windows = Mapping[TP, AckWindow]


class CommitPolicy(Protocol):
    """Know the next offset that may be committed of each partition."""

    @property
    def is_durable(self) -> bool:
        """Whether profiles have to be durable up to what is committed."""
        ...

    @property
    def positions(self) -> Mapping[TP, int]:
        """Where partitions begin that do not begin at what the group has committed."""
        ...

    def partitions(self, windows: Windows) -> list[TP]:
        """List the partitions that may have something to commit."""
        ...

    def offset(self, tp: TP, windows: Windows) -> int | None:
        """Return the next offset of a partition that may be committed; None before there is one."""
        ...

    def start_from(self, positions: Mapping[TP, int]) -> None:
        """Take the positions of a new assignment, in place of all others."""
        ...

    def make_durable(self, tp: TP, offset: int) -> None:
        """Note that profiles are durable up to an offset."""
        ...

    def forget(self, tp: TP) -> None:
        """Forget a partition that was revoked."""
        ...


class WatermarkCommits:
    """Commit up to the watermark: every batch before it is finished. There are no profiles."""

    is_durable: Final = False
    positions: Final[Mapping[TP, int]] = {}

    def partitions(self, windows: Windows) -> list[TP]:
        """List the partitions that have delivered something."""
        return list(windows)

    def offset(self, tp: TP, windows: Windows) -> int | None:
        """Return the watermark."""
        window = windows.get(tp)
        return window.watermark if window is not None else None

    def start_from(self, positions: Mapping[TP, int]) -> None:
        """Refuse."""
        raise AssertionError("profiles are not kept")

    def make_durable(self, tp: TP, offset: int) -> None:
        """Refuse."""
        raise AssertionError("profiles are not kept")

    def forget(self, tp: TP) -> None:
        """Do nothing: the consumer forgets the window."""


class DurableCommits:
    """Commit up to the last marker, which stands at the watermark or before it: profiles are durable up to there."""

    is_durable: Final = True

    def __init__(self) -> None:
        self._offsets: dict[TP, int] = {}

    @property
    def positions(self) -> Mapping[TP, int]:
        """What the restore, or the last marker, says of each partition."""
        return self._offsets

    def partitions(self, windows: Windows) -> list[TP]:
        """List the partitions whose profiles are here."""
        return list(self._offsets)

    def offset(self, tp: TP, windows: Windows) -> int | None:
        """Return the offset of the last marker."""
        return self._offsets.get(tp)

    def start_from(self, positions: Mapping[TP, int]) -> None:
        """Take what restored profiles know."""
        self._offsets = dict(positions)

    def make_durable(self, tp: TP, offset: int) -> None:
        """Note the offset of a marker that is acknowledged."""
        self._offsets[tp] = offset

    def forget(self, tp: TP) -> None:
        """Forget a partition that was revoked."""
        self._offsets.pop(tp, None)
