"""Whether 3-D Secure was due on a payment (Guidelines 5.0 to 6.1)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import (
    ChannelCode,
    ExpectationReason,
    FundingCode,
    InitiatorCode,
    TdsModeCode,
    TxnTypeCode,
    WalletCode,
)
from scoring.contract.threeds_codes import EXEMPT, exemption_kinds
from scoring.decode.columns import Col
from scoring.jit import helper, plain
from scoring.merchants.store import MerchantCol
from scoring.threeds.tables import EXEMPTIONS, WALLETS

_COL, _MERCHANT, _WHY = plain(Col), plain(MerchantCol), plain(ExpectationReason)
_CHANNEL, _INITIATOR, _TYPE = plain(ChannelCode), plain(InitiatorCode), plain(TxnTypeCode)
_FUNDING, _MODE, _WALLET = plain(FundingCode), plain(TdsModeCode), plain(WalletCode)
NO_WALLET, UNKNOWN_WALLET = -1, 0
"""Results of `wallet_of` that are no WalletCode."""
_TOKEN_KIND: Final = EXEMPT + exemption_kinds().index("DEVICE_TOKEN")


@helper
def wallet_of(row: NDArray[np.int64], lists: NDArray[np.int64]) -> int:
    """Give the WalletCode of a payment: device token or card number; UNKNOWN_WALLET or NO_WALLET else."""
    if row[_COL.WALLET_KIND] != _WALLET.UNKNOWN:
        return int(row[_COL.WALLET_KIND])
    return int(lists[WALLETS, row[_COL.WALLET]]) if row[_COL.WALLET] >= 1 else NO_WALLET


@helper
def is_exempt(row: NDArray[np.int64], lists: NDArray[np.int64], wallet: int) -> bool:
    """Tell whether a known exemption is named. The exemption DEVICE_TOKEN exempts no wallet that sends a card number.

    `lists` int64[5, 128]: the lists of the layer, here and in `wallet_of`.
    """
    kind = row[_COL.EXEMPT]
    return bool(lists[EXEMPTIONS, kind] == 1 and not (kind == _TOKEN_KIND and wallet == _WALLET.CARD_NUMBER))


@helper
def due(
    row: NDArray[np.int64], merchant: NDArray[np.int64], wallet: int, exempt: bool, mandate_ms: int, proof_ms: float
) -> int:
    """Give the ExpectationReason.

    `mandate_ms`: since when merchants of this country owe 3-D Secure. `proof_ms`: since when a stored card must name
    the authentication of its registration.
    """
    kind, channel, funding = row[_COL.TXN_TYPE], row[_COL.CHANNEL], row[_COL.FUNDING]
    if kind == _TYPE.REFUND or kind == _TYPE.REVERSAL:
        return _WHY.NO_PURCHASE
    if row[_COL.INITIATOR] == _INITIATOR.MIT:
        return _WHY.MERCHANT_INITIATED
    if funding == _FUNDING.DEBIT or funding == _FUNDING.PREPAID:
        return _WHY.DEBIT_PREPAID
    if channel == _CHANNEL.MOTO:
        return _WHY.MAIL_ORDER
    if channel == _CHANNEL.CARD_PRESENT:
        return _WHY.CARD_PRESENT
    if exempt:
        return _WHY.EXEMPT
    if wallet == _WALLET.DEVICE_TOKEN:
        return _WHY.DEVICE_TOKEN
    if channel != _CHANNEL.ECOM:
        return _WHY.CHANNEL_UNKNOWN
    if row[_COL.STORED] == 1 and 0 <= row[_COL.REGISTERED_MS] < proof_ms:
        return _WHY.STORED_BEFORE_MANDATE
    mode = merchant[_MERCHANT.TDS_MODE]
    if row[_COL.EVENT_MS] < merchant[_MERCHANT.TDS_INTRODUCED_MS]:
        mode = _MODE.NONE
    if mode == _MODE.NONE:
        why: int = _WHY.MANDATE if row[_COL.EVENT_MS] >= mandate_ms else _WHY.NO_MANDATE
    else:
        why = _due_in_mode(row, mode, proof_ms)
    return _WHY.WALLET_UNKNOWN if wallet == UNKNOWN_WALLET and why >= _WHY.EVERY_PAYMENT else why


@helper
def _due_in_mode(row: NDArray[np.int64], mode: int, proof_ms: float) -> int:
    """Give the reason by the merchant's 3-D Secure mode, for an e-commerce payment with a card number by the
    cardholder.
    """
    stored, recurring = row[_COL.STORED], row[_COL.RECURRING]
    if mode == _MODE.EVERY_PAYMENT:
        return _WHY.EVERY_PAYMENT
    if mode == _MODE.CARD_REGISTRATION:
        if stored == 1:  # cards registered since the mandate must name that authentication
            unproven = row[_COL.REGISTERED_MS] >= proof_ms and row[_COL.HAS_REGISTRATION_TDS] == 0
            return _WHY.REGISTRATION_UNPROVEN if unproven else _WHY.REGISTERED
        return _WHY.CARD_NOT_STORED if stored == 0 else _WHY.STORED_UNKNOWN
    if mode == _MODE.RECURRING_INITIAL:
        if stored == 0 or recurring == 0:  # the first payment of a series, or no series
            return _WHY.FIRST_OF_SERIES
        return _WHY.LATER_OF_SERIES if stored == 1 and recurring == 1 else _WHY.STORED_UNKNOWN
    return _WHY.RISK_BASED if mode == _MODE.RISK_BASED else _WHY.MERCHANT_UNKNOWN
