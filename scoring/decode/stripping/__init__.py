"""Take out of a record what must not go further, so that the rest can be decided.

`contracts` says which parts of a record may be missing, and which an output would carry; `document` reads JSON without
losing anything of it and writes it without some parts; `findings` is what is told of what was taken out.
"""

from scoring.decode.stripping.contracts import (
    AUTHORIZATION,
    FRAUD_REPORT,
    MERCHANT,
    OUTCOME,
    Part,
    optional_part,
    part_at,
)
from scoring.decode.stripping.document import Number, Object, read, write_without
from scoring.decode.stripping.findings import Finding, Stripped, bury, replaced, told_path

__all__ = [
    "AUTHORIZATION",
    "FRAUD_REPORT",
    "MERCHANT",
    "OUTCOME",
    "Finding",
    "Number",
    "Object",
    "Part",
    "Stripped",
    "bury",
    "optional_part",
    "part_at",
    "read",
    "replaced",
    "told_path",
    "write_without",
]
