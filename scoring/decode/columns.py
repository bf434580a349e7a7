"""Columns of a batch: everything a kernel wants to know of an authorization, as one int64 matrix.

Codes of a protocol that are absent, odd or new read as unknown; what the contract itself defines is checked here
where a type cannot say it (digits, the exponent of a currency, the range of the event's time).
"""

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from struct import Struct
from typing import Final, get_args

from scoring.contract.authorization import (
    Amount,
    Authorization,
    Channel,
    Initiator,
    Network,
    Outcome,
    Phase,
    ThreeDs,
    TxnType,
)
from scoring.contract.codes import Kind, OutcomeClass
from scoring.contract.currencies import CURRENCIES
from scoring.contract.dead_letter import Reject
from scoring.contract.response_codes import answers_of
from scoring.decode.limits import DecodeLimits


class Col(IntEnum):
    """Columns of the decoded matrix. Tri-states are -1 unknown, 0 no, 1 yes; times are milliseconds since the epoch."""

    EVENT_MS = 0
    AMOUNT_MINOR = 1
    AMOUNT_JPY = 2  # whole yen, -1 unknown
    CURRENCY = 3  # ISO 4217 numeric
    EXPONENT = 4
    MCC = 5
    MERCHANT_COUNTRY = 6  # countries are two letters packed by `country_code`, 0 unknown
    ISSUER_COUNTRY = 7
    IP_COUNTRY = 8
    SHIP_COUNTRY = 9
    NETWORK = 10  # names of the contract by position from 1; 0 unknown
    FUNDING = 11
    TXN_TYPE = 12
    CHANNEL = 13
    INITIATOR = 14
    RECURRING = 15  # tri-state
    STORED = 16  # tri-state
    WALLET = 17  # tri-state
    PHASE = 18
    OUTCOME = 19  # OutcomeClass
    KIND = 20  # Kind
    ENTRY_MODE = 21  # first two digits of DE 22, -1 unknown
    CVV2 = 22  # check results are the code of their character, 0 unknown
    AVS = 23
    CAVV_RESULT = 24
    TDS_PERFORMED = 25  # tri-state
    TDS_VERSION = 26  # 2.2.0 reads 220; 0 unknown
    TRANS_STATUS = 27  # code of its letter, 0 unknown
    TRANS_STATUS_REASON = 28  # two-digit codes of EMV 3DS read as numbers, -1 unknown
    ECI = 29  # -1 unknown, N0 -2, N2 -3
    HAS_CAVV = 30
    AUTH_TYPE = 31
    AUTH_METHOD = 32
    CHALLENGE_IND = 33
    CHALLENGE_CANCEL = 34
    DEVICE_CHANNEL = 35
    HAS_DS_TRANS_ID = 36
    EXEMPT = 37
    TRUST_LIST = 38  # code of its letter, 0 unknown
    AUTH_MS = 39  # -1 unknown
    PURCHASE_AMOUNT = 40  # minor units, -1 unknown
    PROXY = 41  # tri-state
    ACCOUNT_AGE = 42  # EMV 3DS chAccAgeInd, 1 guest to 5 over 60 days, -1 unknown
    FORWARDER = 43  # tri-state
    REGISTERED_MS = 44  # -1 unknown


class Refused(Exception):  # noqa: N818 - a verdict on data, not a fault
    """Carry the reject of one event out of the column functions."""

    def __init__(self, reject: Reject) -> None:
        super().__init__(reject.reason)
        self.reject = reject


def country_code(alpha2: str) -> int:
    """Pack an ISO 3166-1 alpha-2 code into a small positive int; 0 where it is none."""
    return _COUNTRIES.get(alpha2, 0)


def _positions(*names: str) -> dict[str | None, int]:
    return {name: position for position, name in enumerate(names, start=1)}


def _letters_packed() -> dict[str | None, int]:
    letters = [chr(c) for c in range(ord("A"), ord("Z") + 1)]
    packed: dict[str | None, int] = {a + b: (ord(a) - 64) * 32 + ord(b) - 64 for a in letters for b in letters}
    packed.update({(a + b).lower(): packed[a + b] for a in letters for b in letters})  # as some switches spell them
    return packed


def _two_digits() -> dict[str | None, int]:
    numbers: dict[str | None, int] = {str(n): n for n in range(10)}
    numbers.update({f"{n:02d}": n for n in range(100)})
    return numbers


_COUNTRIES: Final = _letters_packed()
_NUMBERS: Final = _two_digits()
_ECIS: Final = _NUMBERS | {"N0": -2, "n0": -2, "N2": -3, "n2": -3}
_MCCS: Final = {f"{n:04d}": n for n in range(10_000)}
_CHARACTERS: Final[dict[str | None, int]] = {c: ord(c.upper()) for c in map(chr, range(33, 127))}
_TRANS_STATUS: Final = {c: code for c, code in _CHARACTERS.items() if c is not None and c in "YNUARICDSynuaricds"}
_VERSIONS: Final[dict[str | None, int]] = {
    **{f"{a}.{b}.{c}": 100 * a + 10 * b + c for a in (1, 2, 3) for b in range(10) for c in range(10)},
    **{f"{a}.{b}": 100 * a + 10 * b for a in (1, 2, 3) for b in range(10)},
    **{f"{a}": 100 * a for a in (1, 2, 3)},
}
_TRI: Final[dict[bool | None, int]] = {None: -1, False: 0, True: 1}
_NO_WALLETS: Final = frozenset({"", "none", "NONE", "None"})
_NETWORKS: Final = _positions(*get_args(Network))
_FUNDINGS: Final[dict[str | None, int]] = {"credit": 1, "debit": 2, "prepaid": 3}
_TYPES: Final = _positions(*get_args(TxnType))
_CHANNELS: Final = _positions(*get_args(Channel))
_INITIATORS: Final = _positions(*get_args(Initiator))
_PHASES: Final = _positions(*get_args(Phase))
_KINDS: Final[dict[str, int]] = {"reversal": int(Kind.REVERSAL), "refund": int(Kind.REFUND)}
_APPROVED: Final = int(OutcomeClass.APPROVED)
_GENERIC: Final = int(OutcomeClass.GENERIC)
_OUTCOMES: Final[dict[str | None, int]] = {c.name: int(c) for c in OutcomeClass if c}
_ANSWERS: Final[dict[str, dict[str | None, int]]] = {
    network: {code: int(answer) for code, answer in answers_of(network).items()} for network in get_args(Network)
}
_CURRENCIES: Final = dict(CURRENCIES)  # plain dicts answer faster than the read-only views that the contract shows
_UNKNOWN_CURRENCY: Final = (0, -1)
_pack_head: Final = Struct("=21q").pack  # a pack for each block of columns: a tenth of the cost of lists of ints
_pack_checks: Final = Struct("=4q").pack
_pack_tds: Final = Struct("=16q").pack
_pack_context: Final = Struct("=4q").pack
_NO_CHECKS: Final = _pack_checks(-1, 0, 0, 0)
_NO_TDS: Final = _pack_tds(-1, 0, 0, -1, -1, 0, -1, -1, -1, -1, -1, 0, 0, 0, -1, -1)


def ms_of(stamp: datetime) -> int:
    """Cut a time to whole milliseconds; half a microsecond covers the rounding of the float."""
    return int(stamp.timestamp() * 1000.0 + 0.0005)


def _first(code: str | list[str] | None) -> str | None:
    """Take the first of a code that EMV 3DS 2.3.1 lets come as a list."""
    if isinstance(code, list):
        return code[0] if code else None
    return code


def _refuse_amount(amount: Amount) -> Refused:
    known = amount.currency in CURRENCIES
    path = "$.amount.exponent" if known else "$.amount.currency"
    return Refused(Reject(reason="WRONG_EXPONENT" if known else "INVALID_VALUE", path=path))


def _yen(amount: Amount, exponent: int, yen_per_unit: Mapping[str, float]) -> int:
    """Convert to whole yen: what the event says, else the configured rate, else -1."""
    if amount.jpy is not None:
        return amount.jpy
    rate = yen_per_unit.get(amount.currency)
    return -1 if rate is None else int(amount.minor * rate / 10**exponent + 0.5)


def _outcome(outcome: Outcome, network: str) -> int:
    """Class an answer: the acquirer's own class, else the response code's, else the flag."""
    known = _OUTCOMES.get(outcome.normalised, 0) or _ANSWERS[network].get(outcome.response_code, 0)
    if known == 0 and outcome.approved is not None:
        return _APPROVED if outcome.approved else _GENERIC
    return known


def _tds(tds: ThreeDs) -> bytes:
    """Pack TDS_PERFORMED to PURCHASE_AMOUNT."""
    number = _NUMBERS.get
    method, challenge = tds.auth_method, tds.challenge_ind
    return _pack_tds(
        _TRI[tds.performed],
        _VERSIONS.get(tds.version, 0),
        _TRANS_STATUS.get(tds.trans_status, 0),  # type: ignore[arg-type]
        number(tds.trans_status_reason, -1),
        _ECIS.get(tds.eci, -1),
        0 if tds.cavv_hmac is None else 1,
        number(tds.auth_type, -1),
        number(method if method.__class__ is not list else _first(method), -1),  # type: ignore[arg-type]
        number(challenge if challenge.__class__ is not list else _first(challenge), -1),  # type: ignore[arg-type]
        number(tds.challenge_cancel, -1),
        number(tds.device_channel, -1),
        1 if tds.ds_trans_id else 0,
        1 if tds.exempt_reason else 0,
        _CHARACTERS.get(tds.trust_list, 0),
        -1 if tds.auth_ts is None else ms_of(tds.auth_ts),
        -1 if tds.purchase_amount is None else tds.purchase_amount,
    )


def _head(event: Authorization, limits: DecodeLimits) -> bytes:
    """Pack EVENT_MS to KIND; raise `Refused` where the contract is broken."""
    merchant, card, txn, amount = event.merchant, event.card, event.txn, event.amount
    event_ms = ms_of(event.event_ts)
    if not limits.event_ms_min <= event_ms < limits.event_ms_max:
        raise Refused(Reject(reason="OUT_OF_RANGE", path="$.event_ts"))
    currency, exponent = _CURRENCIES.get(amount.currency, _UNKNOWN_CURRENCY)
    if exponent != amount.exponent:
        raise _refuse_amount(amount)
    mcc = _MCCS.get(merchant.mcc, -1)
    if mcc < 0:
        raise Refused(Reject(reason="INVALID_VALUE", path="$.merchant.mcc"))
    number, last4 = card.bin, card.last4
    if number is not None and not (number.isascii() and number.isdigit()):
        raise Refused(Reject(reason="INVALID_VALUE", path="$.card.bin"))
    if last4 is not None and last4 not in _MCCS:
        raise Refused(Reject(reason="INVALID_VALUE", path="$.card.last4"))
    net, ship, credential, wallet = event.net, event.ship, event.credential, txn.wallet
    country, kind = _COUNTRIES.get, txn.type
    return _pack_head(
        event_ms,
        amount.minor,
        amount.minor if currency == 392 else _yen(amount, exponent, limits.yen_per_unit),
        currency,
        exponent,
        mcc,
        country(merchant.country, 0),
        country(card.issuer_country, 0),
        0 if net is None else country(net.ip_country, 0),
        0 if ship is None else country(ship.country, 0),
        _NETWORKS[card.network],
        _FUNDINGS.get(card.funding, 0),
        _TYPES[kind],
        _CHANNELS[txn.channel],
        _INITIATORS[txn.initiator],
        _TRI[txn.recurring],
        -1 if credential is None else _TRI[credential.stored],
        -1 if wallet is None else int(wallet not in _NO_WALLETS),
        _PHASES[event.outcome.phase],
        _outcome(event.outcome, card.network),
        _KINDS.get(kind, 0),
    )


def _checks(event: Authorization) -> bytes:
    """Pack ENTRY_MODE to CAVV_RESULT."""
    pos, checks, character = event.pos, event.checks, _CHARACTERS.get
    if pos is None and checks is None:
        return _NO_CHECKS
    return _pack_checks(
        -1 if pos is None or pos.entry_mode is None else _NUMBERS.get(pos.entry_mode[:2], -1),
        0 if checks is None else character(checks.cvv2, 0),
        0 if checks is None else character(checks.avs, 0),
        0 if checks is None else character(checks.cavv, 0),
    )


def _context(event: Authorization) -> bytes:
    """Pack PROXY to REGISTERED_MS."""
    net, shopper, ship, credential = event.net, event.shopper, event.ship, event.credential
    registered = None if credential is None else credential.registered_at
    return _pack_context(
        -1 if net is None else _TRI[net.proxy],
        -1 if shopper is None else _NUMBERS.get(shopper.account_age_ind, -1),
        -1 if ship is None else _TRI[ship.is_forwarder],
        -1 if registered is None else ms_of(registered),
    )


def pack_columns(event: Authorization, limits: DecodeLimits) -> tuple[bytes, bytes, bytes, bytes]:
    """Pack the columns of one event in the order of `Col`, as blocks of native int64 to be joined.

    Raises `Refused` for what types cannot tell: an event time out of range, an unknown currency, an exponent
    that is not the currency's, digits that are none.
    """
    tds = event.tds
    return _head(event, limits), _checks(event), _NO_TDS if tds is None else _tds(tds), _context(event)
