"""Conditions and batches drawn at random, and the CEL library's own evaluation of them."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring.decode import Col
from scoring.features.all import FEATURES
from scoring.merchants.store import MERCHANT_COLUMNS
from scoring.policy.rules import Batch, Rule, RuleCaps, RuleSet
from scoring.policy.rules.language import environment
from scoring.policy.rules.variables import Source, Variable, variables
from scoring.threeds.columns import VERDICT_COLUMNS

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
BY_KIND: dict[str, list[Variable]] = {}
for _variable in variables().values():
    BY_KIND.setdefault(_variable.kind, []).append(_variable)

INTS = st.sampled_from((0, 1, -1, 2, 3, 7, 1000, -1000, 2**32, INT_MAX, INT_MIN + 1, INT_MIN, 2**53, 10**12 - 1))
DOUBLES = st.sampled_from(
    (*(0.0, 1.0, -1.0, 0.5, 2.0, 3.0, 1e300, -1e300, 1e-300, 1000.0), *(float(2**63), -float(2**63), 2.0**63 - 1024))
)
WORD_VARIABLES = [each.name for each in BY_KIND["string"]]


def quoted(word: str) -> str:
    return "'" + word + "'"


def words_of(name: str) -> list[str]:
    return sorted(variables()[name].words.values())


def constants(kind: str) -> st.SearchStrategy[str]:
    if kind == "int":
        return INTS.map(str)
    return DOUBLES.map(repr) if kind == "double" else st.sampled_from(("true", "false"))


def names(kind: str) -> st.SearchStrategy[str]:
    few = BY_KIND[kind][:6] + BY_KIND[kind][-6:]
    return st.sampled_from([each.name for each in few])


@st.composite
def numbers(draw: st.DrawFn, kind: str, depth: int) -> str:
    """Draw an expression of ints or doubles."""
    form = draw(st.integers(0, 7)) if depth else 0
    if form <= 1:
        return draw(names(kind) if draw(st.booleans()) else constants(kind))
    if form <= 3:
        operator = draw(st.sampled_from(("+", "-", "*", "/", "%") if kind == "int" else ("+", "-", "*", "/")))
        return f"({draw(numbers(kind, depth - 1))} {operator} {draw(numbers(kind, depth - 1))})"
    if form == 4:
        return f"-({draw(numbers(kind, depth - 1))})"
    if form == 5:
        return f"{kind}({draw(numbers(draw(st.sampled_from(('int', 'double'))), depth - 1))})"
    if form == 6 and kind == "int":
        return "size(tds.broken_rules)"
    chosen, otherwise = draw(numbers(kind, depth - 1)), draw(numbers(kind, depth - 1))
    return f"({draw(flags(depth - 1))} ? {chosen} : {otherwise})"


@st.composite
def of_words(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(WORD_VARIABLES))
    word = st.sampled_from(words_of(name)).map(quoted)
    form = draw(st.integers(0, 6))
    if form == 0:
        return f"{name} {draw(st.sampled_from(('==', '!=')))} {draw(word)}"
    if form == 1:
        return f"{draw(word)} {draw(st.sampled_from(('==', '!=')))} {name}"
    if form == 2:
        return f"{name} in [{', '.join(draw(st.lists(word, min_size=1, max_size=4)))}]"
    if form == 3:
        part = draw(word)[1:-1]
        at = draw(st.integers(0, len(part)))
        function = draw(st.sampled_from(("startsWith", "endsWith", "contains")))
        return f"{name}.{function}({quoted(draw(st.sampled_from((part[:at], part[at:]))))})"
    if form == 4:
        return f"{draw(st.sampled_from(words_of('tds.broken_rules')).map(quoted))} in tds.broken_rules"
    if form == 5:
        return f"known.{draw(st.sampled_from(sorted(variables())))}"
    other = draw(st.sampled_from(WORD_VARIABLES))
    return f"({draw(flags(0))} ? {name} : {other}) {draw(st.sampled_from(('==', '!=')))} {other}"


@st.composite
def compared(draw: st.DrawFn, depth: int) -> str:
    """Draw a comparison of numbers."""
    kind = draw(st.sampled_from(("int", "double")))
    form = draw(st.integers(0, 3))
    if form == 3:
        listed = ", ".join(draw(st.lists(constants(kind), min_size=1, max_size=3)))
        return f"({draw(numbers(kind, depth))} in [{listed}])"
    operator = draw(st.sampled_from(("<", "<=", ">", ">=", "==", "!=")))
    one, other = [(numbers(kind, depth),) * 2, (names(kind), constants(kind)), (constants(kind), names(kind))][form]
    return f"({draw(one)} {operator} {draw(other)})"


@st.composite
def flags(draw: st.DrawFn, depth: int) -> str:
    """Draw a condition."""
    form = draw(st.integers(0, 9)) if depth else 0
    if form <= 1:
        return draw(names("bool") if draw(st.integers(0, 3)) else constants("bool"))
    if form <= 4:
        return draw(compared(depth - 1))
    if form <= 6:
        return f"({draw(of_words())})"
    if form == 7:
        return f"!({draw(flags(depth - 1))})"
    if form == 8:
        return f"({draw(flags(depth - 1))} ? {draw(flags(depth - 1))} : {draw(flags(depth - 1))})"
    operator = draw(st.sampled_from(("&&", "||", "&&", "||", "==", "!=")))
    return f"({draw(flags(depth - 1))} {operator} {draw(flags(depth - 1))})"


def rule(number: int, when: str, **changes: Any) -> Rule:
    text = {"en": "said", "ja": "言葉"}
    made = {"id": f"r{number}", "when": when, "action": "review", "text": text, "author": "a", "reason": "b"}
    return msgspec.convert(made | {"mode": "on"} | changes, Rule)


def batch_of(n: int, seed: int) -> tuple[Batch, NDArray[np.int64]]:
    """Make n events with random columns, a third of them unknown, and their merchants' standings."""
    random = np.random.default_rng(seed)
    features = random.choice([0.0, 1.0, -1.0, 2.5, 3.0, 1e300, math.inf, math.nan, math.nan], (n, len(FEATURES)))
    events = np.full((n, len(Col)), -1, dtype=np.int64)
    verdicts = np.zeros((n, VERDICT_COLUMNS), dtype=np.int64)
    merchants = np.full((5, MERCHANT_COLUMNS), -1, dtype=np.int64)
    scores = random.integers(0, 1000, n).astype(np.int16)
    standings = random.integers(-1, 5, n)
    into = {Source.EVENT: events, Source.VERDICT: verdicts, Source.MERCHANT: merchants}
    for each in variables().values():
        if each.source not in into:
            continue
        matrix = into[each.source]
        if each.kind == "int":
            drawn = random.choice([-1, 0, 1, 999, 1000, 10**12 - 1], len(matrix))
        elif each.kind == "bool":
            drawn = random.integers(-1, 2, len(matrix))
        elif each.kind == "list":
            drawn = sum(random.integers(0, 2, len(matrix)) << bit for bit in each.words)
        else:
            drawn = random.choice([-1, 0, *each.words, max(each.words) + 1], len(matrix))
        matrix[:, each.column] = drawn
    all_of = np.ones(n, dtype=np.bool_)
    rows, at_ms = random.integers(0, len(merchants), n), random.integers(0, 10, n)
    return Batch(features, events, verdicts, merchants, rows, scores, at_ms, all_of, all_of), standings


def values_of(batch: Batch, standings: NDArray[np.int64], row: int) -> dict[str, Any]:
    """Give the value of each variable of one event; a missing one is left out."""
    found: dict[str, Any] = {}
    for name, each in variables().items():
        raw: Any = {
            Source.FEATURES: lambda c: batch.features[row, c],
            Source.EVENT: lambda c: batch.events[row, c],
            Source.VERDICT: lambda c: batch.verdicts[row, c],
            Source.MERCHANT: lambda c: batch.merchants[batch.rows[row], c],
            Source.MERCHANT_ROW: lambda c: batch.rows[row],
            Source.SCORE: lambda c: batch.scores[row],
            Source.STANDING: lambda c: standings[row],
        }[each.source](each.column)
        value: Any = None
        if each.kind == "double":
            value = None if math.isnan(raw) else float(raw)
        elif each.kind == "int":
            value = int(raw) if raw >= 0 else None
        elif name == "merchant.known":
            value = bool(raw > 0)
        elif each.kind == "bool":
            value = {0: False, 1: True}.get(int(raw))
        elif each.kind == "list":
            value = [word for bit, word in each.words.items() if int(raw) >> bit & 1]
        else:
            value = each.words.get(int(raw))
        if value is not None:
            found[name] = value
        found[f"known.{name}"] = value is not None
    return found


def asked(when: str, values: dict[str, Any]) -> bool | None:
    """Evaluate a condition with the library: None for an error."""
    result = environment().compile(when).eval(data=values).value()
    return result if isinstance(result, bool) else None


def hits_of(conditions: Sequence[str], batch: Batch, standings: NDArray[np.int64]) -> Any:
    """Ask all conditions at once, as rules for all events."""
    rules = RuleSet([rule(number, when) for number, when in enumerate(conditions)], {}, RuleCaps())
    return rules.judge(batch, np.empty((0, len(batch.rows)), dtype=np.int64), standings)
