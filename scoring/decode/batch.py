"""Decode a batch of authorizations: bytes in, records, columns, keys and rejects out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.contract.authorization import Authorization
from scoring.contract.dead_letter import Reject
from scoring.decode.columns import Col, Refused, pack_columns
from scoring.decode.guard import inspect
from scoring.decode.hashing import entity_keys, parts_of
from scoring.decode.limits import DecodeLimits
from scoring.decode.rejects import reject_of

_COLUMNS: Final = len(Col)
_decode: Final = msgspec.json.Decoder(Authorization).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A batch, decoded: every value is either an event or a reject.

    `events` are the accepted ones in order; `index` int32[n] their positions among the values; `ints` int64[n, Col]
    and `hashes` uint64[n, 9] (event id, then the entities; 0 absent) are C-contiguous and owned by this object.
    `rejects` pairs a position with its verdict, in order.
    """

    events: list[Authorization]
    index: NDArray[np.int32]
    rejects: list[tuple[int, Reject]]
    ints: NDArray[np.int64]
    hashes: NDArray[np.uint64]


def decode(values: Sequence[bytes], limits: DecodeLimits) -> Decoded:
    """Decode values in order, the guard before anything else; never raises for what a value holds.

    The result for a value does not depend on its neighbours. Cost: see `make bench`, stage `decode`.
    """
    refused = inspect(values, limits)
    events: list[Authorization] = []
    index: list[int] = []
    parts: list[str] = []
    blocks: list[bytes] = []
    for position, value in enumerate(values):
        if position in refused:
            continue
        try:
            event = _decode(value)
            row = pack_columns(event, limits)
            names = parts_of(event)
        except Refused as refusal:
            refused[position] = refusal.reject
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            refused[position] = reject_of(error)
        else:
            events.append(event)
            index.append(position)
            blocks.extend(row)
            parts.extend(names)
    return Decoded(
        events=events,
        index=np.array(index, dtype=np.int32),
        rejects=sorted(refused.items()),
        ints=np.frombuffer(b"".join(blocks), dtype=np.int64).reshape(len(events), _COLUMNS).copy(),
        hashes=entity_keys(parts, limits.joined),
    )
