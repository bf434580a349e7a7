"""Reasons in words: each family of features has one stable id and its text in English and Japanese.

The texts say what was seen, never at which value it fires: what reaches a merchant reaches attackers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.contract.decision import REASONS_MAX, Reason
from scoring.features import Feature

WEIGHT_MIN = 0.05
"""Contributions below this many log-odds move a probability by about one per cent of itself: noise, not a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonText:
    """A stable reason id with its two texts."""

    id: str
    en: str
    ja: str


REASON_OF_FAMILY: dict[str, ReasonText] = {
    family: ReasonText(id=id_, en=en, ja=ja)
    for family, id_, en, ja in (
        ("card_velocity", "VEL_CARD", "Unusually many attempts with this card", "このカードの利用試行が通常より多い"),
        ("card_amount", "AMT_ZSCORE", "Amount unlike this card's own history", "このカードの利用履歴と異なる金額"),
        (
            "card_novelty",
            "CARD_NEW_BEHAVIOUR",
            "First time this card meets this merchant, category, country, device or address",
            "このカードでは初めての加盟店・業種・国・端末・配送先",
        ),
        (
            "enumeration",
            "ENUM_BIN_BURST",
            "Many cards of one BIN tried at this merchant, or bad card data in bulk",
            "同一BINの多数カードの試行、またはカード情報誤りの多発",
        ),
        (
            "device_velocity",
            "VEL_DEVICE_CARDS",
            "Many cards or attempts from one device",
            "同一端末からの多数のカード・試行",
        ),
        (
            "ip_velocity",
            "VEL_IP_CARDS",
            "Many cards or attempts from one network address",
            "同一IPからの多数のカード・試行",
        ),
        (
            "address_velocity",
            "VEL_ADDR_CARDS",
            "Many cards shipping to one address",
            "同一配送先への多数のカードの利用",
        ),
        (
            "account_velocity",
            "VEL_ACCOUNT_CARDS",
            "Many cards or attempts in one account",
            "同一会員アカウントでの多数のカード・試行",
        ),
        ("merchant_velocity", "VEL_MERCHANT", "Unusual traffic at this merchant", "加盟店の取引状況が通常と異なる"),
        (
            "merchant_declines",
            "MERCHANT_APPROVAL_DROP",
            "Unusual declines at this merchant",
            "加盟店での否認が通常より多い",
        ),
        (
            "fraud_reports",
            "FRAUD_REPORTED",
            "Fraud was reported on this card or merchant",
            "このカードまたは加盟店に不正利用の報告あり",
        ),
        (
            "small_amounts",
            "TEST_SMALL_AMT",
            "Small amounts in a row, as in card testing",
            "少額利用の連続（カード有効性確認の疑い）",
        ),
        (
            "threeds_failures",
            "TDS_OTP_RELAY",
            "3-D Secure failures before this payment",
            "直前に3Dセキュア認証の失敗あり",
        ),
        ("prior_declines", "PRIOR_DECLINES", "Declines before this payment", "直前に否認あり"),
        ("amount", "AMT_HIGH", "Amount typical of fraud", "不正利用に多い金額"),
        ("time", "NIGHT", "Unusual hour", "通常と異なる時間帯"),
        ("goods", "HR_GOODS", "High-risk goods or category", "高リスク商材・業種"),
        (
            "geography",
            "GEO_MISMATCH",
            "Countries of card, merchant, network or delivery differ",
            "カード・加盟店・接続元・配送先の国が不一致",
        ),
        ("threeds", "TDS_STATUS", "3-D Secure result of this payment", "3Dセキュアの認証結果"),
        ("threeds_absent", "TDS_ABSENT_REQUIRED", "3-D Secure was due and is missing", "必要な3Dセキュア認証がない"),
        (
            "threeds_consistency",
            "TDS_INCONSISTENT",
            "3-D Secure fields contradict each other",
            "3Dセキュアの項目が矛盾",
        ),
        (
            "checklist",
            "CHK_GAP",
            "Gaps in the merchant's Security Checklist",
            "セキュリティ・チェックリストに未対応項目あり",
        ),
        (
            "merchant_profile",
            "MERCHANT_STATUS",
            "Fraud status, age or set-up of this merchant",
            "加盟店の不正発生状況・契約期間・接続方式",
        ),
        ("card_checks", "CVV_FAIL", "Security code or address check failed", "セキュリティコード・住所確認の不一致"),
        ("instrument", "BIN_RISK", "Kind of card and transaction", "カード種別・取引種別"),
        ("account", "ATO_CHANGE", "Account or stored card is new or unusual", "会員アカウント・登録カードが新しい"),
        ("presence", "DATA_MISSING", "Device, network or account data is missing", "端末・接続元・会員情報の欠落"),
    )
}


class Reasons:
    """Turn one row of path contributions into at most five reasons, heaviest first."""

    def __init__(self, features: tuple[Feature, ...]) -> None:
        families = list(dict.fromkeys(feature.family for feature in features))
        unknown = [family for family in families if family not in REASON_OF_FAMILY]
        assert not unknown, f"families without a reason text: {unknown}"
        self._texts = [REASON_OF_FAMILY[family] for family in families]
        self._family_of = np.array([families.index(feature.family) for feature in features], dtype=np.int64)

    def top(self, contributions: NDArray[np.float64]) -> list[Reason]:
        """Rank families by their summed contribution (log-odds), positive ones only.

        `contributions`: float64[F + 1], the last being the model's bias, which is nobody's reason.
        """
        weights = np.bincount(self._family_of, weights=contributions[:-1], minlength=len(self._texts))
        ranked = np.argsort(-weights, kind="stable")[:REASONS_MAX]
        return [
            Reason(id=text.id, weight=round(float(weights[k]), 3), en=text.en, ja=text.ja)
            for k in ranked
            if weights[k] >= WEIGHT_MIN
            for text in (self._texts[k],)
        ]
