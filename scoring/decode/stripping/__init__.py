"""Remove sensitive data from a record, so that the rest can be decided.

`contracts` has the optional parts of a record, and the parts that an output carries. `document` reads JSON without loss
and writes it without some parts. `findings` has the paths and kinds of the removed data.
"""

from scoring.decode.stripping.contracts import (
    AUTHORIZATION,
    FRAUD_REPORT,
    MERCHANT,
    OUTCOME,
    SETTLEMENT,
    THREEDS_RESULT,
    Part,
    optional_part,
    part_at,
)
from scoring.decode.stripping.document import Number, Object, read, write_without
from scoring.decode.stripping.findings import Finding, Stripped, prefer_findings, replaced, told_path

__all__ = [
    "AUTHORIZATION",
    "FRAUD_REPORT",
    "MERCHANT",
    "OUTCOME",
    "SETTLEMENT",
    "THREEDS_RESULT",
    "Finding",
    "Number",
    "Object",
    "Part",
    "Stripped",
    "optional_part",
    "part_at",
    "prefer_findings",
    "read",
    "replaced",
    "told_path",
    "write_without",
]
