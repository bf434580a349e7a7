"""Vocabularies: what the texts of the contract and of the protocols mean."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, get_args

from scoring.contract.authorization import SCHEMA, Channel, Initiator, Network, Phase, TxnType
from scoring.contract.codes import OutcomeClass
from scoring.contract.currencies import CURRENCIES
from scoring.contract.response_codes import answers_of
from scoring.contract.threeds_codes import N0, N2, NO_ECI, exemption_words
from scoring.decode.columns import COUNTRIES
from scoring.decode.read.lexicon import MISSING

STRICT: Final = MISSING
"""Default of a vocabulary that is closed: another word breaks the contract."""


class Vocabulary(IntEnum):
    """Which words a text is looked up among."""

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
    NUMBER = 11  # two-digit codes, with or without the leading zero
    ECI = 12
    CHARACTER = 13  # one printable character: its code, in upper case
    TRANS_STATUS = 14
    TDS_VERSION = 15
    NO_WALLET = 16
    EXEMPTION = 17
    ANSWER = 18  # response codes: of the network in column NETWORK this plus that


def _positions(*names: str) -> dict[str, int]:
    return {name: position for position, name in enumerate(names, start=1)}


_NUMBERS: Final = {str(n): n for n in range(10)} | {f"{n:02d}": n for n in range(100)}
_CHARACTERS: Final = {c: ord(c.upper()) for c in map(chr, range(33, 127))}
_VERSIONS: Final = {
    **{f"{a}.{b}.{c}": 100 * a + 10 * b + c for a in (1, 2, 3) for b in range(10) for c in range(10)},
    **{f"{a}.{b}": 100 * a + 10 * b for a in (1, 2, 3) for b in range(10)},
    **{f"{a}": 100 * a for a in (1, 2, 3)},
}
WORDS: Final[Mapping[int, Mapping[str, int]]] = {
    Vocabulary.SCHEMA: {SCHEMA: 0},
    Vocabulary.COUNTRY: COUNTRIES,
    Vocabulary.CURRENCY: {name: number * 8 + exponent for name, (number, exponent) in CURRENCIES.items()},
    Vocabulary.NETWORK: _positions(*get_args(Network)),
    Vocabulary.FUNDING: _positions("credit", "debit", "prepaid") | {"unknown": 0},
    Vocabulary.TXN_TYPE: _positions(*get_args(TxnType)),
    Vocabulary.CHANNEL: _positions(*get_args(Channel)),
    Vocabulary.INITIATOR: _positions(*get_args(Initiator)),
    Vocabulary.PHASE: _positions(*get_args(Phase)),
    Vocabulary.OUTCOME: {outcome.name: int(outcome) for outcome in OutcomeClass},
    Vocabulary.NUMBER: _NUMBERS,
    Vocabulary.ECI: _NUMBERS | {"N0": N0, "n0": N0, "N2": N2, "n2": N2, "": NO_ECI},
    Vocabulary.CHARACTER: _CHARACTERS,
    Vocabulary.TRANS_STATUS: {c: code for c, code in _CHARACTERS.items() if c in "YNUARICDSynuaricds"},
    Vocabulary.TDS_VERSION: _VERSIONS,
    Vocabulary.NO_WALLET: dict.fromkeys(("", "none", "NONE", "None"), 0),
    Vocabulary.EXEMPTION: exemption_words(),
    **{
        Vocabulary.ANSWER + position: {code: int(answer) for code, answer in answers_of(network).items()}
        for network, position in _positions(*get_args(Network)).items()
    },
}
"""The words of every vocabulary, with what they mean."""
