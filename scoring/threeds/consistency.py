"""Where an authorization contradicts its own 3-D Secure: ECI, transStatus, cryptogram and `performed`.

The code lists are in `scoring.contract.threeds_codes`.
"""

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import ChannelCode, EciClass, InitiatorCode, NetworkCode, ThreeDsStatus, TxnTypeCode
from scoring.contract.threeds_codes import (
    CAVV_FAILED,
    CAVV_NETWORKS,
    DATA_ONLY_REASON,
    ECI,
    NO_ECI,
    TRANS_STATUSES,
    agreements,
)
from scoring.decode.columns import Col
from scoring.jit import helper, plain
from scoring.threeds.verdict import ECI_SHIFT, ECI_WIDTH, NETWORKS

_COL = plain(Col)
_NETWORK, _CHANNEL, _INITIATOR, _TYPE = plain(NetworkCode), plain(ChannelCode), plain(InitiatorCode), plain(TxnTypeCode)
_STATUS, _ECI = plain(ThreeDsStatus), plain(EciClass)
_DATA_ONLY_ECI, _EXEMPT_ECI = 4, 6
"""Mastercard's ECI of payments that are submitted without an authentication by right."""
assert ECI["mastercard"][_DATA_ONLY_ECI] is EciClass.DATA_ONLY
assert ECI["mastercard"][_EXEMPT_ECI] is EciClass.EXEMPT


def _places() -> NDArray[np.int8]:
    """Lay out as int8[128] by ASCII code the place of each transStatus in `_DISAGREES`; 0 for none."""
    table = np.zeros(128, dtype=np.int8)
    table[[ord(letter) for letter in TRANS_STATUSES]] = range(1, len(TRANS_STATUSES) + 1)
    return table


def _disagreements() -> NDArray[np.bool_]:
    """Lay out as bool[network, transStatus, eci + ECI_SHIFT] what contradicts: all that is not listed as agreeing."""
    table = np.zeros((len(NETWORKS), 1 + len(TRANS_STATUSES), ECI_WIDTH), dtype=np.bool_)
    agreeing = list(agreements())
    for network in {NETWORKS.index(name) for name, _, _ in agreeing}:  # of other networks no ECI is known
        table[network, 1:] = True
    table[:, :, NO_ECI + ECI_SHIFT] = False
    for name, eci, status in agreeing:
        table[NETWORKS.index(name), 1 + TRANS_STATUSES.index(status), eci + ECI_SHIFT] = False
    return table


def _failures() -> NDArray[np.bool_]:
    """Lay out as bool[network, 128] which CAVV results (by ASCII code) say that the cryptogram is wrong."""
    table = np.zeros((len(NETWORKS), 128), dtype=np.bool_)
    for network in CAVV_NETWORKS:
        table[NETWORKS.index(network), [ord(code) for code in CAVV_FAILED]] = True
    return table


_PLACES, _DISAGREES, _FAILURES = _places(), _disagreements(), _failures()


@helper
def contradicts(row: NDArray[np.int64], eci_class: int) -> bool:
    """Tell whether ECI and transStatus disagree, or a 3-D Secure that did not take place has left a result.

    The token of a wallet brings an ECI and a cryptogram of its own without 3-D Secure.
    """
    eci, place = row[_COL.ECI], _PLACES[row[_COL.TRANS_STATUS]]
    if _DISAGREES[row[_COL.NETWORK], place, eci + ECI_SHIFT]:
        return True
    if row[_COL.TDS_PERFORMED] == 0:
        claims = eci_class == _ECI.AUTHENTICATED or eci_class == _ECI.ATTEMPTED or row[_COL.HAS_CAVV] == 1
        return bool(place != 0 or (claims and row[_COL.WALLET] != 1))
    if row[_COL.NETWORK] == _NETWORK.MASTERCARD and eci == _DATA_ONLY_ECI and place != 0:
        return bool(row[_COL.TRANS_STATUS_REASON] >= 0 and row[_COL.TRANS_STATUS_REASON] != DATA_ONLY_REASON)
    return False


@helper
def lacks_cryptogram(row: NDArray[np.int64], eci_class: int) -> bool:
    """Tell whether the ECI claims an authentication, or an attempt, and nothing shows its cryptogram."""
    claims = eci_class == _ECI.AUTHENTICATED or eci_class == _ECI.ATTEMPTED or eci_class == _ECI.RECURRING
    return bool(claims and row[_COL.HAS_CAVV] == 0 and row[_COL.CAVV_RESULT] == 0)


@helper
def has_failed_cryptogram(row: NDArray[np.int64]) -> bool:
    """Tell whether the network found the cryptogram wrong, as far as it has a code for that."""
    return bool(_FAILURES[row[_COL.NETWORK], row[_COL.CAVV_RESULT]])


@helper
def goes_on_after_refusal(row: NDArray[np.int64], status: int) -> bool:
    """Tell whether the cardholder's e-commerce purchase was submitted although authentication ended in N or R."""
    if status != _STATUS.NOT_AUTHENTICATED and status != _STATUS.REJECTED:
        return False
    if row[_COL.TXN_TYPE] != _TYPE.PURCHASE or row[_COL.CHANNEL] != _CHANNEL.ECOM:
        return False
    if row[_COL.INITIATOR] == _INITIATOR.MIT:
        return False
    by_right = row[_COL.ECI] == _DATA_ONLY_ECI or row[_COL.ECI] == _EXEMPT_ECI
    return not (row[_COL.NETWORK] == _NETWORK.MASTERCARD and by_right)
