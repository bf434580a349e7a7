"""placeholder until the scan exists."""

from collections.abc import Sequence

from scoring.contract.dead_letter import Reject
from scoring.decode.limits import DecodeLimits


def inspect(values: Sequence[bytes], limits: DecodeLimits) -> dict[int, Reject]:
    """Return the rejects of a batch by position."""
    found = {}
    for i, v in enumerate(values):
        if not v:
            found[i] = Reject(reason="EMPTY", path="$")
        elif len(v) > limits.bytes_max:
            found[i] = Reject(reason="OVERSIZE", path="$")
        else:
            try:
                v.decode()
            except UnicodeDecodeError:
                found[i] = Reject(reason="INVALID_UTF8", path="$")
    return found
