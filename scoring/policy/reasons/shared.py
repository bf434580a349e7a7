"""Texts of the families about the history of merchants, BINs, devices, network addresses and accounts.

See `scoring.policy.reasons.cards` for what figures and bounds mean.
"""

from collections.abc import Mapping
from typing import Final

from scoring.policy.reasons.cards import RATE_OF, RATE_OF_DAY
from scoring.policy.reasons.wording import Wording, between, each, equal, known, least, most, say

MERCHANTS: Final[Mapping[str, tuple[Wording, ...]]] = {
    "merchant_velocity": (
        say(
            "VEL_MERCHANT",
            "{merchant_attempts_1h:count} attempts at this merchant in 1 h, of {merchant_attempts_30d:count} in 30 d",
            "この加盟店の試行が1時間に{merchant_attempts_1h:count}回（30日間では{merchant_attempts_30d:count}回）",
            least("merchant_attempts_1h_over_usual", 3),
            least("merchant_attempts_1h", RATE_OF),
            known("merchant_attempts_30d"),
        ),
        say(
            "AMT_MERCHANT",
            "Amount {merchant_amount_over_mean_30d:times} the mean of this merchant in 30 d",
            "この加盟店の30日間の平均の{merchant_amount_over_mean_30d:times}の金額",
            least("merchant_amount_over_mean_30d", 3),
        ),
        say(  # three refunds for ten attempts are an anomaly of the merchant
            "REFUND_ANOMALY",
            "{merchant_refunds_over_attempts_7d:percent} refunds over {merchant_attempts_7d:count} attempts at this "
            "merchant in 7 d",
            "この加盟店の7日間の試行{merchant_attempts_7d:count}回に対し返金{merchant_refunds_over_attempts_7d:percent}",
            least("merchant_refunds_over_attempts_7d", 0.3),
            least("merchant_attempts_7d", RATE_OF_DAY),
        ),
        say(  # new or dormant: fewer than one a week
            "MERCHANT_QUIET",
            "Earlier attempts at this merchant on record in 30 d: {merchant_attempts_30d:count}",
            "この加盟店の利用記録が30日間に{merchant_attempts_30d:count}回のみ",
            most("merchant_attempts_30d", 4),
        ),
    ),
    # Shops have 80 to 95 of 100 online attempts approved; of each hundred a few are declined as risky or for card data.
    "merchant_declines": (
        say(
            "MERCHANT_APPROVAL_DROP",
            "{merchant_approval_rate_1h:percent} of answered attempts at this merchant in 1 h approved; "
            "{merchant_attempts_1h:count} attempts",
            "この加盟店の1時間の承認率（回答済み）{merchant_approval_rate_1h:percent}、試行{merchant_attempts_1h:count}回",
            most("merchant_approval_rate_1h", 0.7),
            least("merchant_attempts_1h", RATE_OF),
        ),
        say(
            "MERCHANT_APPROVAL_DROP",
            "{merchant_approval_rate_24h:percent} of answered attempts at this merchant in 24 h approved; "
            "{merchant_attempts_24h:count} attempts",
            "この加盟店の24時間の承認率（回答済み）{merchant_approval_rate_24h:percent}、試行{merchant_attempts_24h:count}回",
            most("merchant_approval_rate_24h", 0.7),
            least("merchant_attempts_24h", RATE_OF_DAY),
        ),
        say(
            "MERCHANT_APPROVAL_DROP",
            "{merchant_risk_rate_24h:percent} of answered attempts at this merchant in 24 h declined as risky; "
            "{merchant_attempts_24h:count} attempts",
            "この加盟店の24時間のリスクによる否認率（回答済み）{merchant_risk_rate_24h:percent}、試行{merchant_attempts_24h:count}回",
            least("merchant_risk_rate_24h", 0.1),
            least("merchant_attempts_24h", RATE_OF_DAY),
        ),
        say(
            "MERCHANT_APPROVAL_DROP",
            "{merchant_cred_rate_1h:percent} of answered attempts at this merchant in 1 h declined for card data; "
            "{merchant_attempts_1h:count} attempts",
            "この加盟店の1時間のカード情報誤りによる否認率（回答済み）{merchant_cred_rate_1h:percent}、試行{merchant_attempts_1h:count}回",
            least("merchant_cred_rate_1h", 0.1),
            least("merchant_attempts_1h", RATE_OF),
        ),
    ),
    # Fifteen cards of one BIN at one merchant in ten minutes are an attack; five begin to stand out at most merchants.
    "enumeration": (
        *each(
            "ENUM_BIN_BURST",
            "{n} cards of this BIN at this merchant in {w}",
            "この加盟店で同一BINのカードが{w}に{n}枚",
            "merchant_bin_cards",
            {"10m": 5, "1h": 10},
            kind="about",
        ),
        *each(
            "ENUM_BIN_BURST",
            "{n} attempts with this BIN at this merchant in {w}",
            "この加盟店で同一BINの試行が{w}に{n}回",
            "merchant_bin_attempts",
            {"10m": 10},
        ),
        *each(
            "ENUM_BIN_BURST",
            "{n} attempts with this BIN at this merchant declined for card data in {w}",
            "この加盟店で同一BINのカード情報誤りによる否認が{w}に{n}回",
            "merchant_bin_cred_declines",
            {"10m": 3},
        ),
        *each(
            "ENUM_BIN_BURST",
            "{n} network addresses with this BIN at this merchant in {w}",
            "この加盟店で同一BINの接続元が{w}に{n}個",
            "merchant_bin_ips",
            {"1h": 10},
            kind="about",
        ),
        say(
            "ENUM_BIN_BURST",
            "{merchant_bin_cred_rate_1h:percent} of answered attempts with this BIN at this merchant in 1 h "
            "declined for card data; {merchant_bin_attempts_10m:count} attempts in 10 min",
            "この加盟店で同一BINの1時間のカード情報誤りによる否認率（回答済み）{merchant_bin_cred_rate_1h:percent}"
            "（10分間の試行{merchant_bin_attempts_10m:count}回）",
            least("merchant_bin_cred_rate_1h", 0.3),
            least("merchant_bin_attempts_10m", 5),
        ),
        say(
            "ENUM_BIN_BURST",
            "{merchant_bin_approval_rate_1h:percent} of answered attempts with this BIN at this merchant in 1 h "
            "approved; {merchant_bin_attempts_10m:count} attempts in 10 min",
            "この加盟店で同一BINの1時間の承認率（回答済み）{merchant_bin_approval_rate_1h:percent}"
            "（10分間の試行{merchant_bin_attempts_10m:count}回）",
            most("merchant_bin_approval_rate_1h", 0.3),
            least("merchant_bin_attempts_10m", 5),
        ),
        *each(
            "ENUM_BIN_BURST",
            "{n} attempts with this BIN declined for card data in {w}",
            "同一BINのカード情報誤りによる否認が{w}に{n}回",
            "bin_cred_declines",
            {"10m": 5},
        ),
        say(
            "ENUM_BIN_BURST",
            "{bin_cred_rate_1h:percent} of answered attempts with this BIN in 1 h declined for card data; "
            "{bin_cred_declines_10m:count} in 10 min",
            "同一BINの1時間のカード情報誤りによる否認率（回答済み）{bin_cred_rate_1h:percent}（10分間に{bin_cred_declines_10m:count}回）",
            least("bin_cred_rate_1h", 0.3),
            least("bin_cred_declines_10m", 3),
        ),
        *each(
            "ENUM_MERCHANT_CARDS",
            "{n} cards at this merchant in {w}",
            "この加盟店のカードが{w}に{n}枚",
            "merchant_cards",
            {"10m": 30},
            kind="about",
        ),
    ),
}

_KNOWN_BY: Final = {
    "device": ("device", "端末"),
    "ip": ("network address", "接続元"),
    "account": ("account", "会員"),
    "address": ("delivery address", "配送先"),
}


def _elements(id_: str, entity: str, element: str, plural: str, ja: str, lows: Mapping[str, float]) -> list[Wording]:
    """Return the texts for distinct elements of a shared key."""
    en_of, ja_of = _KNOWN_BY[entity]
    text = f"{{n}} {plural} with this {en_of} in {{w}}"
    return each(id_, text, f"この{ja_of}の{ja}", f"{entity}_{element}s", lows, kind="about")


def _attempts(id_: str, entity: str, lows: Mapping[str, float]) -> list[Wording]:
    en_of, ja_of = _KNOWN_BY[entity]
    text = f"{{n}} attempts with this {en_of} in {{w}}"
    return each(id_, text, f"この{ja_of}の利用試行が{{w}}に{{n}}回", f"{entity}_attempts", lows)


def _bad_data(id_: str, entity: str, lows: Mapping[str, float]) -> list[Wording]:
    en_of, ja_of = _KNOWN_BY[entity]
    text = f"{{n}} attempts with this {en_of} declined for card data in {{w}}"
    ja = f"この{ja_of}のカード情報誤りによる否認が{{w}}に{{n}}回"
    return each(id_, text, ja, f"{entity}_cred_declines", lows)


def _spend(id_: str, entity: str, lows: Mapping[str, float]) -> list[Wording]:
    en_of, ja_of = _KNOWN_BY[entity]
    text = f"{{n}} spent with this {en_of} in {{w}}"
    return each(id_, text, f"この{ja_of}の利用額が{{w}}に{{n}}", f"{entity}_spend", lows, kind="yen")


def _cards_at_once(id_: str, entity: str, windows: tuple[str, ...]) -> Wording:
    """Return the text for a new key that has several cards already: either alone is weaker."""
    en_of, ja_of = _KNOWN_BY[entity]
    cards, age = f"{entity}_cards_24h", f"{entity}_age_days"
    return say(
        id_,
        f"{{{cards}:about}} cards with this {en_of} in 24 h, first seen {{{age}:days}} ago",
        f"この{ja_of}のカードが24時間に{{{cards}:about}}枚（初回観測から{{{age}:days}}）",
        least(cards, 2),
        between(age, 0, 1),
        *(known(f"{entity}_cards_{window}") for window in windows),
    )


def _first_seen(id_: str, entity: str) -> Wording:
    en_of, ja_of = _KNOWN_BY[entity]
    age = f"{entity}_age_days"
    return say(
        id_,
        f"{en_of} first seen {{{age}:days}} ago",
        f"この{ja_of}の初回観測から{{{age}:days}}",
        between(age, 0, 1),
    )


def _unseen(id_: str, entity: str, feature: str, window: str, window_ja: str) -> Wording:
    en_of, ja_of = _KNOWN_BY[entity]
    return say(
        id_,
        f"No earlier attempt with this {en_of} on record in {window}",
        f"{window_ja}にこの{ja_of}の利用記録なし",
        equal(feature, 0),
    )


PARTIES: Final[Mapping[str, tuple[Wording, ...]]] = {
    # A household shares a device and pays with two cards, seldom within an hour: three in a day, four in a week.
    "device_velocity": (
        _cards_at_once("VEL_DEVICE_CARDS", "device", ("1h", "7d")),
        *_elements("VEL_DEVICE_CARDS", "device", "card", "cards", "カードが{w}に{n}枚", {"1h": 2, "24h": 3, "7d": 4}),
        *_attempts("VEL_DEVICE_CARDS", "device", {"1h": 3, "24h": 8}),
        *_bad_data("VEL_DEVICE_CARDS", "device", {"24h": 2}),
        *_elements("VEL_DEVICE_MERCHANTS", "device", "merchant", "merchants", "利用加盟店が{w}に{n}店", {"1h": 4}),
        *_elements("VEL_DEVICE_ACCOUNTS", "device", "account", "accounts", "会員が{w}に{n}件", {"24h": 3}),
        _first_seen("DEVICE_NEW", "device"),
        _unseen("DEVICE_NEW", "device", "device_cards_7d", "7 d", "7日間"),
    ),
    # Offices, schools and mobile carriers share addresses, so the bounds are higher than for a device.
    "ip_velocity": (
        *_elements("VEL_IP_CARDS", "ip", "card", "cards", "カードが{w}に{n}枚", {"1h": 5, "24h": 10}),
        *_attempts("VEL_IP_CARDS", "ip", {"10m": 5, "1h": 10}),
        *_bad_data("VEL_IP_CARDS", "ip", {"1h": 3}),
        *_elements("VEL_IP_MERCHANTS", "ip", "merchant", "merchants", "利用加盟店が{w}に{n}店", {"1h": 5}),
        *_elements("VEL_IP_ACCOUNTS", "ip", "account", "accounts", "会員が{w}に{n}件", {"24h": 5}),
        _first_seen("IP_NEW", "ip"),
        _unseen("IP_NEW", "ip", "ip_cards_24h", "24 h", "24時間"),
    ),
    # Members keep two or three cards.
    "account_velocity": (
        *_elements("VEL_ACCOUNT_CARDS", "account", "card", "cards", "カードが{w}に{n}枚", {"24h": 3, "30d": 4}),
        *_attempts("VEL_ACCOUNT_CARDS", "account", {"24h": 5}),
        *_elements("VEL_ACCOUNT_DEVICES", "account", "device", "devices", "端末が{w}に{n}台", {"30d": 4}),
        *_spend("SPEND_ACCOUNT", "account", {"24h": 100_000}),
        _unseen("ACCOUNT_QUIET", "account", "account_cards_30d", "30 d", "30日間"),
    ),
    # Three cards for one address within a day, as where phished cards buy for resale; a family has two.
    "address_velocity": (
        _cards_at_once("VEL_ADDR_CARDS", "address", ("7d", "30d")),
        *_elements("VEL_ADDR_CARDS", "address", "card", "cards", "カードが{w}に{n}枚", {"24h": 3, "7d": 3, "30d": 4}),
        *_elements("VEL_ADDR_ACCOUNTS", "address", "account", "accounts", "会員が{w}に{n}件", {"7d": 3}),
        *_attempts("VEL_ADDR_ATTEMPTS", "address", {"24h": 5}),
        *_spend("SPEND_ADDR", "address", {"7d": 200_000}),
        _first_seen("ADDR_NEW", "address"),
        _unseen("ADDR_NEW", "address", "address_cards_30d", "30 d", "30日間"),
    ),
}
