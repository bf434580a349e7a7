"""Closed sets of the simulated traffic: categories, networks, answers, countries. Rows contain indices into these.

Sources: ISO 18245 (merchant categories), ISO 8583:1987 DE 39 (answers), ISO 4217 and ISO 3166 (currencies,
countries), EMV 3-D Secure 2.x. Prices and shares are plausible figures, not measurements.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A merchant category: its ISO 18245 code, its frequency, and typical amounts."""

    mcc: str
    name: str
    weight: float
    median_jpy: int
    sigma: float
    online: bool
    ships: bool = False
    recurring: bool = False
    goods: str | None = None
    priced: bool = False  # sells at fixed price points


def _shop(mcc: str, name: str, weight: float, median_jpy: int, sigma: float) -> Category:
    return Category(mcc=mcc, name=name, weight=weight, median_jpy=median_jpy, sigma=sigma, online=False)


CATEGORIES: tuple[Category, ...] = (
    _shop("5411", "GROCER", 9, 2_800, 0.7),
    _shop("5499", "CONVENIENCE", 9, 800, 0.6),
    _shop("5812", "RESTAURANT", 9, 3_600, 0.8),
    _shop("5814", "FAST FOOD", 5, 1_100, 0.5),
    _shop("5912", "PHARMACY", 5, 1_900, 0.7),
    _shop("5541", "FUEL", 4, 5_200, 0.5),
    _shop("5311", "DEPARTMENT STORE", 3, 9_000, 0.9),
    _shop("5732", "ELECTRONICS", 2, 16_000, 1.0),
    _shop("7011", "HOTEL", 2, 17_000, 0.8),
    _shop("8062", "HOSPITAL", 1, 6_000, 0.9),
    _shop("4121", "TAXI", 3, 1_800, 0.5),
    Category(mcc="5310", name="MARKETPLACE", weight=7, median_jpy=4_200, sigma=0.9, online=True, ships=True),
    Category(mcc="5651", name="APPAREL", weight=5, median_jpy=7_800, sigma=0.7, online=True, ships=True),
    Category(
        mcc="5732",
        name="ELECTRONICS",
        weight=4,
        median_jpy=21_000,
        sigma=1.0,
        online=True,
        ships=True,
        goods="APPLIANCES",
    ),
    Category(
        mcc="5722",
        name="APPLIANCES",
        weight=2,
        median_jpy=28_000,
        sigma=0.8,
        online=True,
        ships=True,
        goods="APPLIANCES",
    ),
    Category(
        mcc="5816", name="GAMES", weight=4, median_jpy=1_500, sigma=0.9, online=True, goods="DIGITAL", priced=True
    ),
    Category(mcc="5815", name="MEDIA", weight=3, median_jpy=900, sigma=0.6, online=True, goods="DIGITAL", priced=True),
    Category(
        mcc="6540", name="E-MONEY", weight=2, median_jpy=5_000, sigma=0.8, online=True, goods="E_MONEY", priced=True
    ),
    Category(mcc="7922", name="TICKETS", weight=2, median_jpy=12_000, sigma=0.6, online=True, goods="TICKETS"),
    Category(mcc="4722", name="TRAVEL", weight=2, median_jpy=32_000, sigma=0.8, online=True, goods="TICKETS"),
    Category(mcc="4511", name="AIRLINE", weight=1, median_jpy=38_000, sigma=0.7, online=True, goods="TICKETS"),
    Category(mcc="7011", name="LODGING", weight=3, median_jpy=21_000, sigma=0.7, online=True, goods="LODGING"),
    Category(mcc="5499", name="FOOD", weight=4, median_jpy=4_200, sigma=0.6, online=True, ships=True),
    Category(mcc="5977", name="COSMETICS", weight=4, median_jpy=5_600, sigma=0.6, online=True, ships=True),
    Category(mcc="5942", name="BOOKS", weight=3, median_jpy=1_900, sigma=0.6, online=True, ships=True),
    Category(mcc="8398", name="DONATIONS", weight=2, median_jpy=3_000, sigma=1.0, online=True, priced=True),
    Category(mcc="4899", name="STREAMING", weight=2, median_jpy=1_200, sigma=0.3, online=True, recurring=True),
    Category(mcc="4814", name="TELECOM", weight=2, median_jpy=6_800, sigma=0.4, online=True, recurring=True),
    Category(mcc="6300", name="INSURANCE", weight=1, median_jpy=9_000, sigma=0.5, online=True, recurring=True),
    Category(
        mcc="5968", name="SUBSCRIPTION", weight=2, median_jpy=4_000, sigma=0.4, online=True, recurring=True, ships=True
    ),
)
PRICES_JPY = (100, 120, 250, 300, 490, 500, 610, 980, 1_000, 1_220, 1_500, 2_000, 3_000, 3_060, 4_900, 5_000, 6_100)
PRICES_JPY_HIGH = (8_000, 10_000, 12_000, 15_000, 20_000, 30_000, 50_000)

NETWORKS = ("visa", "mastercard", "jcb", "amex", "diners", "unionpay")
VISA, MASTERCARD, JCB, AMEX, DINERS, UNIONPAY = range(6)
PRODUCTS = ("classic", "gold", "platinum", "business", "debit", "prepaid")
FUNDING = ("credit", "credit", "credit", "credit", "debit", "prepaid")

COUNTRIES = ("JP", "US", "CN", "TW", "KR", "HK", "GB", "AU", "TH", "SG", "FR", "VN", "NL", "BR", "NG", "RU")
JP = 0
CURRENCIES = ("JPY", "USD", "EUR", "CNY", "TWD", "KRW", "GBP", "SGD")
EXPONENTS = (0, 2, 2, 2, 2, 0, 2, 2)
JPY_PER_UNIT = (1.0, 150.0, 162.0, 21.0, 4.7, 0.108, 192.0, 112.0)
CURRENCY_OF = (0, 1, 3, 4, 5, 1, 6, 1, 1, 7, 2, 1, 2, 1, 1, 1)  # by country; US dollars where no better is listed

TYPES = ("purchase", "account_verification", "refund", "reversal", "cash")
PURCHASE, VERIFICATION, REFUND, REVERSAL, CASH = range(5)
CHANNELS = ("ecom", "moto", "card_present")
ECOM, MOTO, PRESENT = range(3)
ENTRY_MODES = ("81", "01", "05", "07", "10", "90")
KEYED, MANUAL, CHIP, CONTACTLESS, ON_FILE, STRIPE = range(6)
WALLETS = ("apple_pay", "google_pay")

ANSWERS: tuple[tuple[str, str], ...] = (
    ("00", "APPROVED"),
    ("05", "GENERIC"),
    ("14", "BAD_PAN"),
    ("51", "FUNDS"),
    ("54", "BAD_CRED"),
    ("N7", "BAD_CRED"),
    ("57", "POLICY"),
    ("61", "FUNDS"),
    ("59", "FRAUD"),
    ("43", "FRAUD"),
    ("62", "POLICY"),
    ("91", "TECH"),
    ("96", "TECH"),
    ("46", "HARD"),
    ("82", "BAD_CRED"),
    ("65", "FUNDS"),
)
OK, GENERIC, BAD_PAN, FUNDS, EXPIRED, BAD_CVV, POLICY, LIMIT, SUSPECTED, STOLEN, RESTRICTED = range(11)
INOPERATIVE, MALFUNCTION, CLOSED, BAD_CAVV, FREQUENCY = range(11, 16)

CVV2 = ("M", "N", "P", "U")
AVS = ("Y", "A", "Z", "N", "U")
CAVV_RESULTS = ("2", "3", "8", "1", "0", "4")
CAVV_PASSED_Y, CAVV_PASSED_A, _, CAVV_FAILED_Y, _, CAVV_FAILED_A = range(6)

TDS_VERSIONS = ("2.2.0", "2.3.1", "2.1.0")
TDS_STATUS = ("Y", "A", "N", "U", "R", "C")
STATUS_Y, STATUS_A, STATUS_N, STATUS_U, STATUS_R, STATUS_C = range(6)
ECIS = ("05", "06", "07", "02", "01", "00", "5", "6", "7", "04", "03", "08")
EXEMPT_REASONS = ("stored_before_2025", "wallet", "debit_prepaid", "merchant_risk_decision", "mit", "moto")

LANGS = ("ja-JP", "en-US", "zh-CN", "zh-TW", "ko-KR", "vi-VN", "pt-BR")
TIME_ZONES = ("Asia/Tokyo", "America/New_York", "Asia/Shanghai", "Asia/Taipei", "Asia/Seoul", "Europe/London")
EMAIL_DOMAINS = ("gmail.com", "yahoo.co.jp", "icloud.com", "docomo.ne.jp", "ezweb.ne.jp", "outlook.com", "mail.example")
SHIP_METHODS = ("home", "locker", "store_pickup", "office")
REGIONS = 8
POSTAL_PREFIXES = ("060", "980", "150", "460", "530", "730", "760", "810")
"""First three digits of a postal code in each of eight regions, north to south."""

TDS_MODES = ("EVERY_PAYMENT", "CARD_REGISTRATION", "RECURRING_INITIAL", "RISK_BASED", "NONE", "UNKNOWN")
EVERY_PAYMENT, CARD_REGISTRATION, RECURRING_INITIAL, RISK_BASED, NO_TDS, UNKNOWN_TDS = range(6)
ITEM_STATUSES = ("IMPLEMENTED", "ALTERNATIVE", "NOT_IMPLEMENTED", "NOT_APPLICABLE", "UNKNOWN")
NOT_IMPLEMENTED = 2
FRAUD_STATUSES = ("NORMAL", "WATCH", "WARNING", "ACTUALISED", "MONITORED")
