"""EMV 3-D Secure, normalised: one verdict whatever the network, the channel and the acquirer's habits.

Sources: EMV 3-D Secure 2.1 to 2.3.1 (transStatus), the networks' ECI tables as payment service providers publish them,
Visa's CAVV result codes (field 44.13), the Credit Card Security Guidelines 5.0 and 6.0 (when 3DS is
due in Japan).
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import EciClass, Expectation, Liability, ThreeDsStatus
from scoring.decode.columns import Col
from scoring.enrich.merchants import MerchantCol
from scoring.jit import borrow, entry, helper, revision

STATUS, ECI, LIABILITY, EXPECTED, CODE = 0, 1, 2, 3, 4
VERDICT_COLUMNS = 5
"""The four parts of a verdict, each below 10, and all of them as one decimal number: `CODE` 2312 is 2, 3, 1, 2."""

VISA, MASTERCARD, OTHER = 1, 2, 8  # codes of Col.NETWORK: position in the contract's literal, from 1
ECOM, MOTO_CHANNEL = 1, 2
MIT = 2
AMEX = 4

MANDATE_MS: Final = 1_743_433_200_000
"""2025-04-01 00:00 in Tokyo: from here on e-commerce merchants in Japan owe EMV 3DS (Guidelines 5.0)."""

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

_CAVV_NO_SHIFT = tuple(ord(c) for c in "01479B")

_EVENT_MS, _NETWORK, _CHANNEL, _INITIATOR = int(Col.EVENT_MS), int(Col.NETWORK), int(Col.CHANNEL), int(Col.INITIATOR)
_RECURRING, _STORED, _WALLET = int(Col.RECURRING), int(Col.STORED), int(Col.WALLET)
_PERFORMED, _TRANS, _ECI, _HAS_CAVV = int(Col.TDS_PERFORMED), int(Col.TRANS_STATUS), int(Col.ECI), int(Col.HAS_CAVV)
_CAVV_RESULT, _EXEMPT, _REGISTERED = int(Col.CAVV_RESULT), int(Col.EXEMPT), int(Col.REGISTERED_MS)
_COUNTRY = int(Col.MERCHANT_COUNTRY)
_MODE = int(MerchantCol.TDS_MODE)
_EVERY, _ON_REGISTRATION, _ON_FIRST, _RISK_BASED, _NO_TDS = 0, 1, 2, 3, 4  # positions in merchants.TDS_MODES


def _eci_tables() -> NDArray[np.int8]:
    """Lay out ECI classes as int8[network, eci + _ECI_SHIFT]; what a network does not define is impossible there."""
    tables = np.full((9, _ECI_SHIFT + 100), _E_IMPOSSIBLE, dtype=np.int8)
    for network in range(1, OTHER):
        for eci, meaning in ((5, _E_AUTH), (6, _E_ATT), (7, _E_NONE)):
            tables[network, eci + _ECI_SHIFT] = meaning
    for eci, meaning in ((1, _E_MOTO), (2, _E_STORED), (3, _E_STORED), (4, _E_MOTO), (8, _E_NONE)):
        tables[VISA, eci + _ECI_SHIFT] = meaning
    tables[MASTERCARD] = _E_IMPOSSIBLE
    for eci, meaning in (
        (2, _E_AUTH),
        (1, _E_ATT),
        (0, _E_NONE),
        (4, _E_DATA),
        (6, _E_EXEMPT),
        (7, _E_RECURRING),
        (-2, _E_DATA),  # N0 and N2: non-payment authentication
        (-3, _E_DATA),
    ):
        tables[MASTERCARD, eci + _ECI_SHIFT] = meaning
    tables[:, -1 + _ECI_SHIFT] = _E_UNKNOWN  # no ECI in the event
    tables[[0, OTHER]] = _E_UNKNOWN  # a network whose values are not known to us
    return tables


def _status_table() -> NDArray[np.int8]:
    """Lay out transStatus as int8[128] by ASCII code; an unknown letter says nothing."""
    table = np.zeros(128, dtype=np.int8)
    for letters, status in (
        ("Y", _S_AUTH),
        ("A", _S_ATT),
        ("N", _S_N),
        ("U", _S_U),
        ("R", _S_R),
        ("I", _S_I),
        ("CDS", _S_INC),
    ):
        for letter in letters:
            table[ord(letter)] = status
    return table


_ECI_SHIFT = 3
_ECI_TABLES = _eci_tables()
_STATUS_TABLE = _status_table()


@helper
def _eci_class(row: NDArray[np.int64]) -> int:
    """Read an ECI by network, then by channel: mail-order and stored-credential values fit only such payments."""
    meaning = _ECI_TABLES[row[_NETWORK], min(row[_ECI], 96) + _ECI_SHIFT]
    if meaning == _E_MOTO and row[_CHANNEL] == ECOM:
        return _E_IMPOSSIBLE
    if meaning == _E_STORED and not (row[_INITIATOR] == MIT or row[_RECURRING] == 1 or row[_STORED] == 1):
        return _E_IMPOSSIBLE
    return int(meaning)


@helper
def _status(row: NDArray[np.int64], eci_class: int) -> int:
    """Read transStatus; without one, what the ECI claims; without either, what `performed` says."""
    status = _STATUS_TABLE[row[_TRANS]]
    if status != 0:
        return int(status)
    if eci_class == _E_AUTH or eci_class == _E_RECURRING:
        return _S_AUTH
    if eci_class == _E_ATT:
        return _S_ATT
    if row[_PERFORMED] == 0 or (row[_PERFORMED] == -1 and eci_class == _E_NONE):
        return _S_ABSENT
    return 0


@helper
def _liability(row: NDArray[np.int64], status: int, eci_class: int) -> int:
    """Tell who is liable: the first rule that matches wins, and none matching is unknown."""
    own_authentication = row[_TRANS] != 0 or eci_class == _E_AUTH or eci_class == _E_RECURRING
    if row[_EXEMPT] == 1 or row[_CHANNEL] == MOTO_CHANNEL or (row[_INITIATOR] == MIT and not own_authentication):
        return _NO_SHIFT
    if row[_NETWORK] == VISA or row[_NETWORK] == AMEX:  # the result codes are Visa's; American Express shares them
        for code in _CAVV_NO_SHIFT:
            if row[_CAVV_RESULT] == code:
                return _NO_SHIFT
    if row[_HAS_CAVV] == 1:
        if eci_class == _E_AUTH and status == _S_AUTH:
            return _SHIFT
        if eci_class == _E_ATT and status == _S_ATT:
            return _SHIFT
    if eci_class == _E_RECURRING:
        return _SHIFT
    if eci_class == _E_NONE or eci_class == _E_DATA or eci_class == _E_EXEMPT:
        return _NO_SHIFT
    return 0


@helper
def _expected(row: NDArray[np.int64], mode: int) -> int:
    """Tell whether 3DS was due, before anyone calls its absence a gap."""
    if row[_CHANNEL] != ECOM or row[_INITIATOR] == MIT or row[_EXEMPT] == 1 or row[_WALLET] == 1:
        return _NOT_REQUIRED
    if row[_STORED] == 1 and 0 <= row[_REGISTERED] < MANDATE_MS:
        return _NOT_REQUIRED  # cards stored before the mandate count as authenticated
    if mode == _EVERY:
        return _REQUIRED
    if mode == _ON_REGISTRATION:
        return _NOT_REQUIRED if row[_STORED] == 1 else _REQUIRED
    if mode == _ON_FIRST:
        return _NOT_REQUIRED if row[_RECURRING] == 1 else _REQUIRED
    if mode == _RISK_BASED:
        return _NOT_REQUIRED
    if mode == _NO_TDS and row[_COUNTRY] == JAPAN and row[_EVENT_MS] >= MANDATE_MS:
        return _REQUIRED
    return 0


@helper
def _normalise(
    ints: NDArray[np.int64], merchants: NDArray[np.int64], rows: NDArray[np.int64], out: NDArray[np.int16]
) -> None:
    for i in range(ints.shape[0]):
        row = ints[i]
        eci_class = _eci_class(row)
        status = _status(row, eci_class)
        liability = _liability(row, status, eci_class)
        expected = _expected(row, merchants[rows[i], _MODE])
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


_entry = _compile(revision("scoring.enrich"))


def normalise(
    ints: NDArray[np.int64], merchants: NDArray[np.int64], rows: NDArray[np.int64], out: NDArray[np.int16]
) -> None:
    """Write the verdict of each event: out int16[n, 5] = status, ECI class, liability, expectation, code.

    `ints` is the decoded int64[n, Col], `merchants` the directory's table, `rows` int64[n] into it.
    """
    _entry(ints, merchants, rows, out)
