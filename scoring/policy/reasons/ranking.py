"""The reasons of a decision: the heaviest families of features, each with a text that its figures support."""

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.decision import EVIDENCE_MAX, REASONS_MAX, Reason
from scoring.features import Feature
from scoring.lists.kinds import PLACES
from scoring.policy.reasons.cards import CARD
from scoring.policy.reasons.choice import Conditions, choose
from scoring.policy.reasons.merchant import FOR_MERCHANTS, OF_RULE
from scoring.policy.reasons.payment import PAYMENT
from scoring.policy.reasons.shared import MERCHANTS, PARTIES
from scoring.policy.reasons.wording import Pair, Wording, codes, figure, parts_of
from scoring.policy.reasons.words import WORDS

WEIGHT_MIN = 0.05
"""Least weight of a reason in log-odds. Smaller contributions change a probability by 5 % of itself or less."""

WORDINGS: Final[Mapping[str, tuple[Wording, ...]]] = {**PAYMENT, **CARD, **MERCHANTS, **PARTIES}
"""Every text that a family of features can have. Of those that hold, the one whose features add most is shown."""

NEUTRAL: Final = Wording(
    id="COMBINATION",
    en="The combination of this payment's features is unusual",
    ja="この取引の特徴の組み合わせが通常と異なる",
)
"""The reason if no other text holds."""

OVER_LIMIT: Final = Wording(
    id="LIMIT_AMOUNT",
    en="Amount above the acquirer's limit",
    ja="アクワイアラーの設定した限度額を超える金額",
)
"""The first reason where a limit of the policy raised the band. It is a rule's and has no weight."""

ON_LIST: Final = {
    "deny": Wording(
        id="LIST_DENY",
        en="The {kind} is on the acquirer's deny list {list}",
        ja="{kind}がアクワイアラーの拒否リスト「{list}」に登録されている",
    ),
    "allow": Wording(
        id="LIST_ALLOW",
        en="The {kind} is on the acquirer's allow list {list}",
        ja="{kind}がアクワイアラーの許可リスト「{list}」に登録されている",
    ),
}
"""The reasons where a list of the policy names the event. They have no weight."""

CLOSED: Final = Wording(
    id="TDS_CRITICAL",
    en="A critical rule of 3-D Secure is broken, and no model scored the payment",
    ja="3-Dセキュアの重大な規則に違反しており、モデルによる採点が行われていない",
)
"""The first reason where an event without a score breaks a critical rule, which raised its band. It has no weight."""

CAPPED_RULE: Final = Wording(
    id="RULE_CAPPED",
    en="The rule {rule} has blocked as many payments as it may in this hour: review instead of block",
    ja="ルール「{rule}」が1時間に拒否できる件数の上限に達したため、拒否ではなく審査",
)
"""Behind the first reason of rules, where each rule that would block reached a cap. It has no weight."""

REASON_IDS: Final = sorted(
    {wording.id for wordings in WORDINGS.values() for wording in wordings}
    | {NEUTRAL.id, OVER_LIMIT.id, CLOSED.id, CAPPED_RULE.id}
    | {wording.id for wording in ON_LIST.values()}
)
"""Every id that a reason can have."""


def of_list(name: str, kind: str, direction: str) -> Reason:
    """Return the reason that a list gives."""
    wording, place = ON_LIST[direction], PLACES[kind]
    en, ja = wording.en.format(kind=place.en, list=name), wording.ja.format(kind=place.ja, list=name)
    return _without_figures(Wording(id=wording.id, en=en, ja=ja), 0.0)


def of_capped_rule(rule: str) -> Reason:
    """Return the reason of a payment that a rule may not block any more."""
    en, ja = CAPPED_RULE.en.format(rule=rule), CAPPED_RULE.ja.format(rule=rule)
    return _without_figures(Wording(id=CAPPED_RULE.id, en=en, ja=ja), 0.0)


def after_lists(listed: Sequence[Reason], reasons: Sequence[Reason]) -> list[Reason]:
    """Put the reasons of lists before those of limits, and of the model that weigh something; at most five in all."""
    return [*listed, *_weighty(reasons)][:REASONS_MAX]


def of_limit(reasons: Sequence[Reason]) -> list[Reason]:
    """Put `OVER_LIMIT` first, before those of the model that weigh something; at most five in all."""
    return [_without_figures(OVER_LIMIT, 0.0), *_weighty(reasons)][:REASONS_MAX]


def closed_with(reasons: Sequence[Reason]) -> list[Reason]:
    """Put `CLOSED` first; at most five reasons in all."""
    return [_without_figures(CLOSED, 0.0), *reasons][:REASONS_MAX]


def with_rules(reasons: Sequence[Reason], own: Sequence[Reason], *, have_raised: bool) -> list[Reason]:
    """Add the reasons of rules of the policy, at most five in all.

    They come first if the rules raised the band, before a limit and the reasons that weigh something. Else they come
    last, and the strongest of them has a place, and so has the cap that it reached.
    """
    if have_raised:
        return [*own, *_weighty(reasons)][:REASONS_MAX]
    is_capped = len(own) > 1 and own[1].id == CAPPED_RULE.id
    return [*reasons[: REASONS_MAX - 1 - is_capped], *own][:REASONS_MAX]


def _weighty(reasons: Sequence[Reason]) -> list[Reason]:
    """Return the reasons of the model that weigh something, and those of the policy, which have no weight."""
    return [
        reason
        for reason in reasons
        if reason.weight >= WEIGHT_MIN or reason.id in _OF_POLICY or reason.id.startswith(OF_RULE)
    ]


_OF_POLICY: Final = frozenset({OVER_LIMIT.id, CLOSED.id, CAPPED_RULE.id})


def _without_figures(wording: Wording, weight: float) -> Reason:
    en, ja = FOR_MERCHANTS[wording.id]
    return Reason(
        id=wording.id,
        weight=round(weight, 3),
        en=wording.en,
        ja=wording.ja,
        evidence={},
        merchant_en=en,
        merchant_ja=ja,
    )


_WITH_USUAL: Final = frozenset({"count", "about", "to_eight", "yen", "log_yen", "percent", "times", "days", "seconds"})
"""Kinds of figures that can stand beside a usual one: codes, hours and signed figures cannot."""
NOTHING_USUAL: Final[Mapping[str, float]] = MappingProxyType({})


class _Text:
    """Format the texts and figures of one wording from a row, given as a list of floats.

    `usual`: usual values of features. A text with one figure ends with the usual one, where that is known.
    """

    __slots__ = ("_columns", "_ends", "_for_merchants", "_id", "_items", "_names", "_shown", "_texts", "_usual")

    def __init__(self, wording: Wording, columns: Mapping[str, int], usual: Mapping[str, float]) -> None:
        self._id = wording.id
        self._for_merchants = FOR_MERCHANTS[wording.id]
        features = [bound.feature for bound in (*wording.when, *(item.bound for item in wording.named))]
        self._usual = {columns[name]: usual[name] for name in features if name in usual}
        self._names = {columns[name]: name for name in features}
        self._columns = [columns[bound.feature] for bound in wording.when]
        self._items = [(columns[i.bound.feature], i.bound.low, i.bound.high, i.en, i.ja) for i in wording.named]
        fields, self._texts = _formats(wording)
        self._shown = [(columns[field], figure(kind, field)) for field, kind in fields if field != "named"]
        assert len(self._columns) + len(self._items) <= EVIDENCE_MAX, f"{wording.id}: too many figures"
        self._ends = ("", "")
        figures = [(field, kind) for field, kind in fields if field != "named"]
        if len(figures) == 1 and figures[0][1] in _WITH_USUAL and figures[0][0] in usual:
            ((_, write),) = self._shown
            self._ends = _usually(write(usual[figures[0][0]]))

    def reason(self, weight: float, row: Sequence[float]) -> Reason:
        """Return the reason for a row for which the text holds."""
        en, ja = self._texts
        evidence = self._columns
        if self._items:
            held = [item for item in self._items if item[1] <= row[item[0]] <= item[2]]
            evidence = [item[0] for item in held]
            en, ja = en.format(", ".join([item[3] for item in held])), ja.format("・".join([item[4] for item in held]))
        elif self._shown:
            figures = [write(row[column]) for column, write in self._shown]
            en, ja = en.format(*[figure[0] for figure in figures]), ja.format(*[figure[1] for figure in figures])
            en = en[0].upper() + en[1:]
        usual = {self._names[column]: self._usual[column] for column in evidence if column in self._usual}
        return Reason(
            id=self._id,
            weight=round(weight, 3),
            en=en + self._ends[0],
            ja=ja + self._ends[1],
            evidence={self._names[column]: row[column] for column in evidence},
            usual=usual or None,
            merchant_en=self._for_merchants[0],
            merchant_ja=self._for_merchants[1],
        )


def _usually(figure: Pair) -> Pair:
    return f", usually {figure[0]}", f"（通常{figure[1]}）"


@cache  # texts and features are of this release: a new model or policy does not change them
def _conditions(families: tuple[str, ...], features: tuple[Feature, ...]) -> Conditions:
    """Lay out the bounds of all texts of the families, in order."""
    columns = {feature.name: k for k, feature in enumerate(features)}
    texts = [(family, wording) for family in families for wording in WORDINGS[family]]
    bounds = [[*wording.when, *(item.bound for item in wording.named)] for _, wording in texts]
    flat = [(family, bound) for (family, _), own in zip(texts, bounds, strict=True) for bound in own]
    own = np.array([features[columns[bound.feature]].family == family for family, bound in flat])
    first = np.cumsum([0, *map(len, bounds)])
    assert np.logical_or.reduceat(own, first[:-1]).all(), "a text with nothing of its family's own"
    return Conditions(
        column=np.array([columns[bound.feature] for _, bound in flat], dtype=np.int64),
        low=np.array([bound.low for _, bound in flat]),
        high=np.array([bound.high for _, bound in flat]),
        own=own,
        first=first,
        needed=np.array([1 if wording.named else len(wording.when) for _, wording in texts], dtype=np.int64),
        run=np.cumsum([0, *(len(WORDINGS[family]) for family in families)]),
        family=np.array([families.index(feature.family) for feature in features], dtype=np.int64),
    )


@cache
def _formats(wording: Wording) -> tuple[tuple[tuple[str, str], ...], Pair]:
    """Return the figures of a text as `(feature, kind)`, and the text with their numbers.

    It asserts that each figure has a bound, so it is never missing, and that each code within a bound has a word.
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
    return tuple(fields), (en, ja)


class Reasons:
    """Turn one row of path contributions into at most five reasons, heaviest first.

    `usual`: medians of features in training, as far as the bundle has them.
    """

    def __init__(self, features: tuple[Feature, ...], usual: Mapping[str, float] = NOTHING_USUAL) -> None:
        families = tuple(dict.fromkeys(feature.family for feature in features))
        unknown = [family for family in families if family not in WORDINGS]
        assert not unknown, f"families without a reason text: {unknown}"
        columns = {feature.name: k for k, feature in enumerate(features)}
        self._conditions = _conditions(families, features)
        self._texts = [_Text(wording, columns, usual) for family in families for wording in WORDINGS[family]]
        self._chosen = np.empty(REASONS_MAX, dtype=np.int64)
        self._weights = np.empty(REASONS_MAX, dtype=np.float64)

    def top(self, contributions: NDArray[np.float64], row: NDArray[np.float64]) -> list[Reason]:
        """Return the reasons of an event: families by their summed contribution (log-odds), positive ones only.

        A family needs a text that holds for `row` and whose features raise the score; otherwise it is skipped. If all
        are skipped, the reason is `NEUTRAL` with their summed weight. `contributions`: float64[F + 1], the last is the
        model's bias and no reason. `row`: float64[F].
        """
        count, unsaid = choose(contributions, row, self._conditions, WEIGHT_MIN, self._chosen, self._weights)
        if not count:
            return [_without_figures(NEUTRAL, unsaid)]
        values = row.tolist()
        told = zip(self._chosen[:count].tolist(), self._weights[:count].tolist(), strict=True)
        return [self._texts[text].reason(weight, values) for text, weight in told]
