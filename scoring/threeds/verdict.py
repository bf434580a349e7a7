"""EMV 3-D Secure, normalised: one verdict whatever the network, the channel and the acquirer's habits.

Its code lists, with their sources, are in `scoring.contract.threeds_codes`; when 3DS is due follows Japan's Credit Card
Security Guidelines 5.0 to 6.1.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import (
    ChannelCode,
    EciClass,
    Expectation,
    FundingCode,
    InitiatorCode,
    Liability,
    NetworkCode,
    TdsModeCode,
    ThreeDsStatus,
    TxnTypeCode,
)
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
from scoring.decode.columns import Col, country_code
from scoring.jit import borrow, entry, helper, plain, revision
from scoring.merchants.store import MerchantCol

STATUS, ECI, LIABILITY, EXPECTED, CODE = 0, 1, 2, 3, 4
VERDICT_COLUMNS = 5
"""The four parts of a verdict, each below 10, and all of them as one decimal number: `CODE` 2312 is 2, 3, 1, 2."""

NETWORKS = tuple(code.name.lower() for code in NetworkCode)
"""Names of the codes in Col.NETWORK."""
JAPAN = country_code("JP")

_COL, _MERCHANT = plain(Col), plain(MerchantCol)
_NETWORK, _CHANNEL, _INITIATOR = plain(NetworkCode), plain(ChannelCode), plain(InitiatorCode)
_TYPE, _FUNDING, _MODE = plain(TxnTypeCode), plain(FundingCode), plain(TdsModeCode)
_STATUS, _ECI, _LIABILITY, _EXPECTED = plain(ThreeDsStatus), plain(EciClass), plain(Liability), plain(Expectation)

ECI_SHIFT = -UNREADABLE_ECI
"""Place of ECI 00 in a table over all that Col.ECI holds."""
ECI_WIDTH = ECI_SHIFT + 100
_FAILED_RESULT, _NOT_VALIDATED = 1, 2


def _eci_tables() -> NDArray[np.int8]:
    """Lay out ECI classes as int8[network, eci + ECI_SHIFT]; what a network does not define is impossible there."""
    tables = np.full((len(NETWORKS), ECI_WIDTH), _ECI.IMPOSSIBLE, dtype=np.int8)
    for network, meanings in ECI_OF.items():
        for eci, meaning in meanings.items():
            tables[NETWORKS.index(network), eci + ECI_SHIFT] = meaning
    tables[:, NO_ECI + ECI_SHIFT] = _ECI.UNKNOWN
    tables[[_NETWORK.UNKNOWN, _NETWORK.OTHER]] = _ECI.UNKNOWN  # a network whose values are not known to us
    return tables


_STATUS_OF: Final = {
    "Y": ThreeDsStatus.AUTHENTICATED,
    "A": ThreeDsStatus.ATTEMPTED,
    "N": ThreeDsStatus.NOT_AUTHENTICATED,
    "U": ThreeDsStatus.UNAVAILABLE,
    "R": ThreeDsStatus.REJECTED,
    "I": ThreeDsStatus.INFORMATIONAL,
    **dict.fromkeys("CDS", ThreeDsStatus.INCOMPLETE),
}


def _status_table() -> NDArray[np.int8]:
    """Lay out transStatus as int8[128] by ASCII code; an unknown letter says nothing."""
    table = np.zeros(128, dtype=np.int8)
    for letter in TRANS_STATUSES:
        table[ord(letter)] = _STATUS_OF[letter]
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
    meaning = _ECI_TABLES[row[_COL.NETWORK], row[_COL.ECI] + ECI_SHIFT]
    if meaning == _ECI.MOTO and row[_COL.CHANNEL] == _CHANNEL.ECOM:
        return _ECI.IMPOSSIBLE
    of_series = row[_COL.INITIATOR] == _INITIATOR.MIT or row[_COL.RECURRING] == 1 or row[_COL.STORED] == 1
    if meaning == _ECI.STORED and not of_series:
        return _ECI.IMPOSSIBLE
    return int(meaning)


@helper
def _status(row: NDArray[np.int64], eci_class: int) -> int:
    """Read transStatus; without one, `performed` if it denies; without that, what the ECI claims."""
    status = _STATUS_TABLE[row[_COL.TRANS_STATUS]]
    if status != 0:
        return int(status)
    if row[_COL.TDS_PERFORMED] == 0:
        return _STATUS.ABSENT
    if eci_class == _ECI.AUTHENTICATED or eci_class == _ECI.RECURRING:
        return _STATUS.AUTHENTICATED
    if eci_class == _ECI.ATTEMPTED:
        return _STATUS.ATTEMPTED
    if row[_COL.TDS_PERFORMED] == -1 and eci_class == _ECI.NONE:
        return _STATUS.ABSENT
    return 0


@helper
def _liability(row: NDArray[np.int64], eci_class: int) -> int:
    """Tell who is liable: the first rule that matches wins, and none matching is unknown.

    Only transStatus itself proves an authentication. What the ECI claims is not enough, but for Mastercard's 07, which
    speaks of an earlier payment of the series.
    """
    said, has_cavv = _STATUS_TABLE[row[_COL.TRANS_STATUS]], row[_COL.HAS_CAVV] == 1
    own_authentication = said != 0 or has_cavv or eci_class == _ECI.AUTHENTICATED or eci_class == _ECI.ATTEMPTED
    if row[_COL.EXEMPT] == EXEMPT or row[_COL.CHANNEL] == _CHANNEL.MOTO:
        return _LIABILITY.NO_SHIFT
    if row[_COL.INITIATOR] == _INITIATOR.MIT and not own_authentication:
        return _LIABILITY.NO_SHIFT
    result = _RESULT_TABLE[row[_COL.NETWORK], row[_COL.CAVV_RESULT]]
    if result == _FAILED_RESULT:
        return _LIABILITY.NO_SHIFT
    if said == _STATUS.NOT_AUTHENTICATED or said == _STATUS.UNAVAILABLE:
        return _LIABILITY.NO_SHIFT
    if said == _STATUS.REJECTED or said == _STATUS.INCOMPLETE:
        return _LIABILITY.NO_SHIFT
    if row[_COL.TDS_PERFORMED] == 0 and row[_COL.WALLET] != 1:  # the token of a wallet brings a proof of its own
        return _LIABILITY.NO_SHIFT
    if row[_COL.CHANNEL] == _CHANNEL.CARD_PRESENT or result == _NOT_VALIDATED:
        return 0
    if has_cavv:
        if eci_class == _ECI.AUTHENTICATED and said == _STATUS.AUTHENTICATED:
            return _LIABILITY.SHIFT
        if eci_class == _ECI.ATTEMPTED and said == _STATUS.ATTEMPTED:
            return _LIABILITY.SHIFT
        if eci_class == _ECI.RECURRING and (said == _STATUS.AUTHENTICATED or said == 0):
            return _LIABILITY.SHIFT
    if eci_class == _ECI.NONE or eci_class == _ECI.DATA_ONLY or eci_class == _ECI.EXEMPT:
        return _LIABILITY.NO_SHIFT
    return 0


@helper
def _expected(row: NDArray[np.int64], merchant: NDArray[np.int64]) -> int:
    """Tell whether 3DS was due, before anyone calls its absence a gap."""
    kind, channel, funding = row[_COL.TXN_TYPE], row[_COL.CHANNEL], row[_COL.FUNDING]
    if kind == _TYPE.REFUND or kind == _TYPE.REVERSAL or row[_COL.INITIATOR] == _INITIATOR.MIT:
        return _EXPECTED.NOT_REQUIRED
    if funding == _FUNDING.DEBIT or funding == _FUNDING.PREPAID:
        return _EXPECTED.NOT_REQUIRED
    if (
        channel == _CHANNEL.MOTO
        or channel == _CHANNEL.CARD_PRESENT
        or row[_COL.EXEMPT] == EXEMPT
        or row[_COL.WALLET] == 1
    ):
        return _EXPECTED.NOT_REQUIRED
    if channel != _CHANNEL.ECOM:
        return 0
    if row[_COL.STORED] == 1 and 0 <= row[_COL.REGISTERED_MS] < MANDATE_MS:
        return _EXPECTED.NOT_REQUIRED  # cards stored before the mandate count as authenticated
    mode = merchant[_MERCHANT.TDS_MODE]
    if row[_COL.EVENT_MS] < merchant[_MERCHANT.TDS_INTRODUCED_MS]:
        mode = _MODE.NONE
    if mode == _MODE.NONE:
        return _EXPECTED.REQUIRED if row[_COL.MERCHANT_COUNTRY] == JAPAN and row[_COL.EVENT_MS] >= MANDATE_MS else 0
    return _expected_in_mode(row, mode)


@helper
def _expected_in_mode(row: NDArray[np.int64], mode: int) -> int:
    """Tell whether the merchant's way of using 3DS asks for it on this e-commerce payment by the cardholder."""
    stored, recurring = row[_COL.STORED], row[_COL.RECURRING]
    if mode == _MODE.EVERY_PAYMENT:
        return _EXPECTED.REQUIRED
    if mode == _MODE.CARD_REGISTRATION:
        if stored == 1:  # registered with 3DS; since the mandate that must be shown
            unproven = row[_COL.REGISTERED_MS] >= MANDATE_MS and row[_COL.HAS_REGISTRATION_TDS] == 0
            return _EXPECTED.REQUIRED if unproven else _EXPECTED.NOT_REQUIRED
        return _EXPECTED.REQUIRED if stored == 0 else 0
    if mode == _MODE.RECURRING_INITIAL:
        if stored == 0 or recurring == 0:  # the first payment of a series, or none of a series
            return _EXPECTED.REQUIRED
        return _EXPECTED.NOT_REQUIRED if stored == 1 and recurring == 1 else 0
    return _EXPECTED.NOT_REQUIRED if mode == _MODE.RISK_BASED else 0


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

    `ints` is the decoded int64[n, Col], `merchants` the table of the merchant store, `rows` int64[n] into it.
    """
    _entry(ints, merchants, rows, out)
