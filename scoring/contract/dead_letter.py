"""`dead-letter.v1`: coordinates and reason of a refused record, never its content.

The record itself stays on its own topic at the named offset, so nothing is lost or copied.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from scoring.contract.types import TimeMs

SCHEMA = "dead-letter.v1"

DeadLetterReason = Literal[
    "EMPTY",
    "OVERSIZE",
    "INVALID_UTF8",
    "MALFORMED_JSON",
    "NESTED_TOO_DEEP",
    "MISSING_FIELD",
    "WRONG_TYPE",
    "OUT_OF_RANGE",
    "INVALID_VALUE",
    "WRONG_EXPONENT",
    "KEY_MISMATCH",
    "SENSITIVE_PAN",
    "SENSITIVE_CVV",
    "SENSITIVE_TRACK",
    "SENSITIVE_PIN",
    "OVERSIZE_BATCH",
    "MALFORMED_BATCH",
]

REASONS: tuple[DeadLetterReason, ...] = DeadLetterReason.__args__  # type: ignore[attr-defined]  # of a Literal


class Reject(Struct, frozen=True, kw_only=True, gc=False):
    """Why a record was refused, and where in it.

    `path` is a JSON path of the contract's field names. Any other key reads `*`, because a key can hold a card number
    too.
    """

    reason: DeadLetterReason
    path: str


class DeadLetter(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The envelope on the `dead-letters` topic.

    With a `last_offset` it stands for every record from `offset` to there. For a refused batch, `size_bytes` and
    `record_ms` are those of the stored batch.
    """

    schema_version: Literal["dead-letter.v1"]
    topic: Annotated[str, Meta(max_length=249)]
    partition: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    offset: Annotated[int, Meta(ge=0)]
    reason: DeadLetterReason
    path: Annotated[str, Meta(max_length=256)]
    size_bytes: Annotated[int, Meta(ge=0)]
    record_ms: TimeMs
    received_ms: TimeMs
    last_offset: Annotated[int, Meta(ge=0)] | None = None
