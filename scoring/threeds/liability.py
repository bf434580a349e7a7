"""Liability for fraud on an authorization: the first condition of the table of liability shift that matches."""

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import ChannelCode, EciClass, InitiatorCode, LiabilityReason, ThreeDsStatus, WalletCode
from scoring.decode.columns import Col
from scoring.jit import helper, plain
from scoring.threeds.due import NO_WALLET
from scoring.threeds.tables import FAILED, NO_SHIFT, NOT_VALIDATED

_COL, _CHANNEL, _INITIATOR = plain(Col), plain(ChannelCode), plain(InitiatorCode)
_STATUS, _ECI, _WHY, _WALLET = plain(ThreeDsStatus), plain(EciClass), plain(LiabilityReason), plain(WalletCode)


@helper
def liable(
    row: NDArray[np.int64], eci_class: int, said: int, result: int, wallet: int, exempt: bool, excluded: bool
) -> int:
    """Give the LiabilityReason.

    `eci_class` is that of the response's ECI, else that of the request's. `said` is the status by transStatus, `result`
    the effect of the cryptogram's check.

    Only transStatus proves an authentication. An ECI alone does not, except Mastercard's 07: it refers to an earlier
    payment of the series.
    """
    has_cavv = row[_COL.HAS_CAVV] == 1
    own_authentication = said != 0 or has_cavv or eci_class == _ECI.AUTHENTICATED or eci_class == _ECI.ATTEMPTED
    if exempt:
        return _WHY.EXEMPT
    if row[_COL.CHANNEL] == _CHANNEL.MOTO:
        return _WHY.MAIL_ORDER
    if row[_COL.INITIATOR] == _INITIATOR.MIT and not own_authentication:
        return _WHY.MIT_WITHOUT_AUTHENTICATION
    if result == FAILED or result == NO_SHIFT:
        return _WHY.CRYPTOGRAM_RESULT
    if said == _STATUS.NOT_AUTHENTICATED or said == _STATUS.UNAVAILABLE or said == _STATUS.REJECTED:
        return _WHY.NOT_AUTHENTICATED
    if said == _STATUS.INCOMPLETE:
        return _WHY.INCOMPLETE
    if row[_COL.TDS_PERFORMED] == 0 and (wallet == NO_WALLET or wallet == _WALLET.CARD_NUMBER):
        return _WHY.NOT_PERFORMED  # a device token has its own proof
    if row[_COL.CHANNEL] == _CHANNEL.CARD_PRESENT:
        return _WHY.CARD_PRESENT
    if result == NOT_VALIDATED:
        return _WHY.CRYPTOGRAM_NOT_VALIDATED
    if excluded:
        return _WHY.EXCLUDED_MERCHANT
    if has_cavv:
        shift = _shift(eci_class, said)
        if shift != _WHY.NOTHING_TOLD:
            return _WHY.CRYPTOGRAM_MALFORMED if row[_COL.CAVV_WELLFORMED] == 0 else shift
    if eci_class == _ECI.NONE or eci_class == _ECI.DATA_ONLY or eci_class == _ECI.EXEMPT:
        return _WHY.ECI_WITHOUT_SHIFT
    if eci_class == _ECI.IMPOSSIBLE:
        return _WHY.IMPOSSIBLE_ECI
    return _WHY.CLAIM_WITHOUT_PROOF if said != 0 or has_cavv or eci_class != _ECI.UNKNOWN else _WHY.NOTHING_TOLD


@helper
def _shift(eci_class: int, said: int) -> int:
    """Give the reason of a shift by ECI and transStatus of a payment with a cryptogram; NOTHING_TOLD for no shift."""
    if eci_class == _ECI.AUTHENTICATED and said == _STATUS.AUTHENTICATED:
        return _WHY.AUTHENTICATED
    if eci_class == _ECI.ATTEMPTED and said == _STATUS.ATTEMPTED:
        return _WHY.ATTEMPTED
    if eci_class == _ECI.RECURRING and (said == _STATUS.AUTHENTICATED or said == 0):
        return _WHY.RECURRING_AUTHENTICATED
    return _WHY.NOTHING_TOLD


@helper
def is_excluded(row: NDArray[np.int64], excluded: NDArray[np.int64]) -> bool:
    """Tell whether the network excludes this category from the shift, where merchant and issuer are of one country."""
    if row[_COL.MERCHANT_COUNTRY] != row[_COL.ISSUER_COUNTRY]:
        return False
    for k in range(excluded.shape[0]):
        if (
            excluded[k, 0] == row[_COL.NETWORK]
            and excluded[k, 1] == row[_COL.MERCHANT_COUNTRY]
            and excluded[k, 2] == row[_COL.MCC]
            and excluded[k, 3] <= row[_COL.EVENT_MS] < excluded[k, 4]
        ):
            return True
    return False
