"""Words for codes of features, in English and Japanese: closed lists, never a text of the event."""

from collections.abc import Mapping
from typing import Final

Words = Mapping[int, tuple[str, str]]

WORDS: Final[Mapping[str, Words]] = {
    "mcc_group": {  # positions in scoring.merchants.goods.MCC_GROUPS
        2: ("digital content", "デジタルコンテンツ"),
        3: ("home appliances", "家電"),
        4: ("electronic money", "電子マネー"),
        5: ("tickets", "チケット"),
        6: ("lodging", "宿泊"),
        7: ("travel", "旅行"),
        8: ("groceries", "食料品"),
        9: ("restaurants", "飲食"),
        10: ("fuel", "燃料"),
        11: ("fashion", "衣料・装飾品"),
        12: ("health", "医療・健康"),
        13: ("utilities", "公共料金・通信"),
        14: ("transport", "交通"),
        15: ("entertainment", "娯楽"),
        16: ("donations", "寄付"),
        17: ("gambling", "賭博"),
        18: ("services", "サービス"),
        19: ("mail order", "通信販売"),
    },
    "network": {  # positions in scoring.threeds.tables.NETWORKS
        1: ("Visa", "Visa"),
        2: ("Mastercard", "Mastercard"),
        3: ("JCB", "JCB"),
        4: ("American Express", "American Express"),
        5: ("Diners Club", "Diners Club"),
        6: ("Discover", "Discover"),
        7: ("UnionPay", "銀聯"),
    },
    "funding": {1: ("credit", "クレジット"), 2: ("debit", "デビット"), 3: ("prepaid", "プリペイド")},
    "channel": {
        1: ("e-commerce", "EC"),
        2: ("mail or telephone order", "通信販売（MOTO）"),
        3: ("card present", "対面"),
    },
    "txn_type": {
        1: ("purchase", "購入"),
        2: ("cash", "現金"),
        3: ("account verification", "有効性確認"),
        4: ("refund", "返金"),
        5: ("reversal", "取消"),
    },
    "tds_status": {  # scoring.contract.codes.ThreeDsStatus
        1: ("absent", "未実施"),
        2: ("authenticated", "認証成功"),
        3: ("attempted", "アテンプト"),
        4: ("not authenticated", "認証失敗"),
        5: ("unavailable", "認証不能"),
        6: ("rejected", "拒否"),
        7: ("informational only", "情報のみ"),
        8: ("incomplete", "未完了"),
    },
    "eci": {  # scoring.contract.codes.EciClass
        1: ("authenticated", "認証済み"),
        2: ("attempted", "アテンプト"),
        3: ("no authentication", "認証なし"),
        4: ("data only", "データオンリー"),
        5: ("exempt", "適用除外"),
        6: ("recurring", "継続課金"),
        7: ("mail or telephone order", "通信販売（MOTO）"),
        8: ("stored credential", "登録カード"),
        9: ("a value that the network does not define", "ブランドにない値"),
    },
    "liability": {1: ("with the issuer", "イシュア"), 2: ("not with the issuer", "イシュア以外")},
    "device_channel": {1: ("an app", "アプリ"), 2: ("a browser", "ブラウザ"), 3: ("3RI", "3RI")},
    "tds_mode": {  # 1 + position in scoring.merchants.store.TDS_MODES
        1: ("on every payment", "毎回"),
        2: ("when a card is registered", "カード登録時"),
        3: ("on the first payment of a series", "継続課金の初回"),
        4: ("by risk", "リスクベース"),
        5: ("never", "なし"),
    },
    "fraud_status": {  # positions in scoring.merchants.store.FRAUD_STATUSES
        1: ("watch", "注意"),
        2: ("warning", "警告"),
        3: ("fraud actualised", "不正顕在化"),
        4: ("monitored", "監視中"),
    },
    "integration": {
        0: ("redirect", "リダイレクト型"),
        1: ("JavaScript token", "JavaScriptトークン型"),
        2: ("server side", "サーバー接続型"),
    },
}
