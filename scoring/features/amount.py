"""Inputs of amount, time and goods."""

from math import log1p, nan

from scoring.contract.currencies import CURRENCIES
from scoring.decode.columns import Col
from scoring.features.arithmetic import DAY_MS, Inputs, Payment, flag
from scoring.jit import plain
from scoring.merchants.goods import GROUP_OF_MCC, STEPS
from scoring.merchants.store import MerchantCol
from scoring.merchants.summaries import TOKYO_MS, UNKNOWN

_COL, _MERCHANT = plain(Col), plain(MerchantCol)
_YEN = CURRENCIES["JPY"][0]
_HOUR_MS = 3_600_000
_THURSDAY = 3
"""Day of the week of 1970-01-01, from 0 for Monday."""

_GOODS_FROM_MS, _HIGH_RISK, _GOODS_OF_MCC, _ = STEPS

AMOUNT = Inputs()


@AMOUNT.add("ln(1 + yen)", "amount")
def amount_log(p: Payment) -> float:
    """Amount of the payment."""
    yen = p.event[_COL.AMOUNT_JPY]
    return log1p(yen) if yen >= 0 else nan


@AMOUNT.add("0/1", "amount")
def amount_round(p: Payment) -> float:
    """The amount is a multiple of 1,000 yen."""
    yen = p.event[_COL.AMOUNT_JPY]
    return flag(yen % 1000 == 0) if yen > 0 else nan


@AMOUNT.add("0/1", "amount")
def amount_foreign(p: Payment) -> float:
    """The currency is not the yen."""
    return flag(p.event[_COL.CURRENCY] != _YEN)


@AMOUNT.add("h", "time")
def hour_jst(p: Payment) -> float:
    """Hour of the day in Tokyo."""
    return float(((p.event[_COL.EVENT_MS] + TOKYO_MS) // _HOUR_MS) % 24)


@AMOUNT.add("0 Monday", "time")
def weekday_jst(p: Payment) -> float:
    """Day of the week in Tokyo."""
    return float(((p.event[_COL.EVENT_MS] + TOKYO_MS) // DAY_MS + _THURSDAY) % 7)


@AMOUNT.add("code", "goods", categorical=True)
def mcc_group(p: Payment) -> float:
    """Group of the merchant category."""
    return float(GROUP_OF_MCC[p.event[_COL.MCC]])


@AMOUNT.add("0/1", "goods")
def goods_high_risk(p: Payment) -> float:
    """High-risk goods, by the merchant's own class, else by its category."""
    step = 0
    for k in range(len(_GOODS_FROM_MS)):
        if p.event[_COL.EVENT_MS] >= _GOODS_FROM_MS[k]:
            step = k + 1
    goods = p.merchant[_MERCHANT.GOODS]
    if goods == UNKNOWN:
        goods = _GOODS_OF_MCC[step, p.event[_COL.MCC]]
    return flag(goods & _HIGH_RISK[step] != 0)
