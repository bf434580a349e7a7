"""Vocabularies: meanings of the words of the contract and of the protocols."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final, get_args

from scoring.contract.authorization import SCHEMA, Channel, Funding, Initiator, Network, Phase, TxnType, WalletKind
from scoring.contract.codes import (
    AVS_RESULTS,
    CVV2_RESULTS,
    ENTRY_MODES,
    ChannelCode,
    FundingCode,
    InitiatorCode,
    NetworkCode,
    OutcomeClass,
    PhaseCode,
    TxnTypeCode,
    WalletCode,
)
from scoring.contract.currencies import CURRENCIES
from scoring.contract.threeds_codes import (
    N0,
    N2,
    NO_ECI,
    RESERVED_REASON,
    TRANS_STATUSES,
    codes_of,
    exemption_words,
    reserved_reasons,
    wallet_words,
)
from scoring.decode.columns import COUNTRIES
from scoring.decode.read.lexicon import MISSING
from scoring.reference.threeds import Field

UNTOLD: Final = -1
"""Value of a tri-state that is missing."""

STRICT: Final = MISSING
"""Default of a closed vocabulary: any other word breaks the contract."""


class Vocabulary(IntEnum):
    """The vocabulary in which a text is looked up."""

    NONE = 0
    SCHEMA = 1
    COUNTRY = 2
    CURRENCY = 3  # the number by 8, and the exponent
    NETWORK = 4
    FUNDING = 5
    TXN_TYPE = 6
    CHANNEL = 7
    INITIATOR = 8
    PHASE = 9
    OUTCOME = 10
    ENTRY_MODE = 11  # this and the next: codes of two digits, with or without the leading zero
    REASON = 12
    AUTH_TYPE = 13
    AUTH_METHOD = 14
    CHALLENGE_IND = 15
    CHALLENGE_CANCEL = 16
    DEVICE_CHANNEL = 17
    ACCOUNT_AGE = 18
    AVS = 19  # this and the next: codes of one character, held as the number of its upper case
    CVV2 = 20
    CAVV = 21
    TRUST_LIST = 22
    TRANS_STATUS = 23
    ECI = 24
    TDS_VERSION = 25
    WALLET = 26
    EXEMPTION = 27
    WALLET_KIND = 28
    CURRENCY_NUMBER = 29  # the number alone, by letters or by digits as EMV 3-D Secure writes it
    MESSAGE_CATEGORY = 30  # this and the next: codes of two digits
    REQUESTOR_AUTH_IND = 31
    THREE_RI_IND = 32
    CHALLENGE_EXEMPTION = 33
    TRUST_LIST_SOURCE = 34
    RESULTS_STATUS = 35
    ACCOUNT_CHANGE = 36
    PASSWORD_CHANGE = 37
    SUSPICIOUS = 38
    ADDRESS_USAGE = 39


def _coded(words: object, codes: type[IntEnum]) -> dict[str, int]:
    """Give the code of each word of a list of the contract."""
    return {word: int(codes[word.upper()]) for word in get_args(words)}


def _numbers(known: Iterable[int]) -> dict[str, int]:
    return {spelt: n for n in known for spelt in (str(n), f"{n:02d}")}


def _codes(field: Field) -> dict[str, int]:
    """Give the codes of two digits of a field of EMV 3-D Secure."""
    return _numbers(int(code) for code in codes_of(field))


def _characters(known: str) -> dict[str, int]:
    return {spelt: ord(c.upper()) for c in known for spelt in (c, c.lower())}


_VERSIONS: Final = {
    **{f"{a}.{b}.{c}": 100 * a + 10 * b + c for a in (1, 2, 3) for b in range(10) for c in range(10)},
    **{f"{a}.{b}": 100 * a + 10 * b for a in (1, 2, 3) for b in range(10)},
}
WORDS: Final[Mapping[int, Mapping[str, int]]] = {
    Vocabulary.SCHEMA: {SCHEMA: 0},
    Vocabulary.COUNTRY: COUNTRIES,
    Vocabulary.CURRENCY: {name: number * 8 + exponent for name, (number, exponent) in CURRENCIES.items()},
    Vocabulary.NETWORK: _coded(Network, NetworkCode),
    Vocabulary.FUNDING: _coded(Funding, FundingCode),
    Vocabulary.TXN_TYPE: _coded(TxnType, TxnTypeCode),
    Vocabulary.CHANNEL: _coded(Channel, ChannelCode),
    Vocabulary.INITIATOR: _coded(Initiator, InitiatorCode),
    Vocabulary.PHASE: _coded(Phase, PhaseCode),
    Vocabulary.OUTCOME: {outcome.name: int(outcome) for outcome in OutcomeClass},
    Vocabulary.ENTRY_MODE: _numbers(ENTRY_MODES),
    Vocabulary.REASON: _codes("trans_status_reason") | dict.fromkeys(reserved_reasons(), RESERVED_REASON),
    Vocabulary.AUTH_TYPE: _codes("authentication_type"),
    Vocabulary.AUTH_METHOD: _codes("authentication_method"),
    Vocabulary.CHALLENGE_IND: _codes("challenge_indicator"),
    Vocabulary.CHALLENGE_CANCEL: _codes("challenge_cancel"),
    Vocabulary.DEVICE_CHANNEL: _codes("device_channel"),
    Vocabulary.ACCOUNT_AGE: _codes("account_age"),
    Vocabulary.AVS: _characters(AVS_RESULTS),
    Vocabulary.CVV2: _characters(CVV2_RESULTS),
    Vocabulary.CAVV: _characters("".join(map(chr, range(33, 127)))),  # lists differ by network: threeds_cavv.yaml
    Vocabulary.TRUST_LIST: _characters("".join(codes_of("trust_list_status"))),
    Vocabulary.TRANS_STATUS: _characters(TRANS_STATUSES),
    Vocabulary.ECI: _numbers(range(100)) | {"N0": N0, "n0": N0, "N2": N2, "n2": N2, "": NO_ECI},
    Vocabulary.TDS_VERSION: _VERSIONS,
    Vocabulary.WALLET: {**wallet_words(), "": UNTOLD, **dict.fromkeys(("none", "NONE", "None"), 0)},
    Vocabulary.EXEMPTION: exemption_words(),
    Vocabulary.WALLET_KIND: _coded(WalletKind, WalletCode),
    Vocabulary.CURRENCY_NUMBER: {
        spelt: number for name, (number, _) in CURRENCIES.items() for spelt in (name, f"{number:03d}")
    },
    Vocabulary.MESSAGE_CATEGORY: _codes("message_category"),
    Vocabulary.REQUESTOR_AUTH_IND: _codes("requestor_authentication_indicator"),
    Vocabulary.THREE_RI_IND: _codes("three_ri_indicator"),
    Vocabulary.CHALLENGE_EXEMPTION: _codes("challenge_exemption"),
    Vocabulary.TRUST_LIST_SOURCE: _codes("trust_list_source"),
    Vocabulary.RESULTS_STATUS: _codes("results_status"),
    Vocabulary.ACCOUNT_CHANGE: _codes("account_change"),
    Vocabulary.PASSWORD_CHANGE: _codes("password_change"),
    Vocabulary.SUSPICIOUS: _codes("suspicious_activity"),
    Vocabulary.ADDRESS_USAGE: _codes("address_usage"),
}
"""The words of every vocabulary, with their meanings."""
