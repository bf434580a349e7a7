"""Response codes (ISO 8583 DE 39) by switch and day, as arrays that a kernel reads."""

from functools import cache
from typing import Annotated, Final, Literal, NamedTuple, get_args

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from scoring.contract.authorization import Network, NormalisedOutcome
from scoring.contract.codes import NetworkCode, OutcomeClass
from scoring.reference.table import DatedRow, DatedTable, shipped_table, start_ms

Switch = Literal["ISO", "VISA", "MASTERCARD", "JCB", "DOMESTIC"]
"""Whose codes a row lists: ISO those of every switch, a network its own, DOMESTIC those of the switches of Japan."""

CODE_CHARACTERS: Final = 3
"""Of the longest code."""

RADIX: Final = 37
"""Of the number that a code is packed into, its first character highest: 1 to 10 for 0 to 9, 11 to 36 for A to Z."""

Code = Annotated[str, Meta(pattern=r"^[0-9A-Z]{2,3}\Z")]

_OWN: Final[dict[Network, Switch]] = {"visa": "VISA", "mastercard": "MASTERCARD", "jcb": "JCB"}


class ResponseCode(DatedRow, frozen=True, kw_only=True):
    """A row of `response_codes.yaml`: what response codes of a switch mean."""

    KEY = ("switch", "codes")

    switch: Switch
    codes: Annotated[tuple[Code, ...], Meta(min_length=1, max_length=64)]
    outcome: NormalisedOutcome


class Answers(NamedTuple):
    """The classes of all codes on all days.

    `eras_ms` int64[E], ascending: the table changes at these times. `places` int16[RADIX ** CODE_CHARACTERS]: where a
    packed code stands, 0 for one that no row has. `classes` int8[E, networks, codes]: `OutcomeClass` by era, network
    (`NetworkCode`) and place, UNKNOWN where no list of the network holds the code in that era.
    """

    eras_ms: NDArray[np.int64]
    places: NDArray[np.int16]
    classes: NDArray[np.int8]


@cache
def response_codes() -> DatedTable[ResponseCode]:
    """Give the table of this package, read once."""
    return shipped_table("response_codes", ResponseCode)


@cache
def answers() -> Answers:
    """Return the classes that the table of this package gives. Made once."""
    return answers_of(response_codes())


def answers_of(table: DatedTable[ResponseCode]) -> Answers:
    """Lay out a table. Days begin at midnight in Tokyo.

    A code is looked up in the list of its network, then in ISO, then in DOMESTIC: the switches of Japan answer for
    cards of every network.
    """
    days = sorted(table.changes)
    codes = sorted({code for row in table for code in row.codes})
    places = np.zeros(RADIX**CODE_CHARACTERS, dtype=np.int16)
    places[[packed(code) for code in codes]] = np.arange(1, len(codes) + 1)
    classes = np.zeros((len(days), len(NetworkCode), len(codes) + 1), dtype=np.int8)
    for era, day in enumerate(days):
        rows = table.on(day)
        for network in get_args(Network):
            for place, code in enumerate(codes, start=1):
                lists = (_OWN.get(network, "ISO"), "ISO", "DOMESTIC")
                found = next((rows[name, code] for name in lists if (name, code) in rows), None)
                if found is not None:
                    classes[era, NetworkCode[network.upper()], place] = OutcomeClass[found.outcome]
    return Answers(np.array([start_ms(day) for day in days], dtype=np.int64), places, classes)


def packed(code: str) -> int:
    """Pack a code into the number that a kernel makes of its characters."""
    number = 0
    for character in code:
        number = number * RADIX + 1 + int(character, 36)
    return number
