"""Code lists of EMV 3-D Secure: ECI by network, the statuses an ECI agrees with, cryptogram results, exemptions.

Sources: EMV 3-D Secure 2.1 to 2.3.1 (the values of its data elements), the ECI tables and the CAVV result codes (Visa
field 44.13; American Express shares them) as payment service providers publish them, the Credit Card Security
Guidelines 5.0 to 6.1. Exemptions are in `scoring/reference/threeds_exemptions.yaml`.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from scoring.contract.codes import EciClass
from scoring.reference.threeds import exemptions

MANDATE_MS: Final = 1_743_433_200_000
"""2025-04-01 00:00 in Tokyo: from here on e-commerce merchants in Japan owe EMV 3DS (Guidelines 5.0)."""

NO_ECI: Final = -1
N0: Final = -2
N2: Final = -3
UNREADABLE_ECI: Final = -4
"""How an ECI that is no number is held: absent, Mastercard's two of non-payment authentication, and no ECI at all."""

_OWN_CODES: Final = tuple(range(80, 100))  # every directory server has its own
TRANS_STATUSES: Final = "YANURICDS"
TRANS_STATUS_REASONS: Final = (*range(1, 31), *_OWN_CODES)
AUTHENTICATION_TYPES: Final = tuple(range(1, 5))
AUTHENTICATION_METHODS: Final = (*range(1, 17), *_OWN_CODES)
CHALLENGE_INDICATORS: Final = (*range(1, 15), *_OWN_CODES)
CHALLENGE_CANCELS: Final = (1, *range(3, 9))
DEVICE_CHANNELS: Final = (1, 2, 3)
ACCOUNT_AGES: Final = tuple(range(1, 6))
"""chAccAgeInd, which acctInfo carries."""
TRUST_LIST_STATUSES: Final = "YNEPRU"
"""Every value of these fields up to EMV 3-D Secure 2.3.1; the numbers are codes of two digits."""

COMMON: Final = ("jcb", "amex", "diners", "discover", "unionpay")
"""Networks whose ECI are 05, 06 and 07 and no other."""

_COMMON_ECI: Final = {5: EciClass.AUTHENTICATED, 6: EciClass.ATTEMPTED, 7: EciClass.NONE}
ECI: Final[Mapping[str, Mapping[int, EciClass]]] = MappingProxyType(
    {
        **dict.fromkeys(COMMON, _COMMON_ECI),
        "visa": {
            **_COMMON_ECI,
            1: EciClass.MOTO,
            2: EciClass.STORED,  # recurring
            3: EciClass.STORED,  # instalment
            4: EciClass.MOTO,
            8: EciClass.NONE,  # not secure
        },
        "mastercard": {
            0: EciClass.NONE,
            1: EciClass.ATTEMPTED,
            2: EciClass.AUTHENTICATED,
            4: EciClass.DATA_ONLY,
            6: EciClass.EXEMPT,
            7: EciClass.RECURRING,
            N0: EciClass.DATA_ONLY,
            N2: EciClass.DATA_ONLY,
        },
    }
)
"""What each ECI claims. A value that a network's table lacks is impossible; network `other` has no table."""

_NOT_DONE: Final = "NURICDS"  # statuses after which nobody is authenticated
_COMMON_AGREES: Final = {5: "Y", 6: "A", 7: _NOT_DONE}
_AGREES: Final[Mapping[str, Mapping[int, str]]] = MappingProxyType(
    {
        **dict.fromkeys(COMMON, _COMMON_AGREES),
        # 01 to 04 and 08 claim no authentication: they fit where there was none
        "visa": {**_COMMON_AGREES, **dict.fromkeys((1, 2, 3, 4, 8), _NOT_DONE)},
        # 06 after N: exempted after a failed attempt; 04: data only, see DATA_ONLY_REASON
        "mastercard": {2: "Y", 1: "A", 0: "NURCDS", 4: "U", 6: "NI", 7: "Y", N0: "NUR", N2: "Y"},
    }
)
"""By network and ECI: each transStatus that agrees with it. What is not listed is a contradiction."""

DATA_ONLY_REASON: Final = 80
"""transStatusReason beside Mastercard's U and 04; another one contradicts it, none is unknown."""

CAVV_NETWORKS: Final = ("visa", "amex")
"""Networks whose CAVV result codes are those below; what others send has no meaning here."""
CAVV_FAILED: Final = "1479"
CAVV_NO_SHIFT: Final = "01479BI"
"""Failed; 0 bad data, B for information only, I invalid security data: liability stays with the acquirer."""
CAVV_NOT_VALIDATED: Final = "6CDU"
"""Nobody validated the cryptogram: never a shift, and who is liable is not known."""

EXEMPT: Final = 1
UNKNOWN_EXEMPTION: Final = 2
"""What an exemption's word reads as; 0 is no exemption."""


def exemption_words() -> Mapping[str, int]:
    """Give every word of `exempt_reason` in lower and in upper case: EXEMPT, or 0 where it says that there is none."""
    words = {word: EXEMPT if row.exempts else 0 for row in exemptions() for word in row.words}
    return MappingProxyType(words | {word.upper(): meaning for word, meaning in words.items()})


def agreements() -> Iterator[tuple[str, int, str]]:
    """Give each (network, ECI, transStatus) that is no contradiction."""
    for network, row in _AGREES.items():
        for eci, statuses in row.items():
            for status in statuses:
                yield network, eci, status
