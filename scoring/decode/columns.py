"""Columns of a batch: all that kernels read of an authorization, as one int64 matrix.

A code that is absent, or in no list of its field, reads as unknown. `read` converts a field to its column.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Final

from scoring.contract import codes


class Col(IntEnum):
    """Columns of the decoded matrix. Tri-states are -1 unknown, 0 no, 1 yes; times are milliseconds since the epoch."""

    EVENT_MS = 0
    AMOUNT_MINOR = 1
    AMOUNT_JPY = 2  # whole yen, -1 unknown
    CURRENCY = 3  # ISO 4217 numeric
    EXPONENT = 4
    MCC = 5
    MERCHANT_COUNTRY = 6  # countries are two letters packed by `country_code`, 0 unknown
    ISSUER_COUNTRY = 7
    IP_COUNTRY = 8
    SHIP_COUNTRY = 9
    NETWORK = 10  # names of the contract by position from 1; 0 unknown
    FUNDING = 11
    TXN_TYPE = 12
    CHANNEL = 13
    INITIATOR = 14
    RECURRING = 15  # tri-state
    STORED = 16  # tri-state
    WALLET = 17  # -1 unknown, 0 none, 1 one that no dated table lists, from 2 the listed ones
    PHASE = 18
    OUTCOME = 19  # OutcomeClass
    KIND = 20  # Kind
    ENTRY_MODE = 21  # first two digits of DE 22, -1 unknown
    CVV2 = 22  # check results are the code of their character (upper case), 0 unknown
    AVS = 23
    CAVV_RESULT = 24
    TDS_PERFORMED = 25  # tri-state
    TDS_VERSION = 26  # 2.2.0 reads 220; 0 unknown
    TRANS_STATUS = 27  # code of its letter, 0 unknown
    TRANS_STATUS_REASON = 28  # two-digit codes of EMV 3DS read as numbers, -1 unknown; -2 a reserved reason
    ECI = 29  # of the request; -1 absent or empty, N0 -2, N2 -3, -4 not an ECI of any network
    HAS_CAVV = 30
    AUTH_TYPE = 31
    AUTH_METHOD = 32
    CHALLENGE_IND = 33
    CHALLENGE_CANCEL = 34
    DEVICE_CHANNEL = 35
    DS_TRANS_ID = 36  # IdForm
    EXEMPT = 37  # 0 no exemption, 1 a word that is in no list and exempts nothing, from 2 the known kinds
    TRUST_LIST = 38  # code of its letter, 0 unknown
    AUTH_MS = 39  # -1 unknown
    PURCHASE_AMOUNT = 40  # minor units, -1 unknown
    PROXY = 41  # tri-state
    ACCOUNT_AGE = 42  # EMV 3DS chAccAgeInd, 1 guest to 5 over 60 days, -1 unknown
    FORWARDER = 43  # tri-state
    REGISTERED_MS = 44  # -1 unknown
    HAS_REGISTRATION_TDS = 45  # the stored card names the 3-D Secure authentication of its registration
    WALLET_KIND = 46  # WalletCode
    PURCHASE_CURRENCY = 47  # ISO 4217 numeric, 0 unknown
    PURCHASE_EXPONENT = 48  # -1 unknown
    ECI_RESPONSE = 49  # as ECI, of the response
    CAVV_WELLFORMED = 50  # tri-state
    MESSAGE_CATEGORY = 51  # this and the next: -1 unknown
    REQUESTOR_AUTH_IND = 52
    THREE_RI_IND = 53
    CHALLENGE_EXEMPTION = 54
    TRUST_LIST_SOURCE = 55
    RESULTS_STATUS = 56
    CAVV_KEY = 57  # this and the next: 64 bits of a hash, the same at every acquirer; 0 absent
    DS_TRANS_KEY = 58  # of a dsTransID that is a UUID
    ORDER_KEY = 59
    ACQUIRER_KEY = 60
    DS_TRANS_STEM = 61  # of the same UUID without its last four digits
    EMAIL_KEY = 62  # this and the next: as CAVV_KEY, for look-ups in lists
    PREFIX_KEY = 63  # of the network in which the network address is
    ACCOUNT_CHANGE = 64  # these four of EMV 3DS acctInfo and merchantRiskIndicator: -1 unknown
    PASSWORD_CHANGE = 65
    SUSPICIOUS = 66
    ADDRESS_USAGE = 67


def _letters_packed() -> dict[str, int]:
    packed = {name: (ord(name[0]) - 64) * 32 + ord(name[1]) - 64 for name in codes.COUNTRIES}
    return packed | {name.lower(): code for name, code in packed.items()}  # spellings of some switches


COUNTRIES: Final[Mapping[str, int]] = _letters_packed()
"""Every country with its code."""


def country_code(alpha2: str) -> int:
    """Pack an ISO 3166-1 alpha-2 code into a small positive int; 0 for other texts."""
    return COUNTRIES.get(alpha2, 0)


def ms_of(stamp: datetime) -> int:
    """Truncate a time to whole milliseconds; half a microsecond is added for the rounding of the float."""
    return int(stamp.timestamp() * 1000.0 + 0.0005)
