"""The dated tables of EMV 3-D Secure as arrays for the kernels, one layer for each time between two changes.

Kernels take them as an argument, so a change of a table recompiles nothing.
"""

from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import (
    EciClass,
    NetworkCode,
    ThreeDsStatus,
    WalletCode,
)
from scoring.contract.threeds_codes import (
    EXEMPT,
    NO_ECI,
    TRANS_STATUSES,
    UNREADABLE_ECI,
    eci_code,
    exemption_kinds,
    proof_ms_of,
    wallet_words,
)
from scoring.decode.columns import Col, country_code
from scoring.reference.table import start_ms
from scoring.reference.threeds import Field, ThreeDsReference

NETWORKS: Final = tuple(code.name.lower() for code in NetworkCode)
"""Names of the codes in Col.NETWORK."""
ECI_SHIFT: Final = -UNREADABLE_ECI
"""Index of ECI 00 in a table over all values of Col.ECI."""
ECI_WIDTH: Final = ECI_SHIFT + 100
NEVER_MS: Final = 2**62
DAY_MS: Final = 86_400_000
FAILED, NO_SHIFT, NOT_VALIDATED = 1, 2, 3
"""Effects of a result of the cryptogram's check; 0 none. None of them shifts the liability."""
PRESENT, NOT_PRESENT = 1, 2
"""Whether the card was present, by POS entry mode; 0 unknown."""
_RESULTS: Final = {
    "FAILED": FAILED,
    **dict.fromkeys(("BAD_DATA", "INFORMATION_ONLY", "INVALID"), NO_SHIFT),
    "NOT_VALIDATED": NOT_VALIDATED,
}
FIRST_VERSION: Final = 210
"""Values of 2.1.0 count as legal in every earlier version: no lists of those are kept."""
VERSION_FIELDS: Final[dict[Field, Col]] = {
    "trans_status": Col.TRANS_STATUS,
    "trans_status_reason": Col.TRANS_STATUS_REASON,
    "authentication_type": Col.AUTH_TYPE,
    "authentication_method": Col.AUTH_METHOD,
    "challenge_indicator": Col.CHALLENGE_IND,
    "requestor_authentication_indicator": Col.REQUESTOR_AUTH_IND,
    "three_ri_indicator": Col.THREE_RI_IND,
    "challenge_exemption": Col.CHALLENGE_EXEMPTION,
    "trust_list_status": Col.TRUST_LIST,
    "trust_list_source": Col.TRUST_LIST_SOURCE,
}
"""Fields whose values depend on the message version."""


ECI_CLASS, ECOMMERCE, BY_RIGHT, REASON_BIT, DISAGREES_BIT = 15, 1 << 4, 1 << 5, 6, 16
"""Parts of a cell of `Tables.eci`: mask of the class, two flags, the lowest bit of the reason (7 bits) that must stand
beside the status, and the bit of the first transStatus, by its place, that contradicts."""
STATUS_MASK, PLACE_BIT = 255, 8
"""Parts of a cell of `Tables.status`: ThreeDsStatus, and the place of the letter, from 1."""
EXEMPTIONS, WALLETS, MODES, AGES, ACTIVE, ABANDONED, BY_PAYMENT = range(7)
"""Lists of `Tables.lists`: 1 where a kind exempts; WalletCode by wallet; presence by entry mode; age in ms by network.

ACTIVE: a bit for each active rule, in the first place of the list, then limits of rules. ABANDONED: 1 for each
challengeCancel of a failed challenge. BY_PAYMENT: 1 for each threeRIInd whose payments are not added up.
"""
FAILED_CHALLENGES, WITHIN_S = 1, 2
"""Places of the limits of TDS23 in ACTIVE."""
PAYMENTS_MIN, BASE_DAYS, FACTOR, SIGMAS = 3, 4, 5, 6
"""Those of TDS21; FACTOR and SIGMAS in thousandths."""
SEQUENCE_IDS, SEQUENCE_S = 7, 8
"""Those of TDS11."""


class Tables(NamedTuple):
    """E layers over N networks (Col.NETWORK), W places of ECI, and codes by number or ASCII.

    `starts` int64[E]: ms from which a layer holds. `eci` int64[E, N, W] and `status` int64[E, 128]: parts as above.
    `results` int8[E, N, 128]. `lists` int64[E, 7, 128]. `since` int16[E, F, 128]: versions; `fields` int64[F]: their
    columns. `retired_ms` int64[N, 400] by version. `mandate_ms` int64[1024] by country. `excluded` int64[K, 5]:
    network, country, category, from and to. `settings` float64[2]: tolerance, and since when a stored card needs proof.
    """

    starts: NDArray[np.int64]
    eci: NDArray[np.int64]
    status: NDArray[np.int64]
    results: NDArray[np.int8]
    lists: NDArray[np.int64]
    since: NDArray[np.int16]
    fields: NDArray[np.int64]
    retired_ms: NDArray[np.int64]
    mandate_ms: NDArray[np.int64]
    excluded: NDArray[np.int64]
    settings: NDArray[np.float64]


@lru_cache(maxsize=8)
def tables_of(made: ThreeDsReference, amount_tolerance: float = 0.0) -> Tables:
    """Build the arrays from the dated tables, once for each pair of arguments. Nobody writes to them.

    `amount_tolerance`: share by which an amount may be above the authenticated one.
    """
    days = days_of(made)
    return Tables(
        starts=starts_of(days),
        eci=np.stack([_eci(made, day) for day in days]),
        status=np.stack([_statuses(made, day) for day in days]),
        results=np.stack([_results(made, day) for day in days]),
        lists=np.stack([_lists(made, day) for day in days]),
        since=np.stack([_since(made, day) for day in days]),
        fields=np.array(list(VERSION_FIELDS.values()), dtype=np.int64),
        retired_ms=_retired(made),
        mandate_ms=_mandates(made),
        excluded=_excluded(made),
        settings=np.array([amount_tolerance, proof_ms_of(made)], dtype=np.float64),
    )


def days_of(made: ThreeDsReference) -> tuple[date, ...]:
    """Give the first day of each layer. The first layer also holds before its day: no older rows are known."""
    layered = (made.eci, made.cavv, made.values, made.exemptions, made.wallets, made.ages, made.entry_modes, made.rules)
    # mandates, retirements and excluded merchants have times of their own, so they need no layer
    return tuple(sorted(set().union(*(table.changes for table in layered))))


def starts_of(days: tuple[date, ...]) -> NDArray[np.int64]:
    """Give the time from which each layer holds, int64[E] in ms."""
    return np.array([-NEVER_MS, *(start_ms(day) for day in days[1:])], dtype=np.int64)


def _eci(made: ThreeDsReference, day: date) -> NDArray[np.int64]:
    """Build the cells of ECI. An ECI without a row is impossible on its network and contradicts every transStatus.

    On a network without rows every ECI is unknown.
    """
    table = np.full((len(NETWORKS), ECI_WIDTH), EciClass.UNKNOWN, dtype=np.int64)
    every = sum(1 << place for place in range(1, 1 + len(TRANS_STATUSES))) << DISAGREES_BIT
    rows = made.eci.on(day)
    table[[NETWORKS.index(str(network)) for network, _ in rows]] = EciClass.IMPOSSIBLE | every
    for (network, eci), row in rows.items():
        cell = EciClass[row.claims] | (row.ecommerce and ECOMMERCE) | (row.by_right and BY_RIGHT)
        cell |= int(row.with_reason or 0) << REASON_BIT
        cell |= every & ~sum(1 << _place(letter) << DISAGREES_BIT for letter in row.statuses)
        table[NETWORKS.index(str(network)), eci_code(str(eci)) + ECI_SHIFT] = cell
    table[:, NO_ECI + ECI_SHIFT] = EciClass.UNKNOWN
    return table


def _place(letter: str) -> int:
    return 1 + TRANS_STATUSES.index(letter)


def _statuses(made: ThreeDsReference, day: date) -> NDArray[np.int64]:
    table = np.zeros(128, dtype=np.int64)
    for letter in TRANS_STATUSES:
        table[ord(letter)] = _place(letter) << PLACE_BIT
    for (_, value), row in made.values.on(day).items():
        if row.means is not None:
            table[ord(str(value))] |= ThreeDsStatus[row.means]
    return table


def _results(made: ThreeDsReference, day: date) -> NDArray[np.int8]:
    table = np.zeros((len(NETWORKS), 128), dtype=np.int8)
    for (network, result), row in made.cavv.on(day).items():
        table[NETWORKS.index(str(network)), ord(str(result))] = _RESULTS.get(row.means, 0)
    return table


def _lists(made: ThreeDsReference, day: date) -> NDArray[np.int64]:
    table = np.zeros((7, 128), dtype=np.int64)
    kinds, wallets = exemption_kinds(), wallet_words()
    for row in made.exemptions.on(day).values():
        if row.exempts:
            table[EXEMPTIONS, EXEMPT + kinds.index(row.kind)] = 1
    for wallet in made.wallets.on(day).values():
        table[WALLETS, wallets[wallet.wallet]] = WalletCode[wallet.kind.upper()]
    for (mode,), entry in made.entry_modes.on(day).items():
        table[MODES, int(str(mode))] = PRESENT if entry.card == "PRESENT" else NOT_PRESENT
    table[AGES] = NEVER_MS
    for (network,), age in made.ages.on(day).items():
        table[AGES, NETWORKS.index(str(network))] = age.days * DAY_MS
    rules = made.rules.on(day).values()
    table[ACTIVE, 0] = sum(1 << int(rule.id[3:]) for rule in rules if rule.active)
    for rule in rules:
        if rule.failures is not None and rule.within_s is not None:
            table[ACTIVE, [FAILED_CHALLENGES, WITHIN_S]] = rule.failures, rule.within_s
        if rule.ids is not None and rule.within_s is not None:
            table[ACTIVE, [SEQUENCE_IDS, SEQUENCE_S]] = rule.ids, rule.within_s
        if rule.payments_min is not None and rule.base_days is not None:
            table[ACTIVE, [PAYMENTS_MIN, BASE_DAYS]] = rule.payments_min, rule.base_days
        if rule.factor is not None and rule.sigmas is not None:
            table[ACTIVE, [FACTOR, SIGMAS]] = round(1_000 * rule.factor), round(1_000 * rule.sigmas)
    for (_, code), value in made.values.on(day).items():
        if value.abandoned:
            table[ABANDONED, int(str(code))] = 1
        if value.by_payment:
            table[BY_PAYMENT, int(str(code))] = 1
    return table


def _excluded(made: ThreeDsReference) -> NDArray[np.int64]:
    rows = [
        (
            NETWORKS.index(str(network)),
            country_code(str(country)),
            int(str(category)),
            start_ms(row.effective_from),
            NEVER_MS if row.effective_to is None else start_ms(row.effective_to) + DAY_MS,
        )
        for row in made.excluded
        for network, country, category in row.keys
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 5)


def _since(made: ThreeDsReference, day: date) -> NDArray[np.int16]:
    places = {field: place for place, field in enumerate(VERSION_FIELDS)}
    table = np.zeros((len(VERSION_FIELDS), 128), dtype=np.int16)
    for (_, code), row in made.values.on(day).items():
        if row.since is not None and row.field in places:
            version = int(row.since.replace(".", ""))
            table[places[row.field], _column_value(str(code))] = version if version > FIRST_VERSION else 0
    return table


def _column_value(code: str) -> int:
    """Give the number that stands for a code in the column of its field."""
    return int(code) if code.isdigit() else ord(code)


def _retired(made: ThreeDsReference) -> NDArray[np.int64]:
    table = np.full((len(NETWORKS), 400), NEVER_MS, dtype=np.int64)
    for row in made.versions:
        for network, version in row.keys:
            first = int(str(version).replace(".", "").ljust(3, "0"))
            last = int(str(version).replace(".", "").ljust(3, "9"))
            known = table[NETWORKS.index(str(network)), first : last + 1]
            np.minimum(known, start_ms(row.effective_from), out=known)
    return table


def _mandates(made: ThreeDsReference) -> NDArray[np.int64]:
    table = np.full(1024, NEVER_MS, dtype=np.int64)
    for row in made.mandates:
        if row.country is not None:
            place = country_code(row.country)
            table[place] = min(table[place], start_ms(row.effective_from))
    return table
