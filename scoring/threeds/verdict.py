"""EMV 3-D Secure, normalised: one verdict whatever the network, the channel and the acquirer's habits.

Its code lists, with their sources, are in `scoring.contract.threeds_codes`; when 3DS is due follows Japan's Credit Card
Security Guidelines 5.0 to 6.1.
"""

from collections.abc import Callable
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from scoring.contract.authorization import Network
from scoring.contract.codes import EciClass, Expectation, Liability, ThreeDsStatus
from scoring.contract.threeds_codes import (
    CAVV_NETWORKS,
    CAVV_NO_SHIFT,
    CAVV_NOT_VALIDATED,
    EXEMPT,
    MANDATE_MS,
    NO_ECI,
    TRANS_STATUSES,
    UNREADABLE_ECI,
)
from scoring.contract.threeds_codes import (
    ECI as ECI_OF,
)
from scoring.decode.columns import Col
from scoring.jit import borrow, entry, helper, revision
from scoring.merchants.directory import MerchantCol

STATUS, ECI, LIABILITY, EXPECTED, CODE = 0, 1, 2, 3, 4
VERDICT_COLUMNS = 5
"""The four parts of a verdict, each below 10, and all of them as one decimal number: `CODE` 2312 is 2, 3, 1, 2."""

NETWORKS = ("unknown", *get_args(Network))
"""Names of the codes in Col.NETWORK."""
VISA, MASTERCARD, OTHER = (NETWORKS.index(name) for name in ("visa", "mastercard", "other"))
ECOM, MOTO_CHANNEL, CARD_PRESENT = 1, 2, 3  # codes of Col.CHANNEL: positions in the contract's literal, from 1
MIT = 2
PURCHASE, REFUND, REVERSAL = 1, 4, 5
DEBIT, PREPAID = 2, 3

JAPAN = (ord("J") - 64) * 32 + (ord("P") - 64)

# numba wants plain ints: an IntEnum member inside a kernel would be boxed
_S_ABSENT, _S_AUTH, _S_ATT = int(ThreeDsStatus.ABSENT), int(ThreeDsStatus.AUTHENTICATED), int(ThreeDsStatus.ATTEMPTED)
_S_N, _S_U, _S_R = int(ThreeDsStatus.NOT_AUTHENTICATED), int(ThreeDsStatus.UNAVAILABLE), int(ThreeDsStatus.REJECTED)
_S_I, _S_INC = int(ThreeDsStatus.INFORMATIONAL), int(ThreeDsStatus.INCOMPLETE)
_E_UNKNOWN, _E_AUTH, _E_ATT, _E_NONE = (
    int(EciClass.UNKNOWN),
    int(EciClass.AUTHENTICATED),
    int(EciClass.ATTEMPTED),
    int(EciClass.NONE),
)
_E_DATA, _E_EXEMPT, _E_RECURRING = int(EciClass.DATA_ONLY), int(EciClass.EXEMPT), int(EciClass.RECURRING)
_E_MOTO, _E_STORED, _E_IMPOSSIBLE = int(EciClass.MOTO), int(EciClass.STORED), int(EciClass.IMPOSSIBLE)
_SHIFT, _NO_SHIFT = int(Liability.SHIFT), int(Liability.NO_SHIFT)
_REQUIRED, _NOT_REQUIRED = int(Expectation.REQUIRED), int(Expectation.NOT_REQUIRED)

_EVENT_MS, _NETWORK, _CHANNEL, _INITIATOR = int(Col.EVENT_MS), int(Col.NETWORK), int(Col.CHANNEL), int(Col.INITIATOR)
_RECURRING, _STORED, _WALLET = int(Col.RECURRING), int(Col.STORED), int(Col.WALLET)
_PERFORMED, _TRANS, _ECI, _HAS_CAVV = int(Col.TDS_PERFORMED), int(Col.TRANS_STATUS), int(Col.ECI), int(Col.HAS_CAVV)
_CAVV_RESULT, _EXEMPT, _REGISTERED = int(Col.CAVV_RESULT), int(Col.EXEMPT), int(Col.REGISTERED_MS)
_COUNTRY, _TYPE, _FUNDING = int(Col.MERCHANT_COUNTRY), int(Col.TXN_TYPE), int(Col.FUNDING)
_HAS_REGISTRATION = int(Col.HAS_REGISTRATION_TDS)
_MODE, _INTRODUCED = int(MerchantCol.TDS_MODE), int(MerchantCol.TDS_INTRODUCED_MS)
_EVERY, _ON_REGISTRATION, _ON_FIRST, _RISK_BASED, _NO_TDS = 0, 1, 2, 3, 4  # positions in merchants.TDS_MODES

ECI_SHIFT = -UNREADABLE_ECI
"""Place of ECI 00 in a table over all that Col.ECI holds."""
ECI_WIDTH = ECI_SHIFT + 100
_FAILED_RESULT, _NOT_VALIDATED = 1, 2


def _eci_tables() -> NDArray[np.int8]:
    """Lay out ECI classes as int8[network, eci + ECI_SHIFT]; what a network does not define is impossible there."""
    tables = np.full((len(NETWORKS), ECI_WIDTH), _E_IMPOSSIBLE, dtype=np.int8)
    for network, meanings in ECI_OF.items():
        for eci, meaning in meanings.items():
            tables[NETWORKS.index(network), eci + ECI_SHIFT] = meaning
    tables[:, NO_ECI + ECI_SHIFT] = _E_UNKNOWN
    tables[[0, OTHER]] = _E_UNKNOWN  # a network whose values are not known to us
    return tables


def _status_table() -> NDArray[np.int8]:
    """Lay out transStatus as int8[128] by ASCII code; an unknown letter says nothing."""
    table = np.zeros(128, dtype=np.int8)
    meanings = (_S_AUTH, _S_ATT, _S_N, _S_U, _S_R, _S_I, _S_INC, _S_INC, _S_INC)
    for letter, status in zip(TRANS_STATUSES, meanings, strict=True):
        table[ord(letter)] = status
    return table


def _result_table() -> NDArray[np.int8]:
    """Lay out what a CAVV result does to liability as int8[network, 128] by ASCII code; 0 nothing."""
    table = np.zeros((len(NETWORKS), 128), dtype=np.int8)
    for network in CAVV_NETWORKS:
        for codes, meaning in ((CAVV_NO_SHIFT, _FAILED_RESULT), (CAVV_NOT_VALIDATED, _NOT_VALIDATED)):
            table[NETWORKS.index(network), [ord(code) for code in codes]] = meaning
    return table


_ECI_TABLES = _eci_tables()
_STATUS_TABLE = _status_table()
_RESULT_TABLE = _result_table()


@helper
def _eci_class(row: NDArray[np.int64]) -> int:
    """Read an ECI by network, then by channel: mail-order and stored-credential values fit only such payments."""
    meaning = _ECI_TABLES[row[_NETWORK], row[_ECI] + ECI_SHIFT]
    if meaning == _E_MOTO and row[_CHANNEL] == ECOM:
        return _E_IMPOSSIBLE
    if meaning == _E_STORED and not (row[_INITIATOR] == MIT or row[_RECURRING] == 1 or row[_STORED] == 1):
        return _E_IMPOSSIBLE
    return int(meaning)


@helper
def _status(row: NDArray[np.int64], eci_class: int) -> int:
    """Read transStatus; without one, `performed` if it denies; without that, what the ECI claims."""
    status = _STATUS_TABLE[row[_TRANS]]
    if status != 0:
        return int(status)
    if row[_PERFORMED] == 0:
        return _S_ABSENT
    if eci_class == _E_AUTH or eci_class == _E_RECURRING:
        return _S_AUTH
    if eci_class == _E_ATT:
        return _S_ATT
    if row[_PERFORMED] == -1 and eci_class == _E_NONE:
        return _S_ABSENT
    return 0


@helper
def _liability(row: NDArray[np.int64], eci_class: int) -> int:
    """Tell who is liable: the first rule that matches wins, and none matching is unknown.

    Only transStatus itself proves an authentication. What the ECI claims is not enough, but for Mastercard's 07, which
    speaks of an earlier payment of the series.
    """
    said, has_cavv = _STATUS_TABLE[row[_TRANS]], row[_HAS_CAVV] == 1
    own_authentication = said != 0 or has_cavv or eci_class == _E_AUTH or eci_class == _E_ATT
    if row[_EXEMPT] == EXEMPT or row[_CHANNEL] == MOTO_CHANNEL or (row[_INITIATOR] == MIT and not own_authentication):
        return _NO_SHIFT
    result = _RESULT_TABLE[row[_NETWORK], row[_CAVV_RESULT]]
    if result == _FAILED_RESULT:
        return _NO_SHIFT
    if said == _S_N or said == _S_U or said == _S_R or said == _S_INC:
        return _NO_SHIFT
    if row[_PERFORMED] == 0 and row[_WALLET] != 1:  # the token of a wallet brings a proof of its own
        return _NO_SHIFT
    if row[_CHANNEL] == CARD_PRESENT or result == _NOT_VALIDATED:
        return 0
    if has_cavv:
        if eci_class == _E_AUTH and said == _S_AUTH:
            return _SHIFT
        if eci_class == _E_ATT and said == _S_ATT:
            return _SHIFT
        if eci_class == _E_RECURRING and (said == _S_AUTH or said == 0):
            return _SHIFT
    if eci_class == _E_NONE or eci_class == _E_DATA or eci_class == _E_EXEMPT:
        return _NO_SHIFT
    return 0


@helper
def _expected(row: NDArray[np.int64], merchant: NDArray[np.int64]) -> int:
    """Tell whether 3DS was due, before anyone calls its absence a gap."""
    kind, channel, funding = row[_TYPE], row[_CHANNEL], row[_FUNDING]
    if kind == REFUND or kind == REVERSAL or row[_INITIATOR] == MIT or funding == DEBIT or funding == PREPAID:
        return _NOT_REQUIRED
    if channel == MOTO_CHANNEL or channel == CARD_PRESENT or row[_EXEMPT] == EXEMPT or row[_WALLET] == 1:
        return _NOT_REQUIRED
    if channel != ECOM:
        return 0
    if row[_STORED] == 1 and 0 <= row[_REGISTERED] < MANDATE_MS:
        return _NOT_REQUIRED  # cards stored before the mandate count as authenticated
    mode = merchant[_MODE]
    if row[_EVENT_MS] < merchant[_INTRODUCED]:
        mode = _NO_TDS
    if mode == _NO_TDS:
        return _REQUIRED if row[_COUNTRY] == JAPAN and row[_EVENT_MS] >= MANDATE_MS else 0
    return _expected_in_mode(row, mode)


@helper
def _expected_in_mode(row: NDArray[np.int64], mode: int) -> int:
    """Tell whether the merchant's way of using 3DS asks for it on this e-commerce payment by the cardholder."""
    stored, recurring = row[_STORED], row[_RECURRING]
    if mode == _EVERY:
        return _REQUIRED
    if mode == _ON_REGISTRATION:
        if stored == 1:  # registered with 3DS; since the mandate that must be shown
            unproven = row[_REGISTERED] >= MANDATE_MS and row[_HAS_REGISTRATION] == 0
            return _REQUIRED if unproven else _NOT_REQUIRED
        return _REQUIRED if stored == 0 else 0
    if mode == _ON_FIRST:
        if stored == 0 or recurring == 0:  # the first payment of a series, or none of a series
            return _REQUIRED
        return _NOT_REQUIRED if stored == 1 and recurring == 1 else 0
    return _NOT_REQUIRED if mode == _RISK_BASED else 0


@helper
def _normalise(
    ints: NDArray[np.int64], merchants: NDArray[np.int64], rows: NDArray[np.int64], out: NDArray[np.int16]
) -> None:
    for i in range(ints.shape[0]):
        row = ints[i]
        eci_class = _eci_class(row)
        status = _status(row, eci_class)
        liability = _liability(row, eci_class)
        expected = _expected(row, merchants[rows[i]])
        out[i, STATUS] = status
        out[i, ECI] = eci_class
        out[i, LIABILITY] = liability
        out[i, EXPECTED] = expected
        out[i, CODE] = status * 1000 + eci_class * 100 + liability * 10 + expected


def _compile(key: int) -> Callable[..., int]:
    """Compile the entry point; `key` is part of that under which numba keeps it."""

    @entry
    def normalise(
        ints: NDArray[np.int64], merchants: NDArray[np.int64], rows: NDArray[np.int64], out: NDArray[np.int16]
    ) -> int:
        _normalise(*borrow((ints, merchants, rows, out)))
        return key

    return normalise


_entry = _compile(revision("scoring.threeds"))


def normalise(
    ints: NDArray[np.int64], merchants: NDArray[np.int64], rows: NDArray[np.int64], out: NDArray[np.int16]
) -> None:
    """Write the verdict of each event: out int16[n, 5] = status, ECI class, liability, expectation, code.

    `ints` is the decoded int64[n, Col], `merchants` the directory's table, `rows` int64[n] into it.
    """
    _entry(ints, merchants, rows, out)
