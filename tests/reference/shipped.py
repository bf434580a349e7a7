"""What the shipped tables must say, written down from the specification of the field, apart from the YAML.

Texts for people are left out; `tests/reference/test_contents.py` looks at them by themselves.
"""

from datetime import date

JP = {
    # version: (day, known to the, sources)
    "1.0": (date(2020, 3, 1), "month", "W02"),
    "3.0": (date(2022, 3, 9), "day", "W03"),
    "4.0": (date(2023, 3, 1), "month", "W05 W06"),
    "5.0": (date(2024, 3, 14), "day", "S751"),
    "6.0": (date(2025, 3, 5), "day", "W07 W08 C01"),
    "6.1": (date(2026, 3, 11), "day", "C02 C03"),
}
V5, V6 = JP["5.0"][0], JP["6.0"][0]
DUE = date(2025, 3, 31)
DUTIES = {
    # duty: (party, first day, due on, at least bps, at most bps, sources)
    "CHECKLIST": ("MERCHANT", V5, date(2025, 4, 1), None, None, "S751 W08"),
    "TDS": ("MERCHANT", V5, DUE, None, None, "S751"),
    "TDS_AT_ONCE": ("MERCHANT", V5, None, None, None, "S751"),
    "CHECKLIST_NOTICE": ("ACQUIRER", V5, None, None, None, "S751"),
    "TDS_PLAN": ("ACQUIRER", V5, None, None, None, "S751"),
    "TDS_CONTRACT": ("ACQUIRER", V5, DUE, None, None, "S751"),
    "ENROLMENT": ("ISSUER", V5, DUE, 8_000, None, "S751"),
    "NO_STATIC": ("ISSUER", V5, DUE, None, 0, "S751"),
    "LOGIN": ("MERCHANT", V6, None, None, None, "W08 W09"),
    "MORE_MEASURES": ("MERCHANT", V6, None, None, None, "W08"),
    "AUTHORIZATION": ("MERCHANT", V6, None, None, None, "W08 W10"),
    "CARD_DATA": ("MERCHANT", V6, None, None, None, "W08"),
}

LIST_OF_2025 = date(2025, 4, 1)
FORMS = "C04 C05 C06"
ITEMS = {
    "SC1_ADMIN": ("EVERY", 1),
    "SC2_DIR": ("EVERY", 1),
    "SC3_WEBAPP": ("EVERY", 1),
    "SC4_MALWARE": ("EVERY", 1),
    "SC5_CREDMASTER": ("ANY", 2),
    "SC6_LOGIN": ("ANY", 2),
}
MEASURES = {
    "SC1_ADMIN": "IP_RESTRICTION TWO_FACTOR LOCKOUT",
    "SC2_DIR": "NOTHING_PUBLIC UPLOAD_LIMITS",
    "SC3_WEBAPP": "TESTED PATCHED SECURE_CODING",
    "SC4_MALWARE": "ANTIVIRUS",
    "SC5_CREDMASTER": "IP_LIMITS CHECK_CAP TDS HIDE_ERRORS",
    "SC6_LOGIN": "IP_LIMITS TWO_FACTOR REGISTRATION_CHECK ATTEMPT_LIMITS NOTICE BEHAVIOUR DEVICE NO_MEMBER_LOGIN",
}
LOCKOUTS = {date(2022, 10, 1): (6, "W11"), LIST_OF_2025: (10, FORMS)}

FIRST = date(2020, 3, 1)
SMMP = date(2026, 7, 24)
LIMITS = {
    # scope and name: (value, first day, sources)
    "FRAUD_FREQUENT over_jpy": (500_000, FIRST, "W16"),
    "FRAUD_FREQUENT watch_months": (1, FIRST, "DES"),
    "FRAUD_FREQUENT warning_months": (2, FIRST, "DES"),
    "FRAUD_FREQUENT actualised_months": (3, FIRST, "W16"),
    "FRAUD_FREQUENT frequent_months": (2, V5, "UNV"),
    "FRAUD_FREQUENT forecast_after_days": (3, FIRST, "DES"),
    "SCAM_MERCHANT attempts_min": (25, SMMP, "W40 W41 W42"),
    "SCAM_MERCHANT fall_min_bps": (5_000, SMMP, "W40 W41 W42"),
    "SCAM_MERCHANT approved_below_bps": (3_000, SMMP, "W40 W41 W42"),
    "SCAM_MERCHANT young_below_months": (6, SMMP, "W40 W41 W42"),
    "SCAM_MERCHANT returned_over_bps": (500, SMMP, "W40 W41 W42"),
    "SCAM_MERCHANT purchases_min": (500, SMMP, "W40 W41 W42"),
    "SCAM_MERCHANT clock_hours": (72, SMMP, "W40 W41 W42"),
    "SCAM_MERCHANT attack_min_bps": (5_000, SMMP, "DES"),
    "SCAM_MERCHANT scam_max_bps": (2_000, SMMP, "DES"),
    "CHECKLIST stale_over_days": (365, FIRST, "DES"),
    "CHECKLIST incidents_min": (1, FIRST, "DES"),
    "CHECKLIST takeovers_min": (3, FIRST, "DES"),
    "CHECKLIST without_tds_min_bps": (3_333, FIRST, "DES"),
    "CHECKLIST due_min": (30, FIRST, "DES"),
    "ISSUER payments_min": (50, FIRST, "DES"),
}

OLDER = date(2025, 1, 1)
BEGUN, FROM_2026, APRIL_2026 = date(2025, 6, 1), date(2026, 1, 1), date(2026, 4, 1)
EXCESSIVE_FROM = date(2025, 10, 1)
IN_FORCE = date(2025, 4, 1)
_NONE = (None, None, None, None)
_TIERS = [
    # programme, subject, tier, region, day, bps, items, sales, minor, currency, 3DS below bps, enforced, exit, sources
    (
        "VAMP",
        "ACQUIRER",
        "EXCESSIVE",
        "ALL",
        BEGUN,
        70,
        1_500,
        0,
        None,
        None,
        None,
        EXCESSIVE_FROM,
        1,
        "W30 W24 W31 UNV",
    ),
    (
        "VAMP",
        "ACQUIRER",
        "ABOVE_STANDARD",
        "ALL",
        FROM_2026,
        50,
        1_500,
        0,
        None,
        None,
        None,
        FROM_2026,
        1,
        "W30 W24 W32 UNV",
    ),
    ("VAMP", "MERCHANT", "EXCESSIVE", "LAC", BEGUN, 150, 1_501, 0, None, None, None, EXCESSIVE_FROM, 1, "W30 W31"),
    ("VAMP", "MERCHANT", "EXCESSIVE", "MENA", BEGUN, 220, 101, 0, 7_500_001, "USD", None, EXCESSIVE_FROM, 1, "W30"),
    ("VAMP_ENUMERATION", "MERCHANT", "EXCESSIVE", "ALL", IN_FORCE, 2_000, 300_000, 0, *_NONE, 1, "W33 W34 UNV"),
    ("ECM", "MERCHANT", "ECM", "ALL", OLDER, 150, 100, 0, None, None, None, None, 3, "W36 W37 D25"),
    ("ECM", "MERCHANT", "HECM", "ALL", OLDER, 300, 300, 0, None, None, None, None, 3, "W36 W37"),
    ("EFM", "MERCHANT", "EFM", "NON_REGULATED", OLDER, 50, 0, 1_000, 5_000_000, "USD", 1_000, None, 3, "D26 W38 W39"),
    ("EFM", "MERCHANT", "EFM", "REGULATED", OLDER, 50, 0, 1_000, 5_000_000, "EUR", 5_000, None, 3, "D26 W38 W39"),
    ("EFM", "MERCHANT", "EFM", "AU", OLDER, 20, 0, 1_000, 1_500_000, "AUD", 1_000, None, 3, "D26 W38 W39 UNV"),
    *(
        ("VAMP", "MERCHANT", "EXCESSIVE", region, *what)
        for region in ("AP", "CA", "EU", "US")
        for what in (
            (BEGUN, 220, 1_501, 0, None, None, None, EXCESSIVE_FROM, 1, "W30"),
            (
                APRIL_2026,
                150,
                1_501,
                0,
                None,
                None,
                None,
                APRIL_2026,
                1,
                "W30 W31 UNV" if region == "AP" else "W30 W31",
            ),
        )
    ),
]
TIERS = {row[:5]: row[5:] for row in _TIERS}

_PAGES = "D16 D17"
_CODES = """
ISO APPROVED 00 10 11             | D16 D17
ISO APPROVED 08 16 85             | ISO8583
ISO BAD_PAN 14 15                 | D16 D17
ISO BAD_PAN 56                    | ISO8583
ISO BAD_CRED 54 55 75             | D16 D17
ISO BAD_CRED 33 38                | ISO8583
ISO BAD_CRED 82                   | UNV
ISO FUNDS 51 61 65                | D16 D17
ISO FRAUD 07 34 41 43 59 63       | D16 D17
ISO FRAUD 83                      | D19
ISO HARD 04 46 78                 | D16 D17
ISO HARD 36                       | ISO8583
ISO POLICY 03 57 58 62            | D16 D17
ISO POLICY 39 40 93               | ISO8583
ISO TECH 12 13 30 91 96           | D16 D17
ISO TECH 06 09 19 22 25 68 88 89 90 92 94 95 | ISO8583
ISO GENERIC 01 02 05              | D16 D17
ISO GENERIC 21                    | ISO8583
ISO STEP_UP 1A                    | UNV
ISO STOP R0 R1 R3                 | D18
VISA BAD_CRED N7                  | UNV
VISA BAD_CRED 6P                  | UNV
VISA STEP_UP 1A 70                | UNV
VISA POLICY 5C 9G                 | D20
VISA TECH 86                      | UNV
MASTERCARD GENERIC 70 71          | MDR UNV
MASTERCARD POLICY 79 82           | MDR UNV
MASTERCARD FRAUD 83               | MDR UNV
MASTERCARD APPROVED 87            | MDR UNV
MASTERCARD BAD_CRED 89            | MDR UNV
DOMESTIC BAD_PAN G61 G65          | UNV
DOMESTIC BAD_CRED G42 G44 G83     | UNV
DOMESTIC FUNDS G02 G03 G54 G55    | UNV
DOMESTIC FRAUD G60                | UNV
DOMESTIC HARD G12                 | UNV
DOMESTIC GENERIC G30              | UNV
"""


def _codes() -> dict[tuple[str, str], tuple[str, str]]:
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for line in _CODES.split("\n")[1:-1]:
        told, sources = line.split("|")
        switch, outcome, *codes = told.split()
        for code in codes:
            assert (switch, code) not in found, code
            found[switch, code] = outcome, sources.strip()
    return found


CODES = _codes()


_REPORTS = """
TC40 visa FRAUD any 0 1 2 3 5 B C D              | UNV
TC40 visa FRAUD present 4 9                      | UNV
TC40 visa FRAUD absent 6                         | UNV
FLD mastercard FRAUD any 00 01 02 03 05 51 55 56 | D29
FLD mastercard FRAUD present 04                  | D29
FLD mastercard FRAUD absent 06                   | D29
FLD mastercard FIRST_PARTY any 57                | D29
FLD mastercard SUSPECTED any 08 10 54            | D30
CHARGEBACK visa FRAUD present 10.1 10.2 10.3     | D28
CHARGEBACK visa FRAUD absent 10.4                | D28
CHARGEBACK visa FRAUD any 10.5                   | D28
CHARGEBACK visa OTHER any 11 12 13               | D28
CHARGEBACK mastercard FRAUD any 4837 4863 4840 4849 | D28 D31
CHARGEBACK mastercard FRAUD present 4870 4871    | D28 D31
CHARGEBACK jcb FRAUD any 546 534                 | W43
CHARGEBACK jcb FRAUD present 548 526 527         | W43
CHARGEBACK amex FRAUD absent F29                 | D27
CHARGEBACK amex FRAUD any FR2 4540 193           | D27
CHARGEBACK amex OTHER any 127 177                | D27
CHARGEBACK discover FRAUD absent UA02            | UNV
CHARGEBACK discover FRAUD absent 7030            | D32
CHARGEBACK discover FRAUD present 7010           | D32
CHARGEBACK diners FRAUD absent UA02              | UNV
CHARGEBACK diners FRAUD absent 7030              | D32
CHARGEBACK diners FRAUD present 7010             | D32
"""
REPORTS = {
    (report, network, code): (kind, {"any": None, "present": True, "absent": False}[card], line.split("|")[1].strip())
    for line in _REPORTS.split("\n")[1:-1]
    for report, network, kind, card, *codes in [line.split("|")[0].split()]
    for code in codes
}
