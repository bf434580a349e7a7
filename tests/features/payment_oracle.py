"""Every input of PAYMENT_FEATURES in plain Python, from the event and its merchant's record as they are on the topics.

It follows the texts of the features and shares no code with the kernels. `None` is unknown everywhere; codes are
numbered as in the contract.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from math import floor, log1p
from typing import Any

from tests.threeds import threeds_oracle as threeds

Json = dict[str, Any]
Inputs = dict[str, float | None]

TOKYO = timezone(timedelta(hours=9))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000
EXPONENTS = {"JPY": 0, "KRW": 0, "USD": 2, "EUR": 2, "TWD": 2, "KWD": 3}

NETWORKS = ["visa", "mastercard", "jcb", "amex", "diners", "discover", "unionpay", "other"]
FUNDINGS = ["credit", "debit", "prepaid"]
CHANNELS = ["ecom", "moto", "card_present", "other"]
TYPES = ["purchase", "cash", "account_verification", "refund", "reversal"]
STATUSES = ["UNKNOWN", "ABSENT", "AUTHENTICATED", "ATTEMPTED", "NOT_AUTHENTICATED", "UNAVAILABLE", "REJECTED"]
STATUSES += ["INFORMATIONAL", "INCOMPLETE"]
ECI_CLASSES = ["UNKNOWN", "AUTHENTICATED", "ATTEMPTED", "NONE", "DATA_ONLY", "EXEMPT", "RECURRING", "MOTO", "STORED"]
ECI_CLASSES += ["IMPOSSIBLE"]
LIABILITIES = ["UNKNOWN", "SHIFT", "NO_SHIFT"]
EXPECTATIONS = ["UNKNOWN", "REQUIRED", "NOT_REQUIRED"]

MODES = ["EVERY_PAYMENT", "CARD_REGISTRATION", "RECURRING_INITIAL", "RISK_BASED", "NONE"]
FRAUD_STATUSES = ["NORMAL", "WATCH", "WARNING", "ACTUALISED", "MONITORED"]
INTEGRATIONS = ["redirect", "js_token", "server_side"]
ITEMS = ["SC1_ADMIN", "SC2_DIR", "SC3_WEBAPP", "SC4_MALWARE", "SC5_CREDMASTER", "SC6_LOGIN"]

NO_COUNTRY = {"XX", "ZZ", "EU", "AP", "T1", "Jp", "--"}
"""Two characters that are no country; and Jp, a spelling that no one uses."""

GROUPS = [*("unknown", "other", "digital", "appliances", "e_money", "tickets", "lodging", "travel", "grocery")]
GROUPS += ["restaurant", "fuel", "fashion", "health", "utilities", "transport", "entertainment", "donation"]
GROUPS += ["gambling", "services", "mail_order"]
HIGH_RISK = {"digital", "appliances", "e_money", "tickets", "lodging"}


def group_of(mcc: int) -> str:
    """Name the group of a merchant category; the first line that has it decides."""
    for name, spans in (
        ("unknown", [0]),
        ("digital", [range(5815, 5819)]),
        ("appliances", [5045, 5722, 5732]),
        ("e_money", [6051, 6540]),
        ("tickets", [4111, 4112, 4511, 4722, 7922, 7941, 7991]),
        ("gambling", [range(7800, 7803), 7995]),
        ("lodging", [range(3501, 4000), 7011]),
        ("travel", [range(3000, 3501), 4411, 4723]),
        ("grocery", [range(5300, 5312), range(5411, 5500)]),
        ("restaurant", [range(5811, 5815)]),
        ("fuel", [5541, 5542]),
        ("fashion", [range(5600, 5700), 5944, 5977]),
        ("health", [5912, range(8011, 8100)]),
        ("utilities", [range(4812, 4817), 4899, 4900]),
        ("transport", [range(4121, 4132), range(4784, 4790)]),
        ("entertainment", [range(7829, 7842), range(7992, 8000)]),
        ("donation", [8398, range(8641, 8662)]),
        ("mail_order", [range(5960, 5970)]),
        ("services", [range(7200, 7400), range(8000, 8300), range(8900, 9000)]),
    ):
        if any(mcc == span if isinstance(span, int) else mcc in span for span in spans):
            return name
    return "other"


def payment_inputs(event: Json, record: Json | None, rates: Mapping[str, float]) -> Inputs:
    """Compute all inputs of an event by name, in the order of the model's columns. `rates` are yen per major unit."""
    return {
        **of_amount(event["amount"], rates),
        **of_time(event),
        **of_goods(event, record or {}),
        **of_instrument(event),
        **of_countries(event),
        **of_parties(event),
        **of_threeds(event, record),
        **of_merchant(event, record or {}),
    }


def section(event: Json, name: str) -> Json:
    """Give a section of an event, empty if it is missing."""
    found: Json | None = event.get(name)
    return found or {}


def ms_of(stamp: str) -> int:
    """Truncate a time to whole milliseconds."""
    return (datetime.fromisoformat(stamp) - EPOCH) // timedelta(milliseconds=1)


def flag(value: bool | None) -> float | None:
    """Write yes and no as 1 and 0."""
    return None if value is None else float(value)


def place(names: list[str], name: str | None, first: int = 1) -> float:
    """Number a name by its place in a list; 0 if it is not in the list."""
    return float(names.index(name) + first) if name in names else 0.0


def of_amount(amount: Json, rates: Mapping[str, float]) -> Inputs:
    """Whole yen: the amount itself, else the yen beside it, else by the rate, half a yen rounded up."""
    currency, minor, yen = amount["currency"], amount["minor"], amount.get("jpy")
    if currency == "JPY":
        yen = minor
    elif yen is None and currency in rates:
        yen = floor(minor * rates[currency] / 10 ** EXPONENTS[currency] + 0.5)
    return {
        "amount_log": None if yen is None else log1p(yen),
        "amount_round": float(yen % 1000 == 0) if yen else None,
        "amount_foreign": float(currency != "JPY"),
    }


def of_time(event: Json) -> Inputs:
    """Hour and weekday on a clock in Tokyo."""
    local = datetime.fromisoformat(event["event_ts"]).astimezone(TOKYO)
    return {"hour_jst": float(local.hour), "weekday_jst": float(local.weekday())}


def of_goods(event: Json, record: Json) -> Inputs:
    """The group of the category; risk by the merchant's declared goods, else by the category."""
    group, goods = group_of(int(event["merchant"]["mcc"])), record.get("goods_class")
    risky = any(kind != "OTHER" for kind in goods) if goods else group in HIGH_RISK
    return {"mcc_group": float(GROUPS.index(group)), "goods_high_risk": float(risky)}


def of_instrument(event: Json) -> Inputs:
    """Card, channel and kind of payment."""
    card, txn, mode = event["card"], event["txn"], section(event, "pos").get("entry_mode") or ""
    digits = mode[:2] if mode[:2].isascii() and mode[:2].isdigit() else "00"
    wallet = txn.get("wallet")
    return {
        "network": place(NETWORKS, card["network"]),
        "funding": place(FUNDINGS, card.get("funding")),
        "channel": place(CHANNELS, txn["channel"]),
        "txn_type": place(TYPES, txn["type"]),
        "merchant_initiated": float(txn["initiator"] == "MIT"),
        "recurring": flag(txn.get("recurring")),
        "wallet": None if wallet is None else float(wallet.lower() != "none"),
        "entry_mode": float(digits) if int(digits) in {*range(1, 11), 79, 80, 81, 82, 90, 91, 92, 95} else None,
    }


def of_countries(event: Json) -> Inputs:
    """Whether countries differ; unknown if one is unknown."""
    raw = (
        event["card"].get("issuer_country"),
        event["merchant"]["country"],
        section(event, "net").get("ip_country"),
        section(event, "ship").get("country"),
    )
    issuer, merchant, address, delivery = (None if text is None or text in NO_COUNTRY else text.upper() for text in raw)

    def differ(one: str | None, other: str | None) -> float | None:
        return None if one is None or other is None else float(one != other)

    return {
        "issuer_foreign": differ(issuer, merchant),
        "ip_country_differs": differ(issuer, address),
        "ship_country_differs": differ(issuer, delivery),
        "ship_foreign": differ(merchant, delivery),
    }


def of_parties(event: Json) -> Inputs:
    """Device, network address, account and delivery: whether they are named, and their values."""
    net, ship, shopper = section(event, "net"), section(event, "ship"), section(event, "shopper")
    credential, checks = section(event, "credential"), section(event, "checks")
    age, stored_at = threeds.number(shopper.get("account_age_ind"), range(1, 6)), credential.get("registered_at")

    def listed(code: str | None, last: int) -> float | None:
        number = threeds.number(code, range(1, last + 1))
        return None if number is None else float(number)

    def result(name: str, known: str) -> float:
        letter = threeds.bare(checks.get(name)) or ""
        return float(ord(letter.upper())) if len(letter) == 1 and letter in known + known.lower() else 0.0

    return {
        "proxy": flag(net.get("proxy")),
        "forwarder": flag(ship.get("is_forwarder")),
        "has_device": float("fp_hmac" in section(event, "device")),
        "has_ip": float("ip_hmac" in net),
        "has_account": float("account_hmac" in shopper),
        "has_address": float("addr_hmac" in ship),
        "account_age": None if age is None else float(age),
        "account_changed": listed(shopper.get("account_change_ind"), 4),
        "password_changed": listed(shopper.get("password_change_ind"), 5),
        "address_usage": listed(ship.get("usage_ind"), 4),
        "account_suspicious": {1.0: 0.0, 2.0: 1.0}.get(listed(shopper.get("suspicious_activity"), 2) or 0.0),
        "stored_credential": flag(credential.get("stored")),
        "stored_age_days": None if stored_at is None else (ms_of(event["event_ts"]) - ms_of(stored_at)) / DAY_MS,
        "cvv2_result": result("cvv2", "MNPSUY"),
        "avs_result": result("avs", "ABCDEFGIKLMNOPRSTUWXYZ"),
    }


def of_threeds(event: Json, record: Json | None) -> Inputs:
    """The verdict as codes, and the other fields of the event's 3-D Secure."""
    read = threeds.Event(event, record)
    plain = threeds.model_inputs(read)
    expected = {"tds_expected": float(EXPECTATIONS.index(threeds.expected(read)))}
    verdict = {
        "tds_status": float(STATUSES.index(threeds.status(read))),
        "tds_eci_class": float(ECI_CLASSES.index(threeds.eci_class(read))),
        "tds_liability": float(LIABILITIES.index(threeds.liability(read))),
    }
    before = ("tds_static", "tds_challenged", "tds_reason", "tds_device_channel", "tds_age_s")
    return verdict | {name: plain.pop(name) for name in before} | expected | plain


def of_merchant(event: Json, record: Json) -> Inputs:
    """Values of the merchant's record and its Security Checklist."""
    now = ms_of(event["event_ts"])
    checklist = section(record, "checklist")
    items = section(checklist, "items")
    states = [items.get(code, {}).get("status", "UNKNOWN") for code in ITEMS]
    attested, source = checklist.get("attested_at"), checklist.get("source")
    mode, status = section(record, "tds").get("mode"), record.get("fraud_status")
    integration, contracted = record.get("integration"), record.get("contracted_on")
    since = None if contracted is None else datetime.combine(date.fromisoformat(contracted), datetime.min.time(), TOKYO)
    return {
        "chk_in_place": float(states.count("IMPLEMENTED") + states.count("ALTERNATIVE")),
        "chk_gaps": float(states.count("NOT_IMPLEMENTED")),
        "chk_gap_credmaster": float(states[ITEMS.index("SC5_CREDMASTER")] == "NOT_IMPLEMENTED"),
        "chk_gap_login": float(states[ITEMS.index("SC6_LOGIN")] == "NOT_IMPLEMENTED"),
        "chk_stale": None if attested is None else float(now - ms_of(attested) > 365 * DAY_MS),
        "chk_self_declared": None if source is None else float(source == "SELF_DECLARED"),
        "merchant_tds_mode": place(MODES, mode),
        "merchant_age_days": None if since is None else (now - ms_of(since.isoformat())) / DAY_MS,
        "merchant_fraud_status": None if status is None else float(FRAUD_STATUSES.index(status)),
        "merchant_integration": float(INTEGRATIONS.index(integration)) if integration in INTEGRATIONS else None,
    }
