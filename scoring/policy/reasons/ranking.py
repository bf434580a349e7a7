"""Pick the reasons of a decision: what pushes its score up, said in words that its own figures bear out."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.decision import EVIDENCE_MAX, REASONS_MAX, Reason
from scoring.features import Feature
from scoring.policy.reasons.cards import CARD
from scoring.policy.reasons.payment import PAYMENT
from scoring.policy.reasons.shared import MERCHANTS, PARTIES
from scoring.policy.reasons.wording import Pair, Wording, codes, figure, parts_of
from scoring.policy.reasons.words import WORDS

WEIGHT_MIN = 0.05
"""Contributions below this many log-odds move a probability by about one per cent of itself: noise, not a reason."""

WORDINGS: Final[Mapping[str, tuple[Wording, ...]]] = {**PAYMENT, **CARD, **MERCHANTS, **PARTIES}
"""Every text that a family of features can have. Of those that hold, the one whose features add most is shown."""

NEUTRAL: Final = Wording(
    id="COMBINATION",
    en="The combination of this payment's features is unusual",
    ja="この取引の特徴の組み合わせが通常と異なる",
)
"""What is said where the figures bear out no other text."""


class _Check(NamedTuple):
    """A bound of a column of the row."""

    column: int
    low: float
    high: float


class _Item(NamedTuple):
    """One item of an enumeration: its check and its names by language."""

    check: _Check
    names: tuple[str, str]


class _Text:
    """A wording whose features are columns. Rows are lists of floats: a few comparisons are faster without numpy."""

    __slots__ = ("_bounded", "_checks", "_id", "_items", "_names", "_own", "_shown", "_texts", "alone")

    def __init__(self, wording: Wording, family: str, features: Sequence[Feature]) -> None:
        columns = {feature.name: k for k, feature in enumerate(features)}
        self._id = wording.id
        self._names = [feature.name for feature in features]
        self._checks = tuple(_Check(columns[b.feature], b.low, b.high) for b in wording.when)
        self._items = tuple(
            _Item(_Check(columns[item.bound.feature], item.bound.low, item.bound.high), (item.en, item.ja))
            for item in wording.named
        )
        self._bounded = [check.column for check in self._checks]
        self._own = [column for column in self._bounded if features[column].family == family]
        fields, self._texts = _formats(wording)
        self._shown = [(columns[field], figure(kind, field)) for field, kind in fields if field != "named"]
        self.alone = self._own[0] if len(self._own) == 1 and not self._items else None
        """The one column that adds to the score; None where there are several, or which ones depends on the row."""
        assert self._own or self._items, f"{wording.id}: nothing of its own"
        assert len(self._checks) + len(self._items) <= EVIDENCE_MAX, f"{wording.id}: too many figures"

    def added(self, row: Sequence[float], contributions: Sequence[float]) -> float:
        """Sum what the evidence would add to the score, as far as it is the family's own."""
        held = [column for (column, low, high), _ in self._items if low <= row[column] <= high]
        return sum([contributions[column] for column in self._own + held])

    def evidence(self, row: Sequence[float]) -> list[int]:
        """Give the columns that bear the text out, none where it is not borne out."""
        for column, low, high in self._checks:
            if not low <= row[column] <= high:  # so of NaN as well
                return []
        held = [column for (column, low, high), _ in self._items if low <= row[column] <= high]
        return self._bounded + held if held or not self._items else []

    def reason(self, weight: float, row: Sequence[float], evidence: Sequence[int]) -> Reason:
        """Write the text with its figures."""
        en, ja = self._texts
        if self._shown or self._items:
            figures = self._figures(row, evidence)
            en, ja = en.format(*[pair[0] for pair in figures]), ja.format(*[pair[1] for pair in figures])
            en = en[0].upper() + en[1:]
        seen = {self._names[column]: row[column] for column in evidence}
        return Reason(id=self._id, weight=round(weight, 3), en=en, ja=ja, evidence=seen)

    def _figures(self, row: Sequence[float], evidence: Sequence[int]) -> list[Pair]:
        if not self._items:
            return [write(row[column]) for column, write in self._shown]
        names = [names for check, names in self._items if check.column in evidence]
        return [(", ".join(en for en, _ in names), "・".join(ja for _, ja in names))]


def _formats(wording: Wording) -> tuple[list[tuple[str, str]], Pair]:
    """Number the figures of a text, `(feature, kind)`, and put their numbers into it.

    A bound keeps each from being missing, and a code without a word from being met.
    """
    bounds = {bound.feature: bound for bound in wording.when}
    fields = list(dict.fromkeys((field, kind) for _, field, kind in parts_of(wording.en) if field))
    for field, kind in fields:
        if wording.named:
            assert field == "named", f"{wording.id}: {field} is shown beside an enumeration"
            continue
        assert field in bounds, f"{wording.id}: {field} is shown without a bound"
        has_words = kind not in WORDS or all(code in WORDS[kind] for code in codes(bounds[field]))
        assert has_words, f"{wording.id}: a value of {field} has no word"
    en, ja = (
        "".join(literal + (f"{{{fields.index((field, kind))}}}" if field else "") for literal, field, kind in parts)
        for parts in map(parts_of, (wording.en, wording.ja))
    )
    return fields, (en, ja)


class Reasons:
    """Turn one row of path contributions into at most five reasons, heaviest first."""

    def __init__(self, features: tuple[Feature, ...]) -> None:
        families = list(dict.fromkeys(feature.family for feature in features))
        unknown = [family for family in families if family not in WORDINGS]
        assert not unknown, f"families without a reason text: {unknown}"
        self._family_of = np.array([families.index(feature.family) for feature in features], dtype=np.int64)
        texts = [[_Text(wording, family, features) for wording in WORDINGS[family]] for family in families]
        self._texts = [[(text.alone, text) for text in of_family] for of_family in texts]

    def top(self, contributions: NDArray[np.float64], row: NDArray[np.float64]) -> list[Reason]:
        """Rank families by their summed contribution (log-odds), positive ones only, and word those that can be.

        A family is worded by figures of `row` that hold and raise the score; where none does, the next family speaks.
        There is always a reason: `NEUTRAL`, with the weight of all that found no words, where no family has any.
        `contributions`: float64[F + 1], the last being the model's bias, which is nobody's reason; `row`: float64[F].
        """
        weights = np.bincount(self._family_of, weights=contributions[:-1], minlength=len(self._texts))
        ranked = np.argsort(-weights, kind="stable").tolist()
        family_weights, values, added = weights.tolist(), row.tolist(), contributions.tolist()
        reasons: list[Reason] = []
        unsaid = 0.0
        for family in ranked:
            weight = family_weights[family]
            if weight < WEIGHT_MIN or len(reasons) == REASONS_MAX:
                break
            best, text, shown = 0.0, None, []
            for alone, candidate in self._texts[family]:  # what it would add is quickly said, and mostly too little
                share = candidate.added(values, added) if alone is None else added[alone]
                if share > best and (evidence := candidate.evidence(values)):
                    best, text, shown = share, candidate, evidence
            if text is None:
                unsaid += weight
            else:
                reasons.append(text.reason(weight, values, shown))
        if reasons:
            return reasons
        return [Reason(id=NEUTRAL.id, weight=round(unsaid, 3), en=NEUTRAL.en, ja=NEUTRAL.ja, evidence={})]
