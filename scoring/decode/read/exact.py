"""Read with msgspec the records that the kernel leaves; msgspec decodes them or names the fault.

The decoded record is written out as plain values, one for each field, for the kernel. So only msgspec defines validity,
and only the kernel defines the meaning of a value.
"""

from collections.abc import Iterator
from datetime import datetime
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.authorization import Authorization
from scoring.contract.faults import reader
from scoring.decode.columns import ms_of
from scoring.decode.page import PADDING
from scoring.decode.read.fields import FIELDS, OBJECT

decode_event: Final = reader(Authorization)
"""Decode one event; raises one of FAULTS if it is invalid."""

_SECTIONS: Final = {
    section: tuple((number, field.path[-1]) for number, field in enumerate(FIELDS) if field.path[:-1] == section)
    for section in dict.fromkeys(field.path[:-1] for field in FIELDS)
}
_LEAVES: Final = {
    section: tuple((number, attrgetter(name)) for number, name in names if FIELDS[number].kind != OBJECT)
    for section, names in _SECTIONS.items()
}


def spell(event: Authorization) -> tuple[bytes, NDArray[np.int64]]:
    """Write out an event: its texts with the padding, and int64[n, 3] rows of (field, start, stop).

    A row with a negative start is no text: its stop is the whole number, the flag, or the time in ms.
    """
    texts: list[bytes] = []
    rows: list[tuple[int, int, int]] = []
    at = 0
    for number, value in _values(event):
        if isinstance(value, str):
            texts.append(value.encode())
            rows.append((number, at, at + len(texts[-1])))
            at += len(texts[-1])
        else:
            assert isinstance(value, int | datetime), "a leaf of the contract"
            rows.append((number, -1, ms_of(value) if isinstance(value, datetime) else int(value)))
    return b"".join((*texts, PADDING)), np.array(rows, dtype=np.int64)


def _values(event: Authorization) -> Iterator[tuple[int, object]]:
    """Yield the present leaves; of a list its first item: EMV 3DS 2.3.1 sends lists, 2.1 and 2.2 one value."""
    for section, leaves in _LEAVES.items():
        node = event if not section else getattr(event, section[0])
        if node is None:
            continue
        for number, get in leaves:
            value = get(node)
            if isinstance(value, list):
                value = value[0] if value else None
            if value is not None:
                yield number, value
