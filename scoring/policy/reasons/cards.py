"""Texts of the families about the history of the card, alone or with that of its merchant.

Figures are features: they count earlier payments, not this one. Windows are up to a quarter longer, and distinct counts
are estimates, see `scoring.profile`. A bound is the value from which a figure is unusual for its kind of key, not a
value at which a score changes: the model decides that. If a rate could be of one or two attempts, their number has a
bound too. Rates of outcomes are of attempts with a known outcome; the number beside them is of all attempts.
"""

from collections.abc import Mapping
from typing import Final

from scoring.policy.reasons.wording import Wording, between, each, equal, known, least, most, name, say

RATE_OF: Final = 10
"""Least number of attempts in 1 h for a text with a rate of that hour."""
RATE_OF_DAY: Final = 20
"""Least number of attempts in 24 h for a text with a rate of that day."""

CARD: Final[Mapping[str, tuple[Wording, ...]]] = {
    # A cardholder pays once or twice in ten minutes and a few times a day; a commuter three or four times, every day.
    "card_velocity": (
        *each(
            "VEL_CARD",
            "{n} attempts with this card in {w}",
            "このカードの利用試行が{w}に{n}回",
            "card_attempts",
            {"1m": 2, "10m": 3, "1h": 5, "24h": 10, "7d": 40, "30d": 120},
        ),
        *each(
            "VEL_CARD",
            "{n} approved attempts with this card in {w}",
            "このカードの承認が{w}に{n}回",
            "card_approved",
            {"1h": 3},
        ),
        *each(
            "VEL_CARD",
            "{n} merchants with this card in {w}",
            "このカードの利用加盟店が{w}に{n}店",
            "card_merchants",
            {"1h": 3, "24h": 5},
            kind="to_eight",
        ),
        say(  # 0 is also the value of an event out of order
            "VEL_CARD",
            "Last event of this card {card_since_last_s:seconds} before",
            "このカードの前回のイベントから{card_since_last_s:seconds}",
            between("card_since_last_s", 1, 60),
        ),
        say(
            "CARD_NEW",
            "No earlier attempt with this card on record in 30 d",
            "30日間にこのカードの利用記録なし",
            equal("card_attempts_30d", 0),
        ),
        say(
            "CARD_NEW",
            "Card first seen {card_age_days:days} ago",
            "このカードの初回観測から{card_age_days:days}",
            between("card_age_days", 0, 1),
        ),
    ),
    # Three deviations or three times the mean are out of a card's range; five daily means in an hour are a burst.
    "card_amount": (
        say(
            "AMT_ZSCORE",
            "Amount {card_amount_zscore:digits} deviations above this card's mean",
            "このカードの平均より{card_amount_zscore:digits}標準偏差高い金額",
            least("card_amount_zscore", 3),
        ),
        say(
            "AMT_ZSCORE",
            "Amount {card_amount_zscore:below} deviations below this card's mean",
            "このカードの平均より{card_amount_zscore:below}標準偏差低い金額",
            most("card_amount_zscore", -3),
        ),
        say(
            "AMT_ZSCORE",
            "Amount {card_amount_zscore_long:digits} deviations above this card's long-run mean, "
            "{card_mean_amount_long:yen}",
            "このカードの長期平均{card_mean_amount_long:yen}より{card_amount_zscore_long:digits}標準偏差高い金額",
            least("card_amount_zscore_long", 3),
            known("card_mean_amount_long"),
        ),
        say(  # an eighth of a card's last amounts, where a hundredth is usual
            "AMT_ZSCORE",
            "Of the last amounts of this card {card_amount_outlier_rate:percent} far above its usual ones",
            "このカードの直近の金額のうち{card_amount_outlier_rate:percent}が通常より大幅に高い",
            least("card_amount_outlier_rate", 0.125),
            known("card_amount_surprise"),
        ),
        say(
            "AMT_ZSCORE",
            "Amount {card_amount_over_mean_30d:times} this card's mean of 30 d, {card_mean_amount_30d:yen}",
            "このカードの30日間の平均{card_mean_amount_30d:yen}の{card_amount_over_mean_30d:times}の金額",
            least("card_amount_over_mean_30d", 3),
            known("card_mean_amount_30d"),
        ),
        say(  # 30 is the value of a card that spent nothing before this hour, so it has no usual day
            "SPEND_CARD",
            "{card_spend_1h:yen} spent with this card in 1 h, of {card_spend_30d:yen} in 30 d",
            "このカードの利用額が1時間に{card_spend_1h:yen}（30日間では{card_spend_30d:yen}）",
            between("card_spend_1h_over_daily", 5, 29.9),
            known("card_spend_1h"),
            known("card_spend_30d"),
        ),
        *each(  # a month's limit of many cards is 100,000 to 1,000,000 yen
            "SPEND_CARD",
            "{n} spent with this card in {w}",
            "このカードの利用額が{w}に{n}",
            "card_spend",
            {"1h": 100_000, "24h": 200_000, "7d": 400_000, "30d": 800_000},
            kind="yen",
        ),
    ),
    "card_novelty": (  # of 8 merchants and 4 of each other kind
        name(
            "CARD_NEW_BEHAVIOUR",
            "Not among the last ones of this card: {named}",
            "このカードの直近の利用にない項目：{named}",
            {
                "card_new_merchant": ("merchant", "加盟店"),
                "card_new_mcc": ("category", "業種"),
                "card_new_country": ("country", "国"),
                "card_new_device": ("device", "端末"),
                "card_new_address": ("delivery address", "配送先"),
            },
        ),
    ),
    "prior_declines": (
        *each(
            "PRIOR_DECLINES",
            "Declines of this card for its data in {w}: {n}",
            "このカードのカード情報誤りによる否認が{w}に{n}回",
            "card_cred_declines",
            {"1h": 1, "24h": 1},
        ),
        *each(
            "PRIOR_DECLINES",
            "Declines of this card for want of funds in {w}: {n}",
            "このカードの残高・限度額による否認が{w}に{n}回",
            "card_funds_declines",
            {"1h": 1, "24h": 1},
        ),
        *each(
            "PRIOR_DECLINES",
            "Declines of this card as risky in {w}: {n}",
            "このカードのリスクによる否認が{w}に{n}回",
            "card_risk_declines",
            {"24h": 1, "7d": 1},
        ),
        say(  # half of two is the least that is meaningful
            "PRIOR_DECLINES",
            "{card_approval_rate_24h:percent} of this card's answered attempts in 24 h approved; "
            "{card_attempts_24h:count} attempts",
            "このカードの24時間の承認率（回答済み）{card_approval_rate_24h:percent}、試行{card_attempts_24h:count}回",
            most("card_approval_rate_24h", 0.5),
            least("card_attempts_24h", 2),
        ),
        say(
            "PRIOR_DECLINES",
            "{card_funds_ladder:count} declines in a row for want of funds at falling amounts",
            "金額を下げながらの残高・限度額による否認が{card_funds_ladder:count}回連続",
            least("card_funds_ladder", 2),
        ),
    ),
    "small_amounts": (
        *each(
            "TEST_SMALL_AMT",
            "{n} attempts of at most 500 yen with this card in {w}",
            "このカードの500円以下の試行が{w}に{n}回",
            "card_small_attempts",
            {"1h": 2, "24h": 3},
        ),
        *each(
            "TEST_REVERSAL",
            "{n} reversals on this card in {w}",
            "このカードの取消が{w}に{n}回",
            "card_reversals",
            {"24h": 2},
        ),
        say(  # half of an hour's attempts, beside the merchant's own share
            "TEST_SMALL_AMT",
            "At most 500 yen at this merchant: {merchant_small_rate_1h:percent} of {merchant_attempts_1h:count} "
            "attempts in 1 h, {merchant_small_rate_30d:percent} in 30 d",
            "この加盟店の500円以下の割合：1時間の{merchant_attempts_1h:count}回中{merchant_small_rate_1h:percent}"
            "（30日間では{merchant_small_rate_30d:percent}）",
            least("merchant_small_rate_1h", 0.5),
            known("merchant_small_rate_30d"),
            least("merchant_attempts_1h", RATE_OF),
        ),
    ),
    "threeds_failures": (
        *each(
            "TDS_OTP_RELAY",
            "3-D Secure failed or cancelled with this card in {w}: {n}",
            "このカードの3Dセキュア認証の失敗・中断が{w}に{n}回",
            "card_threeds_failed",
            {"24h": 1},
        ),
        *each(
            "TDS_OTP_RELAY",
            "3-D Secure failed or cancelled with this device in {w}: {n}",
            "この端末の3Dセキュア認証の失敗・中断が{w}に{n}回",
            "device_threeds_failed",
            {"24h": 1},
        ),
        say(  # every tenth, where one in twenty to fifty is usual
            "TDS_OTP_RELAY",
            "3-D Secure failed or cancelled at this merchant: {merchant_threeds_failed_rate_24h:percent} of "
            "{merchant_attempts_24h:count} attempts in 24 h",
            "この加盟店の3Dセキュア認証の失敗・中断：24時間の{merchant_attempts_24h:count}回中"
            "{merchant_threeds_failed_rate_24h:percent}",
            least("merchant_threeds_failed_rate_24h", 0.1),
            least("merchant_attempts_24h", RATE_OF_DAY),
        ),
    ),
    "fraud_reports": (  # one is a report; the model decides its weight
        say(
            "FRAUD_REPORTED",
            "Fraud reports on this card in 24 h: {card_reports_24h:count}",
            "このカードの不正利用報告が24時間に{card_reports_24h:count}件",
            least("card_reports_24h", 1),
        ),
        say(
            "FRAUD_REPORTED",
            "Fraud reports on this card in 30 d: {card_reports_30d:count}, of {card_reported_30d:yen}",
            "このカードの不正利用報告が30日間に{card_reports_30d:count}件、{card_reported_30d:yen}",
            least("card_reports_30d", 1),
            known("card_reported_30d"),
        ),
        say(
            "FRAUD_REPORTED",
            "Fraud reports on this card so far: {card_reports_ever:count}",
            "このカードの不正利用報告がこれまでに{card_reports_ever:count}件",
            least("card_reports_ever", 1),
        ),
        *each(
            "FRAUD_REPORTED",
            "Fraud reports of this merchant in {w}: {n}",
            "この加盟店の不正利用報告が{w}に{n}件",
            "merchant_reports",
            {"24h": 1},
        ),
        say(
            "FRAUD_REPORTED",
            "Fraud reports of this merchant in 7 d: {merchant_reports_7d:count}",
            "この加盟店の不正利用報告が7日間に{merchant_reports_7d:count}件",
            least("merchant_reports_7d", 1),
            known("merchant_report_rate_7d"),
        ),
        say(
            "FRAUD_REPORTED",
            "Fraud reports of this merchant in 30 d: {merchant_reports_30d:count}, of {merchant_reported_30d:yen}",
            "この加盟店の不正利用報告が30日間に{merchant_reports_30d:count}件、{merchant_reported_30d:yen}",
            least("merchant_reports_30d", 1),
            known("merchant_reported_30d"),
            known("merchant_report_rate_30d"),
        ),
        say(  # a hundredth is ten times a usual rate
            "FRAUD_REPORTED",
            "Fraud reports of this merchant in 30 d: {merchant_mature_report_rate_30d:percent} of the "
            "{merchant_mature_attempts_30d:count} attempts that they speak of",
            "この加盟店の30日間の不正利用報告：報告対象期間の利用試行{merchant_mature_attempts_30d:count}回の"
            "{merchant_mature_report_rate_30d:percent}",
            least("merchant_mature_report_rate_30d", 0.01),
            least("merchant_mature_attempts_30d", RATE_OF_DAY),
        ),
    ),
}
