"""Inputs of the merchant: its Security Checklist, its master data.

What a merchant does not tell must not count as guilt. So the inputs of the checklist have trends: an item that is not
implemented raises the counts of gaps, one in place raises the other count, and an unknown one raises none. No model
scores an event higher for an unknown item than for one that is not implemented.
"""

from math import nan

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import CHECKLIST_ITEMS, ItemState
from scoring.decode.columns import Col
from scoring.features.arithmetic import DAY_MS, Inputs, Payment, flag, known
from scoring.jit import inlined, plain, whole
from scoring.merchants.store import MerchantCol
from scoring.merchants.summaries import UNKNOWN, stale_steps

_COL, _MERCHANT, _STATE = plain(Col), plain(MerchantCol), plain(ItemState)
_ITEMS = len(CHECKLIST_ITEMS)
_SC5_CREDMASTER = int(MerchantCol.ITEM_FIRST) + CHECKLIST_ITEMS.index("SC5_CREDMASTER")
_SC6_LOGIN = int(MerchantCol.ITEM_FIRST) + CHECKLIST_ITEMS.index("SC6_LOGIN")

_STALE_FROM_MS, _STALE_AFTER_MS = stale_steps()

MERCHANT = Inputs()


@inlined
def _stale_after_ms(event_ms: int) -> int:
    """Return the age from which an attestation is stale at a time."""
    after_ms = _STALE_AFTER_MS[0]
    for k in range(len(_STALE_FROM_MS)):
        if event_ms >= _STALE_FROM_MS[k]:
            after_ms = _STALE_AFTER_MS[k + 1]
    return whole(after_ms)


@inlined
def _items(merchant: NDArray[np.int64], state: int) -> float:
    """Count the items of the checklist in a state."""
    items = 0
    for k in range(_ITEMS):
        items += merchant[_MERCHANT.ITEM_FIRST + k] == state
    return float(items)


@MERCHANT.add("items", "checklist", trend=-1)
def chk_in_place(p: Payment) -> float:
    """Checklist items in place; 0 also if the checklist is unknown."""
    return _items(p.merchant, _STATE.IN_PLACE)


@MERCHANT.add("items", "checklist", trend=1)
def chk_gaps(p: Payment) -> float:
    """Checklist items declared as not implemented; 0 also if the checklist is unknown."""
    return _items(p.merchant, _STATE.GAP)


@MERCHANT.add("0/1", "checklist", trend=1)
def chk_gap_credmaster(p: Payment) -> float:
    """Declared to have no measures against validity-check attacks (SC5)."""
    return flag(p.merchant[_SC5_CREDMASTER] == _STATE.GAP)


@MERCHANT.add("0/1", "checklist", trend=1)
def chk_gap_login(p: Payment) -> float:
    """Declared to have no measures against illegal login (SC6)."""
    return flag(p.merchant[_SC6_LOGIN] == _STATE.GAP)


@MERCHANT.add("0/1", "checklist")
def chk_stale(p: Payment) -> float:
    """Attested longer ago than `limits.yaml` allows."""
    attested_ms, event_ms = p.merchant[_MERCHANT.ATTESTED_MS], p.event[_COL.EVENT_MS]
    return flag(event_ms - attested_ms > _stale_after_ms(event_ms)) if attested_ms != UNKNOWN else nan


@MERCHANT.add("0/1", "checklist")
def chk_self_declared(p: Payment) -> float:
    """Attested by the merchant only."""
    return known(p.merchant[_MERCHANT.SELF_DECLARED])


@MERCHANT.add("code", "merchant_profile", categorical=True)
def merchant_tds_mode(p: Payment) -> float:
    """How the merchant uses 3-D Secure."""
    return float(p.merchant[_MERCHANT.TDS_MODE] + 1)


@MERCHANT.add("d", "merchant_profile")
def merchant_age_days(p: Payment) -> float:
    """Days since the contract."""
    contracted_ms = p.merchant[_MERCHANT.CONTRACTED_MS]
    return (p.event[_COL.EVENT_MS] - contracted_ms) / DAY_MS if contracted_ms != UNKNOWN else nan


@MERCHANT.add("0 normal to 4", "merchant_profile")
def merchant_fraud_status(p: Payment) -> float:
    """Fraud status at the acquirer."""
    return known(p.merchant[_MERCHANT.FRAUD_STATUS])


@MERCHANT.add("code", "merchant_profile")
def merchant_integration(p: Payment) -> float:
    """Redirect, token or server-side integration."""
    return known(p.merchant[_MERCHANT.INTEGRATION])
