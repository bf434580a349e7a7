"""Optional parts of records, and parts that an output carries, derived from the contracts and the reader.

Decisions, alerts and their keys carry only the texts of an event that the reader keeps (`scoring.decode.read.NAMES`).
Every other field becomes a number or a hash. A test puts a marker into every field and checks which ones an output
carries.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec import inspect

from scoring.contract.authorization import Authorization
from scoring.contract.label import FraudReport, Settlement
from scoring.contract.merchant import MerchantRecord
from scoring.contract.outcome import IssuerOutcome
from scoring.contract.threeds_result import ThreeDsResult
from scoring.decode.read.fields import FIELDS, SPAN, TABLE
from scoring.decode.read.kernels import NAMES

Steps = tuple[str | int, ...]
"""A path in a record: keys of objects and positions in lists."""

CARRIED: Final[frozenset[tuple[str, ...]]] = frozenset(
    known.path for known, row in zip(FIELDS, TABLE, strict=True) if 0 <= row[SPAN] < NAMES
)
"""Fields of an authorization whose text an output carries: event id, acquirer, card token, merchant."""


@dataclass(frozen=True, slots=True)
class Part:
    """A field of a contract. `parts`: the fields of an object. `each`: any value of a map. A leaf has neither."""

    is_required: bool = True
    is_carried: bool = False
    parts: Mapping[str, "Part"] = field(default_factory=dict)
    each: "Part | None" = None

    def at(self, key: str) -> "Part | None":
        """Give the field of this name; None if the contract has none."""
        return self.parts.get(key, self.each)

    @property
    def is_leaf(self) -> bool:
        """Tell whether the contract has no field inside."""
        return not self.parts and self.each is None


def optional_part(contract: Part, steps: Steps) -> tuple[str, ...] | None:
    """Find the smallest part around `steps` that a record may lack; None if there is none or an output carries it.

    For an unknown key it is the outermost unknown part: nothing in it is read.
    """
    part, found = contract, None
    for depth, step in enumerate(steps):
        if part.is_leaf or isinstance(step, int):
            break
        inner = part.at(step)
        here = tuple(str(key) for key in steps[: depth + 1])
        if inner is None:
            return here
        if inner.is_carried:
            return None
        if not inner.is_required:
            found = here
        part = inner
    return found


def part_at(contract: Part, steps: Sequence[str | int]) -> Part | None:
    """Give the field at a path; None if the contract has none."""
    part: Part | None = contract
    for step in steps:
        part = part.at(step) if part is not None and isinstance(step, str) else None
    return part


def _fields(kind: inspect.StructType, path: tuple[str, ...], carried: frozenset[tuple[str, ...]]) -> dict[str, Part]:
    return {
        one.encode_name: _part(one.type, (*path, one.encode_name), carried, is_required=one.required)
        for one in kind.fields
    }


def _part(kind: inspect.Type, path: tuple[str, ...], carried: frozenset[tuple[str, ...]], *, is_required: bool) -> Part:
    parts: dict[str, Part] = {}
    each = None
    for one in _alternatives(kind):
        if isinstance(one, inspect.StructType):
            parts = _fields(one, path, carried)
        elif isinstance(one, inspect.DictType):
            each = _part(one.value_type, (*path, "*"), carried, is_required=False)
    return Part(is_required=is_required, is_carried=path in carried, parts=parts, each=each)


def _alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        yield from _alternatives(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _alternatives(one)
    else:
        yield kind


def _contract(record: type[msgspec.Struct], carried: frozenset[tuple[str, ...]] = frozenset()) -> Part:
    return _part(inspect.type_info(record), (), carried, is_required=True)


AUTHORIZATION: Final = _contract(Authorization, CARRIED)
OUTCOME: Final = _contract(IssuerOutcome, CARRIED)
"""No output carries a text of an outcome. Its event's names are judged as in the event, so a hit there refuses both."""
FRAUD_REPORT: Final = _contract(FraudReport)
"""No output carries a text of a report. The names of its payment are required, so a hit there refuses it."""
THREEDS_RESULT: Final = _contract(ThreeDsResult)
"""No output carries a text of a result of 3-D Secure."""
SETTLEMENT: Final = _contract(Settlement)
"""No output carries a text of a settlement."""
MERCHANT: Final = _contract(MerchantRecord)
"""No output carries a free text of a merchant's record, only words of closed lists."""
