"""`list-entry.v1`: the value of a record of topic `lists`, about one value that a list of the policy denies or allows.

The topic is compacted, with the key `LIST/VALUE`; a tombstone removes the entry.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from scoring.contract.types import AcquirerId

ListKind = Literal["card", "device", "email", "bin", "ip", "ip_network", "account", "address", "merchant"]

TIME_MAX = 40
"""Most characters of a time of an entry."""


class ListEntry(Struct, frozen=True, kw_only=True, gc=False):
    """One entry of a list. `kind` and `acquirer` must be those of the list in the policy, or it does not count.

    Times are texts, as a kernel reads them with the values (`scoring.lists`). An empty `effective_from` is none.
    """

    kind: ListKind
    effective_to: Annotated[str, Meta(min_length=1, max_length=TIME_MAX, extra_json_schema={"format": "date-time"})]
    effective_from: Annotated[str, Meta(max_length=TIME_MAX, extra_json_schema={"format": "date-time"})] | None = None
    acquirer: AcquirerId | None = None
    schema_version: Literal["list-entry.v1"] = "list-entry.v1"
