"""Words of the page in English and Japanese."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from scoring.reference.compliance import checklist_items
from scoring.reference.goods import goods_classes, line_measures

Words = tuple[str, str]
"""English and Japanese."""

CODES: Final[Mapping[str, Words]] = MappingProxyType(
    {
        "NORMAL": ("normal", "通常"),
        "WATCH": ("watch", "注視"),
        "WARNING": ("warning", "警戒"),
        "ACTUALISED": ("actualised fraud", "不正顕在化"),
        "MONITORED": ("monitored", "経過観察"),
        "EVERY_PAYMENT": ("every payment", "決済の都度"),
        "CARD_REGISTRATION": ("at card registration", "カード登録時"),
        "RECURRING_INITIAL": ("first of a series", "継続課金の初回"),
        "RISK_BASED": ("risk-based", "リスクベース"),
        "NONE": ("none", "なし"),
        "UNKNOWN": ("unknown", "不明"),
        "MET": ("met", "達成"),
        "MISSED": ("missed", "未達"),
        "NOT_DUE": ("not due yet", "期限前"),
        "NOT_BOUND": ("issuer abroad", "海外イシュアー"),
        "EXCESSIVE": ("excessive", "Excessive（超過）"),
        "ABOVE_STANDARD": ("above standard", "Above Standard（基準超）"),
        "APPROVALS_FELL": ("approvals fell by 50 points", "承認率が50ポイント低下"),
        "APPROVALS_LOW": ("approvals below 30%", "承認率30%未満"),
        "RETURNS_HIGH": ("young, returns above 5%", "新規加盟店で返金等が5%超"),
        "NAMED": ("named by others", "外部からの通報"),
        "ATTACK": ("attack on the merchant", "加盟店への攻撃"),
        "SCAM": ("scam", "詐欺加盟店"),
        "UNCLEAR": ("unclear", "判別不能"),
        "TDS_EVERY_PAYMENT": ("3-D Secure on every payment", "決済都度の3-Dセキュア"),
        "CHECKLIST": ("Security Checklist", "セキュリティ・チェックリスト"),
        "LOGIN": ("measures against illegal login", "不正ログイン対策"),
        "TDS": ("3-D Secure", "3-Dセキュア導入"),
        "TDS_AT_ONCE": ("3-D Secure at once", "3-Dセキュアの即時導入"),
        "TDS_CONTRACT": ("contract without 3-D Secure", "3-Dセキュアなしの契約"),
        "YES": ("yes", "あり"),
        "APPROVED": ("approved", "承認済み"),
        "SETTLED": ("settled", "売上確定"),
        "RUNNING": ("running", "猶予中"),
        "USED": ("used", "終了"),
        "OTHER": ("other", "その他"),
        "PRE": ("before", "決済前"),
        "AT": ("at", "決済時"),
        "POST": ("after", "決済後"),
    }
)
"""Codes of a report, where they read otherwise than they are written."""


def code(name: str) -> Words:
    """Give the words of a code; an item of the checklist, goods and measures are named by their texts."""
    if name in CODES:
        return CODES[name]
    for row in checklist_items():
        if row.item == name:
            return f"{name} {row.text_en}", f"{name} {row.text_ja}"
    for listed in goods_classes():
        if listed.goods == name:
            return listed.text_en, listed.text_ja
    for measure in line_measures():
        if measure.measure == name:
            return measure.text_en, measure.text_ja
    return name, name
