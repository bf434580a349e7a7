"""A code that is in no list of its field is unknown: a model must not learn from it as a number."""

from itertools import product
from math import isnan
from string import ascii_uppercase, printable
from typing import Any, NamedTuple

import pytest

from scoring.decode import Col, DecodeLimits, country_code, decode
from scoring.decode.read.fields import CODE, FIELDS, FORM, PREFIX, TABLE
from scoring.features.all import FEATURES
from scoring.observer import Observer, Settings
from scoring.profile import ProfileLimits
from tests.events import encoded, event
from tests.features.seen import enrich

FEATURE_AT = {feature.name: place for place, feature in enumerate(FEATURES)}
LETTERS = [a + b for a, b in product(ascii_uppercase, repeat=2)]
NUMBERS = [*(f"{n:02d}" for n in range(100)), *(str(n) for n in range(10))]
CHARACTERS = [c for c in printable if c.isprintable() and c != " "]
ISO_3166 = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD
CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF
GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN
KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI
SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI
VN VU WF WS YE YT ZA ZM ZW
"""


def numbers(*spans: tuple[int, int]) -> dict[str, int]:
    known = [n for first, last in spans for n in range(first, last + 1)]
    return {text: n for n in known for text in ([f"{n:02d}", str(n)] if n < 10 else [str(n)])}


def characters(known: str) -> dict[str, int]:
    return {c: ord(c.upper()) for c in known + known.lower()}


class Listed(NamedTuple):
    """A field, the values of its codes, the value of all others, and the strings to try."""

    known: dict[str, int]
    unknown: int
    tried: list[str]
    column: Col


def number_field(column: Col, *spans: tuple[int, int]) -> Listed:
    return Listed(numbers(*spans), -1, NUMBERS, column)


def character_field(column: Col, known: str) -> Listed:
    return Listed(characters(known), 0, CHARACTERS, column)


def country_field(column: Col) -> Listed:
    codes = {name: 32 * (ord(name[0]) - 64) + ord(name[1]) - 64 for name in [*ISO_3166.split(), "XK"]}
    known = codes | {name.lower(): code for name, code in codes.items()}
    return Listed(known, 0, [*LETTERS, *map(str.lower, LETTERS), "Jp", "T1", "A1", "--", "\u65e5\u672c"], column)


LISTS = {
    "merchant.country": country_field(Col.MERCHANT_COUNTRY),
    "card.issuer_country": country_field(Col.ISSUER_COUNTRY),
    "net.ip_country": country_field(Col.IP_COUNTRY),
    "ship.country": country_field(Col.SHIP_COUNTRY),
    "pos.entry_mode": number_field(Col.ENTRY_MODE, (1, 10), (79, 82), (90, 92), (95, 95)),
    "checks.avs": character_field(Col.AVS, "ABCDEFGIKLMNOPRSTUWXYZ"),
    "checks.cvv2": character_field(Col.CVV2, "MNPSUY"),
    "checks.cavv": character_field(Col.CAVV_RESULT, "".join(CHARACTERS)),  # lists are those of networks: threeds
    "tds.trans_status": character_field(Col.TRANS_STATUS, "YNUARICDS"),
    "tds.trans_status_reason": Listed(
        numbers((1, 30), (80, 99)) | dict.fromkeys(map(str, range(31, 80)), -2),  # reserved: legal in no version
        -1,
        NUMBERS,
        Col.TRANS_STATUS_REASON,
    ),
    "tds.auth_type": number_field(Col.AUTH_TYPE, (1, 4)),
    "tds.auth_method": number_field(Col.AUTH_METHOD, (1, 16), (80, 99)),
    "tds.challenge_ind": number_field(Col.CHALLENGE_IND, (1, 14), (80, 99)),
    "tds.challenge_cancel": number_field(Col.CHALLENGE_CANCEL, (1, 1), (3, 8)),
    "tds.device_channel": number_field(Col.DEVICE_CHANNEL, (1, 3)),
    "tds.trust_list": character_field(Col.TRUST_LIST, "YNEPRU"),
    "tds.message_category": number_field(Col.MESSAGE_CATEGORY, (1, 2)),
    "tds.requestor_auth_ind": number_field(Col.REQUESTOR_AUTH_IND, (1, 10)),
    "tds.three_ri_ind": number_field(Col.THREE_RI_IND, (1, 19)),
    "tds.challenge_exemption": number_field(Col.CHALLENGE_EXEMPTION, (5, 5), (8, 8), (10, 11), (79, 79)),
    "tds.trust_list_source": number_field(Col.TRUST_LIST_SOURCE, (1, 3)),
    "tds.results_status": number_field(Col.RESULTS_STATUS, (1, 3)),
    "shopper.account_age_ind": number_field(Col.ACCOUNT_AGE, (1, 5)),
    "shopper.account_change_ind": number_field(Col.ACCOUNT_CHANGE, (1, 4)),
    "shopper.password_change_ind": number_field(Col.PASSWORD_CHANGE, (1, 5)),
    "shopper.suspicious_activity": number_field(Col.SUSPICIOUS, (1, 2)),
    "ship.usage_ind": number_field(Col.ADDRESS_USAGE, (1, 4)),
}
ELSEWHERE = {
    "schema_version",  # closed literals: another word is refused (the contract's schemas)
    "card.network",
    "card.funding",
    "txn.type",
    "txn.channel",
    "txn.initiator",
    "outcome.phase",
    "outcome.normalised",
    "amount.currency",  # another one is refused (test_columns)
    "txn.wallet",  # free text
    "txn.wallet_kind",  # closed: another word is refused
    "tds.purchase_currency",  # ISO 4217 (test_columns)
    "tds.eci",  # lists are those of networks (tests/threeds)
    "tds.eci_response",  # the same
    "tds.exempt_reason",  # the same
    "tds.version",  # three numbers
}


def changed(path: str, text: str) -> dict[str, Any]:
    section, name = path.split(".")
    return {section: {name: text}}


@pytest.mark.parametrize("path", LISTS)
def test_a_code_in_no_list_of_its_field_is_unknown(path: str) -> None:
    listed = LISTS[path]
    decoded = decode([encoded(**changed(path, text)) for text in listed.tried], DecodeLimits())
    assert decoded.rejects == []
    found = dict(zip(listed.tried, decoded.ints[:, listed.column].tolist(), strict=True))
    assert found == {text: listed.known.get(text, listed.unknown) for text in listed.tried}
    assert set(listed.known) <= set(listed.tried)


def test_every_field_that_holds_a_code_has_its_list() -> None:
    coded = {".".join(f.path) for f, row in zip(FIELDS, TABLE, strict=True) if row[FORM] in {CODE, PREFIX}}
    assert coded == set(LISTS) | ELSEWHERE
    assert not set(LISTS) & ELSEWHERE


@pytest.mark.parametrize(
    ("path", "code", "feature"),
    [
        ("shopper.account_age_ind", "99", "account_age"),
        ("shopper.account_age_ind", "00", "account_age"),
        ("shopper.account_change_ind", "05", "account_changed"),
        ("shopper.password_change_ind", "06", "password_changed"),
        ("shopper.suspicious_activity", "03", "account_suspicious"),
        ("ship.usage_ind", "05", "address_usage"),
        ("pos.entry_mode", "00", "entry_mode"),
        ("pos.entry_mode", "990", "entry_mode"),
        ("tds.trans_status_reason", "31", "tds_reason"),
        ("tds.auth_type", "05", "tds_static"),
        ("tds.auth_type", "99", "tds_challenged"),
        ("tds.device_channel", "07", "tds_device_channel"),
        ("checks.cvv2", "9", "cvv2_result"),
        ("checks.avs", "*", "avs_result"),
        ("net.ip_country", "XX", "ip_country_differs"),
        ("card.issuer_country", "ZZ", "issuer_foreign"),
        ("ship.country", "EU", "ship_foreign"),
        ("ship.country", "AP", "ship_country_differs"),
    ],
)
def test_an_unlisted_code_is_missing_for_the_model(path: str, code: str, feature: str) -> None:
    section, name = path.split(".")
    odd, none = (seen.inputs for seen in enrich([event(**{section: {name: text}}) for text in (code, None)]))
    assert odd[feature] == none[feature] or (isnan(odd[feature]) and isnan(none[feature]))


@pytest.mark.parametrize(("cancel", "failed"), [("01", 1.0), ("04", 1.0), ("02", 0.0), ("99", 0.0), ("00", 0.0)])
def test_only_a_listed_cancellation_counts_as_a_failed_authentication(cancel: str, failed: float) -> None:
    size = 1 << 6
    limits = ProfileLimits(
        card=size, merchant=size, merchant_bin=size, bin=size, device=size, ip=size, account=size, address=size
    )
    observer = Observer(Settings(decode=DecodeLimits(), profiles=limits))
    observer.observe([encoded(tds={"trans_status": "Y", "challenge_cancel": cancel})], [-1])
    seen = observer.observe([encoded(event_id="e-2")], [-1])
    assert seen.matrix[0, FEATURE_AT["card_threeds_failed_24h"]] == failed


def test_a_country_has_a_code_and_other_texts_have_none() -> None:
    assert country_code("JP") == 10 * 32 + 16
    assert country_code("XX") == 0
