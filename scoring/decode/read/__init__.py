"""Read authorizations: JSON to columns in compiled kernels, with msgspec for whatever is out of the ordinary.

`codes` holds what words mean, `fields` the contract as tables, `meaning` takes a value to its column, `walk` goes
through one record as JSON, `exact` is msgspec's way, `kernels` are the entry points.
"""

from scoring.decode.read.exact import FAULTS, decode_event
from scoring.decode.read.kernels import NAMES, Reading, read_batch, read_event, reject_for
from scoring.decode.read.meaning import READ, UNREAD

__all__ = ["FAULTS", "NAMES", "READ", "UNREAD", "Reading", "decode_event", "read_batch", "read_event", "reject_for"]
