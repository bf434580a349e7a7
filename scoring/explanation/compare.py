"""Compare a recomputed decision with the published one, byte for byte, and say what may have made them differ."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

import orjson
from msgspec import Struct

from scoring.contract.decision import Versions

VALUES_HIDDEN: Final = frozenset({"$.pan_hmac"})
"""Fields whose values are not shown."""

_PROFILE_FIELDS: Final = ("$.score", "$.probability", "$.reasons", "$.band", "$.action")


class Difference(Struct, frozen=True, kw_only=True):
    """A field of a decision that differs, with both values as JSON; None where the field is not there or is hidden."""

    path: str
    published: str | None
    recomputed: str | None


class Cause(StrEnum):
    """What may have made a decision differ.

    POLICY, RELEASE: another policy or release of Sekisho decided. START: earlier input was not read. CONFIG: settings
    of profiles, 3-D Secure or identifiers differ. ORDER: several partitions or workers, whose order is not stored.
    MERCHANTS: the merchant's record at that time is gone. RESULTS: a result of 3-D Secure was read at another time.
    """

    POLICY = "POLICY"
    RELEASE = "RELEASE"
    START = "START"
    CONFIG = "CONFIG"
    ORDER = "ORDER"
    MERCHANTS = "MERCHANTS"
    RESULTS = "RESULTS"


def differences(published: bytes, recomputed: bytes) -> list[Difference]:
    """Return the fields in which two decisions differ, in the order of the contract; none if all bytes are equal.

    Decisions of equal content and other bytes differ in `$`.

    Raises:
        orjson.JSONDecodeError: one is no JSON.
    """
    if published == recomputed:
        return []
    old, new = dict(_leaves(orjson.loads(published), "$")), dict(_leaves(orjson.loads(recomputed), "$"))
    found = [
        Difference(path=path, published=_shown(path, old), recomputed=_shown(path, new))
        for path in dict.fromkeys([*old, *new])
        if path not in old or path not in new or old[path] != new[path]
    ]
    return found or [Difference(path="$", published=None, recomputed=None)]


def _leaves(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Yield the paths of all leaves with their JSON. An empty list or object is a leaf."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}")
    elif isinstance(value, list) and value:
        for position, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{position}]")
    else:
        yield path, orjson.dumps(value).decode()


def _shown(path: str, leaves: dict[str, str]) -> str | None:
    return None if path in VALUES_HIDDEN else leaves.get(path)


def causes(found: Sequence[Difference], published: Versions, own: Versions, *, is_whole: bool) -> list[Cause]:
    """Return what may have made the fields of `found` differ, the surest first.

    Both are of one model. Other versions explain every difference but that of times, so nothing else is named beside
    them. `is_whole`: all input from the first offset on was read.
    """
    if not found:
        return []
    made = []
    if published.policy != own.policy:
        made.append(Cause.POLICY)
    if (published.features, published.code, published.reference) != (own.features, own.code, own.reference):
        made.append(Cause.RELEASE)
    if made:
        return made
    paths = [each.path for each in found]
    if not is_whole:
        made.append(Cause.START)
    if any(path.startswith("$.compliance") for path in paths):
        made.append(Cause.MERCHANTS)
    if any(path.startswith("$.tds") for path in paths):
        made.append(Cause.RESULTS)
    if any(path.startswith(_PROFILE_FIELDS) for path in paths):
        made.append(Cause.ORDER)
    return [*made, Cause.CONFIG]
