"""Inputs of cardholder, device, network address, account and delivery: countries, presence, age, checks."""

from math import nan

from scoring.decode.columns import Col
from scoring.features.arithmetic import Inputs, Payment, days_since, differs, flag, known
from scoring.jit import plain
from scoring.profile.entities import Entity

_COL, _ENTITY = plain(Col), plain(Entity)

PARTIES = Inputs()


@PARTIES.add("0/1", "geography")
def issuer_foreign(p: Payment) -> float:
    """Card issued in another country than the merchant's."""
    return differs(p.event[_COL.ISSUER_COUNTRY], p.event[_COL.MERCHANT_COUNTRY])


@PARTIES.add("0/1", "geography")
def ip_country_differs(p: Payment) -> float:
    """Network address in another country than the card's issuer."""
    return differs(p.event[_COL.ISSUER_COUNTRY], p.event[_COL.IP_COUNTRY])


@PARTIES.add("0/1", "geography")
def ship_country_differs(p: Payment) -> float:
    """Delivery to another country than the card's issuer."""
    return differs(p.event[_COL.ISSUER_COUNTRY], p.event[_COL.SHIP_COUNTRY])


@PARTIES.add("0/1", "geography")
def ship_foreign(p: Payment) -> float:
    """Delivery to another country than the merchant's."""
    return differs(p.event[_COL.MERCHANT_COUNTRY], p.event[_COL.SHIP_COUNTRY])


@PARTIES.add("0/1", "geography")
def proxy(p: Payment) -> float:
    """Network address of a proxy."""
    return known(p.event[_COL.PROXY])


@PARTIES.add("0/1", "geography")
def forwarder(p: Payment) -> float:
    """Delivery to a freight forwarder."""
    return known(p.event[_COL.FORWARDER])


@PARTIES.add("0/1", "presence")
def has_device(p: Payment) -> float:
    """The event names a device."""
    return flag(p.keys[_ENTITY.DEVICE] != 0)


@PARTIES.add("0/1", "presence")
def has_ip(p: Payment) -> float:
    """The event names a network address."""
    return flag(p.keys[_ENTITY.IP] != 0)


@PARTIES.add("0/1", "presence")
def has_account(p: Payment) -> float:
    """The event names an account."""
    return flag(p.keys[_ENTITY.ACCOUNT] != 0)


@PARTIES.add("0/1", "presence")
def has_address(p: Payment) -> float:
    """The event names a delivery address."""
    return flag(p.keys[_ENTITY.ADDRESS] != 0)


@PARTIES.add("1 guest to 5 over 60 d", "account")
def account_age(p: Payment) -> float:
    """Age of the account (EMV 3DS chAccAgeInd)."""
    return known(p.event[_COL.ACCOUNT_AGE])


@PARTIES.add("1 now to 4 over 60 d", "account")
def account_changed(p: Payment) -> float:
    """Time since the account's data changed, addresses and cards included (EMV 3DS chAccChangeInd)."""
    return known(p.event[_COL.ACCOUNT_CHANGE])


@PARTIES.add("1 never, 2 now to 5 over 60 d", "account")
def password_changed(p: Payment) -> float:
    """Time since the account's password changed (EMV 3DS chAccPwChangeInd)."""
    return known(p.event[_COL.PASSWORD_CHANGE])


@PARTIES.add("1 now to 4 over 60 d", "account")
def address_usage(p: Payment) -> float:
    """Time since the delivery address was first used at the merchant (EMV 3DS shipAddressUsageInd)."""
    return known(p.event[_COL.ADDRESS_USAGE])


@PARTIES.add("0/1", "account")
def account_suspicious(p: Payment) -> float:
    """The merchant observed suspicious activity in the account (EMV 3DS suspiciousAccActivity)."""
    return known(p.event[_COL.SUSPICIOUS] - 1) if p.event[_COL.SUSPICIOUS] >= 0 else nan


@PARTIES.add("0/1", "account")
def stored_credential(p: Payment) -> float:
    """Card on file."""
    return known(p.event[_COL.STORED])


@PARTIES.add("d", "account")
def stored_age_days(p: Payment) -> float:
    """Days since the card was stored."""
    return days_since(p.event[_COL.REGISTERED_MS], p.event[_COL.EVENT_MS])


@PARTIES.add("code", "card_checks", categorical=True)
def cvv2_result(p: Payment) -> float:
    """Result of the security-code check."""
    return float(p.event[_COL.CVV2])


@PARTIES.add("code", "card_checks", categorical=True)
def avs_result(p: Payment) -> float:
    """Result of the address check."""
    return float(p.event[_COL.AVS])
