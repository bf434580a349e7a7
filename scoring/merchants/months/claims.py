"""What was reported of one event, and what of it counts in which month.

Each origin is a register: the first and the last time it reported, and the last time it took back. A report stands
since the first, or, if that was taken back, since the last. So neither the order of reports nor repeats of them matter.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from scoring.contract.codes import NetworkCode
from scoring.merchants.months.calendar import month_of
from scoring.merchants.months.columns import ORIGINS, MonthCol, Origin

UNKNOWN: Final = -1
_NEVER: Final = 0
AMOUNT_TOP: Final = 10**12
"""One amount counts as so many yen at most."""


class Says(Enum):
    """What a report says of its event."""

    STANDS = auto()
    TAKEN_BACK = auto()  # the report was withdrawn, the dispute was lost by the cardholder
    EXCLUDED = auto()  # it stands, and the scheme does not count it: pre-dispute products, Compelling Evidence 3.0


class MonthBasis(Enum):
    """Which month a fraud belongs to: that in which it was first reported, or that of the payment."""

    REPORT = auto()
    TRANSACTION = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report on one event.

    `event` and `merchant` are keys of 64 bits, not 0. Times are milliseconds since the epoch, above 0. `amount_jpy` is
    the reported loss in whole yen and `event_ms` when the payment was made; UNKNOWN where nobody said. `cnp`: the card
    was not present. `acquirer_id` and `merchant_id` are the ids in UTF-8 that `merchant` is made of.
    """

    event: int
    merchant: int
    origin: Origin
    says: Says
    received_ms: int
    network: NetworkCode
    cnp: bool
    amount_jpy: int = UNKNOWN
    event_ms: int = UNKNOWN
    acquirer_id: bytes = b""
    merchant_id: bytes = b""

    def __post_init__(self) -> None:
        assert 0 < self.event < 2**64
        assert 0 < self.merchant < 2**64
        assert 0 < self.received_ms < 2**53
        assert self.event_ms == UNKNOWN or 0 < self.event_ms < 2**53
        assert self.amount_jpy == UNKNOWN or self.amount_jpy >= 0


_FOUR: Final = (_NEVER,) * ORIGINS


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """All that is remembered of one event; times and amounts by Origin, 0 for never and for unknown."""

    merchant: int
    network: int
    cnp: bool
    event_ms: int = _NEVER
    first_ms: tuple[int, ...] = _FOUR
    last_ms: tuple[int, ...] = _FOUR
    reversed_ms: tuple[int, ...] = _FOUR
    amount_ms: tuple[int, ...] = _FOUR
    amount_jpy: tuple[int, ...] = _FOUR
    excluded: int = 0

    @property
    def heard_ms(self) -> int:
        """The latest time of a report."""
        return max(*self.last_ms, *self.reversed_ms)


def claim_of(report: Report) -> Claim:
    """Begin to remember an event by a report on it."""
    return heard(Claim(merchant=report.merchant, network=int(report.network), cnp=report.cnp), report)


def heard(claim: Claim, report: Report) -> Claim:
    """Take a report in. Merchant, network and channel are those of the event's first report."""
    of, at = report.origin, report.received_ms
    if report.event_ms != UNKNOWN:
        known = claim.event_ms != _NEVER
        claim = replace(claim, event_ms=min(claim.event_ms, report.event_ms) if known else report.event_ms)
    if report.says is Says.TAKEN_BACK:
        return replace(claim, reversed_ms=_with(claim.reversed_ms, of, max(claim.reversed_ms[of], at)))
    first = at if claim.first_ms[of] == _NEVER else min(claim.first_ms[of], at)
    claim = replace(
        claim,
        first_ms=_with(claim.first_ms, of, first),
        last_ms=_with(claim.last_ms, of, max(claim.last_ms[of], at)),
        excluded=claim.excluded | (1 << of if report.says is Says.EXCLUDED else 0),
    )
    amount = min(report.amount_jpy, AMOUNT_TOP)
    if amount != UNKNOWN and (at, amount) > (claim.amount_ms[of], claim.amount_jpy[of]):
        claim = replace(claim, amount_ms=_with(claim.amount_ms, of, at), amount_jpy=_with(claim.amount_jpy, of, amount))
    return claim


def _with(values: tuple[int, ...], at: int, value: int) -> tuple[int, ...]:
    return (*values[:at], value, *values[at + 1 :])


def stands_since(claim: Claim, origin: Origin) -> int:
    """Return since when what an origin reports stands, in milliseconds; 0 if it does not."""
    for since in (claim.first_ms[origin], claim.last_ms[origin]):
        if since > claim.reversed_ms[origin]:
            return since
    return _NEVER


_FRAUD: Final = (Origin.FRAUD_DISPUTE, Origin.NETWORK, Origin.OTHER)
"""Origins that call an event fraud; an amount is the first known one in this order."""


def is_fraud(claim: Claim) -> bool:
    """Say whether any origin's report of fraud stands."""
    return any(stands_since(claim, origin) != _NEVER for origin in _FRAUD)


Counted = dict[tuple[int, MonthCol], int]
"""What an event adds to months, by month and column."""


def counted(claim: Claim, basis: MonthBasis) -> Counted:
    """Say what an event adds to which months of its merchant.

    Fraud counts once however many report it, in the month since which the earliest of the standing reports stands. The
    schemes count differently: a fraud report while it stands, and a dispute of whatever reason once and for good, each
    in the month in which it was first received, both of one event twice (VAMP), none that is excluded.
    """
    found: Counted = {}
    _add_fraud(claim, basis, found)
    if claim.network == NetworkCode.VISA and claim.cnp:
        _add_visa(claim, found)
    elif claim.network == NetworkCode.MASTERCARD:
        _add_mastercard(claim, found)
    return found


def _add(found: Counted, month: int, column: MonthCol, amount: int) -> None:
    found[month, column] = found.get((month, column), 0) + amount


def _add_fraud(claim: Claim, basis: MonthBasis, found: Counted) -> None:
    standing = [since for origin in _FRAUD if (since := stands_since(claim, origin)) != _NEVER]
    if not standing:
        return
    month = month_of(min(standing))
    if basis is MonthBasis.TRANSACTION:
        if claim.event_ms == _NEVER:
            _add(found, month, MonthCol.FRAUD_UNDATED_N, 1)
        else:
            month = month_of(claim.event_ms)
    _add(found, month, MonthCol.FRAUD_N, 1)
    amount = _amount(claim, _FRAUD)
    if amount == UNKNOWN:
        _add(found, month, MonthCol.FRAUD_UNPRICED_N, 1)
    else:
        _add(found, month, MonthCol.FRAUD_JPY, amount)


def _amount(claim: Claim, origins: tuple[Origin, ...]) -> int:
    """Return the first known amount of origins: those whose reports stand go before those whose do not."""
    known = [origin for origin in origins if claim.amount_ms[origin] != _NEVER]
    known.sort(key=lambda origin: stands_since(claim, origin) == _NEVER)
    return claim.amount_jpy[known[0]] if known else UNKNOWN


_DISPUTES: Final = (Origin.FRAUD_DISPUTE, Origin.OTHER_DISPUTE)


def _is_excluded(claim: Claim, *origins: Origin) -> bool:
    return any(claim.excluded & 1 << origin for origin in origins)


def _disputed_since(claim: Claim) -> int:
    """Return when an event was first disputed, for whatever reason; 0 if it was not, or does not count."""
    times = [claim.first_ms[origin] for origin in _DISPUTES if claim.first_ms[origin] != _NEVER]
    return _NEVER if not times or _is_excluded(claim, *_DISPUTES) else min(times)


def _add_visa(claim: Claim, found: Counted) -> None:
    reported = stands_since(claim, Origin.NETWORK)
    for since, column, origins in (
        (_NEVER if _is_excluded(claim, Origin.NETWORK) else reported, MonthCol.VISA_FRAUD_N, (Origin.NETWORK,)),
        (_disputed_since(claim), MonthCol.VISA_DISPUTE_N, _DISPUTES),
    ):
        if since != _NEVER:
            _add(found, month_of(since), column, 1)
            _add(found, month_of(since), MonthCol.VISA_ITEMS_JPY, max(_amount(claim, (*origins, *_FRAUD)), 0))


def _add_mastercard(claim: Claim, found: Counted) -> None:
    since, frauds_since = _disputed_since(claim), claim.first_ms[Origin.FRAUD_DISPUTE]
    if since != _NEVER:
        _add(found, month_of(since), MonthCol.MC_CHARGEBACK_N, 1)
    if since != _NEVER and frauds_since != _NEVER and claim.cnp:
        month = month_of(frauds_since)
        _add(found, month, MonthCol.MC_FRAUD_CHARGEBACK_N, 1)
        amount = _amount(claim, (*_DISPUTES, *_FRAUD))
        _add(found, month, MonthCol.MC_FRAUD_CHARGEBACK_JPY, max(amount, 0))
