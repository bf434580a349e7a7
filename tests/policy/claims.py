"""The texts that are true of a row of features, in plain Python: every claim of every family, with its figures.

Written from the meaning of the features, without the product's tables: a condition is an `if`, a text an f-string.
Comparisons with NaN are false, so a missing value makes no claim.
"""

from collections.abc import Callable, Iterator
from math import expm1, log
from typing import NamedTuple

IN = {"1m": "1 min", "10m": "10 min", "1h": "1 h", "24h": "24 h", "7d": "7 d", "30d": "30 d"}
Row = dict[str, float]


class Claim(NamedTuple):
    """A reason's id, its English text, and the features that it is about."""

    id: str
    en: str
    features: tuple[str, ...]


Claims = Iterator[Claim]


def three(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def share(value: float) -> str:
    return three(value * 100) + "%"


def span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:,.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:,.0f} min"
    return f"{seconds / 3_600:,.0f} h" if seconds < 172_800 else f"{seconds / 86_400:,.0f} d"


SLOTS = {"merchant_card": 256, "merchant_bin_card": 128, "bin_card": 256, "bin_merchant": 64}
SLOTS |= {"device_card": 64, "ip_card": 64, "address_card": 64}


def some(feature: str, value: float) -> str:
    """Write an estimated number of distinct elements; a full counter of m slots means m ln(2m) or more."""
    slots = SLOTS.get(feature.rsplit("s_", 1)[0], 32)
    return f"{'About' if value < round(slots * log(2 * slots), 6) else 'At least'} {value:,.0f}"


def counted(v: Row, id_: str, stem: str, lows: dict[str, float], text: str) -> Claims:
    """Claim a count over windows: `text` has # for the figure and @ for the window."""
    for window, low in lows.items():
        feature = f"{stem}_{window}"
        if v[feature] >= low:
            yield Claim(id_, text.replace("#", f"{v[feature]:,.0f}").replace("@", IN[window]), (feature,))


def distinct(v: Row, id_: str, stem: str, lows: dict[str, float], text: str) -> Claims:
    for window, low in lows.items():
        feature = f"{stem}_{window}"
        if v[feature] >= low:
            yield Claim(id_, text.replace("#", some(feature, v[feature])).replace("@", IN[window]), (feature,))


def only(v: Row, id_: str, feature: str, value: float, text: str) -> Claims:
    if v[feature] == value:
        yield Claim(id_, text, (feature,))


def worded(v: Row, id_: str, feature: str, text: str, words: dict[int, str]) -> Claims:
    if v[feature] in words:
        yield Claim(id_, text.replace("#", words[int(v[feature])]), (feature,))


def listed(v: Row, id_: str, text: str, value: float, names: dict[str, str]) -> Claims:
    found = tuple(feature for feature in names if v[feature] == value)
    if found:
        yield Claim(id_, text + ", ".join(names[feature] for feature in found), found)


def amount(v: Row) -> Claims:
    jpy = expm1(v["amount_log"])
    if jpy >= 29_999.5:
        yield Claim("AMT_HIGH", f"High amount: {jpy:,.0f} yen", ("amount_log",))
    if jpy <= 500.5:
        yield Claim("AMT_SMALL", f"Small amount, as in card testing: {jpy:,.0f} yen", ("amount_log",))
    if v["amount_round"] == 1 and jpy >= 9_999.5:
        yield Claim("AMT_ROUND", f"Round amount: {jpy:,.0f} yen", ("amount_round", "amount_log"))
    yield from only(v, "AMT_FOREIGN", "amount_foreign", 1, "Amount in a currency other than the yen")


def time(v: Row) -> Claims:
    hour = v["hour_jst"]
    if hour in {0, 1, 2, 3, 4, 5}:
        yield Claim("NIGHT", f"Night in Tokyo: {hour:02.0f}:00 to {hour:02.0f}:59", ("hour_jst",))


GROUPS = "digital content,home appliances,electronic money,tickets,lodging,travel,groceries,restaurants,fuel,fashion"
GROUPS += ",health,utilities,transport,entertainment,donations,gambling,services,mail order"


def goods(v: Row) -> Claims:
    group = dict(enumerate(GROUPS.split(","), start=2)).get(v["mcc_group"])  # type: ignore[call-overload]  # 2.0 is 2
    both = ("goods_high_risk", "mcc_group")
    if v["goods_high_risk"] == 1 and group:
        yield Claim("HR_GOODS", f"High-risk goods or category; category: {group}", both)
    if v["goods_high_risk"] == 1:
        yield Claim("HR_GOODS", "High-risk goods or category", ("goods_high_risk",))
    if v["goods_high_risk"] == 0 and group:
        yield Claim("MCC_GROUP", f"Merchant category: {group}", both)


def instrument(v: Row) -> Claims:
    yield from worded(v, "BIN_RISK", "funding", "Kind of card: #", {1: "credit", 2: "debit", 3: "prepaid"})
    networks = ("Visa", "Mastercard", "JCB", "American Express", "Diners Club", "Discover", "UnionPay")
    yield from worded(v, "BIN_RISK", "network", "Card network: #", dict(enumerate(networks, start=1)))
    channels = {1: "e-commerce", 2: "mail or telephone order", 3: "card present"}
    yield from worded(v, "BIN_RISK", "channel", "Channel: #", channels)
    types = ("purchase", "cash", "account verification", "refund", "reversal")
    yield from worded(v, "BIN_RISK", "txn_type", "Transaction: #", dict(enumerate(types, start=1)))
    yield from only(v, "BIN_RISK", "merchant_initiated", 1, "Initiated by the merchant (MIT)")
    yield from only(v, "BIN_RISK", "merchant_initiated", 0, "Initiated by the cardholder (CIT)")
    yield from only(v, "BIN_RISK", "recurring", 1, "Recurring payment")
    yield from only(v, "BIN_RISK", "recurring", 0, "Not a recurring payment")
    yield from only(v, "BIN_RISK", "wallet", 1, "Paid through a device wallet")
    yield from only(v, "BIN_RISK", "wallet", 0, "Not paid through a device wallet")
    if v["entry_mode"] >= 0:
        yield Claim("BIN_RISK", f"Point-of-service entry mode {v['entry_mode']:02.0f}", ("entry_mode",))


def geography(v: Row) -> Claims:
    pairs = {"issuer_foreign": "card and merchant", "ip_country_differs": "card and network address"}
    pairs |= {"ship_country_differs": "card and delivery", "ship_foreign": "merchant and delivery"}
    yield from listed(v, "GEO_MISMATCH", "Countries differ: ", 1, pairs)
    yield from only(v, "NET_PROXY", "proxy", 1, "Network address of a proxy")
    yield from only(v, "SHIP_FORWARDER", "forwarder", 1, "Delivery to a freight forwarder")


def presence(v: Row) -> Claims:
    names = {"has_device": "device", "has_ip": "network address", "has_account": "account"}
    yield from listed(v, "DATA_MISSING", "Not in the event: ", 0, names | {"has_address": "delivery address"})


def account(v: Row) -> Claims:
    names = {"account_new_card": "card", "account_new_device": "device", "account_new_address": "delivery address"}
    yield from listed(v, "ATO_CHANGE", "Not seen with this account for 30 d: ", 1, names)
    if v["parties_new_24h"] >= 2:
        text = f"{v['parties_new_24h']:,.0f} of device, network address and delivery address first seen within 24 h"
        yield Claim("PARTIES_NEW", text, ("parties_new_24h",))
    yield from only(v, "ATO_CHANGE", "password_changed", 2, "Password changed with this payment")
    yield from only(v, "ATO_CHANGE", "password_changed", 3, "Password changed less than 30 d ago")
    yield from only(v, "ATO_CHANGE", "account_changed", 1, "Account data changed with this payment")
    yield from only(v, "ATO_CHANGE", "account_changed", 2, "Account data changed less than 30 d ago")
    yield from only(v, "ATO_CHANGE", "address_usage", 1, "Delivery address used by the account for the first time")
    yield from only(v, "ATO_CHANGE", "account_suspicious", 1, "Merchant observed suspicious activity in the account")
    yield from only(v, "ATO_CHANGE", "account_age", 2, "Account created with this payment")
    yield from only(v, "ATO_CHANGE", "account_age", 3, "Account less than 30 d old")
    yield from only(v, "ACCOUNT_GUEST", "account_age", 1, "Guest checkout, no account")
    stored, seen = v["stored_age_days"], v["account_age_days"]
    if 0 <= stored <= 1:
        yield Claim("ATO_CHANGE", f"Card stored {span(86_400 * stored)} before this payment", ("stored_age_days",))
    if 0 <= seen <= 1:
        yield Claim("ATO_CHANGE", f"Account first seen {span(86_400 * seen)} ago", ("account_age_days",))


def card_checks(v: Row) -> Claims:
    yield from only(v, "CVV_FAIL", "cvv2_result", 78, "Security code failed")
    yield from only(v, "AVS_FAIL", "avs_result", 78, "Address check failed")


ECI = "authenticated,attempted,no authentication,data only,exempt,recurring,mail or telephone order,stored credential,"
ECI += "a value that the network does not define"
STATUS = "absent,authenticated,attempted,not authenticated,unavailable,rejected,informational only,incomplete"


def threeds(v: Row) -> Claims:
    by_status = dict(enumerate(STATUS.split(","), start=1))
    yield from worded(v, "TDS_STATUS", "tds_status", "3-D Secure result: #", by_status)
    yield from worded(v, "TDS_STATUS", "tds_eci_class", "ECI: #", dict(enumerate(ECI.split(","), start=1)))
    bearers = {1: "with the issuer", 2: "not with the issuer"}
    yield from worded(v, "TDS_STATUS", "tds_liability", "Liability by 3-D Secure: #", bearers)
    yield from only(v, "TDS_STATIC_AUTH", "tds_static", 1, "3-D Secure with a static password")
    yield from only(v, "TDS_STATUS", "tds_challenged", 1, "3-D Secure with a challenge")
    if v["tds_reason"] >= 1:
        yield Claim("TDS_STATUS", f"3-D Secure status reason {v['tds_reason']:02.0f}", ("tds_reason",))
    ways = {1: "an app", 2: "a browser", 3: "3RI"}
    yield from worded(v, "TDS_STATUS", "tds_device_channel", "3-D Secure through #", ways)
    age = v["tds_age_s"]
    if age >= 3_600:
        yield Claim("TDS_STATUS", f"3-D Secure {span(age)} before this payment", ("tds_age_s",))
    if age <= -60:
        yield Claim("TDS_STATUS", f"3-D Secure dated {span(-age)} after this payment", ("tds_age_s",))


def threeds_absent(v: Row) -> Claims:
    yield from only(v, "TDS_ABSENT_REQUIRED", "tds_missing", 1, "3-D Secure was due and is missing")


def threeds_consistency(v: Row) -> Claims:
    text = "ECI and 3-D Secure result contradict each other"
    yield from only(v, "TDS_INCONSISTENT", "tds_eci_disagrees", 1, text)
    text = "ECI claims an authentication without its cryptogram"
    yield from only(v, "TDS_INCONSISTENT", "tds_cavv_missing", 1, text)
    yield from only(v, "TDS_CAVV_FAIL", "tds_cavv_failed", 1, "Cryptogram found wrong by the network")
    yield from only(v, "TDS_INCONSISTENT", "tds_refused", 1, "Submitted although 3-D Secure ended in N or R")
    over = v["tds_amount_over"]
    if over >= 1.01:
        yield Claim("TDS_INCONSISTENT", f"Amount {three(over)} times the authenticated amount", ("tds_amount_over",))


def checklist(v: Row) -> Claims:
    gaps = v["chk_gaps"]
    if gaps >= 1:
        text = f"Security Checklist of this merchant: {gaps:.0f} of 6 items not in place"
        yield Claim("CHK_GAP", text, ("chk_gaps",))
    text = "Merchant without measures against card testing (SC5)"
    yield from only(v, "CHK_GAP", "chk_gap_credmaster", 1, text)
    yield from only(v, "CHK_GAP", "chk_gap_login", 1, "Merchant without measures against illegal login (SC6)")
    yield from only(v, "CHK_STALE", "chk_stale", 1, "Security Checklist attested more than a year ago")
    text = "Security Checklist attested by the merchant alone"
    yield from only(v, "CHK_SELF_DECLARED", "chk_self_declared", 1, text)


def merchant_profile(v: Row) -> Claims:
    statuses = {1: "watch", 2: "warning", 3: "fraud actualised", 4: "monitored"}
    yield from worded(v, "MERCHANT_STATUS", "merchant_fraud_status", "Fraud status of this merchant: #", statuses)
    days = v["merchant_age_days"]
    if 0 <= days <= 180:
        yield Claim("MERCHANT_STATUS", f"Merchant under contract for {span(86_400 * days)}", ("merchant_age_days",))
    modes = ("on every payment", "when a card is registered", "on the first payment of a series", "by risk", "never")
    by_mode = dict(enumerate(modes, start=1))
    yield from worded(v, "MERCHANT_STATUS", "merchant_tds_mode", "Merchant uses 3-D Secure #", by_mode)
    ways = {0: "redirect", 1: "JavaScript token", 2: "server side"}
    yield from worded(v, "MERCHANT_STATUS", "merchant_integration", "Merchant's integration: #", ways)


OF_THE_PAYMENT: dict[str, Callable[[Row], Claims]] = {
    claims.__name__: claims
    for claims in (
        *(amount, time, goods, instrument, geography, presence, account, card_checks, threeds, threeds_absent),
        *(threeds_consistency, checklist, merchant_profile),
    )
}
