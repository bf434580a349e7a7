"""Decode a batch of authorizations, or of outcomes: bytes in, columns, keys, names and rejects out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.contract.authorization import Authorization, Network
from scoring.contract.dead_letter import Reject
from scoring.contract.faults import reader
from scoring.contract.outcome import IssuerOutcome, as_event
from scoring.decode.guard import inspect
from scoring.decode.page import Page, lay_out, lay_out_again
from scoring.decode.read import (
    FAULTS,
    NAMES,
    READ,
    UNREAD,
    Reading,
    decode_event,
    read_batch,
    read_event,
    read_notes,
    reject_for,
)
from scoring.decode.rejects import reject_of
from scoring.decode.settings import DecodeLimits
from scoring.decode.stripping import AUTHORIZATION, OUTCOME, Finding, Stripped, prefer_findings, replaced

Name = tuple[bytes, bytes, bytes, bytes]
"""The names of an event, in UTF-8: its id, its acquirer, the card's token, its merchant."""

decode_outcome: Final = reader(IssuerOutcome)
"""Decode one outcome; raises one of FAULTS if it is invalid."""
_NETWORKS: Final = ("unknown", *get_args(Network))  # `unknown` is not in the contract, so nothing is counted under it
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A decoded batch: every value is either an event or a reject.

    `index` int32[n]: positions of the accepted values. `names`: the names of each event. `ints` int64[n, Col] and
    `hashes` uint64[n, 9] (event id, then the entities; 0 absent) are C-contiguous and owned by this object.
    `spelt`: the rows whose names may need escapes in JSON. `rejects`: pairs of position and reject, in order.
    `near_keys`: unknown keys of all values, counted by the label (`NEAR_LABELS`) of the field that they are near to.
    `repeated_keys`: values in which an object has a key twice. Both cover at most 48 different unknown keys.
    `unlisted`: response codes that are in no list, by network, where no other field gives their class.
    `findings`: by row, what the guard removed from the event; `values` are without it.
    """

    values: Sequence[bytes]
    index: NDArray[np.int32]
    names: list[Name]
    spelt: frozenset[int]
    rejects: list[tuple[int, Reject]]
    ints: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    near_keys: Mapping[str, int]
    repeated_keys: int
    unlisted: Mapping[str, int]
    findings: Mapping[int, tuple[Finding, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def event(self, row: int) -> Authorization:
        """Decode one accepted event as a record, for callers that need more than its columns."""
        return decode_event(self.values[self.index[row]])


def decode(values: Sequence[bytes], limits: DecodeLimits) -> Decoded:
    """Decode values in order, the guard first; never raises for the content of a value.

    The result for a value does not depend on its neighbours. Cost: see `make bench`, stage `decode`.
    """
    page, refused = lay_out(values, limits)
    stripped = inspect(values, page, refused, limits, AUTHORIZATION)
    if stripped:
        values = replaced(values, stripped)
        page = lay_out_again(values, refused)
    return _read(values, page, refused, stripped, limits)


def decode_outcomes(values: Sequence[bytes], limits: DecodeLimits) -> Decoded:
    """Decode records of `outcome.v1` in order, the guard first; never raises for the content of a value.

    Each is read as the event with the same content (`scoring.contract.outcome.as_event`), and `values` are these
    events. Unknown and repeated keys are not counted. Cost: that of `decode`, and of msgspec, which reads and writes
    the record.
    """
    page, refused = lay_out(values, limits)
    stripped = inspect(values, page, refused, limits, OUTCOME)
    events: list[bytes] = []
    for position, value in enumerate(replaced(values, stripped)):
        event = b""
        if position not in refused:
            try:
                event = _encode(as_event(decode_outcome(value)))
            except FAULTS as error:
                refused[position] = reject_of(error)
        events.append(event)
    return _read(events, lay_out_again(events, refused), refused, stripped, limits)


def _read(
    values: Sequence[bytes],
    page: Page,
    refused: dict[int, Reject],
    stripped: Mapping[int, Stripped],
    limits: DecodeLimits,
) -> Decoded:
    """Read the events of `page`, which the guard has passed."""
    reading = read_batch(page, limits)
    names = _names(page, reading)
    near_keys, repeated_keys = read_notes(page.data, reading.notes)
    if not refused and not np.count_nonzero(reading.verdicts != READ):
        index = np.arange(len(values), dtype=np.int32)
        return Decoded(
            values=values,
            index=index,
            names=names,
            spelt=frozenset(),
            rejects=[],
            ints=reading.ints,
            hashes=reading.hashes,
            near_keys=near_keys,
            repeated_keys=repeated_keys,
            unlisted=_unlisted(reading),
            findings={position: record.findings for position, record in stripped.items()},
        )
    exact = _read_exactly(values, limits, reading, names, refused)
    prefer_findings(stripped, refused)
    kept = [position for position in range(len(values)) if position not in refused]
    index = np.array(kept, dtype=np.int32)
    return Decoded(
        values=values,
        index=index,
        names=[names[position] for position in kept],
        spelt=frozenset(row for row, position in enumerate(kept) if position in exact),
        rejects=sorted(refused.items()),
        ints=reading.ints[index],
        hashes=reading.hashes[index],
        near_keys=near_keys,
        repeated_keys=repeated_keys,
        unlisted=_unlisted(reading),
        findings={row: stripped[position].findings for row, position in enumerate(kept) if position in stripped},
    )


def _names(page: Page, reading: Reading) -> list[Name]:
    data, places = page.data, reading.names.reshape(-1, 2 * NAMES)
    return [(data[a:b], data[c:d], data[e:f], data[g:h]) for a, b, c, d, e, f, g, h in places.tolist()]


def _unlisted(reading: Reading) -> dict[str, int]:
    return {name: int(count) for name, count in zip(_NETWORKS, reading.unlisted, strict=True) if count}


def _read_exactly(
    values: Sequence[bytes], limits: DecodeLimits, reading: Reading, names: list[Name], refused: dict[int, Reject]
) -> set[int]:
    """Read with msgspec the records that the kernel left, and add rejects; return the positions read here."""
    done: set[int] = set()
    for position in np.flatnonzero(reading.verdicts != READ).tolist():
        if position in refused:
            continue
        if reading.verdicts[position] == UNREAD:
            try:
                event = decode_event(values[position])
            except FAULTS as error:
                refused[position] = reject_of(error)
                continue
            read_event(event, limits, reading, position)
            texts = (event.event_id, event.acquirer.id, event.card.pan_hmac, event.merchant.id)
            names[position] = tuple(text.encode() for text in texts)  # type: ignore[assignment]  # there are four
            done.add(position)
        reject = reject_for(int(reading.verdicts[position]))
        if reject is not None:
            refused[position] = reject
    return done
