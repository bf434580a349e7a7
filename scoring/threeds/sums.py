"""Payments by 3RI add up to what was authenticated at most (TDS14).

A payment by 3RI names the dsTransID of the first authentication. What that was is known from the feed of results, else
from the first use of the dsTransID (`scoring.profile.proofs`), else from the payment itself. The sum is a row of
`shared-profiles` for each dsTransID and partition, and only payments by 3RI have one. A full table forgets the sums
that grew longest ago.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import OutcomeClass
from scoring.decode.columns import Col
from scoring.jit import helper, plain, whole
from scoring.merchants.months.table import RowTable, Shape
from scoring.profile.packed import PAID
from scoring.profile.proofs import IS_ID, ORDER, SAID, SECOND, Replays
from scoring.threeds import authentications as words
from scoring.threeds.authentications import Authentications
from scoring.threeds.columns import BROKEN, RULES, SUM_AMOUNT, SUM_EXPONENT, SUM_PAID
from scoring.threeds.tables import ACTIVE, BY_PAYMENT, Tables

SUMS_MAX: Final = 1 << 16
"""Sums remembered of all partitions together, some 10 MB when full."""

ABOVE: Final = 1 << 14
"""Bit of TDS14."""

_SHAPE: Final = Shape(
    kind=PAID,
    name="PAID",
    dtype=np.dtype(
        [
            *[("key", "<u8"), ("at", "<i8"), ("paid", "<i8"), ("currency", "<u4")],
            *[("home", "<u2"), ("dirty", "u1"), ("spare", "u1", (1,))],
        ]
    ),
    is_shared=True,
)
_COL: Final = plain(Col)
_NON_PAYMENT: Final = 2
"""messageCategory."""
_EXPONENT_BIT, _AMOUNT_BIT, _EXPONENT_MAX, _AMOUNT_MAX = 10, 13, 6, (1 << 40) - 2
_PAID_MAX: Final = 1 << 62


class Sums(RowTable):
    """Sums of payments by dsTransID and partition, in minor units of the first one's currency: `SideRows`."""

    def __init__(self, partitions: int = 1, sums_max: int = SUMS_MAX) -> None:
        super().__init__(_SHAPE, sums_max)
        self._partitions = partitions

    def total(self, key: int, currency: int) -> int:
        """Add up what all partitions know of a dsTransID, in one currency."""
        rows = (self.find(partition, key) for partition in range(self._partitions))
        found = (self.data[row] for row in rows if row is not None)
        return sum(int(row["paid"]) for row in found if row["currency"] == currency)

    def add(self, key: int, minor: int, currency: int, second: int, partition: int) -> None:
        """Add a payment; one in another currency than the first is passed over."""
        row = self.make(0 if self._partitions == 1 else partition, key)
        data = self.data[row]
        if data["currency"] in (0, currency):
            data["currency"] = currency
            data["paid"] = min(int(data["paid"]) + minor, _PAID_MAX)
            data["at"] = max(int(data["at"]), second)
            self.mark(row)


class Authenticated(NamedTuple):
    """An amount that was authenticated; exponent -1: that of the payment's currency."""

    amount: int
    exponent: int
    currency: int


@helper
def authenticated(row: NDArray[np.int64]) -> int:
    """Pack what an event says was authenticated: currency, exponent, then the amount plus one; 0 unknown.

    The amount's lower half is in the lower half, so that it fits the columns ORDER and SAID of a use.
    """
    amount, exponent = row[_COL.PURCHASE_AMOUNT], row[_COL.PURCHASE_EXPONENT]
    if amount < 0 or amount > _AMOUNT_MAX or exponent > _EXPONENT_MAX or row[_COL.MESSAGE_CATEGORY] == _NON_PAYMENT:
        return 0
    currency = row[_COL.PURCHASE_CURRENCY] if row[_COL.PURCHASE_CURRENCY] != 0 else row[_COL.CURRENCY]
    said = (amount + 1) >> 32 << _AMOUNT_BIT | (exponent + 1) << _EXPONENT_BIT | currency
    return whole(said << 32 | (amount + 1 & 0xFFFFFFFF))


def find_sums(
    sums: Sums,
    auths: Authentications,
    replays: Replays,
    uses: NDArray[np.uint32],
    places: NDArray[np.int64],
    rows: NDArray[np.int64],
    ints: NDArray[np.int64],
    tables: Tables,
    partition: int,
    verdicts: NDArray[np.int64],
) -> None:
    """Add up payments by 3RI, k of them, and compare each sum with the first authentication.

    `places` int64[k] of their dsTransIDs among the `uses`, `rows` int64[k] among the events. A declined payment adds
    nothing. Recurring payments, and others whose threeRIInd says so, are authenticated one by one.
    """
    for place, row in zip(places.tolist(), rows.tolist(), strict=True):
        event: list[int] = ints[row].tolist()
        lists = tables.lists[np.searchsorted(tables.starts, event[Col.EVENT_MS], side="right") - 1]
        kind = event[Col.THREE_RI_IND]
        if event[Col.RECURRING] == 1 or (kind >= 0 and lists[BY_PAYMENT, kind]):
            continue
        key, minor, currency = event[Col.DS_TRANS_KEY] & (1 << 64) - 1, event[Col.AMOUNT_MINOR], event[Col.CURRENCY]
        paid = sums.total(key, currency) + minor
        first = _by_result(auths, key, partition) or _by_uses(replays, uses, place)
        if first is not None and first.currency == currency:
            own = event[Col.EXPONENT] if first.exponent < 0 else first.exponent
            if float(paid) * 10.0**own > float(first.amount) * 10.0 ** event[Col.EXPONENT] * (1.0 + tables.settings[0]):
                verdict = verdicts[row]
                verdict[BROKEN] |= ABOVE
                verdict[RULES] |= ABOVE & lists[ACTIVE, 0]
                verdict[SUM_PAID], verdict[SUM_AMOUNT], verdict[SUM_EXPONENT] = paid + 1, first.amount + 1, own + 1
        if event[Col.OUTCOME] <= OutcomeClass.APPROVED:
            sums.add(key, minor, currency, event[Col.EVENT_MS] // 1_000, partition)


def _by_result(auths: Authentications, key: int, partition: int) -> Authenticated | None:
    """Give what the result of a dsTransID says was authenticated."""
    (found,) = auths.find([key], partition)
    if found is None:
        return None
    said = np.frombuffer(found, dtype="<u4").tolist()
    amount, currency = said[words.AMOUNT_LOW] | said[words.AMOUNT_HIGH] << 32, said[words.SAID] & 0xFFFF
    return Authenticated(amount - 1, said[words.EXPONENT] - 1, currency) if amount and currency else None


def _by_uses(replays: Replays, uses: NDArray[np.uint32], place: int) -> Authenticated | None:
    """Give what the first use of a dsTransID said, or else this one: the earliest of those that said something."""
    known = replays.known[replays.places == place]
    for use in (*known[np.argsort(known[:, SECOND], kind="stable")].tolist(), uses[place].tolist()):
        said = use[SAID]
        amount = use[ORDER] | (said >> _AMOUNT_BIT & 0xFF) << 32
        if said & IS_ID and amount:
            return Authenticated(amount - 1, (said >> _EXPONENT_BIT & 7) - 1, said & (1 << _EXPONENT_BIT) - 1)
    return None
