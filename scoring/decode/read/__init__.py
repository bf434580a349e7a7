"""Read authorizations: JSON to columns in compiled kernels, with msgspec for unusual records.

`fields` has the contract as tables, `codes` the meanings of words, `lexicon` and `words` their look-up. `walk` parses
one record, `times` its times, and `meaning` writes a value to its column. `oddities` counts unknown and repeated keys;
`near` finds those that are near a name of the contract. `exact` reads with msgspec; `kernels` has the entry points.
"""

from scoring.contract.faults import FAULTS
from scoring.decode.read.exact import decode_event
from scoring.decode.read.kernels import NAMES, Reading, read_batch, read_event, reject_for
from scoring.decode.read.meaning import READ, UNREAD
from scoring.decode.read.near import read_notes

__all__ = [
    "FAULTS",
    "NAMES",
    "READ",
    "UNREAD",
    "Reading",
    "decode_event",
    "read_batch",
    "read_event",
    "read_notes",
    "reject_for",
]
