"""Inputs of EMV 3-D Secure: the verdict, how the cardholder was authenticated, and the consistency rules."""

from math import nan

from scoring import threeds
from scoring.decode.columns import Col
from scoring.features.arithmetic import Inputs, Payment, flag, known
from scoring.jit import inlined, plain

_COL = plain(Col)
STATIC_PASSWORD = 1
"""authenticationType 01 of EMV 3-D Secure."""

AUTHENTICATION = Inputs()


@inlined
def breaks(p: Payment, rule: int) -> float:
    """Tell whether the event breaks a rule of consistency, by its number."""
    return float((p.verdict[threeds.BROKEN] >> rule) & 1)


@AUTHENTICATION.add("code", "threeds", categorical=True)
def tds_status(p: Payment) -> float:
    """3-D Secure status, normalised."""
    return float(p.verdict[threeds.STATUS])


@AUTHENTICATION.add("code", "threeds", categorical=True)
def tds_eci_class(p: Payment) -> float:
    """What the ECI claims."""
    return float(p.verdict[threeds.ECI])


@AUTHENTICATION.add("code", "threeds", categorical=True)
def tds_liability(p: Payment) -> float:
    """Who is liable."""
    return float(p.verdict[threeds.LIABILITY])


@AUTHENTICATION.add("0/1", "threeds")
def tds_static(p: Payment) -> float:
    """Authenticated with a static password (authenticationType 01)."""
    kind = p.event[_COL.AUTH_TYPE]
    return flag(kind == STATIC_PASSWORD) if kind >= 0 else nan


@AUTHENTICATION.add("0/1", "threeds")
def tds_challenged(p: Payment) -> float:
    """A challenge took place (authenticationType present)."""
    return flag(p.event[_COL.AUTH_TYPE] >= 0)


@AUTHENTICATION.add("code", "threeds")
def tds_reason(p: Payment) -> float:
    """Value of transStatusReason."""
    return known(p.event[_COL.TRANS_STATUS_REASON])


@AUTHENTICATION.add("code", "threeds", categorical=True)
def tds_device_channel(p: Payment) -> float:
    """01 app, 02 browser, 03 3RI."""
    return float(max(p.event[_COL.DEVICE_CHANNEL], 0))


@AUTHENTICATION.add("s", "threeds")
def tds_age_s(p: Payment) -> float:
    """Seconds from authentication to authorization."""
    authenticated_ms = p.event[_COL.AUTH_MS]
    return (p.event[_COL.EVENT_MS] - authenticated_ms) / 1000.0 if authenticated_ms >= 0 else nan


@AUTHENTICATION.add("code", "threeds_absent", categorical=True)
def tds_expected(p: Payment) -> float:
    """Whether 3-D Secure was due."""
    return float(p.verdict[threeds.EXPECTED])


@AUTHENTICATION.add("0/1", "threeds_absent")
def tds_missing(p: Payment) -> float:
    """3-D Secure was due on a purchase and none took place."""
    return breaks(p, 20)


@AUTHENTICATION.add("0/1", "threeds_consistency")
def tds_eci_disagrees(p: Payment) -> float:
    """ECI, transStatus and performed contradict each other."""
    return breaks(p, 3)


@AUTHENTICATION.add("0/1", "threeds_consistency")
def tds_cavv_missing(p: Payment) -> float:
    """The ECI claims authentication without a cryptogram."""
    return breaks(p, 1)


@AUTHENTICATION.add("0/1", "threeds_consistency")
def tds_cavv_failed(p: Payment) -> float:
    """The network (Visa, Amex) found the cryptogram wrong."""
    return breaks(p, 7)


@AUTHENTICATION.add("0/1", "threeds_consistency")
def tds_refused(p: Payment) -> float:
    """Online purchase although authentication ended in N or R."""
    return breaks(p, 4)


@AUTHENTICATION.add("ratio", "threeds_consistency")
def tds_amount_over(p: Payment) -> float:
    """Amount over the authenticated purchase amount."""
    authenticated = p.event[_COL.PURCHASE_AMOUNT]
    return p.event[_COL.AMOUNT_MINOR] / authenticated if authenticated > 0 else nan
