"""Inputs of the card, the channel and the kind of payment."""

from math import nan

from scoring.contract.codes import InitiatorCode
from scoring.decode.columns import Col
from scoring.features.arithmetic import Inputs, Payment, flag, known
from scoring.jit import plain

_COL, _INITIATOR = plain(Col), plain(InitiatorCode)

INSTRUMENT = Inputs()


@INSTRUMENT.add("code", "instrument", categorical=True)
def network(p: Payment) -> float:
    """Card network."""
    return float(p.event[_COL.NETWORK])


@INSTRUMENT.add("code", "instrument", categorical=True)
def funding(p: Payment) -> float:
    """Credit, debit or prepaid."""
    return float(p.event[_COL.FUNDING])


@INSTRUMENT.add("code", "instrument", categorical=True)
def channel(p: Payment) -> float:
    """E-commerce, mail order, card present."""
    return float(p.event[_COL.CHANNEL])


@INSTRUMENT.add("code", "instrument", categorical=True)
def txn_type(p: Payment) -> float:
    """Purchase, cash, verification, refund, reversal."""
    return float(p.event[_COL.TXN_TYPE])


@INSTRUMENT.add("0/1", "instrument")
def merchant_initiated(p: Payment) -> float:
    """Initiated by the merchant (MIT)."""
    return flag(p.event[_COL.INITIATOR] == _INITIATOR.MIT)


@INSTRUMENT.add("0/1", "instrument")
def recurring(p: Payment) -> float:
    """One of a series agreed before."""
    return known(p.event[_COL.RECURRING])


@INSTRUMENT.add("0/1", "instrument")
def wallet(p: Payment) -> float:
    """Paid through a device wallet."""
    told = p.event[_COL.WALLET]
    return flag(told >= 1) if told >= 0 else nan


@INSTRUMENT.add("code", "instrument")
def entry_mode(p: Payment) -> float:
    """Point-of-service entry mode (DE 22)."""
    return known(p.event[_COL.ENTRY_MODE])
