"""Verdict, reasons, flow and rules of consistency in plain Python, from raw JSON; it shares no code with the kernels.

`None` is unknown. Code lists are those of `reference_table`, written out by hand.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.threeds import reference_table as table

Json = dict[str, Any]
BLANKS: Final = "".join(map(chr, range(33)))
MANDATE: Final = datetime(2025, 3, 31, 15, tzinfo=UTC)
RETIRED_2_1: Final = dict.fromkeys(table.SEVEN, datetime(2024, 9, 23, 15, tzinfo=UTC)) | {
    "visa": datetime(2024, 9, 24, 15, tzinfo=UTC)
}
"""Days in Tokyo."""
ECI: Final = table.eci_lines()
WORDS: Final = {word: kind for kind, words in table.EXEMPTIONS.items() for word in words}
KINDS: Final = WORDS | {word.upper(): kind for word, kind in WORDS.items()}
CURRENCIES: Final = {"JPY": "392", "USD": "840", "KWD": "414"}
SEVERITIES: Final = {line.split()[0]: line.split()[2] for line in table.RULES.strip().splitlines()}


def bare(text: str | None) -> str | None:
    if text is None:
        return None
    text = text.strip(BLANKS)
    while len(text) > 2 and text[0] == "0" and text[1] in "0123456789":
        text = text[1:]
    return text or None


def code(text: str | None) -> int | None:
    text = bare(text)
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 2 else None


def listed(field: str, text: str | None) -> tuple[int | None, str | None]:
    """Give a code and since when it is legal; both None if it is in no list."""
    number = code(text)
    since = next((since for since, codes in table.CODES[field].items() if number in codes), None)
    return (number, since) if since else (None, None)


def moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    stamp = datetime.fromisoformat(text)
    return stamp.replace(microsecond=stamp.microsecond // 1000 * 1000)


def eci_text(text: str | None) -> str | None:
    text = bare(text)
    if text is None:
        return None
    return text.zfill(2) if text.isdigit() else text.upper()


class Oracle:
    """Judge one event and its merchant's record."""

    def __init__(self, event: Json, record: Json | None = None) -> None:
        self.tds, self.txn = event.get("tds") or {}, event["txn"]
        self.credential, checks = event.get("credential") or {}, event.get("checks") or {}
        self.card, self.amount, self.shop = event["card"], event["amount"], event["merchant"]
        self.network: str = self.card["network"]
        self.at = moment(event["event_ts"]) or MANDATE
        self.programme = (record or {}).get("tds") or {}
        self.fraud_status = (record or {}).get("fraud_status")
        self.post = event["outcome"]["phase"] == "POST_AUTH"
        letter = (bare(self.tds.get("trans_status")) or "").upper()
        self.letter = letter if letter in table.STATUSES else None
        self.said = table.STATUSES[self.letter][0] if self.letter else None
        self.performed = self.tds.get("performed")
        self.cavv = bool(self.tds.get("cavv_hmac"))
        self.eci = eci_text(self.tds.get("eci"))
        self.response = eci_text(self.tds.get("eci_response")) if self.post else None
        result = (bare(checks.get("cavv")) or "").upper()
        self.has_result = len(result) == 1 and "!" <= result <= "~"
        checked = self.network in {"visa", "amex"}
        self.result = next((means for means, codes in table.CAVV.items() if checked and result and result in codes), "")
        wallet, kind = bare(self.txn.get("wallet")), self.txn.get("wallet_kind")
        has = wallet not in {None, "none", "NONE", "None"}
        self.wallet = kind or (
            ("device_token" if (wallet or "").lower() == "apple_pay" else "unknown") if has else None
        )
        exemption = KINDS.get(bare(self.tds.get("exempt_reason")) or "")
        self.exempt = exemption is not None and not (exemption == "DEVICE_TOKEN" and self.wallet == "card_number")
        pos = (event.get("pos") or {}).get("entry_mode") or ""
        self.mode = pos[:2].zfill(2) if pos[:2].isdigit() else ""
        self.series = self.txn["initiator"] == "MIT" or self.txn.get("recurring") or self.credential.get("stored")

    def claim(self, eci: str | None) -> str:
        if eci is None or self.network == "other":
            return "UNKNOWN"
        claim = ECI.get((self.network, eci), ("IMPOSSIBLE",))[0]
        if (claim == "MOTO" and self.txn["channel"] == "ecom") or (claim == "STORED" and not self.series):
            return "IMPOSSIBLE"
        return claim

    @property
    def status(self) -> str:
        if self.said:
            return self.said
        claim = self.claim(self.eci)
        if self.performed is False or (claim == "NONE" and self.performed is None):
            return "ABSENT"
        return {"AUTHENTICATED": "AUTHENTICATED", "RECURRING": "AUTHENTICATED", "ATTEMPTED": "ATTEMPTED"}.get(
            claim, "UNKNOWN"
        )

    @property
    def liability(self) -> tuple[str, str]:
        claim = self.claim(self.response or self.eci)
        no_token = self.wallet in {None, "card_number"}
        excluded = (
            self.network == "visa"
            and self.shop["country"].upper() == "US" == (self.card.get("issuer_country") or "").upper()
            and self.shop["mcc"] in table.EXCLUDED
        )
        shift = (
            {
                ("AUTHENTICATED", "AUTHENTICATED"): "AUTHENTICATED",
                ("ATTEMPTED", "ATTEMPTED"): "ATTEMPTED",
                ("RECURRING", "AUTHENTICATED"): "RECURRING_AUTHENTICATED",
                ("RECURRING", None): "RECURRING_AUTHENTICATED",
            }.get((claim, self.said))
            if self.cavv
            else None
        )
        formed = self.tds.get("cavv_wellformed") is not False
        own = self.said or self.cavv or claim in {"AUTHENTICATED", "ATTEMPTED"}
        rows: tuple[tuple[bool, str, str], ...] = (
            (self.exempt, "NO_SHIFT", "EXEMPT"),
            (self.txn["channel"] == "moto", "NO_SHIFT", "MAIL_ORDER"),
            (self.txn["initiator"] == "MIT" and not own, "NO_SHIFT", "MIT_WITHOUT_AUTHENTICATION"),
            (self.result in {"FAILED", "BAD_DATA", "INFORMATION_ONLY", "INVALID"}, "NO_SHIFT", "CRYPTOGRAM_RESULT"),
            (self.letter is not None and self.letter in "NUR", "NO_SHIFT", "NOT_AUTHENTICATED"),
            (self.letter is not None and self.letter in "CDS", "NO_SHIFT", "INCOMPLETE"),
            (self.performed is False and no_token, "NO_SHIFT", "NOT_PERFORMED"),
            (self.txn["channel"] == "card_present", "UNKNOWN", "CARD_PRESENT"),
            (self.result == "NOT_VALIDATED", "UNKNOWN", "CRYPTOGRAM_NOT_VALIDATED"),
            (excluded, "NO_SHIFT", "EXCLUDED_MERCHANT"),
            (shift is not None and not formed, "UNKNOWN", "CRYPTOGRAM_MALFORMED"),
            (shift is not None, "SHIFT", shift or ""),
            (claim in {"NONE", "DATA_ONLY", "EXEMPT"}, "NO_SHIFT", "ECI_WITHOUT_SHIFT"),
            (claim == "IMPOSSIBLE", "UNKNOWN", "IMPOSSIBLE_ECI"),
            (bool(self.said or self.cavv or claim != "UNKNOWN"), "UNKNOWN", "CLAIM_WITHOUT_PROOF"),
            (True, "UNKNOWN", "NOTHING_TOLD"),
        )
        return next((verdict, why) for holds, verdict, why in rows if holds)

    @property
    def expected(self) -> tuple[str, str]:
        channel = self.txn["channel"]
        rows: tuple[tuple[bool, str], ...] = (
            (self.txn["type"] in {"refund", "reversal"}, "NO_PURCHASE"),
            (self.txn["initiator"] == "MIT", "MERCHANT_INITIATED"),
            (self.card.get("funding") in {"debit", "prepaid"}, "DEBIT_PREPAID"),
            (channel == "moto", "MAIL_ORDER"),
            (channel == "card_present", "CARD_PRESENT"),
            (self.exempt, "EXEMPT"),
            (self.wallet == "device_token", "DEVICE_TOKEN"),
        )
        for holds, why in rows:
            if holds:
                return "NOT_REQUIRED", why
        if channel == "other":
            return "UNKNOWN", "CHANNEL_UNKNOWN"
        verdict, why = self._at_merchant()
        return ("UNKNOWN", "WALLET_UNKNOWN") if verdict == "REQUIRED" and self.wallet == "unknown" else (verdict, why)

    def _at_merchant(self) -> tuple[str, str]:
        stored, recurring = self.credential.get("stored"), self.txn.get("recurring")
        registered = moment(self.credential.get("registered_at"))
        if stored and registered is not None and registered < MANDATE:
            return "NOT_REQUIRED", "STORED_BEFORE_MANDATE"
        mode, day = self.programme.get("mode", "UNKNOWN"), self.programme.get("introduced_on")
        if day and self.at < datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=9):
            mode = "NONE"
        if mode == "NONE":
            owes = self.shop["country"].upper() == "JP" and self.at >= MANDATE
            return ("REQUIRED", "MANDATE") if owes else ("UNKNOWN", "NO_MANDATE")
        if mode == "CARD_REGISTRATION":
            if stored is None:
                return "UNKNOWN", "STORED_UNKNOWN"
            if not stored:
                return "REQUIRED", "CARD_NOT_STORED"
            unproven = registered is not None and not self.credential.get("registration_tds_ref")
            return ("REQUIRED", "REGISTRATION_UNPROVEN") if unproven else ("NOT_REQUIRED", "REGISTERED")
        if mode == "RECURRING_INITIAL":
            if stored is False or recurring is False:
                return "REQUIRED", "FIRST_OF_SERIES"
            return ("NOT_REQUIRED", "LATER_OF_SERIES") if stored and recurring else ("UNKNOWN", "STORED_UNKNOWN")
        return {"EVERY_PAYMENT": ("REQUIRED", "EVERY_PAYMENT"), "RISK_BASED": ("NOT_REQUIRED", "RISK_BASED")}.get(
            mode, ("UNKNOWN", "MERCHANT_UNKNOWN")
        )

    @property
    def flow(self) -> str:
        if self.status == "ABSENT":
            return "NONE"
        kind, _ = listed("authentication_type", self.tds.get("auth_type"))
        cancel, _ = listed("challenge_cancel", self.tds.get("challenge_cancel"))
        if self.claim(self.eci) == "DATA_ONLY" or code(self._first("challenge_ind")) == 6:
            return "DATA_ONLY"
        method, three_ri = code(self._first("auth_method")), code(self.tds.get("three_ri_ind"))
        if self.letter == "D" or kind == 4 or method == 12 or cancel == 3 or three_ri == 19:
            return "DECOUPLED"
        results = code(self.tds.get("results_status"))
        if self.status == "INCOMPLETE" or kind is not None or cancel is not None or results == 1:
            return "CHALLENGE"
        return "FRICTIONLESS" if self.letter is not None and self.letter in "YA" else "UNKNOWN"

    def _first(self, name: str) -> str | None:
        value = self.tds.get(name)
        return (value[0] if value else None) if isinstance(value, list) else value

    @property
    def rules(self) -> dict[str, str]:
        """Give each broken rule with its severity, where the acquirer sends `cavv_hmac`."""
        found = {
            **self._of_claims(),
            **self._of_ids_and_amounts(),
            **self._of_versions(),
            **self._of_channels(),
        }
        severities = SEVERITIES | {
            "TDS04": "HIGH" if self.letter == "R" else "MEDIUM",
            "TDS20": "HIGH" if self.fraud_status == "ACTUALISED" else "MEDIUM",
        }
        return {rule: severities[rule] for rule, broken in sorted(found.items()) if broken}

    def _of_claims(self) -> dict[str, bool]:
        claim = self.claim(self.eci)
        reason = code(self.tds.get("trans_status_reason"))
        known = reason is not None and reason >= 1 and not 31 <= reason <= 79
        cell = ECI.get((self.network, self.eci or ""), ("", "", "-", "no", "no"))
        by_cardholder = (self.txn["channel"], self.txn["type"], self.txn["initiator"]) == ("ecom", "purchase", "CIT")
        said = self.letter or ""
        return {
            "TDS01": claim in {"AUTHENTICATED", "ATTEMPTED", "RECURRING"} and not self.cavv and not self.has_result,
            "TDS02": "IMPOSSIBLE" in {claim, self.claim(self.response)},
            "TDS03": self._contradicts(cell, reason),
            "TDS04": said != "" and said in "NR" and by_cardholder and cell[4] == "no",
            "TDS05": said != "" and said in "CDS",
            "TDS06": self.tds.get("cavv_wellformed") is False,
            "TDS07": self.result == "FAILED",
            "TDS19": said != "" and said in "NUR" and not known and not (reason is not None and 31 <= reason <= 79),
            "TDS20": self.expected[0] == "REQUIRED" and self.status == "ABSENT" and self.txn["type"] == "purchase",
        }

    def _contradicts(self, cell: tuple[str, str, str, str, str], reason: int | None) -> bool:
        if self.performed is False:
            claims = self.cavv or self.claim(self.eci) in {"AUTHENTICATED", "ATTEMPTED"}
            if self.letter or (claims and self.wallet in {None, "card_number"}):
                return True
        if not self.letter or not self.eci or self.network == "other":
            return False
        if self.letter not in cell[1]:
            return True
        told = reason is not None and reason >= 1
        return cell[2] != "-" and told and reason != int(cell[2])

    def _of_ids_and_amounts(self) -> dict[str, bool]:
        uuid = (self.tds.get("ds_trans_id") or "").strip(BLANKS).lower()
        parts = [len(part) for part in uuid.split("-")] == [8, 4, 4, 4, 12]
        digits = set(uuid.replace("-", ""))
        currency = self.tds.get("purchase_currency")
        currency = CURRENCIES.get(currency, currency) if currency in {*CURRENCIES, *CURRENCIES.values()} else None
        foreign = currency is not None and currency != CURRENCIES[self.amount["currency"]]
        asked, exponent = self.tds.get("purchase_amount"), self.tds.get("purchase_exponent")
        exponent = self.amount["exponent"] if exponent is None else exponent
        category = code(self.tds.get("message_category"))
        above = asked is not None and self.amount["minor"] * 10**exponent > asked * 10 ** self.amount["exponent"]
        at = moment(self.tds.get("auth_ts"))
        return {
            "TDS11": bool(uuid) and (not parts or not digits <= set("0123456789abcdef") or digits == {"0"}),
            "TDS13": foreign,
            "TDS14": above and not foreign and category != 2,
            "TDS15": at is not None and not timedelta(0) <= self.at - at <= timedelta(days=90),
        }

    def _of_versions(self) -> dict[str, bool]:
        version = bare(self.tds.get("version"))
        parts = version.split(".") if version else []
        fine = len(parts) in {2, 3} and all(len(part) == 1 and part.isdigit() for part in parts)
        if not fine or parts[0] not in "123":
            return {}
        version = ".".join([*parts, "0"][:3])
        at = moment(self.tds.get("auth_ts")) or self.at
        old = version < "2.0.0" or version == "2.0.0"
        retired = old or (version == "2.1.0" and at >= RETIRED_2_1.get(self.network, at + timedelta(1)))
        reason, letter = code(self.tds.get("trans_status_reason")), self.letter
        fields = {
            "auth_type": "authentication_type",
            "auth_method": "authentication_method",
            "challenge_ind": "challenge_indicator",
            "requestor_auth_ind": "requestor_authentication_indicator",
            "three_ri_ind": "three_ri_indicator",
            "challenge_exemption": "challenge_exemption",
            "trust_list_source": "trust_list_source",
        }
        sinces = [listed(field, self._first(name))[1] for name, field in fields.items()]
        sinces += [table.STATUSES[letter][1] if letter else None]
        sinces += ["2.3.1"] if reason is not None and 27 <= reason <= 30 else []
        sinces += (
            ["2.2.0"]
            if len(trust := (bare(self.tds.get("trust_list")) or "").upper()) == 1 and trust in "YNEPRU"
            else []
        )
        late = any(since not in {None, "2.1.0"} and version < str(since) for since in sinces)
        return {
            "TDS16": retired,
            "TDS17": late or (reason is not None and 31 <= reason <= 79),
        }

    def _of_channels(self) -> dict[str, bool]:
        device, initiator = code(self.tds.get("device_channel")), self.txn["initiator"]
        in_shop = self.mode in table.PRESENT or self.txn["channel"] == "card_present"
        online = self.eci is not None and ECI.get((self.network, self.eci), ("", "", "", "no"))[3] == "yes"
        online = online or self.letter is not None or self.performed is True or self.mode in table.NOT_PRESENT
        return {
            "TDS18": (device == 3 and initiator == "CIT") or (device in {1, 2} and initiator == "MIT"),
            "TDS22": in_shop and online,
        }
