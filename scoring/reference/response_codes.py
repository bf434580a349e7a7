"""Classes of issuers' answers by switch, from the dated table. What no list holds is unknown and counted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Final, get_args

from scoring.contract.codes import OutcomeClass
from scoring.reference.rows import ResponseCode, Switch
from scoring.reference.table import DatedTable

SWITCHES: Final[tuple[str, ...]] = get_args(Switch)
UNKNOWN_MAX: Final = 256
"""Pairs of switch and code that are counted by themselves; all further ones count as `OTHER_CODE` of their switch."""

OTHER_CODE: Final = "*"
_CODE_LENGTHS: Final = range(1, 4)
_NETWORKS: Final = {"visa": "VISA", "mastercard": "MASTERCARD", "jcb": "JCB"}


def switch_of(network: str) -> str:
    """Name the switch whose own codes go first for a card of a network (contract names).

    >>> switch_of("visa"), switch_of("amex")
    ('VISA', 'ISO')
    """
    return _NETWORKS.get(network, "ISO")


class ResponseCodes:
    """Hold the classes of all codes on one day. Immutable.

    A code is looked up among the switch's own codes, then in ISO, then among those of Japan's domestic switches, which
    answer for cards of every network.
    """

    def __init__(self, table: DatedTable[ResponseCode], day: date) -> None:
        of: dict[str, dict[str, OutcomeClass]] = {switch: {} for switch in SWITCHES}
        for row in table.on(day).values():
            of[row.switch][row.code] = OutcomeClass[row.outcome]
        self._of: Final[Mapping[str, Mapping[str, OutcomeClass]]] = MappingProxyType(
            {switch: {**of["DOMESTIC"], **of["ISO"], **of[switch]} for switch in SWITCHES}
        )

    def of_switch(self, switch: str) -> Mapping[str, OutcomeClass]:
        """Return every code that a switch may answer with, and its class."""
        return MappingProxyType(self._of[switch])

    def class_of(self, switch: str, code: str) -> OutcomeClass:
        """Class a code; `UNKNOWN` where no list of the switch holds it."""
        return self._of[switch].get(code, OutcomeClass.UNKNOWN)


def classify(
    codes: ResponseCodes, answers: Iterable[tuple[str, str]]
) -> tuple[list[OutcomeClass], Counter[tuple[str, str]]]:
    """Class answers, pairs of switch and code; count those that no list holds by switch and code.

    An answer without a code ("") is unknown and not counted: nothing was said. A text too long for a code counts as
    `OTHER_CODE`: it is no code, and may be anything.
    """
    classes: list[OutcomeClass] = []
    unknown: Counter[tuple[str, str]] = Counter()
    for switch, code in answers:
        found = codes.class_of(switch, code)
        classes.append(found)
        if found is OutcomeClass.UNKNOWN and code:
            count_unknown(unknown, switch, code)
    return classes, unknown


def count_unknown(unknown: Counter[tuple[str, str]], switch: str, code: str) -> None:
    """Count one unknown code, within `UNKNOWN_MAX` pairs beside one `OTHER_CODE` for each switch."""
    is_code = len(code) in _CODE_LENGTHS and code.isascii() and code.isalnum()
    pair = switch, code if is_code else OTHER_CODE
    if pair not in unknown and len(unknown) >= UNKNOWN_MAX:
        pair = switch, OTHER_CODE
    unknown[pair] += 1
