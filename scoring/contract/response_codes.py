"""Classes of issuers' answers: response codes differ per switch, what they mean for velocity does not.

Sources: ISO 8583:1987 DE 39, the networks' additions as payment service providers publish them, and the G-codes
that Japanese domestic switches return in place of DE 39.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from scoring.contract.codes import OutcomeClass

_C = OutcomeClass


def _codes(*groups: tuple[str, OutcomeClass]) -> dict[str, OutcomeClass]:
    return {code: outcome for codes, outcome in groups for code in codes.split()}


ISO_8583: Final[Mapping[str, OutcomeClass]] = MappingProxyType(
    _codes(
        ("00 08 10 11 16 85", _C.APPROVED),  # 08 honour with identification, 16 update track 3, 85 no reason to decline
        ("14 15 56", _C.BAD_PAN),  # invalid number, no such issuer, no card record
        ("33 38 54 55 75 82", _C.BAD_CRED),  # expiry, PIN, PIN tries, negative CAM, CVV or CAVV result
        ("51 61 65", _C.FUNDS),
        ("07 34 41 43 59 63 83", _C.FRAUD),
        ("04 36 46 78", _C.HARD),
        ("03 39 40 57 58 62 93", _C.POLICY),
        ("06 09 12 13 19 22 25 30 68 88 89 90 91 92 94 95 96", _C.TECH),
        ("01 02 05 21", _C.GENERIC),
        ("1A", _C.STEP_UP),
        ("R0 R1 R3", _C.STOP),
    )
)
"""What a code means where the network says nothing else."""

VISA: Final[Mapping[str, OutcomeClass]] = MappingProxyType(
    _codes(("N7", _C.BAD_CRED), ("70 1A", _C.STEP_UP), ("5C 9G", _C.POLICY), ("6P", _C.BAD_CRED), ("86", _C.TECH))
)
"""N7 is a decline for a wrong security code, 5C and 9G are blocks by the issuer's rule and by the cardholder."""

MASTERCARD: Final[Mapping[str, OutcomeClass]] = MappingProxyType(
    _codes(("70 71", _C.GENERIC), ("79 82", _C.POLICY), ("83", _C.FRAUD), ("87", _C.APPROVED), ("89", _C.BAD_CRED))
)
"""79 and 82 are the life-cycle and policy declines of Mastercard's decline reasons, 83 its fraud decline."""

JAPAN_G: Final[Mapping[str, OutcomeClass]] = MappingProxyType(
    _codes(
        ("G65 G61", _C.BAD_PAN),  # card-number error, invalid card
        ("G42 G44 G83", _C.BAD_CRED),  # PIN, security code, expiry
        ("G02 G03 G54 G55", _C.FUNDS),  # balance, limit, daily count, daily limit
        ("G60", _C.FRAUD),  # accident card: lost or stolen
        ("G12", _C.HARD),  # card unusable
        ("G30", _C.GENERIC),  # judgement pending
    )
)
"""Codes of the Japanese domestic switches; they never collide with two-character codes of DE 39."""


def answers_of(network: str) -> Mapping[str, OutcomeClass]:
    """Return every response code of a network (contract names) with its class."""
    own = {"visa": VISA, "mastercard": MASTERCARD}.get(network, {})
    return MappingProxyType({**ISO_8583, **JAPAN_G, **own})
