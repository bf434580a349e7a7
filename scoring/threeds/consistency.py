"""Rules of consistency: contradictions between an authorization and its own 3-D Secure data.

Each rule is the bit of its number: TDS01 is bit 1. Ids, severities and evidence are in `threeds_rules.yaml`. A missing
value breaks no rule.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import (
    ChannelCode,
    EciClass,
    FraudStatusCode,
    IdForm,
    InitiatorCode,
    ThreeDsStatus,
    TxnTypeCode,
    WalletCode,
)
from scoring.contract.threeds_codes import RESERVED_REASON
from scoring.decode.columns import Col
from scoring.jit import helper, plain
from scoring.merchants.store import MerchantCol
from scoring.threeds.due import NO_WALLET
from scoring.threeds.tables import (
    AGES,
    BY_RIGHT,
    DISAGREES_BIT,
    ECOMMERCE,
    FAILED,
    MODES,
    NOT_PRESENT,
    PRESENT,
    REASON_BIT,
)

_COL, _MERCHANT, _FORM = plain(Col), plain(MerchantCol), plain(IdForm)
_CHANNEL, _INITIATOR, _TYPE = plain(ChannelCode), plain(InitiatorCode), plain(TxnTypeCode)
_STATUS, _ECI = plain(ThreeDsStatus), plain(EciClass)
_FRAUD, _WALLET = plain(FraudStatusCode), plain(WalletCode)
_APP, _BROWSER, _THREE_RI = 1, 2, 3
"""deviceChannel."""
_NON_PAYMENT: Final = 2
"""messageCategory."""


@helper
def broken(
    row: NDArray[np.int64],
    cell: int,
    eci_class: int,
    status: int,
    place: int,
    result: int,
    wallet: int,
    due: bool,
    tolerance: float,
    lists: NDArray[np.int64],
) -> int:
    """Give the rules that an event breaks, as bits, except those of its message version.

    `cell` is the cell of the request's ECI in `Tables.eci`, `place` the place of transStatus, `lists` int64[7, 128] the
    lists of the layer.
    """
    claims = eci_class == _ECI.AUTHENTICATED or eci_class == _ECI.ATTEMPTED or eci_class == _ECI.RECURRING
    unfinished = status == _STATUS.NOT_AUTHENTICATED or status == _STATUS.UNAVAILABLE or status == _STATUS.REJECTED
    found = 0
    if claims and row[_COL.HAS_CAVV] == 0 and row[_COL.CAVV_RESULT] == 0:
        found |= 1 << 1
    if eci_class == _ECI.IMPOSSIBLE:
        found |= 1 << 2
    if contradicts(row, cell, eci_class, place, wallet):
        found |= 1 << 3
    if goes_on_after_refusal(row, cell, status):
        found |= 1 << 4
    if status == _STATUS.INCOMPLETE:
        found |= 1 << 5
    if row[_COL.CAVV_WELLFORMED] == 0:
        found |= 1 << 6
    if result == FAILED:
        found |= 1 << 7
    if row[_COL.DS_TRANS_ID] >= _FORM.NIL:
        found |= 1 << 11
    if row[_COL.PURCHASE_CURRENCY] != 0 and row[_COL.PURCHASE_CURRENCY] != row[_COL.CURRENCY]:
        found |= 1 << 13
    elif exceeds(row, tolerance):
        found |= 1 << 14
    if is_misdated(row, lists[AGES, row[_COL.NETWORK]]):
        found |= 1 << 15
    if _disagrees_with_initiator(row[_COL.DEVICE_CHANNEL], row[_COL.INITIATOR]):
        found |= 1 << 18
    if unfinished and row[_COL.TRANS_STATUS_REASON] == -1:
        found |= 1 << 19
    if due and status == _STATUS.ABSENT and row[_COL.TXN_TYPE] == _TYPE.PURCHASE:
        found |= 1 << 20
    if is_both_present_and_online(row, cell, place, lists[MODES, max(row[_COL.ENTRY_MODE], 0)]):
        found |= 1 << 22
    return found


@helper
def raised(merchant: NDArray[np.int64], status: int) -> int:
    """Give the rules whose severity is raised for this event, as bits, broken or not."""
    actualised = merchant[_MERCHANT.FRAUD_STATUS] == _FRAUD.ACTUALISED
    return (1 << 4 if status == _STATUS.REJECTED else 0) | (1 << 20 if actualised else 0)


@helper
def contradicts(row: NDArray[np.int64], cell: int, eci_class: int, place: int, wallet: int) -> bool:
    """Tell whether ECI and transStatus disagree, or a result is there although 3-D Secure was not performed.

    A device token has an ECI and a cryptogram of its own without 3-D Secure.
    """
    if (cell >> (DISAGREES_BIT + place)) & 1:
        return True
    if row[_COL.TDS_PERFORMED] == 0:
        claims = eci_class == _ECI.AUTHENTICATED or eci_class == _ECI.ATTEMPTED or row[_COL.HAS_CAVV] == 1
        return bool(place != 0 or (claims and (wallet == NO_WALLET or wallet == _WALLET.CARD_NUMBER)))
    beside, reason = (cell >> REASON_BIT) & 127, row[_COL.TRANS_STATUS_REASON]
    return bool(beside != 0 and place != 0 and reason != -1 and reason != beside)


@helper
def goes_on_after_refusal(row: NDArray[np.int64], cell: int, status: int) -> bool:
    """Tell whether a cardholder's e-commerce purchase was submitted although authentication ended in N or R."""
    if status != _STATUS.NOT_AUTHENTICATED and status != _STATUS.REJECTED:
        return False
    if row[_COL.TXN_TYPE] != _TYPE.PURCHASE or row[_COL.CHANNEL] != _CHANNEL.ECOM:
        return False
    return bool(row[_COL.INITIATOR] != _INITIATOR.MIT and not cell & BY_RIGHT)


@helper
def exceeds(row: NDArray[np.int64], tolerance: float) -> bool:
    """Tell whether the amount is above the authenticated amount and its tolerance. Each has its own exponent.

    An authenticated amount without an exponent has that of the payment. The amount of a non-payment authentication is
    not compared.
    """
    purchase, exponent = row[_COL.PURCHASE_AMOUNT], row[_COL.EXPONENT]
    if purchase < 0 or row[_COL.MESSAGE_CATEGORY] == _NON_PAYMENT:
        return False
    own = row[_COL.PURCHASE_EXPONENT] if row[_COL.PURCHASE_EXPONENT] >= 0 else exponent
    paid = float(row[_COL.AMOUNT_MINOR]) * 10.0**own
    return bool(paid > float(purchase) * 10.0**exponent * (1.0 + tolerance))


@helper
def is_misdated(row: NDArray[np.int64], age_max_ms: int) -> bool:
    """Tell whether the authentication is later than the authorization, or older than the network allows."""
    if row[_COL.AUTH_MS] < 0:
        return False
    age_ms = row[_COL.EVENT_MS] - row[_COL.AUTH_MS]
    return bool(age_ms < 0 or age_ms > age_max_ms)


@helper
def broken_by_version(
    row: NDArray[np.int64], retired_ms: NDArray[np.int64], fields: NDArray[np.int64], since: NDArray[np.int16]
) -> int:
    """Give the rules of the message version that an event breaks: TDS16 and TDS17.

    TDS16: the network no longer took the version at the time of the authentication, else of the payment. TDS17: a
    value is legal only in a later version, or in none.
    """
    version = row[_COL.TDS_VERSION]
    if version == 0:
        return 0
    at_ms = row[_COL.AUTH_MS] if row[_COL.AUTH_MS] >= 0 else row[_COL.EVENT_MS]
    found = 1 << 16 if at_ms >= retired_ms[row[_COL.NETWORK], version] else 0
    if row[_COL.TRANS_STATUS_REASON] == RESERVED_REASON:
        found |= 1 << 17
    for place in range(fields.shape[0]):
        value = row[fields[place]]
        if value >= 0 and version < since[place, value]:
            found |= 1 << 17
    return found


@helper
def _disagrees_with_initiator(channel: int, initiator: int) -> bool:
    """Tell whether a 3RI authentication is on a payment by the cardholder, or one by app or browser on one by the
    merchant.
    """
    if channel == _THREE_RI:
        return bool(initiator == _INITIATOR.CIT)
    return bool((channel == _APP or channel == _BROWSER) and initiator == _INITIATOR.MIT)


@helper
def is_both_present_and_online(row: NDArray[np.int64], cell: int, place: int, mode: int) -> bool:
    """Tell whether the card was present, and the payment is e-commerce or was authenticated online."""
    if mode != PRESENT and row[_COL.CHANNEL] != _CHANNEL.CARD_PRESENT:
        return False
    return bool(mode == NOT_PRESENT or cell & ECOMMERCE or place != 0 or row[_COL.TDS_PERFORMED] == 1)
