"""What a merchant may read of a reason, in English and Japanese.

A merchant passes on what it reads, so attackers read it too. These texts have no figure, no threshold, no entry of a
list, and nothing of the model; several reasons share one, so that it does not tell which of them held.
"""

from collections.abc import Mapping
from typing import Final

from scoring.policy.reasons.wording import Pair

_SHARED: Final[tuple[tuple[Pair, tuple[str, ...]], ...]] = (
    (
        ("The amount is unusual.", "金額が通常と異なります。"),
        (
            *("AMT_HIGH", "AMT_SMALL", "AMT_ROUND", "AMT_FOREIGN", "AMT_ZSCORE", "AMT_MERCHANT", "LIMIT_AMOUNT"),
            *("SPEND_CARD", "SPEND_ACCOUNT", "SPEND_ADDR"),
        ),
    ),
    (("The payment was made at an unusual time.", "取引の時間帯が通常と異なります。"), ("NIGHT",)),
    (
        ("Goods of this kind are often bought with stolen cards.", "不正利用されやすい商材です。"),
        ("HR_GOODS", "MCC_GROUP"),
    ),
    (
        ("The kind of card or payment calls for a closer look.", "カードまたは取引の種類により確認が必要です。"),
        ("BIN_RISK",),
    ),
    (
        ("Country, network or delivery do not fit together.", "国・接続元・配送先の組み合わせが通常と異なります。"),
        ("GEO_MISMATCH", "NET_PROXY", "SHIP_FORWARDER"),
    ),
    (
        (
            "Data about the customer is missing from the payment. Please send all fields.",
            "取引に購入者の情報が不足しています。すべての項目を送信してください。",
        ),
        ("DATA_MISSING", "ACCOUNT_GUEST"),
    ),
    (
        ("A check of the card's data failed.", "カード情報の確認に失敗しました。"),
        ("CVV_FAIL", "AVS_FAIL"),
    ),
    (
        (
            "3-D Secure is missing, did not succeed, or does not fit the payment. Please check your integration.",
            "3-Dセキュアが未実施、不成功、または取引と整合しません。実装をご確認ください。",
        ),
        (
            *("TDS_STATUS", "TDS_STATIC_AUTH", "TDS_ABSENT_REQUIRED", "TDS_INCONSISTENT", "TDS_CAVV_FAIL"),
            *("TDS_OTP_RELAY", "TDS_CRITICAL"),
        ),
    ),
    (
        (
            "Please review your security measures with your acquirer.",
            "セキュリティ対策についてアクワイアラーにご確認ください。",
        ),
        ("CHK_GAP", "CHK_STALE", "CHK_SELF_DECLARED", "MERCHANT_STATUS"),
    ),
    (
        ("The customer's data differs from earlier payments.", "購入者の情報がこれまでの取引と異なります。"),
        (
            *("ATO_CHANGE", "CARD_NEW", "CARD_NEW_BEHAVIOUR", "DEVICE_NEW", "IP_NEW", "ADDR_NEW", "PARTIES_NEW"),
            *("ACCOUNT_QUIET", "MERCHANT_QUIET"),
        ),
    ),
    (
        ("The payment is one of many in a short time.", "短時間に多数行われた取引の一つです。"),
        (
            *("VEL_CARD", "VEL_DEVICE_CARDS", "VEL_DEVICE_MERCHANTS", "VEL_DEVICE_ACCOUNTS", "VEL_IP_CARDS"),
            *("VEL_IP_MERCHANTS", "VEL_IP_ACCOUNTS", "VEL_ACCOUNT_CARDS", "VEL_ACCOUNT_DEVICES", "VEL_ADDR_CARDS"),
            *("VEL_ADDR_ACCOUNTS", "VEL_ADDR_ATTEMPTS", "VEL_MERCHANT"),
        ),
    ),
    (
        (
            "Payments at your shop look like tests of cards. Please look at your protection against them.",
            "貴店の取引にカードの有効性確認とみられるものがあります。対策をご確認ください。",
        ),
        (
            *("ENUM_BIN_BURST", "ENUM_MERCHANT_CARDS", "TEST_SMALL_AMT", "TEST_REVERSAL", "PRIOR_DECLINES"),
            *("MERCHANT_APPROVAL_DROP", "REFUND_ANOMALY"),
        ),
    ),
    (
        ("The payment needs a closer look.", "取引の確認が必要です。"),
        ("FRAUD_REPORTED", "COMBINATION", "LIST_DENY", "LIST_ALLOW", "RULE_CAPPED"),
    ),
)

FOR_MERCHANTS: Final[Mapping[str, Pair]] = {id_: text for text, ids in _SHARED for id_ in ids}
"""The text for merchants of every reason, by its id."""

OF_RULE: Final = "RULE:"
"""Before the id of a rule of the policy, in the id of its reason."""

FOR_MERCHANTS_BY_RULE: Final = FOR_MERCHANTS["COMBINATION"]
"""The text for merchants of the reason of a rule: it says nothing of the rule."""
