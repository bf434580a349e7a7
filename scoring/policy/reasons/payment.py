"""Texts of the families about the payment, its 3-D Secure and its merchant's record.

A family keeps its id for what the id says; another claim has an id of its own. Ids are for good: new ones may come.
"""

from collections.abc import Mapping
from math import log1p
from typing import Final

from scoring.policy.reasons.wording import Wording, between, equal, least, most, name, say
from scoring.profile.entities import SMALL_JPY_MAX

_LOG_HIGH: Final = log1p(30_000 - 0.5)
"""30,000 yen, half a yen below: several times the usual ticket of an online shop; goods for resale cost that much."""
_LOG_ROUND: Final = log1p(10_000 - 0.5)
"""10,000 yen: round prices below that are too common to be a reason."""
_LOG_SMALL: Final = log1p(SMALL_JPY_MAX + 0.4)
"""Limit of small amounts in profiles, zero included."""

PAYMENT: Final[Mapping[str, tuple[Wording, ...]]] = {
    "amount": (
        say(
            "AMT_HIGH",
            "High amount: {amount_log:log_yen}",
            "高額：{amount_log:log_yen}",
            least("amount_log", _LOG_HIGH),
        ),
        say(
            "AMT_SMALL",
            "Small amount, as in card testing: {amount_log:log_yen}",
            "少額（有効性確認の疑い）：{amount_log:log_yen}",
            most("amount_log", _LOG_SMALL),
        ),
        say(
            "AMT_ROUND",
            "Round amount: {amount_log:log_yen}",
            "端数のない金額：{amount_log:log_yen}",
            equal("amount_round", 1),
            least("amount_log", _LOG_ROUND),
        ),
        say("AMT_FOREIGN", "Amount in a currency other than the yen", "円以外の通貨", equal("amount_foreign", 1)),
    ),
    "time": (  # from midnight to six most cardholders sleep
        say(
            "NIGHT",
            "Night in Tokyo: {hour_jst:hour}",
            "深夜・早朝の取引（日本時間{hour_jst:hour}）",
            between("hour_jst", 0, 5),
        ),
    ),
    "goods": (
        say(
            "HR_GOODS",
            "High-risk goods or category; category: {mcc_group:mcc_group}",
            "高リスク商材・業種（業種：{mcc_group:mcc_group}）",
            equal("goods_high_risk", 1),
            between("mcc_group", 2, 19),
        ),
        say("HR_GOODS", "High-risk goods or category", "高リスク商材・業種", equal("goods_high_risk", 1)),
        say(
            "MCC_GROUP",
            "Merchant category: {mcc_group:mcc_group}",
            "業種：{mcc_group:mcc_group}",
            equal("goods_high_risk", 0),
            between("mcc_group", 2, 19),
        ),
    ),
    "instrument": (
        say("BIN_RISK", "Kind of card: {funding:funding}", "カード種別：{funding:funding}", between("funding", 1, 3)),
        say(
            "BIN_RISK", "Card network: {network:network}", "カードブランド：{network:network}", between("network", 1, 7)
        ),
        say("BIN_RISK", "Channel: {channel:channel}", "チャネル：{channel:channel}", between("channel", 1, 3)),
        say("BIN_RISK", "Transaction: {txn_type:txn_type}", "取引種別：{txn_type:txn_type}", between("txn_type", 1, 5)),
        say("BIN_RISK", "Initiated by the merchant (MIT)", "加盟店起点取引（MIT）", equal("merchant_initiated", 1)),
        say("BIN_RISK", "Initiated by the cardholder (CIT)", "会員起点取引（CIT）", equal("merchant_initiated", 0)),
        say("BIN_RISK", "Recurring payment", "継続課金", equal("recurring", 1)),
        say("BIN_RISK", "Not a recurring payment", "継続課金ではない", equal("recurring", 0)),
        say("BIN_RISK", "Paid through a device wallet", "ウォレット決済", equal("wallet", 1)),
        say("BIN_RISK", "Not paid through a device wallet", "ウォレット決済ではない", equal("wallet", 0)),
        say(
            "BIN_RISK",
            "Point-of-service entry mode {entry_mode:code}",
            "入力方式（DE22）{entry_mode:code}",
            least("entry_mode", 0),
        ),
    ),
    "geography": (
        name(
            "GEO_MISMATCH",
            "Countries differ: {named}",
            "国が不一致：{named}",
            {
                "issuer_foreign": ("card and merchant", "カードと加盟店"),
                "ip_country_differs": ("card and network address", "カードと接続元"),
                "ship_country_differs": ("card and delivery", "カードと配送先"),
                "ship_foreign": ("merchant and delivery", "加盟店と配送先"),
            },
        ),
        say("NET_PROXY", "Network address of a proxy", "プロキシ経由の接続", equal("proxy", 1)),
        say("SHIP_FORWARDER", "Delivery to a freight forwarder", "転送業者への配送", equal("forwarder", 1)),
    ),
    "presence": (
        name(
            "DATA_MISSING",
            "Not in the event: {named}",
            "イベントにない項目：{named}",
            {
                "has_device": ("device", "端末"),
                "has_ip": ("network address", "接続元"),
                "has_account": ("account", "会員"),
                "has_address": ("delivery address", "配送先"),
            },
            value=0.0,
        ),
    ),
    "account": (
        name(
            "ATO_CHANGE",
            "Not seen with this account for 30 d: {named}",
            "この会員で30日間利用のない項目：{named}",
            {
                "account_new_card": ("card", "カード"),
                "account_new_device": ("device", "端末"),
                "account_new_address": ("delivery address", "配送先"),
            },
        ),
        say(
            "PARTIES_NEW",
            "{parties_new_24h:count} of device, network address and delivery address first seen within 24 h",
            "端末・接続元・配送先のうち{parties_new_24h:count}件が初回観測から24時間以内",
            least("parties_new_24h", 2),
        ),
        # chAccPwChangeInd, chAccChangeInd, shipAddressUsageInd and suspiciousAccActivity of EMV 3DS
        say(
            "ATO_CHANGE",
            "Password changed with this payment",
            "この取引時にパスワード変更",
            equal("password_changed", 2),
        ),
        say(
            "ATO_CHANGE",
            "Password changed less than 30 d ago",
            "パスワード変更後30日未満",
            equal("password_changed", 3),
        ),
        say(
            "ATO_CHANGE",
            "Account data changed with this payment",
            "この取引時に会員情報変更",
            equal("account_changed", 1),
        ),
        say(
            "ATO_CHANGE",
            "Account data changed less than 30 d ago",
            "会員情報変更後30日未満",
            equal("account_changed", 2),
        ),
        say(
            "ATO_CHANGE",
            "Delivery address used by the account for the first time",
            "この会員が初めて使う配送先",
            equal("address_usage", 1),
        ),
        say(
            "ATO_CHANGE",
            "Merchant observed suspicious activity in the account",
            "加盟店が会員の不審な操作を検知",
            equal("account_suspicious", 1),
        ),
        # chAccAgeInd of EMV 3DS: 01 guest, 02 created now, 03 less than 30 days
        say("ATO_CHANGE", "Account created with this payment", "この取引時に作成された会員", equal("account_age", 2)),
        say("ATO_CHANGE", "Account less than 30 d old", "作成後30日未満の会員", equal("account_age", 3)),
        say("ACCOUNT_GUEST", "Guest checkout, no account", "会員登録なし（ゲスト購入）", equal("account_age", 1)),
        say(  # a card stored or an account first seen within a day: takeovers buy at once
            "ATO_CHANGE",
            "Card stored {stored_age_days:days} before this payment",
            "カード登録から{stored_age_days:days}の取引",
            between("stored_age_days", 0, 1),
        ),
        say(
            "ATO_CHANGE",
            "Account first seen {account_age_days:days} ago",
            "この会員の初回観測から{account_age_days:days}",
            between("account_age_days", 0, 1),
        ),
    ),
    "card_checks": (  # N is no match; all other letters mean matched or not checked
        say("CVV_FAIL", "Security code failed", "セキュリティコードの不一致", equal("cvv2_result", ord("N"))),
        say("AVS_FAIL", "Address check failed", "住所確認の不一致", equal("avs_result", ord("N"))),
    ),
    "threeds": (
        say(
            "TDS_STATUS",
            "3-D Secure result: {tds_status:tds_status}",
            "3Dセキュアの結果：{tds_status:tds_status}",
            between("tds_status", 1, 8),
        ),
        say("TDS_STATUS", "ECI: {tds_eci_class:eci}", "ECI：{tds_eci_class:eci}", between("tds_eci_class", 1, 9)),
        say(
            "TDS_STATUS",
            "Liability by 3-D Secure: {tds_liability:liability}",
            "3Dセキュアによる負担：{tds_liability:liability}",
            between("tds_liability", 1, 2),
        ),
        say(
            "TDS_STATIC_AUTH",
            "3-D Secure with a static password",
            "静的パスワードによる3Dセキュア",
            equal("tds_static", 1),
        ),
        say("TDS_STATUS", "3-D Secure with a challenge", "チャレンジありの3Dセキュア", equal("tds_challenged", 1)),
        say(
            "TDS_STATUS",
            "3-D Secure status reason {tds_reason:code}",
            "3Dセキュアの理由コード（transStatusReason）{tds_reason:code}",
            least("tds_reason", 1),
        ),
        say(
            "TDS_STATUS",
            "3-D Secure through {tds_device_channel:device_channel}",
            "3Dセキュアの経路：{tds_device_channel:device_channel}",
            between("tds_device_channel", 1, 3),
        ),
        say(  # a checkout takes minutes
            "TDS_STATUS",
            "3-D Secure {tds_age_s:seconds} before this payment",
            "3Dセキュアから{tds_age_s:seconds}後の取引",
            least("tds_age_s", 3_600),
        ),
        say(  # clocks differ by seconds
            "TDS_STATUS",
            "3-D Secure dated {tds_age_s:later} after this payment",
            "3Dセキュアの時刻が取引より{tds_age_s:later}後",
            most("tds_age_s", -60),
        ),
    ),
    "threeds_absent": (
        say(
            "TDS_ABSENT_REQUIRED",
            "3-D Secure was due and is missing",
            "必要な3Dセキュア認証がない",
            equal("tds_missing", 1),
        ),
    ),
    "threeds_consistency": (
        say(
            "TDS_INCONSISTENT",
            "ECI and 3-D Secure result contradict each other",
            "ECIと3Dセキュアの結果が矛盾",
            equal("tds_eci_disagrees", 1),
        ),
        say(
            "TDS_INCONSISTENT",
            "ECI claims an authentication without its cryptogram",
            "ECIは認証済みだがCAVVがない",
            equal("tds_cavv_missing", 1),
        ),
        say(
            "TDS_CAVV_FAIL",
            "Cryptogram found wrong by the network",
            "CAVVの検証に失敗",
            equal("tds_cavv_failed", 1),
        ),
        say(
            "TDS_INCONSISTENT",
            "Submitted although 3-D Secure ended in N or R",
            "3Dセキュア認証失敗（N・R）後のオーソリ",
            equal("tds_refused", 1),
        ),
        say(  # less than a hundredth above is rounding
            "TDS_INCONSISTENT",
            "Amount {tds_amount_over:times} the authenticated amount",
            "金額が認証時の{tds_amount_over:times}",
            least("tds_amount_over", 1.01),
        ),
    ),
    "checklist": (
        say(
            "CHK_GAP",
            "Security Checklist of this merchant: {chk_gaps:count} of 6 items not in place",
            "セキュリティ・チェックリストの未対応項目：6項目中{chk_gaps:count}",
            least("chk_gaps", 1),
        ),
        say(
            "CHK_GAP",
            "Merchant without measures against card testing (SC5)",
            "有効性確認（クレジットマスター）対策が未対応の加盟店",
            equal("chk_gap_credmaster", 1),
        ),
        say(
            "CHK_GAP",
            "Merchant without measures against illegal login (SC6)",
            "不正ログイン対策が未対応の加盟店",
            equal("chk_gap_login", 1),
        ),
        say(
            "CHK_STALE",
            "Security Checklist attested more than a year ago",
            "チェックリストの申告から1年超",
            equal("chk_stale", 1),
        ),
        say(
            "CHK_SELF_DECLARED",
            "Security Checklist attested by the merchant alone",
            "チェックリストは加盟店の自己申告のみ",
            equal("chk_self_declared", 1),
        ),
    ),
    "merchant_profile": (
        say(
            "MERCHANT_STATUS",
            "Fraud status of this merchant: {merchant_fraud_status:fraud_status}",
            "加盟店の不正発生状況：{merchant_fraud_status:fraud_status}",
            between("merchant_fraud_status", 1, 4),
        ),
        say(  # half a year: younger merchants are watched for bust-out
            "MERCHANT_STATUS",
            "Merchant under contract for {merchant_age_days:days}",
            "契約から{merchant_age_days:days}の加盟店",
            between("merchant_age_days", 0, 180),
        ),
        say(
            "MERCHANT_STATUS",
            "Merchant uses 3-D Secure {merchant_tds_mode:tds_mode}",
            "加盟店の3Dセキュア：{merchant_tds_mode:tds_mode}",
            between("merchant_tds_mode", 1, 5),
        ),
        say(
            "MERCHANT_STATUS",
            "Merchant's integration: {merchant_integration:integration}",
            "加盟店の接続方式：{merchant_integration:integration}",
            between("merchant_integration", 0, 2),
        ),
    ),
}
"""Texts by family. Of those that hold, the one is shown whose features raise the score most."""
