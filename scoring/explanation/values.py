"""Values of features in words, in English and Japanese, with their unit."""

from collections.abc import Mapping
from math import isnan
from typing import Final

from scoring.features import Feature
from scoring.policy.reasons.wording import Pair, digits, figure
from scoring.policy.reasons.words import WORDS, Words

UNKNOWN: Final[Pair] = ("unknown", "不明")

WORDS_OF: Final[Mapping[str, str]] = {
    "mcc_group": "mcc_group",
    "network": "network",
    "funding": "funding",
    "channel": "channel",
    "txn_type": "txn_type",
    "tds_status": "tds_status",
    "tds_eci_class": "eci",
    "tds_liability": "liability",
    "tds_device_channel": "device_channel",
    "merchant_tds_mode": "tds_mode",
    "merchant_fraud_status": "fraud_status",
    "merchant_integration": "integration",
}
"""Features with codes, and the list of words for them. A code in no list is shown as a number."""

_OTHER_WORDS: Final[Mapping[str, Words]] = {
    "mcc_group": {1: ("other", "その他")},
    "merchant_fraud_status": {0: ("normal", "通常")},
    "tds_expected": {1: ("due", "必要"), 2: ("not due", "不要")},
}
"""Words of codes that no reason names."""

_COUNTERS: Final[Mapping[str, Pair]] = {
    "attempts": (" attempts", "回"),
    "merchants": (" merchants", "店"),
    "cards": (" cards", "枚"),
    "ips": (" IP addresses", "件のIPアドレス"),
    "accounts": (" accounts", "件のアカウント"),
    "devices": (" devices", "台"),
    "events": (" events", "件"),
    "parties": (" parties", "件"),
    "reports": (" reports", "件"),
    "items": (" items", "項目"),
    "deviations": (" standard deviations", "標準偏差"),
}
_DAYS: Final[tuple[Pair, ...]] = (
    ("Monday", "月曜日"),
    ("Tuesday", "火曜日"),
    ("Wednesday", "水曜日"),
    ("Thursday", "木曜日"),
    ("Friday", "金曜日"),
    ("Saturday", "土曜日"),
    ("Sunday", "日曜日"),
)
_FLAGS: Final = frozenset({"0/1", "flag"})
_KINDS: Final[Mapping[str, str]] = {
    "ln(1 + yen)": "log_yen",
    "h": "hour",
    "JPY": "yen",
    "s": "seconds",
    "d": "days",
    "days": "days",
}
_MULTIPLES: Final = ("_over", "_over_mean_30d", "_over_daily", "_over_usual")
"""Ends of names of ratios that are multiples of something usual; the other ratios are shares."""


def in_words(feature: Feature, value: float) -> Pair:
    """Return a value in words. A code without a word, and a value of another unit, is the number itself."""
    if isnan(value):
        return UNKNOWN
    unit = feature.unit
    words = _words_of(feature.name)
    if words:
        named = words.get(int(value))
        return named or (UNKNOWN if value == 0 else _same(digits(value)))
    if unit in _FLAGS:
        return ("yes", "はい") if value else ("no", "いいえ")
    if unit == "0 Monday":
        return _DAYS[int(value)]
    if unit == "ratio":
        return figure("times" if feature.name.endswith(_MULTIPLES) else "percent", feature.name)(value)
    if unit in _KINDS:
        return figure(_KINDS[unit], feature.name)(value)
    if unit in _COUNTERS:
        text, (en, ja) = _counted(feature, value), _COUNTERS[unit]
        return text[0] + en, text[1] + ja
    return _same(digits(value))


def _words_of(name: str) -> Words:
    named = WORDS[WORDS_OF[name]] if name in WORDS_OF else {}
    return {**named, **_OTHER_WORDS.get(name, {})}


def _counted(feature: Feature, value: float) -> Pair:
    """Write a count. A distinct count is an estimate; the merchants of a card are counted up to eight."""
    if feature.unit == "deviations":
        return _same(digits(value))
    if feature.name.startswith("card_merchants_"):
        return figure("to_eight", feature.name)(value)
    try:
        return figure("about", feature.name)(value)
    except KeyError:
        return figure("count", feature.name)(value)


def _same(text: str) -> Pair:
    return text, text
