"""The marker that closes a flush: of which exact input the rows before it are the state."""

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from scoring.profile.changelog import LAYOUT
from scoring.profile.packed import ROW_FORMAT
from streams.kafka.settings import INPUT_ROLES, Topics
from streams.state.published import Since

KEY: Final = b"marker"
"""Of a record in both topics of profiles. Rows have keys of twelve bytes."""

WAY_OUT: Final = (
    "begin anew: stop all workers, delete and create both topics of profiles (`sekisho topics create`), and delete the "
    "group (`kafka-consumer-groups --delete`): it starts over at the oldest input, and decides nothing a second time"
)

_T = TypeVar("_T")

Offset = Annotated[int, Meta(ge=0)]


class StateFormatError(Exception):
    """Raised when profiles were written by another version, or for another input. Nothing has been consumed."""


class Marker(Struct, frozen=True, kw_only=True):
    """Say how far everything was when a flush of one partition was taken. All are the next offsets, not the last.

    `inputs`: how much of each input the rows know, by its role (`INPUT_ROLES`). `decisions` of the same partition,
    `alerts` and `dead_letters` by partition: before these stands nothing that answers later input. `shared`: the rows
    of `shared-profiles` that count. `eviction_cursors`: where the next evictions look. `topic_ids`: of inputs and
    outputs, by name; a topic that was made anew has another id, and the offsets here say nothing of it.
    """

    format: int
    layout: str
    partitions: int
    inputs: dict[str, Offset]
    decisions: Offset
    alerts: dict[int, Offset]
    dead_letters: dict[int, Offset]
    shared: Offset
    eviction_cursors: list[int]
    time_ms: int
    code: str
    topic_ids: dict[str, str] = {}

    def applied(self, topics: Topics) -> dict[str, int]:
        """Return how much of each input the rows know, by topic."""
        return {getattr(topics, role): self.inputs.get(role, 0) for role in INPUT_ROLES}

    @property
    def since(self) -> Since:
        """From where outputs have to be scanned."""
        return Since(decisions=self.decisions, alerts=self.alerts, dead_letters=self.dead_letters)


class _Format(Struct):
    format: int
    layout: str = ""
    partitions: int = 0
    code: str = "?"


def encode(marker: Marker) -> bytes:
    """Write a marker."""
    return msgspec.json.encode(marker)


def decode(value: bytes | None, where: str, partitions: int) -> Marker:
    """Read a marker of an input of so many partitions.

    Raises:
        StateFormatError: rows before it are of another format or layout, or of another number of partitions.
    """
    found = _read(value, where, _Format)
    if (found.format, found.layout) != (ROW_FORMAT, LAYOUT):
        raise StateFormatError(
            f"{where}: rows have format {found.format}-{found.layout}, written by version {found.code}; this version "
            f"reads {ROW_FORMAT}-{LAYOUT}. Run that version again, or {WAY_OUT}"
        )
    if found.partitions != partitions:
        raise StateFormatError(
            f"{where}: written when the input had {found.partitions} partitions, and now it has {partitions}: cards "
            f"have moved. {WAY_OUT.capitalize()}"
        )
    return _read(value, where, Marker)


def _read(value: bytes | None, where: str, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(value or b"", type=kind)
    except msgspec.DecodeError as error:
        raise StateFormatError(f"{where}: its marker cannot be read ({error}); {WAY_OUT}") from None
