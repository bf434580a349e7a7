"""The page of the variables of rules, made from the list that conditions are checked with."""

from collections.abc import Iterator

from scoring.policy.rules.language import NODES_MAX, TEXT_MAX
from scoring.policy.rules.variables import KNOWN, Source, Variable, variables
from scoring.policy.rules.wire import DEPTH_MAX

_LISTED_MAX = 40
_KINDS = {"list": "list of string"}


def markdown() -> str:
    """Write the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Variables of rules"
    yield ""
    yield "Generated from `scoring/policy/rules`. How to write a rule: [Write a rule](how-to/rules.md)."
    yield ""
    yield (
        f"`{KNOWN}` before the name of any variable is a variable too: true where that one has a value, else false. "
        f"A condition has at most {TEXT_MAX:,} characters, {NODES_MAX} names, constants and operators, and {DEPTH_MAX} "
        "levels."
    )
    yield ""
    yield "| variable | type | meaning | values |"
    yield "|---|---|---|---|"
    for each in variables().values():
        if each.source != Source.FEATURES:
            yield f"| `{each.name}` | {_KINDS.get(each.kind, each.kind)} | {each.doc} | {_values(each)} |"
    yield ""
    yield (
        "Every [feature](explanation/features.md) of the model is a variable of type double by its name, such as "
        "`card_attempts_10m`. A feature that is missing has no value. A categorical feature is a code: where a "
        "variable above says the same in words, use that one."
    )


def _values(variable: Variable) -> str:
    words = sorted(variable.words.values())
    if not words:
        return "true, false" if variable.kind == "bool" else "0 or more"
    if len(words) > _LISTED_MAX:
        return f"{len(words):,} codes, such as `{words[len(words) // 2]}`"
    return ", ".join(f"`{word}`" for word in words)
