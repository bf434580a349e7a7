"""The texts that are true of the history in a row of features: see `tests.policy.claims`."""

from collections.abc import Callable
from math import isnan

from tests.policy.claims import (
    OF_THE_PAYMENT,
    Claim,
    Claims,
    Row,
    counted,
    distinct,
    listed,
    only,
    share,
    some,
    span,
    three,
)


def card_velocity(v: Row) -> Claims:
    lows = {"1m": 2.0, "10m": 3.0, "1h": 5.0, "24h": 10.0, "7d": 40.0, "30d": 120.0}
    yield from counted(v, "VEL_CARD", "card_attempts", lows, "# attempts with this card in @")
    yield from counted(v, "VEL_CARD", "card_approved", {"1h": 3}, "# approved attempts with this card in @")
    for window, low, words in (("1h", 3, "1 h"), ("24h", 5, "24 h")):
        met = v[f"card_merchants_{window}"]
        if met >= low:
            figure = "8 or more" if met >= 8 else f"{met:.0f}"
            yield Claim("VEL_CARD", f"{figure} merchants with this card in {words}", (f"card_merchants_{window}",))
    if 1 <= v["card_since_last_s"] <= 60:
        text = f"Last event of this card {v['card_since_last_s']:.0f} s before"
        yield Claim("VEL_CARD", text, ("card_since_last_s",))
    yield from only(v, "CARD_NEW", "card_attempts_30d", 0, "No earlier attempt with this card on record in 30 d")
    if 0 <= v["card_age_days"] <= 1:
        yield Claim("CARD_NEW", f"Card first seen {span(86_400 * v['card_age_days'])} ago", ("card_age_days",))


def card_amount(v: Row) -> Claims:
    away, over, mean = v["card_amount_zscore"], v["card_amount_over_mean_30d"], v["card_mean_amount_30d"]
    if away >= 3:
        yield Claim("AMT_ZSCORE", f"Amount {three(away)} deviations above this card's mean", ("card_amount_zscore",))
    if away <= -3:
        yield Claim("AMT_ZSCORE", f"Amount {three(-away)} deviations below this card's mean", ("card_amount_zscore",))
    long, usual = v["card_amount_zscore_long"], v["card_mean_amount_long"]
    if long >= 3 and not isnan(usual):
        text = f"Amount {three(long)} deviations above this card's long-run mean, {usual:,.0f} yen"
        yield Claim("AMT_ZSCORE", text, ("card_amount_zscore_long", "card_mean_amount_long"))
    outliers = v["card_amount_outlier_rate"]
    if outliers >= 0.125 and not isnan(v["card_amount_surprise"]):
        text = f"Of the last amounts of this card {share(outliers)} far above its usual ones"
        yield Claim("AMT_ZSCORE", text, ("card_amount_outlier_rate", "card_amount_surprise"))
    if over >= 3 and not isnan(mean):
        text = f"Amount {three(over)} times this card's mean of 30 d, {mean:,.0f} yen"
        yield Claim("AMT_ZSCORE", text, ("card_amount_over_mean_30d", "card_mean_amount_30d"))
    hour, month = v["card_spend_1h"], v["card_spend_30d"]
    if 5 <= v["card_spend_1h_over_daily"] <= 29.9 and not isnan(hour) and not isnan(month):
        text = f"{hour:,.0f} yen spent with this card in 1 h, of {month:,.0f} yen in 30 d"
        yield Claim("SPEND_CARD", text, ("card_spend_1h_over_daily", "card_spend_1h", "card_spend_30d"))
    lows = {"1h": 1e5, "24h": 2e5, "7d": 4e5, "30d": 8e5}
    yield from counted(v, "SPEND_CARD", "card_spend", lows, "# yen spent with this card in @")


def card_novelty(v: Row) -> Claims:
    names = {"card_new_merchant": "merchant", "card_new_mcc": "category", "card_new_country": "country"}
    names |= {"card_new_device": "device", "card_new_address": "delivery address"}
    yield from listed(v, "CARD_NEW_BEHAVIOUR", "Not among the last ones of this card: ", 1, names)


def prior_declines(v: Row) -> Claims:
    for stem, windows, why in (
        ("cred", ("1h", "24h"), "for its data"),
        ("funds", ("1h", "24h"), "for want of funds"),
        ("risk", ("24h", "7d"), "as risky"),
    ):
        lows = dict.fromkeys(windows, 1.0)
        yield from counted(v, "PRIOR_DECLINES", f"card_{stem}_declines", lows, f"Declines of this card {why} in @: #")
    rate, attempts = v["card_approval_rate_24h"], v["card_attempts_24h"]
    if rate <= 0.5 and attempts >= 2:
        text = f"{share(rate)} of this card's answered attempts in 24 h approved; {attempts:,.0f} attempts"
        yield Claim("PRIOR_DECLINES", text, ("card_approval_rate_24h", "card_attempts_24h"))
    ladder = v["card_funds_ladder"]
    if ladder >= 2:
        text = f"{ladder:.0f} declines in a row for want of funds at falling amounts"
        yield Claim("PRIOR_DECLINES", text, ("card_funds_ladder",))


def small_amounts(v: Row) -> Claims:
    text = "# attempts of at most 500 yen with this card in @"
    yield from counted(v, "TEST_SMALL_AMT", "card_small_attempts", {"1h": 2, "24h": 3}, text)
    yield from counted(v, "TEST_REVERSAL", "card_reversals", {"24h": 2}, "# reversals on this card in @")
    hour, month, attempts = v["merchant_small_rate_1h"], v["merchant_small_rate_30d"], v["merchant_attempts_1h"]
    if hour >= 0.5 and attempts >= 10 and not isnan(month):
        text = f"{share(hour)} of {attempts:,.0f} attempts in 1 h, {share(month)} in 30 d"
        features = ("merchant_small_rate_1h", "merchant_small_rate_30d", "merchant_attempts_1h")
        yield Claim("TEST_SMALL_AMT", f"At most 500 yen at this merchant: {text}", features)


def threeds_failures(v: Row) -> Claims:
    for of in ("card", "device"):
        text = f"3-D Secure failed or cancelled with this {of} in @: #"
        yield from counted(v, "TDS_OTP_RELAY", f"{of}_threeds_failed", {"24h": 1}, text)
    rate, attempts = v["merchant_threeds_failed_rate_24h"], v["merchant_attempts_24h"]
    if rate >= 0.1 and attempts >= 20:
        text = f"3-D Secure failed or cancelled at this merchant: {share(rate)} of {attempts:,.0f} attempts in 24 h"
        yield Claim("TDS_OTP_RELAY", text, ("merchant_threeds_failed_rate_24h", "merchant_attempts_24h"))


def fraud_reports(v: Row) -> Claims:
    yield from counted(v, "FRAUD_REPORTED", "card_reports", {"24h": 1}, "Fraud reports on this card in @: #")
    month, yen = v["card_reports_30d"], v["card_reported_30d"]
    if month >= 1 and not isnan(yen):
        text = f"Fraud reports on this card in 30 d: {month:,.0f}, of {yen:,.0f} yen"
        yield Claim("FRAUD_REPORTED", text, ("card_reports_30d", "card_reported_30d"))
    if v["card_reports_ever"] >= 1:
        text = f"Fraud reports on this card so far: {v['card_reports_ever']:,.0f}"
        yield Claim("FRAUD_REPORTED", text, ("card_reports_ever",))
    yield from counted(v, "FRAUD_REPORTED", "merchant_reports", {"24h": 1}, "Fraud reports of this merchant in @: #")
    week, rate = v["merchant_reports_7d"], v["merchant_report_rate_7d"]
    if week >= 1 and not isnan(rate):
        text = f"Fraud reports of this merchant in 7 d: {week:,.0f}"
        yield Claim("FRAUD_REPORTED", text, ("merchant_reports_7d", "merchant_report_rate_7d"))
    month, yen, rate = v["merchant_reports_30d"], v["merchant_reported_30d"], v["merchant_report_rate_30d"]
    if month >= 1 and not isnan(yen) and not isnan(rate):
        text = f"Fraud reports of this merchant in 30 d: {month:,.0f}, of {yen:,.0f} yen"
        features = ("merchant_reports_30d", "merchant_reported_30d", "merchant_report_rate_30d")
        yield Claim("FRAUD_REPORTED", text, features)
    rate, attempts = v["merchant_mature_report_rate_30d"], v["merchant_mature_attempts_30d"]
    if rate >= 0.01 and attempts >= 20:
        text = (
            f"Fraud reports of this merchant in 30 d: {share(rate)} of the {attempts:,.0f} attempts that they speak of"
        )
        yield Claim("FRAUD_REPORTED", text, ("merchant_mature_report_rate_30d", "merchant_mature_attempts_30d"))


def merchant_velocity(v: Row) -> Claims:
    hour, month = v["merchant_attempts_1h"], v["merchant_attempts_30d"]
    if v["merchant_attempts_1h_over_usual"] >= 3 and hour >= 10 and not isnan(month):
        text = f"{hour:,.0f} attempts at this merchant in 1 h, of {month:,.0f} in 30 d"
        features = ("merchant_attempts_1h_over_usual", "merchant_attempts_1h", "merchant_attempts_30d")
        yield Claim("VEL_MERCHANT", text, features)
    over = v["merchant_amount_over_mean_30d"]
    if over >= 3:
        text = f"Amount {three(over)} times the mean of this merchant in 30 d"
        yield Claim("AMT_MERCHANT", text, ("merchant_amount_over_mean_30d",))
    refunds, week = v["merchant_refunds_over_attempts_7d"], v["merchant_attempts_7d"]
    if refunds >= 0.3 and week >= 20:
        text = f"{share(refunds)} refunds over {week:,.0f} attempts at this merchant in 7 d"
        yield Claim("REFUND_ANOMALY", text, ("merchant_refunds_over_attempts_7d", "merchant_attempts_7d"))
    if month <= 4:
        text = f"Earlier attempts at this merchant on record in 30 d: {month:.0f}"
        yield Claim("MERCHANT_QUIET", text, ("merchant_attempts_30d",))


def merchant_declines(v: Row) -> Claims:
    hour, day = v["merchant_attempts_1h"], v["merchant_attempts_24h"]
    rates = [(name, v[f"merchant_{name}"]) for name in ("approval_rate_1h", "approval_rate_24h")]
    for (name, rate), attempts, window, enough in zip(rates, (hour, day), ("1 h", "24 h"), (10, 20), strict=True):
        if rate <= 0.7 and attempts >= enough:
            text = f"{share(rate)} of answered attempts at this merchant in {window} approved; {attempts:,.0f} attempts"
            features = (f"merchant_{name}", f"merchant_attempts_{window.replace(' ', '')}")
            yield Claim("MERCHANT_APPROVAL_DROP", text, features)
    risk, cred = v["merchant_risk_rate_24h"], v["merchant_cred_rate_1h"]
    if risk >= 0.1 and day >= 20:
        text = f"{share(risk)} of answered attempts at this merchant in 24 h declined as risky; {day:,.0f} attempts"
        yield Claim("MERCHANT_APPROVAL_DROP", text, ("merchant_risk_rate_24h", "merchant_attempts_24h"))
    if cred >= 0.1 and hour >= 10:
        text = (
            f"{share(cred)} of answered attempts at this merchant in 1 h declined for card data; {hour:,.0f} attempts"
        )
        yield Claim("MERCHANT_APPROVAL_DROP", text, ("merchant_cred_rate_1h", "merchant_attempts_1h"))


def enumeration(v: Row) -> Claims:
    text = "# cards of this BIN at this merchant in @"
    yield from distinct(v, "ENUM_BIN_BURST", "merchant_bin_cards", {"10m": 5, "1h": 10}, text)
    text = "# attempts with this BIN at this merchant in @"
    yield from counted(v, "ENUM_BIN_BURST", "merchant_bin_attempts", {"10m": 10}, text)
    text = "# attempts with this BIN at this merchant declined for card data in @"
    yield from counted(v, "ENUM_BIN_BURST", "merchant_bin_cred_declines", {"10m": 3}, text)
    text = "# network addresses with this BIN at this merchant in @"
    yield from distinct(v, "ENUM_BIN_BURST", "merchant_bin_ips", {"1h": 10}, text)
    attempts, cred, approved = (
        v[f"merchant_bin_{name}"] for name in ("attempts_10m", "cred_rate_1h", "approval_rate_1h")
    )
    whole = "answered attempts with this BIN at this merchant in 1 h"
    if cred >= 0.3 and attempts >= 5:
        text = f"{share(cred)} of {whole} declined for card data; {attempts:,.0f} attempts in 10 min"
        yield Claim("ENUM_BIN_BURST", text, ("merchant_bin_cred_rate_1h", "merchant_bin_attempts_10m"))
    if approved <= 0.3 and attempts >= 5:
        text = f"{share(approved)} of {whole} approved; {attempts:,.0f} attempts in 10 min"
        yield Claim("ENUM_BIN_BURST", text, ("merchant_bin_approval_rate_1h", "merchant_bin_attempts_10m"))
    text = "# attempts with this BIN declined for card data in @"
    yield from counted(v, "ENUM_BIN_BURST", "bin_cred_declines", {"10m": 5}, text)
    rate, declines = v["bin_cred_rate_1h"], v["bin_cred_declines_10m"]
    if rate >= 0.3 and declines >= 3:
        text = (
            f"{share(rate)} of answered attempts with this BIN in 1 h declined for card data; {declines:,.0f} in 10 min"
        )
        yield Claim("ENUM_BIN_BURST", text, ("bin_cred_rate_1h", "bin_cred_declines_10m"))
    yield from distinct(v, "ENUM_MERCHANT_CARDS", "merchant_cards", {"10m": 30}, "# cards at this merchant in @")


def cards_at_once(v: Row, id_: str, stem: str, spoken: str, windows: tuple[str, str]) -> Claims:
    cards, age, others = f"{stem}_cards_24h", f"{stem}_age_days", tuple(f"{stem}_cards_{window}" for window in windows)
    if v[cards] >= 2 and 0 <= v[age] <= 1 and not any(isnan(v[other]) for other in others):
        text = f"{some(cards, v[cards])} cards with this {spoken} in 24 h, first seen {span(86_400 * v[age])} ago"
        yield Claim(id_, text, (cards, age, *others))


def device_velocity(v: Row) -> Claims:
    yield from cards_at_once(v, "VEL_DEVICE_CARDS", "device", "device", ("1h", "7d"))
    text = "# cards with this device in @"
    yield from distinct(v, "VEL_DEVICE_CARDS", "device_cards", {"1h": 2, "24h": 3, "7d": 4}, text)
    text = "# attempts with this device in @"
    yield from counted(v, "VEL_DEVICE_CARDS", "device_attempts", {"1h": 3, "24h": 8}, text)
    text = "# attempts with this device declined for card data in @"
    yield from counted(v, "VEL_DEVICE_CARDS", "device_cred_declines", {"24h": 2}, text)
    yield from distinct(v, "VEL_DEVICE_MERCHANTS", "device_merchants", {"1h": 4}, "# merchants with this device in @")
    yield from distinct(v, "VEL_DEVICE_ACCOUNTS", "device_accounts", {"24h": 3}, "# accounts with this device in @")
    if 0 <= v["device_age_days"] <= 1:
        yield Claim("DEVICE_NEW", f"Device first seen {span(86_400 * v['device_age_days'])} ago", ("device_age_days",))
    yield from only(v, "DEVICE_NEW", "device_cards_7d", 0, "No earlier attempt with this device on record in 7 d")


def ip_velocity(v: Row) -> Claims:
    yield from distinct(v, "VEL_IP_CARDS", "ip_cards", {"1h": 5, "24h": 10}, "# cards with this network address in @")
    text = "# attempts with this network address in @"
    yield from counted(v, "VEL_IP_CARDS", "ip_attempts", {"10m": 5, "1h": 10}, text)
    text = "# attempts with this network address declined for card data in @"
    yield from counted(v, "VEL_IP_CARDS", "ip_cred_declines", {"1h": 3}, text)
    text = "# merchants with this network address in @"
    yield from distinct(v, "VEL_IP_MERCHANTS", "ip_merchants", {"1h": 5}, text)
    yield from distinct(v, "VEL_IP_ACCOUNTS", "ip_accounts", {"24h": 5}, "# accounts with this network address in @")
    if 0 <= v["ip_age_days"] <= 1:
        yield Claim("IP_NEW", f"Network address first seen {span(86_400 * v['ip_age_days'])} ago", ("ip_age_days",))
    text = "No earlier attempt with this network address on record in 24 h"
    yield from only(v, "IP_NEW", "ip_cards_24h", 0, text)


def account_velocity(v: Row) -> Claims:
    text = "# cards with this account in @"
    yield from distinct(v, "VEL_ACCOUNT_CARDS", "account_cards", {"24h": 3, "30d": 4}, text)
    yield from counted(v, "VEL_ACCOUNT_CARDS", "account_attempts", {"24h": 5}, "# attempts with this account in @")
    yield from distinct(v, "VEL_ACCOUNT_DEVICES", "account_devices", {"30d": 4}, "# devices with this account in @")
    yield from counted(v, "SPEND_ACCOUNT", "account_spend", {"24h": 1e5}, "# yen spent with this account in @")
    text = "No earlier attempt with this account on record in 30 d"
    yield from only(v, "ACCOUNT_QUIET", "account_cards_30d", 0, text)


def address_velocity(v: Row) -> Claims:
    yield from cards_at_once(v, "VEL_ADDR_CARDS", "address", "delivery address", ("7d", "30d"))
    text = "# cards with this delivery address in @"
    yield from distinct(v, "VEL_ADDR_CARDS", "address_cards", {"24h": 3, "7d": 3, "30d": 4}, text)
    text = "# accounts with this delivery address in @"
    yield from distinct(v, "VEL_ADDR_ACCOUNTS", "address_accounts", {"7d": 3}, text)
    text = "# attempts with this delivery address in @"
    yield from counted(v, "VEL_ADDR_ATTEMPTS", "address_attempts", {"24h": 5}, text)
    yield from counted(v, "SPEND_ADDR", "address_spend", {"7d": 2e5}, "# yen spent with this delivery address in @")
    age = v["address_age_days"]
    if 0 <= age <= 1:
        yield Claim("ADDR_NEW", f"Delivery address first seen {span(86_400 * age)} ago", ("address_age_days",))
    text = "No earlier attempt with this delivery address on record in 30 d"
    yield from only(v, "ADDR_NEW", "address_cards_30d", 0, text)


CLAIMS: dict[str, Callable[[Row], Claims]] = OF_THE_PAYMENT | {
    claims.__name__: claims
    for claims in (
        *(card_velocity, card_amount, card_novelty, prior_declines, small_amounts, threeds_failures, fraud_reports),
        *(merchant_velocity, merchant_declines, enumeration),
        *(device_velocity, ip_velocity, account_velocity, address_velocity),
    )
}
"""By family of features."""
