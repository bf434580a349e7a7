"""Model inputs that one authorization and its enrichment give without any history."""

from collections.abc import Callable
from math import log1p, nan

import numpy as np
from numpy.typing import NDArray

from scoring import threeds
from scoring.contract.codes import Expectation, Liability, ThreeDsStatus
from scoring.decode.columns import Col
from scoring.features import Feature
from scoring.jit import borrow, entry, helper, revision
from scoring.merchants.directory import STALE_AFTER_MS, UNKNOWN, MerchantCol
from scoring.merchants.goods import GROUP_OF_MCC, HIGH_RISK_MCC
from scoring.threeds import consistency


def _f(name: str, unit: str, family: str, doc: str, *, categorical: bool = False) -> Feature:
    return Feature(name=name, unit=unit, family=family, doc=doc, categorical=categorical)


PAYMENT_FEATURES: tuple[Feature, ...] = (
    _f("amount_log", "ln(1 + yen)", "amount", "amount of the payment"),
    _f("amount_round", "0/1", "amount", "the amount is a multiple of 1,000 yen"),
    _f("amount_foreign", "0/1", "amount", "the currency is not the yen"),
    _f("hour_jst", "h", "time", "hour of the day in Tokyo"),
    _f("weekday_jst", "0 Monday", "time", "day of the week in Tokyo"),
    _f("mcc_group", "code", "goods", "group of the merchant category", categorical=True),
    _f("goods_high_risk", "0/1", "goods", "high-risk goods, by the merchant's own class, else by its category"),
    _f("network", "code", "instrument", "card network", categorical=True),
    _f("funding", "code", "instrument", "credit, debit or prepaid", categorical=True),
    _f("channel", "code", "instrument", "e-commerce, mail order, card present", categorical=True),
    _f("txn_type", "code", "instrument", "purchase, cash, verification, refund, reversal", categorical=True),
    _f("merchant_initiated", "0/1", "instrument", "initiated by the merchant (MIT)"),
    _f("recurring", "0/1", "instrument", "one of a series agreed before"),
    _f("wallet", "0/1", "instrument", "paid through a device wallet"),
    _f("entry_mode", "code", "instrument", "point-of-service entry mode (DE 22)"),
    _f("issuer_foreign", "0/1", "geography", "card issued in another country than the merchant's"),
    _f("ip_country_differs", "0/1", "geography", "network address in another country than the card's issuer"),
    _f("ship_country_differs", "0/1", "geography", "delivery to another country than the card's issuer"),
    _f("ship_foreign", "0/1", "geography", "delivery to another country than the merchant's"),
    _f("proxy", "0/1", "geography", "network address of a proxy"),
    _f("forwarder", "0/1", "geography", "delivery to a freight forwarder"),
    _f("has_device", "0/1", "presence", "the event names a device"),
    _f("has_ip", "0/1", "presence", "the event names a network address"),
    _f("has_account", "0/1", "presence", "the event names an account"),
    _f("has_address", "0/1", "presence", "the event names a delivery address"),
    _f("account_age", "1 guest to 5 over 60 d", "account", "age of the account (EMV 3DS chAccAgeInd)"),
    _f("stored_credential", "0/1", "account", "card on file"),
    _f("stored_age_days", "d", "account", "days since the card was stored"),
    _f("cvv2_result", "code", "card_checks", "result of the security-code check", categorical=True),
    _f("avs_result", "code", "card_checks", "result of the address check", categorical=True),
    _f("tds_status", "code", "threeds", "3-D Secure status, normalised", categorical=True),
    _f("tds_eci_class", "code", "threeds", "what the ECI claims", categorical=True),
    _f("tds_liability", "code", "threeds", "who is liable", categorical=True),
    _f("tds_static", "0/1", "threeds", "authenticated with a static password (authenticationType 01)"),
    _f("tds_challenged", "0/1", "threeds", "a challenge took place (authenticationType present)"),
    _f("tds_reason", "code", "threeds", "transStatusReason"),
    _f("tds_device_channel", "code", "threeds", "01 app, 02 browser, 03 3RI", categorical=True),
    _f("tds_age_s", "s", "threeds", "seconds from authentication to authorization"),
    _f("tds_expected", "code", "threeds_absent", "whether 3-D Secure was due", categorical=True),
    _f(
        "tds_missing",
        "0/1",
        "threeds_absent",
        "3-D Secure was due on a purchase and none took place",
    ),
    _f("tds_eci_disagrees", "0/1", "threeds_consistency", "ECI, transStatus and performed contradict each other"),
    _f("tds_cavv_missing", "0/1", "threeds_consistency", "the ECI claims authentication without a cryptogram"),
    _f(
        "tds_cavv_failed",
        "0/1",
        "threeds_consistency",
        "the network (Visa, Amex) found the cryptogram wrong",
    ),
    _f(
        "tds_refused",
        "0/1",
        "threeds_consistency",
        "online purchase although authentication ended in N or R",
    ),
    _f("tds_amount_over", "ratio", "threeds_consistency", "amount over the authenticated purchase amount"),
    _f("chk_known", "0/1", "checklist", "the merchant's checklist is known"),
    _f("chk_gaps", "items", "checklist", "checklist items declared as not implemented"),
    _f("chk_gap_credmaster", "0/1", "checklist", "no measures against validity-check attacks (SC5)"),
    _f("chk_gap_login", "0/1", "checklist", "no measures against illegal login (SC6)"),
    _f("chk_stale", "0/1", "checklist", "attested more than a year ago"),
    _f("chk_self_declared", "0/1", "checklist", "attested by nobody but the merchant"),
    _f("merchant_tds_mode", "code", "merchant_profile", "how the merchant uses 3-D Secure", categorical=True),
    _f("merchant_age_days", "d", "merchant_profile", "days since the contract"),
    _f("merchant_fraud_status", "0 normal to 4", "merchant_profile", "fraud status at the acquirer"),
    _f("merchant_integration", "code", "merchant_profile", "redirect, token or server-side integration"),
)

_P = len(PAYMENT_FEATURES)
_DAY_MS = 86_400_000
_TOKYO_MS = 9 * 3_600_000
_JPY = 392
"""ISO 4217 numeric of the yen, as Col.CURRENCY holds it."""
_C_EVENT, _C_JPY, _C_CURRENCY, _C_MINOR = (
    int(Col.EVENT_MS),
    int(Col.AMOUNT_JPY),
    int(Col.CURRENCY),
    int(Col.AMOUNT_MINOR),
)
_C_MCC, _C_NETWORK, _C_FUNDING, _C_CHANNEL = int(Col.MCC), int(Col.NETWORK), int(Col.FUNDING), int(Col.CHANNEL)
_C_TYPE, _C_INITIATOR, _C_RECURRING, _C_WALLET = (
    int(Col.TXN_TYPE),
    int(Col.INITIATOR),
    int(Col.RECURRING),
    int(Col.WALLET),
)
_C_ENTRY, _C_ISSUER, _C_MERCHANT_CC = int(Col.ENTRY_MODE), int(Col.ISSUER_COUNTRY), int(Col.MERCHANT_COUNTRY)
_C_IP_CC, _C_SHIP_CC, _C_PROXY, _C_FORWARDER = (
    int(Col.IP_COUNTRY),
    int(Col.SHIP_COUNTRY),
    int(Col.PROXY),
    int(Col.FORWARDER),
)
_C_AGE, _C_STORED, _C_REGISTERED = int(Col.ACCOUNT_AGE), int(Col.STORED), int(Col.REGISTERED_MS)
_C_CVV2, _C_AVS = int(Col.CVV2), int(Col.AVS)
_C_AUTH_TYPE, _C_REASON, _C_DEVICE_CHANNEL = int(Col.AUTH_TYPE), int(Col.TRANS_STATUS_REASON), int(Col.DEVICE_CHANNEL)
_C_AUTH_MS, _C_PURCHASE = int(Col.AUTH_MS), int(Col.PURCHASE_AMOUNT)
_M_MODE, _M_CONTRACTED, _M_GOODS = int(MerchantCol.TDS_MODE), int(MerchantCol.CONTRACTED_MS), int(MerchantCol.GOODS)
_M_STATUS, _M_ATTESTED, _M_SELF = (
    int(MerchantCol.FRAUD_STATUS),
    int(MerchantCol.ATTESTED_MS),
    int(MerchantCol.SELF_DECLARED),
)
_M_INTEGRATION, _M_ITEMS = int(MerchantCol.INTEGRATION), int(MerchantCol.ITEM_FIRST)
_S_ABSENT = int(ThreeDsStatus.ABSENT)
_REQUIRED = int(Expectation.REQUIRED)
assert int(Liability.UNKNOWN) == 0


@helper
def _known(value: int) -> float:
    """Read a column in which -1 is unknown."""
    return float(value) if value >= 0 else nan


@helper
def _flag(condition: bool) -> float:
    """Write a condition as 0 or 1: numba has no float of a bool."""
    return 1.0 if condition else 0.0


@helper
def _differs(left: int, right: int) -> float:
    """Compare two country codes; unknown where either is."""
    return nan if left == 0 or right == 0 else _flag(left != right)


@helper
def _fill_payment(
    row: NDArray[np.int64], keys: NDArray[np.uint64], merchant: NDArray[np.int64], x: NDArray[np.float64]
) -> int:
    """Write what the event itself says; return the next column."""
    jpy, local_ms = row[_C_JPY], row[_C_EVENT] + _TOKYO_MS
    x[0] = log1p(jpy) if jpy >= 0 else nan
    x[1] = _flag(jpy % 1000 == 0) if jpy > 0 else nan
    x[2] = _flag(row[_C_CURRENCY] != _JPY)
    x[3] = float((local_ms // 3_600_000) % 24)
    x[4] = float((local_ms // _DAY_MS + 3) % 7)  # 1970-01-01 was a Thursday
    x[5] = float(GROUP_OF_MCC[row[_C_MCC]])
    x[6] = float(HIGH_RISK_MCC[row[_C_MCC]]) if merchant[_M_GOODS] == UNKNOWN else float(merchant[_M_GOODS])
    x[7] = float(row[_C_NETWORK])
    x[8] = float(row[_C_FUNDING])
    x[9] = float(row[_C_CHANNEL])
    x[10] = float(row[_C_TYPE])
    x[11] = _flag(row[_C_INITIATOR] == threeds.MIT)
    x[12] = _known(row[_C_RECURRING])
    x[13] = _known(row[_C_WALLET])
    x[14] = _known(row[_C_ENTRY])
    x[15] = _differs(row[_C_ISSUER], row[_C_MERCHANT_CC])
    x[16] = _differs(row[_C_ISSUER], row[_C_IP_CC])
    x[17] = _differs(row[_C_ISSUER], row[_C_SHIP_CC])
    x[18] = _differs(row[_C_MERCHANT_CC], row[_C_SHIP_CC])
    x[19] = _known(row[_C_PROXY])
    x[20] = _known(row[_C_FORWARDER])
    for k in range(4):  # device, address of the network, account, address of delivery: the last four entities
        x[21 + k] = _flag(keys[4 + k] != 0)
    x[25] = _known(row[_C_AGE])
    x[26] = _known(row[_C_STORED])
    x[27] = (row[_C_EVENT] - row[_C_REGISTERED]) / _DAY_MS if row[_C_REGISTERED] >= 0 else nan
    x[28] = float(row[_C_CVV2])
    x[29] = float(row[_C_AVS])
    return 30


@helper
def _fill_threeds(row: NDArray[np.int64], verdict: NDArray[np.int16], x: NDArray[np.float64], c: int) -> int:
    """Write what 3-D Secure says and where it contradicts itself; return the next column."""
    status, eci = verdict[threeds.STATUS], verdict[threeds.ECI]
    purchase = row[_C_TYPE] == threeds.PURCHASE
    x[c] = float(status)
    x[c + 1] = float(eci)
    x[c + 2] = float(verdict[threeds.LIABILITY])
    x[c + 3] = _flag(row[_C_AUTH_TYPE] == 1) if row[_C_AUTH_TYPE] >= 0 else nan
    x[c + 4] = _flag(row[_C_AUTH_TYPE] >= 0)
    x[c + 5] = _known(row[_C_REASON])
    x[c + 6] = float(max(row[_C_DEVICE_CHANNEL], 0))
    x[c + 7] = (row[_C_EVENT] - row[_C_AUTH_MS]) / 1000.0 if row[_C_AUTH_MS] >= 0 else nan
    x[c + 8] = float(verdict[threeds.EXPECTED])
    x[c + 9] = _flag(verdict[threeds.EXPECTED] == _REQUIRED and status == _S_ABSENT and purchase)
    x[c + 10] = _flag(consistency.contradicts(row, eci))
    x[c + 11] = _flag(consistency.lacks_cryptogram(row, eci))
    x[c + 12] = _flag(consistency.has_failed_cryptogram(row))
    x[c + 13] = _flag(consistency.goes_on_after_refusal(row, status))
    x[c + 14] = row[_C_MINOR] / row[_C_PURCHASE] if row[_C_PURCHASE] > 0 else nan
    return c + 15


@helper
def _fill_merchant(row: NDArray[np.int64], merchant: NDArray[np.int64], x: NDArray[np.float64], c: int) -> int:
    """Write what the directory says of the merchant; return the next column."""
    known, gaps = 0, 0
    for k in range(6):
        known += merchant[_M_ITEMS + k] != UNKNOWN
        gaps += merchant[_M_ITEMS + k] == 1
    x[c] = _flag(known > 0)
    x[c + 1] = float(gaps) if known > 0 else nan
    x[c + 2] = _flag(merchant[_M_ITEMS + 4] == 1) if merchant[_M_ITEMS + 4] != UNKNOWN else nan
    x[c + 3] = _flag(merchant[_M_ITEMS + 5] == 1) if merchant[_M_ITEMS + 5] != UNKNOWN else nan
    attested = merchant[_M_ATTESTED]
    x[c + 4] = _flag(row[_C_EVENT] - attested > STALE_AFTER_MS) if attested != UNKNOWN else nan
    x[c + 5] = _known(merchant[_M_SELF])
    x[c + 6] = float(merchant[_M_MODE] + 1)
    contracted = merchant[_M_CONTRACTED]
    x[c + 7] = (row[_C_EVENT] - contracted) / _DAY_MS if contracted != UNKNOWN else nan
    x[c + 8] = _known(merchant[_M_STATUS])
    x[c + 9] = _known(merchant[_M_INTEGRATION])
    return c + 10


@helper
def _fill(
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    merchants: NDArray[np.int64],
    rows: NDArray[np.int64],
    verdicts: NDArray[np.int16],
    out: NDArray[np.float64],
) -> None:
    for i in range(ints.shape[0]):
        merchant = merchants[rows[i]]
        c = _fill_payment(ints[i], hashes[i, 1:], merchant, out[i])
        c = _fill_threeds(ints[i], verdicts[i], out[i], c)
        c = _fill_merchant(ints[i], merchant, out[i], c)
        assert c == _P


def _compile(key: int) -> Callable[..., int]:
    """Compile the entry point; `key` is part of that under which numba keeps it."""

    @entry
    def fill(
        ints: NDArray[np.int64],
        hashes: NDArray[np.uint64],
        merchants: NDArray[np.int64],
        rows: NDArray[np.int64],
        verdicts: NDArray[np.int16],
        out: NDArray[np.float64],
    ) -> int:
        _fill(*borrow((ints, hashes, merchants, rows, verdicts, out)))
        return key

    return fill


_entry = _compile(revision("scoring.features", "scoring.threeds"))


def fill_payment_features(
    ints: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    merchants: NDArray[np.int64],
    rows: NDArray[np.int64],
    verdicts: NDArray[np.int16],
    out: NDArray[np.float64],
) -> None:
    """Write PAYMENT_FEATURES into the first columns of `out`, float64[n, >= len(PAYMENT_FEATURES)].

    `ints` int64[n, Col] and `hashes` uint64[n, 9] as decoded, `merchants` the directory's table with `rows` int64[n]
    into it, `verdicts` int16[n, 5] as `threeds.normalise` wrote them.
    """
    _entry(ints, hashes, merchants, rows, verdicts, out)
