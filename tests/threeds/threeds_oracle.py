"""The 3-D Secure verdict and its model inputs in plain Python, from raw JSON; it shares no code with the kernels.

It follows the published ECI tables, Visa's CAVV result codes and Japan's Credit Card Security Guidelines. `None` is
unknown everywhere.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

Json = dict[str, Any]
BLANKS = "".join(map(chr, range(33)))
MANDATE = datetime(2025, 3, 31, 15, tzinfo=UTC)

PLAIN_ECI = {"05": "AUTHENTICATED", "06": "ATTEMPTED", "07": "NONE"}
ECI = {
    **dict.fromkeys(("jcb", "amex", "diners", "discover", "unionpay"), PLAIN_ECI),
    "visa": {**PLAIN_ECI, "01": "MOTO", "02": "STORED", "03": "STORED", "04": "MOTO", "08": "NONE"},
    "mastercard": {
        "02": "AUTHENTICATED",
        "01": "ATTEMPTED",
        "00": "NONE",
        "04": "DATA_ONLY",
        "06": "EXEMPT",
        "07": "RECURRING",
        "N0": "DATA_ONLY",
        "N2": "DATA_ONLY",
    },
}
STATUS = {
    **{"Y": "AUTHENTICATED", "A": "ATTEMPTED", "N": "NOT_AUTHENTICATED", "U": "UNAVAILABLE", "R": "REJECTED"},
    **{"I": "INFORMATIONAL", "C": "INCOMPLETE", "D": "INCOMPLETE", "S": "INCOMPLETE"},
}
# transStatus by ECI, "." where they contradict each other
LETTERS = "YANURICDS"
PLAIN_MATRIX = {"05": "Y........", "06": ".A.......", "07": "..NURICDS"}
MATRIX = {
    **dict.fromkeys(("jcb", "amex", "diners", "discover", "unionpay"), PLAIN_MATRIX),
    "visa": {**PLAIN_MATRIX, **dict.fromkeys(("01", "02", "03", "04", "08"), "..NURICDS")},
    "mastercard": {
        "00": "..NUR.CDS",
        "01": ".A.......",
        "02": "Y........",
        "04": "...U.....",
        "06": "..N..I...",
        "07": "Y........",
        "N0": "..NUR....",
        "N2": "Y........",
    },
}
EXEMPTIONS = {
    *("05", "5", "transaction_risk", "tra", "08", "8", "trust_list", "trusted_listing", "trusted_beneficiary"),
    *("10", "low_value", "11", "secure_corporate", "secure_corporate_payment"),
    *("stored_before_2025", "migrated", "debit_prepaid", "debit", "prepaid", "wallet", "apple_pay", "device_token"),
    *("device_without_3ds", "stored_credential", "mit", "moto", "merchant_risk_decision"),
}


def bare(text: str | None) -> str | None:
    """Strip blanks, and zeros before the last two digits; None if nothing is left."""
    if text is None:
        return None
    text = text.strip(BLANKS)
    while len(text) > 2 and text[0] == "0" and text[1] in "0123456789":
        text = text[1:]
    return text or None


def number(text: str | None, *known: range) -> int | None:
    """Read a code of one or two digits; None if it is in none of the ranges."""
    text = bare(text)
    found = int(text) if text and text.isascii() and text.isdigit() and len(text) <= 2 else None
    return found if any(found in span for span in known) else None


def moment(text: str | None) -> datetime | None:
    """Read a time, truncated to whole milliseconds."""
    if text is None:
        return None
    stamp = datetime.fromisoformat(text)
    return stamp.replace(microsecond=stamp.microsecond // 1000 * 1000)


def tokyo(day: str | None) -> datetime | None:
    """Give the start of a day in Tokyo."""
    return (
        None
        if day is None
        else datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC) - timedelta(hours=9)
    )


class Event:
    """An event and its merchant's record, read once."""

    def __init__(self, event: Json, record: Json | None) -> None:
        tds, txn, credential = event.get("tds") or {}, event["txn"], event.get("credential") or {}
        self.network: str = event["card"]["network"]
        self.funding = event["card"].get("funding")
        self.type, self.channel, self.initiator = txn["type"], txn["channel"], txn["initiator"]
        self.recurring, self.stored = txn.get("recurring"), credential.get("stored")
        self.wallet = bare(txn.get("wallet")) not in {None, "none", "NONE", "None"}
        at = moment(event["event_ts"])
        assert at is not None
        self.at = at
        self.country = event["merchant"]["country"].upper()
        self.performed = tds.get("performed")
        letter = bare(tds.get("trans_status")) or ""
        self.letter = letter.upper() if len(letter) == 1 and letter in LETTERS + LETTERS.lower() else None
        self.reason = number(tds.get("trans_status_reason"), range(1, 31), range(80, 100))
        self.reserved = number(tds.get("trans_status_reason"), range(31, 80)) is not None
        eci = bare(tds.get("eci"))
        self.eci = eci if eci is None else eci.zfill(2) if eci.isdigit() else eci.upper() if len(eci) == 2 else "odd"
        self.cavv = bool(tds.get("cavv_hmac"))
        result = bare((event.get("checks") or {}).get("cavv")) or ""
        self.result = result.upper() if len(result) == 1 and "!" <= result <= "~" else None
        word = bare(tds.get("exempt_reason"))
        self.exempt = word in EXEMPTIONS | {known.upper() for known in EXEMPTIONS}
        self.registered = moment(credential.get("registered_at"))
        self.registration_ref = bool(credential.get("registration_tds_ref"))
        programme = (record or {}).get("tds") or {}
        self.mode = programme.get("mode", "UNKNOWN")
        self.introduced = tokyo(programme.get("introduced_on"))
        self.auth_type = number(tds.get("auth_type"), range(1, 5))
        self.device_channel = number(tds.get("device_channel"), range(1, 4))
        self.authenticated_at = moment(tds.get("auth_ts"))
        self.purchase, self.minor = tds.get("purchase_amount"), event["amount"]["minor"]


def eci_class(e: Event) -> str:
    """Read an ECI by network and channel."""
    if e.eci is None or e.network == "other":
        return "UNKNOWN"
    claim = ECI[e.network].get(e.eci, "IMPOSSIBLE")
    series = e.initiator == "MIT" or e.recurring is True or e.stored is True
    if (claim == "MOTO" and e.channel == "ecom") or (claim == "STORED" and not series):
        return "IMPOSSIBLE"
    return claim


def status(e: Event) -> str:
    """Normalise transStatus, `performed` and ECI to one status."""
    if e.letter is not None:
        return STATUS[e.letter]
    if e.performed is False:
        return "ABSENT"
    claim = eci_class(e)
    if claim == "NONE" and e.performed is None:
        return "ABSENT"
    return {"AUTHENTICATED": "AUTHENTICATED", "RECURRING": "AUTHENTICATED", "ATTEMPTED": "ATTEMPTED"}.get(
        claim, "UNKNOWN"
    )


def liability(e: Event) -> str:
    """Read the table of liability shift from the top; the first row that matches decides."""
    claim = eci_class(e)
    result = e.result if e.network in {"visa", "amex"} else None
    own = e.letter is not None or e.cavv or claim in {"AUTHENTICATED", "ATTEMPTED"}
    rows = (
        (e.exempt, "NO_SHIFT"),
        (e.channel == "moto", "NO_SHIFT"),
        (e.initiator == "MIT" and not own, "NO_SHIFT"),
        (result is not None and result in "01479BI", "NO_SHIFT"),
        (e.letter is not None and e.letter in "NURCDS", "NO_SHIFT"),
        (e.performed is False and not e.wallet, "NO_SHIFT"),
        (e.channel == "card_present", "UNKNOWN"),
        (result is not None and result in "6CDU", "UNKNOWN"),
        (claim == "AUTHENTICATED" and e.cavv and e.letter == "Y", "SHIFT"),
        (claim == "ATTEMPTED" and e.cavv and e.letter == "A", "SHIFT"),
        (claim == "RECURRING" and e.cavv and e.letter in {"Y", None}, "SHIFT"),
        (claim in {"NONE", "DATA_ONLY", "EXEMPT"}, "NO_SHIFT"),
    )
    return next((verdict for holds, verdict in rows if holds), "UNKNOWN")


def expected(e: Event) -> str:
    """Tell whether 3-D Secure was due."""
    if e.type in {"refund", "reversal"} or e.initiator == "MIT" or e.funding in {"debit", "prepaid"}:
        return "NOT_REQUIRED"
    if e.channel in {"moto", "card_present"} or e.exempt or e.wallet:
        return "NOT_REQUIRED"
    if e.channel == "other":
        return "UNKNOWN"
    if e.stored is True and e.registered is not None and e.registered < MANDATE:
        return "NOT_REQUIRED"
    mode = "NONE" if e.introduced is not None and e.at < e.introduced else e.mode
    if mode == "NONE":
        return "REQUIRED" if e.country == "JP" and e.at >= MANDATE else "UNKNOWN"
    if mode == "CARD_REGISTRATION":
        unproven = e.registered is not None and not e.registration_ref  # cards registered before are handled above
        return {None: "UNKNOWN", False: "REQUIRED", True: "REQUIRED" if unproven else "NOT_REQUIRED"}[e.stored]
    if mode == "RECURRING_INITIAL":
        if e.stored is False or e.recurring is False:
            return "REQUIRED"
        return "NOT_REQUIRED" if e.stored and e.recurring else "UNKNOWN"
    return {"EVERY_PAYMENT": "REQUIRED", "RISK_BASED": "NOT_REQUIRED"}.get(mode, "UNKNOWN")


def disagrees(e: Event) -> bool:
    """Tell whether ECI, transStatus and `performed` contradict each other."""
    if e.performed is False:
        if e.letter is not None:
            return True
        if not e.wallet and (e.cavv or eci_class(e) in {"AUTHENTICATED", "ATTEMPTED"}):
            return True
    if e.letter is None or e.eci is None or e.network == "other":
        return False
    if e.network == "mastercard" and (e.eci, e.letter) == ("04", "U"):
        return e.reserved or e.reason not in {80, None}
    return e.letter not in MATRIX[e.network].get(e.eci, "")


def model_inputs(e: Event) -> dict[str, float | None]:
    """Compute every `tds_*` input that is not a code of the verdict."""
    claims = eci_class(e) in {"AUTHENTICATED", "ATTEMPTED", "RECURRING"}
    by_cardholder = (e.channel, e.type, e.initiator) == ("ecom", "purchase", "CIT")
    by_right = e.network == "mastercard" and e.eci in {"04", "06"}
    return {
        "tds_static": None if e.auth_type is None else float(e.auth_type == 1),
        "tds_challenged": float(e.auth_type is not None),
        "tds_reason": None if e.reason is None else float(e.reason),
        "tds_device_channel": float(e.device_channel or 0),
        "tds_age_s": None if e.authenticated_at is None else (e.at - e.authenticated_at).total_seconds(),
        "tds_missing": float(expected(e) == "REQUIRED" and status(e) == "ABSENT" and e.type == "purchase"),
        "tds_eci_disagrees": float(disagrees(e)),
        "tds_cavv_missing": float(claims and not e.cavv and e.result is None),
        "tds_cavv_failed": float(e.network in {"visa", "amex"} and e.result is not None and e.result in "1479"),
        "tds_refused": float(e.letter is not None and e.letter in "NR" and by_cardholder and not by_right),
        "tds_amount_over": e.minor / e.purchase if e.purchase else None,
    }
