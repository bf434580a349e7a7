"""The report of `sekisho explain`: the explanation, where its input came from, and the comparison."""

from typing import Final, Literal

import msgspec
from msgspec import Struct

from scoring.contract.decision import Decision, Versions
from scoring.contract.faults import FAULTS
from scoring.decide.shadow import without_challenger
from scoring.explanation.compare import Cause, Difference, causes, differences
from scoring.explanation.record import Explanation

SCHEMA: Final[Literal["explanation.v1"]] = "explanation.v1"


class Input(Struct, frozen=True, kw_only=True):
    """What the profiles were made of: topics, a file, or nothing.

    `is_whole`: it was read from the first record that there ever was. `applied` counts records before the event, by
    the name of their topic.
    """

    source: Literal["TOPICS", "FILE", "EVENT"]
    is_whole: bool
    partitions: int
    applied: dict[str, int]


class Comparison(Struct, frozen=True, kw_only=True):
    """The published decision beside the recomputed one. NONE: there is no published one."""

    result: Literal["EQUAL", "DIFFERENT", "NONE"]
    size_bytes: int = 0
    differences: list[Difference] = []
    causes: list[Cause] = []
    published: Versions | None = None


class Report(Struct, frozen=True, kw_only=True):
    """All that `sekisho explain` says."""

    schema_version: Literal["explanation.v1"]
    input: Input
    comparison: Comparison
    explanation: Explanation


def compared(published: bytes | None, recomputed: bytes, *, is_whole: bool) -> Comparison:
    """Compare the published decision with the recomputed one, apart from what a challenger said: it decided nothing.

    Raises:
        ValueError: the published one is no decision.
    """
    if published is None:
        return Comparison(result="NONE")
    try:
        old, new = (msgspec.json.decode(each, type=Decision) for each in (published, recomputed))
    except FAULTS:
        raise ValueError("it is no decision.v1") from None
    found = differences(without_challenger(published), recomputed)
    versions, own = _of_files(old), _of_files(new)
    return Comparison(
        result="DIFFERENT" if found else "EQUAL",
        size_bytes=len(published),
        differences=found,
        causes=causes(found, versions, own, is_whole=is_whole),
        published=versions,
    )


def _of_files(decision: Decision) -> Versions:
    """Return the versions of a decision with the policy that has a file: that which declares the experiment."""
    if decision.experiment is None:
        return decision.versions
    return msgspec.structs.replace(decision.versions, policy=decision.experiment.policy)
