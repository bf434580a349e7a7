"""Wordings of reasons: a condition on an event, and a text with figures.

A condition is a list of bounds of features. A missing value (NaN) meets no bound, and a text shows only figures with a
bound, so no text is about missing values.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import expm1, inf
from string import Formatter
from typing import Final

from scoring.policy.reasons.words import WORDS
from scoring.profile.entities import WINDOW_NAME
from scoring.profile.layout import distinct_estimates
from scoring.profile.row_plans import ROW_PLANS

IN_WINDOW: Final = {
    "1m": ("1 min", "1分間"),
    "10m": ("10 min", "10分間"),
    "1h": ("1 h", "1時間"),
    "24h": ("24 h", "24時間"),
    "7d": ("7 d", "7日間"),
    "30d": ("30 d", "30日間"),
}
"""Windows of features in English and Japanese."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Bound of a feature: `low <= value <= high`."""

    feature: str
    low: float = -inf
    high: float = inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One item of an enumeration: its condition and its name."""

    bound: Bound
    en: str
    ja: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A text of a family with a stable id, and its condition.

    All of `when` must be met, and at least one of `named` if there are any. `en` and `ja` contain a figure as
    `{feature:kind}` (kinds: see `figure`), and the names of all `named` that are met as `{named}`.
    """

    id: str
    en: str
    ja: str
    when: tuple[Bound, ...] = ()
    named: tuple[Named, ...] = ()


def least(feature: str, low: float) -> Bound:
    """Bound a feature to at least `low`."""
    return Bound(feature=feature, low=low)


def most(feature: str, high: float) -> Bound:
    """Bound a feature to at most `high`."""
    return Bound(feature=feature, high=high)


def between(feature: str, low: float, high: float) -> Bound:
    """Bound a feature to `low` to `high`."""
    return Bound(feature=feature, low=low, high=high)


def equal(feature: str, value: float) -> Bound:
    """Bound a feature to one value: a flag or a code."""
    return Bound(feature=feature, low=value, high=value)


def known(feature: str) -> Bound:
    """Bound a feature to any value that is not missing."""
    return Bound(feature=feature)


def say(id_: str, en: str, ja: str, *when: Bound) -> Wording:
    """Return a wording that holds if all bounds are met."""
    return Wording(id=id_, en=en, ja=ja, when=when)


def name(id_: str, en: str, ja: str, named: Mapping[str, tuple[str, str]], value: float = 1.0) -> Wording:
    """Return a wording that lists the features that equal `value`. It holds if at least one does."""
    items = tuple(Named(bound=equal(feature, value), en=words[0], ja=words[1]) for feature, words in named.items())
    return Wording(id=id_, en=en, ja=ja, named=items)


def each(id_: str, en: str, ja: str, stem: str, lows: Mapping[str, float], kind: str = "count") -> list[Wording]:
    """Return the wordings of a counter in several windows. `{n}`: figure, `{w}`: window, `lows`: bound by window."""
    made = []
    for window, low in lows.items():
        feature = f"{stem}_{window}"
        en_here, ja_here = (
            text.replace("{n}", f"{{{feature}:{kind}}}").replace("{w}", words)
            for text, words in zip((en, ja), IN_WINDOW[window], strict=True)
        )
        made.append(say(id_, en_here, ja_here, least(feature, low)))
    return made


def codes(bound: Bound) -> range:
    """Return the codes within a bound, which must have both ends."""
    return range(int(bound.low), int(bound.high) + 1)


def digits(value: float) -> str:
    """Return a figure with three significant digits, thousands in full."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


_UNITS: Final = ((2 * 86_400, 86_400, " d", "日"), (2 * 3_600, 3_600, " h", "時間"), (120, 60, " min", "分"))

Pair = tuple[str, str]
"""A figure in English and Japanese."""
Figure = Callable[[float], Pair]


def _same(text: str) -> Pair:
    return text, text


def _counted(value: float) -> str:
    return f"{value:,.0f}"


def _yen(value: float) -> Pair:
    text = _counted(value)
    return text + " yen", text + "円"


def _times(value: float) -> Pair:
    text = digits(value)
    return text + " times", text + "倍"


def _span(seconds: float) -> Pair:
    """Return a duration in a fitting unit."""
    for from_s, unit_s, en, ja in _UNITS:
        if seconds >= from_s:
            text = _counted(seconds / unit_s)
            return text + en, text + ja
    text = _counted(seconds)
    return text + " s", text + "秒"


_FULL: Final = {
    f"{entity.name.lower()}_{sketch.element.name.lower()}s_{WINDOW_NAME[window]}": distinct_estimates(sketch.slots)[-1]
    for entity, plan in ROW_PLANS.items()
    for sketch in plan.sketches
    for window in sketch.windows
}
"""Estimate of each distinct counter whose slots are all in use: the true number is this or more."""

_FIGURES: Final[dict[str, Figure]] = {
    "count": lambda value: _same(_counted(value)),
    "yen": _yen,
    "log_yen": lambda value: _yen(expm1(value)),
    "percent": lambda value: _same(digits(100.0 * value) + "%"),
    "times": _times,
    "digits": lambda value: _same(digits(value)),
    "below": lambda value: _same(digits(-value)),
    "code": lambda value: _same(f"{value:02.0f}"),
    "hour": lambda value: (f"{value:02.0f}:00 to {value:02.0f}:59", f"{value:02.0f}時台"),
    "days": lambda value: _span(86_400.0 * value),
    "seconds": _span,
    "later": lambda value: _span(-value),
    # a card's row keeps its last eight merchants: eight means eight or more
    "to_eight": lambda value: _same(_counted(value)) if value < 8 else ("8 or more", "少なくとも8"),
}


def _estimate(feature: str) -> Figure:
    full = _FULL[feature]

    def write(value: float) -> Pair:
        text = _counted(value)
        return ("about " + text, "約" + text) if value < full else ("at least " + text, "少なくとも" + text)

    return write


def figure(kind: str, feature: str) -> Figure:
    """Return the formatter of a kind of figure; KeyError if there is none.

    `about` is for estimated distinct counts, a name of `WORDS` is for codes, and the others are `_FIGURES`.
    """
    if kind == "about":
        return _estimate(feature)
    if kind in WORDS:
        words = WORDS[kind]
        return lambda value: words[int(value)]
    return _FIGURES[kind]


def parts_of(text: str) -> Iterable[tuple[str, str | None, str]]:
    """Split a text into literal, feature (or `named`; None at the end) and kind."""
    for literal, field, kind, _ in Formatter().parse(text):
        yield literal, field, kind or ""
