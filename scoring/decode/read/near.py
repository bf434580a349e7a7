"""Unknown keys that are near a name of the contract: the spelling of another system, or a misspelling."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.authorization import near_label
from scoring.decode.read.fields import FIELDS
from scoring.decode.read.oddities import COUNT, KEY_MAX, NODE, REPEATED, START, STOP, SUMS, TAKEN
from scoring.nearness import nearest

_CACHE: Final = 4_096
_SHORT, _LONG = 5, 9
"""Number of letters from which one edit is allowed, and two."""

_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    # names of a section in other systems, and EMV 3-D Secure names that the contract shortens
    "tds": ("threeds", "threedsecure", "3ds", "3ds2", "3dsecure", "emv3ds", "secure3d"),
    "tds.version": ("messageversion", "protocolversion", "threedsversion"),
    "tds.eci": ("electroniccommerceindicator",),
    "tds.server_trans_id": ("threedsservertransid",),
    "tds.auth_type": ("authenticationtype",),
    "tds.auth_method": ("authenticationmethod",),
    "tds.challenge_ind": ("threedsrequestorchallengeind",),
    "tds.trust_list": ("trustliststatus", "whiteliststatus"),
    "tds.trust_list_source": ("trustliststatussource", "whiteliststatussource"),
    "tds.challenge_exemption": ("transchallengeexemption",),
    "tds.requestor_auth_ind": ("threedsrequestorauthenticationind",),
    "shopper.account_age_ind": ("chaccageind",),
    "shopper.account_change_ind": ("chaccchangeind",),
    "shopper.password_change_ind": ("chaccpwchangeind",),
    "shopper.suspicious_activity": ("suspiciousaccactivity",),
    "ship.usage_ind": ("shipaddressusageind",),
    "merchant.mcc": ("merchantcategorycode",),
    "txn": ("transaction",),
    "ship": ("shipping",),
}
"""Other usual names of a field, as `_bare` reduces them."""

_PATHS: Final = tuple(".".join(field.path) for field in FIELDS)
_SECTIONS: Final = {field.node: field.path[:-1] for field in FIELDS}
_NODES: Final = {section: node for node, section in _SECTIONS.items()}


def _bare(name: str) -> str:
    """Reduce a name to its letters and digits: transStatus, trans-status and Trans_Status become equal."""
    return "".join(character for character in name.casefold() if character.isalnum())


def _names_of(node: int) -> dict[str, str]:
    """Give the bare names of one object's fields, with the path of each."""
    own = {field.path[-1]: path for field, path in zip(FIELDS, _PATHS, strict=True) if field.node == node}
    also = {other: path for path in own.values() for other in _ALSO.get(path, ())}
    return also | {_bare(name): path for name, path in own.items()}


_NAMES: Final = {node: _names_of(node) for node in _SECTIONS}
_KNOWN: Final = frozenset((field.node, field.path[-1]) for field in FIELDS)


@lru_cache(_CACHE)
def near(node: int, key: str) -> str | None:
    """Give the path (`tds.trans_status`) of the field that an unknown key of an object is near to; None if there is
    none.

    A key is near a field if it has the same letters and digits, or is another usual name of it, or is a few edits away:
    one from five letters on, two from nine.
    """
    bare, names = _bare(key), _NAMES[node]
    if (node, key) in _KNOWN or len(key) > KEY_MAX:
        return None
    if bare in names:
        return names[bare]
    most, least = (2, _LONG) if len(bare) >= _LONG else (1, _SHORT)
    if len(bare) < _SHORT:
        return None
    close = nearest(bare, (name for name in names if len(name) >= least), most)
    return None if close is None else names[close]


def read_notes(data: bytes, notes: NDArray[np.int64]) -> tuple[dict[str, int], int]:
    """Summarise the notes of a batch: records with an unknown key near to a field, by its label; records in which an
    object has a key twice.

    `data` is the page that the kernel read.
    """
    repeated = int(notes[SUMS, REPEATED])
    if notes[SUMS, TAKEN] == 0:
        return {}, repeated
    found: dict[str, int] = {}
    for row in notes[np.flatnonzero(notes[:SUMS, COUNT])].tolist():
        key = _unescaped(data[row[START] : row[STOP]])
        path = None if key is None else near(row[NODE], key)
        if path is not None:
            label = near_label(path)
            found[label] = found.get(label, 0) + row[COUNT]
    return found, repeated


def _unescaped(key: bytes) -> str | None:
    try:
        text = json.loads(b'"' + key + b'"') if b"\\" in key else key.decode()
    except ValueError:
        return None
    return text if isinstance(text, str) else None


class Oddity(NamedTuple):
    """An unknown or repeated key of an event: its path, and the name that it is near to; None if it is repeated.

    In a path an unknown key that is near no name reads `*`: it may contain anything.
    """

    path: str
    near: str | None


class _Members(list[tuple[str, object]]):
    """The members of a JSON object as they came."""


_parse: Final = json.JSONDecoder(object_pairs_hook=_Members, parse_int=str, parse_float=str, parse_constant=str).decode


def oddities(value: bytes) -> list[Oddity]:
    """List the keys of an event that are near a name of the contract, and the repeated ones; empty for invalid JSON.

    A key that is near a name has its letters and little else, so a path can show it. Cost: a parse in Python.
    """
    try:
        document = _parse(value.decode())
        return list(_odd(document, ())) if isinstance(document, _Members) else []
    except (ValueError, RecursionError):
        return []


def _odd(members: _Members, section: tuple[str, ...]) -> Iterator[Oddity]:
    node, met = _NODES[section], set()
    for key, value in members:
        close = near(node, key)
        path = ".".join(("$", *section, key if close is not None or (node, key) in _KNOWN else "*"))
        if close is not None:
            yield Oddity(path, close.rpartition(".")[2])
        if key in met:
            yield Oddity(path, None)
        if isinstance(value, _Members) and (*section, key) in _NODES:
            yield from _odd(value, (*section, key))
        met.add(key)
