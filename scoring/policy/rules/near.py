"""Which rules would have hit an event but for one of their conditions."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.policy.rules.language import ConditionError, checked
from scoring.policy.rules.rule import Rule, RuleCaps
from scoring.policy.rules.ruleset import Batch, RuleSet
from scoring.policy.rules.wire import Node

NEAR_MAX: Final = 20
"""Most rules that are told of one event."""

_AND: Final = "_&&_"


class Near(NamedTuple):
    """A rule that did not hit, and the part of its condition that was not true.

    `is_unknown`: the part depends on a missing value or a failed operation.
    """

    rule: Rule
    part: str
    is_unknown: bool


def near(rules: Sequence[Rule], batch: Batch, standings: NDArray[np.int64]) -> list[Near]:
    """Return the rules of which all parts but one are true, in their order; at most NEAR_MAX. A hit has no such part.

    `batch` has one event. `standings` int64[1] is the standing of its merchant. Parts are what `&&` joins at the top of
    a condition; a condition of one part is never near. The rules must be those whose scope and period have the event.
    """
    parts = {f"{number}": found for number, rule in enumerate(rules) if len(found := parts_of(rule.when)) > 1}
    asked = [
        msgspec.structs.replace(rules[int(number)], id=f"{number}.{place}", when=part, mode="shadow", **_EVERYWHERE)
        for number, found in parts.items()
        for place, part in enumerate(found)
    ]
    if not asked:
        return []
    keys = np.empty((0, 1), dtype=np.int64)
    ruled = RuleSet(asked, {}, RuleCaps()).judge(batch, keys, standings)
    true = {name for name, _ in ruled.counts}
    told = []
    for number, found in parts.items():
        missed = [place for place in range(len(found)) if f"{number}.{place}" not in true]
        if len(missed) == 1:
            name = f"{number}.{missed[0]}"
            told.append(Near(rules[int(number)], found[missed[0]], name in ruled.errors))
    return told[:NEAR_MAX]


_EVERYWHERE: Final = {"acquirer": None, "merchant": None, "mcc": None, "goods": None}


def parts_of(when: str) -> list[str]:
    """Return the parts of a condition that `&&` joins at its top, each a condition. Brackets around several go."""
    cuts = sorted(_ands(checked(when)))
    parts = [when[low:high] for low, high in zip([0, *(at + 2 for at in cuts)], [*cuts, len(when)], strict=True)]
    made = [_balanced(part) for part in parts]
    return made if all(map(_is_condition, made)) else [when]


def _ands(node: Node) -> list[int]:
    """Return the places of the `&&` at the top of a tree."""
    if node.kind != "call" or node.value != _AND:
        return []
    return [node.at, *(at for arg in node.args for at in _ands(arg))]


def _balanced(part: str) -> str:
    """Remove the brackets that are open at one end of a part, because they enclose its neighbours too."""
    part = part.strip()
    while (more := part.count("(") - part.count(")")) != 0:
        if more > 0 and part.startswith("("):
            part = part[1:].strip()
        elif more < 0 and part.endswith(")"):
            part = part[:-1].strip()
        else:
            break
    return part


def _is_condition(text: str) -> bool:
    try:
        checked(text)
    except ConditionError:
        return False
    return True
