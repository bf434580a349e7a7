"""Inputs of the merchant: its Security Checklist, its master data."""

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
def _known_items(merchant: NDArray[np.int64]) -> int:
    """Count the items of the checklist of which something is known."""
    items = 0
    for k in range(_ITEMS):
        items += merchant[_MERCHANT.ITEM_FIRST + k] != UNKNOWN
    return items


@inlined
def _gap(state: int) -> float:
    """Tell whether an item is declared as not implemented; unknown where its state is."""
    return nan if state == UNKNOWN else (1.0 if state == _STATE.GAP else 0.0)


@MERCHANT.add("0/1", "checklist")
def chk_known(p: Payment) -> float:
    """The merchant's checklist is known."""
    return flag(_known_items(p.merchant) > 0)


@MERCHANT.add("items", "checklist")
def chk_gaps(p: Payment) -> float:
    """Checklist items declared as not implemented."""
    gaps = 0
    for k in range(_ITEMS):
        gaps += p.merchant[_MERCHANT.ITEM_FIRST + k] == _STATE.GAP
    return float(gaps) if _known_items(p.merchant) > 0 else nan


@MERCHANT.add("0/1", "checklist")
def chk_gap_credmaster(p: Payment) -> float:
    """No measures against validity-check attacks (SC5)."""
    return _gap(p.merchant[_SC5_CREDMASTER])


@MERCHANT.add("0/1", "checklist")
def chk_gap_login(p: Payment) -> float:
    """No measures against illegal login (SC6)."""
    return _gap(p.merchant[_SC6_LOGIN])


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
