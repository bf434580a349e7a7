"""The expected content of the dated tables of 3-D Secure, written out by hand, and a reader of their content.

A line is the file, the key, and the columns of one key. A file may group its rows as it likes.
"""

from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Final

from scoring.reference.threeds import RECORDS, ThreeDsReference

Line = tuple[object, ...]
SIX: Final = ("visa", "jcb", "amex", "diners", "discover", "unionpay")
SEVEN: Final = (*SIX, "mastercard")

# network, ECI, claim, agreeing transStatus, reason beside it, e-commerce, by right after N or R
_VISA_ONLY = """
01 MOTO NURICDS - no no
02 STORED NURICDS - no no
03 STORED NURICDS - no no
04 MOTO NURICDS - no no
08 NONE NURICDS - yes no
"""
_MASTERCARD = """
02 AUTHENTICATED Y - yes no
01 ATTEMPTED A - yes no
00 NONE NURCDS - no no
04 DATA_ONLY U 80 yes yes
06 EXEMPT NI - yes yes
07 RECURRING Y - yes no
N0 DATA_ONLY NUR - yes no
N2 DATA_ONLY Y - yes no
"""
_COMMON = """
05 AUTHENTICATED Y - yes no
06 ATTEMPTED A - yes no
07 NONE NURICDS - yes no
"""
CAVV: Final = {
    "PASSED_AUTHENTICATED": "2",
    "PASSED_ATTEMPT": "38A",
    "FAILED": "1479",
    "BAD_DATA": "0",
    "INFORMATION_ONLY": "B",
    "INVALID": "I",
    "NOT_VALIDATED": "6CDU",
}
STATUSES: Final = {
    "Y": ("AUTHENTICATED", "2.1.0"),
    "N": ("NOT_AUTHENTICATED", "2.1.0"),
    "U": ("UNAVAILABLE", "2.1.0"),
    "A": ("ATTEMPTED", "2.1.0"),
    "R": ("REJECTED", "2.1.0"),
    "I": ("INFORMATIONAL", "2.2.0"),
    "C": ("INCOMPLETE", "2.1.0"),
    "D": ("INCOMPLETE", "2.2.0"),
    "S": ("INCOMPLETE", "2.3.1"),
}
REASON_GROUPS: Final = {
    "FRAUD": (9, 10, 11),
    "CARD_DATA": (5, 6, 8),
    "FRICTION": (1, 14, 19, 26),
    "DEVICE": (2, 3),
    "TECH": (*range(20, 26), *range(80, 100)),
    "CONFIDENCE": range(15, 19),
    "OTHER": (4, 7, 12, 13, *range(27, 31)),
    "RESERVED": range(31, 80),
}
CODES: Final[dict[str, dict[str, tuple[int, ...]]]] = {
    "authentication_type": {"2.1.0": (1, 2, 3), "2.2.0": (4,)},
    "authentication_method": {"2.1.0": (*range(1, 12), *range(80, 100)), "2.3.1": tuple(range(12, 17))},
    "challenge_indicator": {"2.1.0": (*range(1, 10), *range(80, 100)), "2.3.1": tuple(range(10, 15))},
    "challenge_cancel": {"2.1.0": (1, 3, 4, 5, 6, 7, 8)},
    "device_channel": {"2.1.0": (1, 2, 3)},
    "message_category": {"2.1.0": (1, 2)},
    "requestor_authentication_indicator": {"2.1.0": tuple(range(1, 7)), "2.3.1": (7, 8, 9, 10)},
    "three_ri_indicator": {"2.1.0": (1, 2, 3, 4, 5), "2.3.1": tuple(range(6, 20))},
    "account_age": {"2.1.0": (1, 2, 3, 4, 5)},
    "account_change": {"2.1.0": (1, 2, 3, 4)},
    "password_change": {"2.1.0": (1, 2, 3, 4, 5)},
    "suspicious_activity": {"2.1.0": (1, 2)},
    "address_usage": {"2.1.0": (1, 2, 3, 4)},
    "challenge_exemption": {"2.3.1": (5, 8, 10, 11, 79)},
    "trust_list_source": {"2.2.0": (1, 2, 3)},
    "results_status": {"2.1.0": (1, 2, 3)},
}
EXEMPTIONS: Final = {
    "RISK_ANALYSIS": ("05", "5", "transaction_risk", "tra"),
    "TRUST_LIST": ("08", "8", "trust_list", "trusted_listing", "trusted_beneficiary"),
    "LOW_VALUE": ("10", "low_value"),
    "SECURE_CORPORATE": ("11", "secure_corporate", "secure_corporate_payment"),
    "STORED_BEFORE_MANDATE": ("stored_before_2025",),
    "MIGRATED": ("migrated",),
    "DEBIT_PREPAID": ("debit_prepaid", "debit", "prepaid"),
    "DEVICE_TOKEN": ("wallet", "apple_pay", "device_token"),
    "DEVICE_WITHOUT_3DS": ("device_without_3ds",),
    "STORED_CREDENTIAL": ("stored_credential",),
    "MIT": ("mit",),
    "MOTO": ("moto",),
    "MERCHANT_RISK": ("merchant_risk_decision",),
}
PRESENT: Final = ("02", "05", "07", "79", "80", "90", "91")
NOT_PRESENT: Final = ("09", "81")
EXCLUDED: Final = ("4829", "5967", "6051", "6540", "7801", "7802", "7995")
# id, code, severity, raised severity, lowered severity, active, what is not judged yet
RULES: Final = """
TDS01 CLAIM_WITHOUT_CRYPTOGRAM HIGH - - yes -
TDS02 IMPOSSIBLE_ECI HIGH - - yes -
TDS03 ECI_STATUS_DISAGREE HIGH - - yes -
TDS04 SUBMITTED_AFTER_REFUSAL MEDIUM HIGH - yes -
TDS05 INCOMPLETE_AUTHENTICATION MEDIUM - - yes -
TDS06 CRYPTOGRAM_MALFORMED HIGH - - yes -
TDS07 CRYPTOGRAM_FAILED HIGH - - yes -
TDS08 CRYPTOGRAM_OF_ANOTHER_CARD CRITICAL - - yes what was used before the last million proofs
TDS09 PROOF_OF_ANOTHER_MERCHANT CRITICAL - - yes what was used before the last million proofs
TDS10 CRYPTOGRAM_OF_ANOTHER_ORDER MEDIUM - - yes what was used before the last million proofs
TDS11 ODD_DS_TRANS_ID MEDIUM - - yes ids repeated at one merchant
TDS12 NO_RESULT_RECORD MEDIUM - INFO yes payments without the feed of results or without a dsTransID
TDS13 RESULT_OF_ANOTHER_PAYMENT HIGH - - yes -
TDS14 AMOUNT_ABOVE_AUTHENTICATED MEDIUM - - yes -
TDS15 AUTHENTICATION_TIME MEDIUM - - yes -
TDS16 RETIRED_VERSION LOW - - yes -
TDS17 VALUE_OF_ANOTHER_VERSION LOW - - yes -
TDS18 CHANNEL_INITIATOR_DISAGREE LOW - - yes -
TDS19 STATUS_WITHOUT_REASON LOW - - yes -
TDS20 DUE_AND_ABSENT MEDIUM HIGH - yes -
TDS21 SHARE_JUMP MEDIUM - - yes -
TDS22 CARD_PRESENCE_DISAGREE MEDIUM - - yes -
TDS23 OTP_RELAY HIGH - - yes payments without the feed of results
"""
EVIDENCE: Final = {
    "TDS01": "network eci trans_status cavv_result",
    "TDS02": "network eci eci_response channel initiator",
    "TDS03": "network eci trans_status trans_status_reason performed",
    "TDS04": "trans_status trans_status_reason reason_group eci",
    "TDS05": "trans_status challenge_cancel",
    "TDS06": "network eci trans_status",
    "TDS07": "network cavv_result trans_status",
    **dict.fromkeys(("TDS08", "TDS09", "TDS10"), "first_use_ms"),
    "TDS11": "ds_trans_id_form sequential_ids",
    "TDS12": "result auth_ms event_ms unmatched unmatched_since_ms",
    "TDS13": "currency purchase_currency result_differs",
    "TDS14": "amount exponent purchase_amount purchase_exponent currency result_amount result_exponent three_ri_sum"
    " first_amount first_exponent",
    "TDS15": "auth_ms event_ms",
    "TDS16": "network version",
    "TDS17": "version trans_status trans_status_reason challenge_ind auth_type auth_method requestor_auth_ind"
    " three_ri_ind challenge_exemption",
    "TDS18": "device_channel initiator",
    "TDS19": "trans_status",
    "TDS20": "expected_reason fraud_status",
    "TDS21": "day_authentications day_attempted_or_unavailable base_authentications base_attempted_or_unavailable",
    "TDS22": "entry_mode channel eci trans_status",
    "TDS23": "failed_challenges",
}
ABANDONED: Final = (1, 3, 4, 8)
BY_PAYMENT: Final = (1, 7, 12)
LIMITS: Final = {
    "TDS11": (None, 3_600, None, None, None, None, 3),
    "TDS21": (None, None, 50, 7, 2.0, 3.0, None),
    "TDS23": (3, 600, None, None, None, None, None),
}
"""Failed challenges, in how many seconds; least authentications, days of the base, its multiple, deviations; ids."""
EIGHT: Final = (*SEVEN, "other")
UNVERIFIED: Final = (
    *(("eci", network, "07") for network in SIX),
    *(("eci", "visa", eci) for eci in ("01", "02", "03", "04", "08")),
    *(("eci", "mastercard", eci) for eci in ("04", "06")),
    *(("values", "trans_status", letter) for letter in "ID"),
    *(("values", "three_ri_indicator", f"{code:02d}") for code in BY_PAYMENT),
    *(("ages", network) for network in EIGHT if network != "visa"),
    *(("entry_modes", mode) for mode in ("80", "81", "90", "91")),
)
"""Rows that the domain sources do not confirm."""
BEGIN: Final = date(2001, 1, 1)


def eci_lines() -> dict[tuple[str, str], tuple[str, str, str, str, str]]:
    """Give by network and ECI: claim, agreeing transStatus, reason beside it, e-commerce, by right after N or R."""
    lines = {(n, line) for n in SIX for line in _COMMON.strip().splitlines()}
    lines |= {("visa", line) for line in _VISA_ONLY.strip().splitlines()}
    lines |= {("mastercard", line) for line in _MASTERCARD.strip().splitlines()}
    return {(n, line.split()[0]): tuple(line.split()[1:]) for n, line in lines}  # type: ignore[misc]  # there are five


@cache
def expected() -> frozenset[Line]:
    """Give every line that the files must state."""

    def none_of_dash(word: str) -> str | None:
        return None if word == "-" else word

    lines: set[Line] = {
        ("eci", *key, claim, letters, none_of_dash(beside), ecommerce == "yes", by_right == "yes")
        for key, (claim, letters, beside, ecommerce, by_right) in eci_lines().items()
    }
    lines |= {("cavv", n, code, means) for n in ("visa", "amex") for means, codes in CAVV.items() for code in codes}
    lines |= {
        ("values", "trans_status", letter, since, means, None, False, False)
        for letter, (means, since) in STATUSES.items()
    }
    for group, reasons in REASON_GROUPS.items():
        since = {"RESERVED": lambda _: None}.get(group, lambda code: "2.3.1" if 27 <= code <= 30 else "2.1.0")
        lines |= {
            ("values", "trans_status_reason", f"{code:02d}", since(code), None, group, False, False) for code in reasons
        }
    lines |= {
        (
            *("values", field, f"{code:02d}", since, None, None, field == "challenge_cancel" and code in ABANDONED),
            field == "three_ri_indicator" and code in BY_PAYMENT,
        )
        for field, by in CODES.items()
        for since, codes in by.items()
        for code in codes
    }
    lines |= {("values", "trust_list_status", letter, "2.2.0", None, None, False, False) for letter in "YNEPRU"}
    lines |= {("exemptions", word, kind, True) for kind, words in EXEMPTIONS.items() for word in words}
    lines |= {("exemptions", word, "NONE", False) for word in ("", "none", "79")}
    lines |= {("wallets", "apple_pay", "device_token")}
    lines |= {("ages", n, 90) for n in EIGHT}
    lines |= {("excluded", "visa", "US", mcc) for mcc in EXCLUDED}
    lines |= {("entry_modes", mode, "PRESENT") for mode in PRESENT}
    lines |= {("entry_modes", mode, "NOT_PRESENT") for mode in NOT_PRESENT}
    for line in RULES.strip().splitlines():
        rule, code, severity, raised, lowered, active, partly = line.split(maxsplit=6)
        evidence = tuple(EVIDENCE.get(rule, "").split())
        higher, lower = none_of_dash(raised), none_of_dash(lowered)
        stated = (higher, lower, active == "yes", none_of_dash(partly), evidence, *LIMITS.get(rule, (None,) * 7))
        lines |= {("rules", rule, code, severity, *stated)}
    lines |= {("mandates", "PAYMENT", "JP"), ("from", "mandates", "PAYMENT", "JP", "2025-04-01")}
    lines |= {("mandates", "STORED_CARD_PROOF", None), ("from", "mandates", "STORED_CARD_PROOF", None, "2025-04-01")}
    lines |= {("versions", n, version) for n in EIGHT for version in ("1", "2.0.0")}
    lines |= {("versions", n, "2.1.0") for n in SEVEN}
    lines |= {("from", "versions", n, "2.1.0", f"2024-09-{25 if n == 'visa' else 24}") for n in SEVEN}
    return frozenset(lines | {("unverified", *key) for key in UNVERIFIED})


def stated(made: ThreeDsReference) -> set[Line]:
    """Give every line that the tables state, however the files group their rows."""
    return set(_stated(made))


def _stated(made: ThreeDsReference) -> Iterator[Line]:
    for name, record in RECORDS.items():
        apart = {*record.KEY, "effective_from", "effective_to", "source"}
        columns = [column for column in record.__struct_fields__ if column not in apart]
        for row in getattr(made, name):
            for key in row.keys:
                yield (name, *key, *(getattr(row, column) for column in columns))
                if row.is_unverified:
                    yield ("unverified", name, *key)
                if row.effective_from != BEGIN:
                    yield ("from", name, *key, row.effective_from.isoformat())
                if row.effective_to is not None:
                    yield ("to", name, *key, row.effective_to.isoformat())
