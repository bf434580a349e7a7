"""Numbers of EMV 3-D Secure codes in columns, and the codes of the dated tables over all times.

The lists themselves are `scoring/reference/threeds_*.yaml`.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from scoring.reference.table import start_ms
from scoring.reference.threeds import Field, ThreeDsReference, Value, reference

NO_ECI: Final = -1
N0: Final = -2
N2: Final = -3
UNREADABLE_ECI: Final = -4
"""Numbers of an ECI that is not numeric: absent, Mastercard's two of non-payment authentication, no valid ECI."""

_LETTERED_ECI: Final = {"N0": N0, "N2": N2}
RESERVED_REASON: Final = -2
"""A transStatusReason that is reserved: present, and legal in no version."""

EXEMPT: Final = 2
"""The first known kind of exemption; each next kind of the table is one more. 0 is no exemption."""
UNKNOWN_EXEMPTION: Final = 1
"""A word that is in no list and exempts nothing."""

WALLET: Final = 1
"""A wallet that is in no list; the first of the table is one more."""


def proof_ms_of(made: ThreeDsReference) -> int:
    """Give the time from which a stored card must name the authentication of its registration."""
    return min(start_ms(row.effective_from) for row in made.mandates if row.duty == "STORED_CARD_PROOF")


MANDATE_MS: Final = proof_ms_of(reference())
"""2025-04-01 00:00 in Tokyo."""


def rows_of(field: Field) -> Iterator[Value]:
    """Give the rows of a field of `threeds_values.yaml`."""
    return (row for row in reference().values if row.field == field)


TRANS_STATUSES: Final = "".join(dict.fromkeys(value for row in rows_of("trans_status") for value in row.values))


def codes_of(field: Field) -> tuple[str, ...]:
    """Give every code of a field of `threeds_values.yaml` that is legal in some version."""
    return tuple(dict.fromkeys(code for row in rows_of(field) if row.since is not None for code in row.values))


def reserved_reasons() -> tuple[str, ...]:
    """Give the codes of transStatusReason that are legal in no version."""
    return tuple(code for row in rows_of("trans_status_reason") if row.since is None for code in row.values)


def exemption_kinds() -> tuple[str, ...]:
    """Name the kinds of exemptions in the order of their codes, from EXEMPT."""
    return tuple(dict.fromkeys(row.kind for row in reference().exemptions if row.exempts))


def exemption_words() -> Mapping[str, int]:
    """Give every word of `exempt_reason`, in lower and in upper case, with its kind; 0 if it means no exemption."""
    kinds = exemption_kinds()
    words = {
        word: EXEMPT + kinds.index(row.kind) if row.exempts else 0
        for row in reference().exemptions
        for word in row.words
    }
    return MappingProxyType(words | {word.upper(): meaning for word, meaning in words.items()})


def wallet_words() -> Mapping[str, int]:
    """Give the code of every listed wallet."""
    wallets = dict.fromkeys(row.wallet for row in reference().wallets)
    words = {wallet: WALLET + 1 + place for place, wallet in enumerate(wallets)}
    return MappingProxyType(words | {word.upper(): meaning for word, meaning in words.items()})


def eci_code(text: str) -> int:
    """Give the number that stands for an ECI of the table."""
    return _LETTERED_ECI.get(text) or int(text)


def agreements() -> Iterator[tuple[str, int, str]]:
    """Give each (network, ECI, transStatus) that agrees."""
    for row in reference().eci:
        for network in row.networks:
            for status in row.statuses:
                yield network, eci_code(row.eci), status
