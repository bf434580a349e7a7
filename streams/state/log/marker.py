"""The marker that ends a flush: it names the input offsets that the rows before it include."""

from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from scoring.profile.changelog import LAYOUT
from scoring.profile.packed import ROW_FORMAT
from streams.kafka.settings import INPUT_ROLES, Topics
from streams.state.published import Since

KEY: Final = b"marker"
"""Key of markers in both changelog topics. Keys of rows have twelve bytes."""

WAY_OUT: Final = (
    "start anew: stop all workers, delete and create both topics of profiles (`sekisho topics create`), and delete the "
    "group (`kafka-consumer-groups --delete`). Workers then read the input from its start and decide nothing twice"
)

_T = TypeVar("_T")

Offset = Annotated[int, Meta(ge=0)]


class StateFormatError(Exception):
    """Raised when profiles were written by another version, or for another input. No input has been consumed."""


class Held(Struct, frozen=True, kw_only=True):
    """A policy by its identity, a model by its version, and the offset of the authorization from which both held."""

    policy: str
    offset: Offset
    model: str = ""


class Marker(Struct, frozen=True, kw_only=True):
    """Offsets at the time of a flush of one partition. All are next offsets, not last ones.

    `inputs`: offset of each input up to which the rows include it, by role (`INPUT_ROLES`). `decisions` of the same
    partition, `alerts` and `dead_letters` by partition: no output of later input is before these. `shared`: rows of
    `shared-profiles` below it count. `eviction_cursors`: the next row that an eviction of each store looks at.
    `topic_ids`: ids of inputs and outputs by name. A topic that was created anew has another id, and the offsets here
    do not hold for it. `policies`: those that held last, each with its model, oldest first. `settings`: those that all
    workers must share, `started_ms`: when the worker started (`streams.state.agreement`).
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
    policies: list[Held] = []
    settings: dict[str, str] = {}
    started_ms: int = 0

    def applied(self, topics: Topics) -> dict[str, int]:
        """Return the offset up to which the rows include each input, by topic."""
        return {getattr(topics, role): self.inputs.get(role, 0) for role in topics.having(INPUT_ROLES)}

    @property
    def since(self) -> Since:
        """Offsets from which outputs must be scanned."""
        return Since(decisions=self.decisions, alerts=self.alerts, dead_letters=self.dead_letters)


class _Format(Struct):
    format: int
    layout: str = ""
    partitions: int = 0
    code: str = "?"


def encode(marker: Marker) -> bytes:
    """Encode a marker as JSON."""
    return msgspec.json.encode(marker)


def decode(value: bytes | None, where: str, partitions: int) -> Marker:
    """Decode a marker of an input that has `partitions` partitions. `where` names the place in errors.

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
            f"have moved to other partitions. {WAY_OUT.capitalize()}"
        )
    return _read(value, where, Marker)


def _read(value: bytes | None, where: str, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(value or b"", type=kind)
    except msgspec.DecodeError as error:
        raise StateFormatError(f"{where}: its marker cannot be read ({error}); {WAY_OUT}") from None
