"""The profile's features: what each is called, what it tells an analyst, and the arithmetic that makes it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.features import Feature
from scoring.profile.entities import WINDOW_NAME, Entity, Statistic, Window
from scoring.profile.layout import TABLES, Value

_M1, _M10, _H1, _H24, _D7, _D30 = Window
_CARD, _MERCHANT, _MERCHANT_BIN, _BIN, _DEVICE, _IP, _ACCOUNT, _ADDRESS = Entity

REPORT_PRIOR_ATTEMPTS: Final = 20.0
"""Weight of the prior in a merchant's report rate, as attempts: a handful of payments prove nothing either way."""

REPORT_PRIOR_RATE: Final = 0.001
"""Report rate of an unknown merchant: 10 bps, between the usual rates of card-present and card-not-present trade."""

SECONDS_A_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """Hold one feature and its arithmetic over the scratch: (a * b * scale + plus) / (c + prior)."""

    feature: Feature
    a: int
    b: int = Value.ONE
    c: int = Value.ONE
    scale: float = 1.0
    plus: float = 0.0
    prior: float = 0.0


def _say(name: str, unit: str, family: str, doc: str) -> Feature:
    return Feature(name=name, unit=unit, family=family, doc=doc)


_WHAT: Final = {
    Statistic.ATTEMPTS: ("attempts", "attempts", "Attempts"),
    Statistic.APPROVED: ("approved", "attempts", "Approved attempts"),
    Statistic.CRED: ("cred_declines", "attempts", "Attempts declined for card number, expiry or security code"),
    Statistic.FUNDS: ("funds_declines", "attempts", "Attempts declined for want of funds"),
    Statistic.RISK: ("risk_declines", "attempts", "Attempts declined as suspected fraud, stolen, closed or by policy"),
    Statistic.SMALL: ("small_attempts", "attempts", "Attempts of at most 500 yen"),
    Statistic.TDS_FAILED: ("threeds_failed", "attempts", "Attempts whose EMV 3-D Secure failed or was cancelled"),
    Statistic.REVERSALS: ("reversals", "events", "Reversals"),
    Statistic.SPEND: ("spend", "JPY", "Approved less reversed amounts"),
    Statistic.REPORTS: ("reports", "reports", "Fraud reports received"),
    Statistic.REPORTED: ("reported", "JPY", "Amounts of fraud reports received"),
}


def _low(entity: Entity) -> str:
    return entity.name.lower()


def _count(family: str, entity: Entity, statistic: Statistic, *windows: Window) -> list[_Recipe]:
    name, unit, doc = _WHAT[statistic]
    return [
        _Recipe(
            feature=_say(
                f"{_low(entity)}_{name}_{WINDOW_NAME[window]}",
                unit,
                family,
                f"{doc} of this {_low(entity)} in {WINDOW_NAME[window]}.",
            ),
            a=TABLES.ring_of[entity, (statistic, window)],
        )
        for window in windows
    ]


def _distinct(family: str, entity: Entity, element: Entity, *windows: Window) -> list[_Recipe]:
    return [
        _Recipe(
            feature=_say(
                f"{_low(entity)}_{_low(element)}s_{WINDOW_NAME[window]}",
                f"{_low(element)}s",
                family,
                f"Distinct {_low(element)}s attempted at this {_low(entity)} in {WINDOW_NAME[window]}, estimated.",
            ),
            a=TABLES.distinct_of[entity, element, window],
        )
        for window in windows
    ]


def _share(family: str, name: str, entity: Entity, statistic: Statistic, window: Window, doc: str) -> _Recipe:
    """Divide one count of a window by the attempts of the same window."""
    return _Recipe(
        feature=_say(name, "ratio", family, doc),
        a=TABLES.ring_of[entity, (statistic, window)],
        c=TABLES.ring_of[entity, (Statistic.ATTEMPTS, window)],
    )


def _read(family: str, name: str, unit: str, doc: str, scratch: int, scale: float = 1.0) -> _Recipe:
    return _Recipe(feature=_say(name, unit, family, doc), a=scratch, scale=scale)


def _ratio(
    family: str, name: str, unit: str, doc: str, a: int, c: int, b: int = Value.ONE, scale: float = 1.0
) -> _Recipe:
    return _Recipe(feature=_say(name, unit, family, doc), a=a, b=b, c=c, scale=scale)


def _ring(entity: Entity, statistic: Statistic, window: Window) -> int:
    return TABLES.ring_of[entity, (statistic, window)]


def _age(family: str, entity: Entity) -> _Recipe:
    doc = f"Days from the first event kept of this {_low(entity)}."
    return _read(family, f"{_low(entity)}_age_days", "days", doc, Value.AGE + entity, 1.0 / SECONDS_A_DAY)


def _report_rate(window: Window) -> _Recipe:
    doc = (
        f"Fraud reports received on this merchant in {WINDOW_NAME[window]} over its attempts in that time, "
        "drawn towards 10 bps when they are few."
    )
    return _Recipe(
        feature=_say(f"merchant_report_rate_{WINDOW_NAME[window]}", "ratio", "fraud_reports", doc),
        a=_ring(_MERCHANT, Statistic.REPORTS, window),
        c=_ring(_MERCHANT, Statistic.ATTEMPTS, window),
        plus=REPORT_PRIOR_ATTEMPTS * REPORT_PRIOR_RATE,
        prior=REPORT_PRIOR_ATTEMPTS,
    )


_S = Statistic
_CARD_RECIPES: Final = (
    *_count("card_velocity", _CARD, _S.ATTEMPTS, *Window),
    *_count("card_velocity", _CARD, _S.APPROVED, _H1),
    _read(
        "card_velocity",
        "card_merchants_1h",
        "merchants",
        "Distinct merchants of this card in 1h, at most 8.",
        Value.MERCHANTS_1H,
    ),
    _read(
        "card_velocity",
        "card_merchants_24h",
        "merchants",
        "Distinct merchants of this card in 24h, at most 8.",
        Value.MERCHANTS_24H,
    ),
    _read("card_velocity", "card_since_last_s", "s", "Seconds since this card's last event.", Value.SINCE + _CARD),
    _age("card_velocity", _CARD),
    *_count("card_amount", _CARD, _S.SPEND, _H1, _H24, _D7, _D30),
    _ratio(
        "card_amount",
        "card_mean_amount_30d",
        "JPY",
        "Mean approved amount of this card in 30d.",
        _ring(_CARD, _S.SPEND, _D30),
        _ring(_CARD, _S.APPROVED, _D30),
    ),
    _ratio(
        "card_amount",
        "card_amount_over_mean_30d",
        "ratio",
        "This amount over the card's mean approved amount in 30d.",
        Value.AMOUNT,
        _ring(_CARD, _S.SPEND, _D30),
        _ring(_CARD, _S.APPROVED, _D30),
    ),
    _read(
        "card_amount",
        "card_amount_zscore",
        "deviations",
        "This amount against the running mean and spread of the card's undeclined ones.",
        Value.ZSCORE,
    ),
    _ratio(
        "card_amount",
        "card_spend_1h_over_daily",
        "ratio",
        "Spend in 1h over the daily mean of 30d.",
        _ring(_CARD, _S.SPEND, _H1),
        _ring(_CARD, _S.SPEND, _D30),
        scale=30.0,
    ),
    *_count("prior_declines", _CARD, _S.CRED, _H1, _H24),
    *_count("prior_declines", _CARD, _S.FUNDS, _H1, _H24),
    *_count("prior_declines", _CARD, _S.RISK, _H24, _D7),
    _share(
        "prior_declines",
        "card_approval_rate_24h",
        _CARD,
        _S.APPROVED,
        _H24,
        "Share of this card's attempts in 24h approved.",
    ),
    _read(
        "prior_declines",
        "card_funds_ladder",
        "attempts",
        "Length of the running series of funds declines at falling amounts.",
        Value.LADDER,
    ),
    *_count("small_amounts", _CARD, _S.SMALL, _H1, _H24),
    *_count("small_amounts", _CARD, _S.REVERSALS, _H24),
    *_count("threeds_failures", _CARD, _S.TDS_FAILED, _H24),
    *(
        _read(
            "card_novelty",
            f"card_new_{what}",
            "flag",
            f"1 where this {what} is not among the card's last ones, NaN where it has none.",
            scratch,
        )
        for what, scratch in (
            ("merchant", Value.NEW_MERCHANT),
            ("mcc", Value.NEW_MCC),
            ("country", Value.NEW_COUNTRY),
            ("device", Value.NEW_DEVICE),
            ("address", Value.NEW_ADDRESS),
        )
    ),
    _read(
        "fraud_reports",
        "card_reports_24h",
        "reports",
        "Fraud reports received on this card in 24h.",
        Value.CARD_REPORTS_24H,
    ),
    _read(
        "fraud_reports",
        "card_reports_30d",
        "reports",
        "Fraud reports received on this card in 30d.",
        Value.CARD_REPORTS_30D,
    ),
    _read(
        "fraud_reports",
        "card_reports_ever",
        "reports",
        "Fraud reports received on this card.",
        Value.CARD_REPORTS_EVER,
    ),
    _read(
        "fraud_reports",
        "card_reported_30d",
        "JPY",
        "Amounts of fraud reports received on this card in 30d.",
        Value.CARD_REPORTED,
    ),
)

_MERCHANT_RECIPES: Final = (
    *_count("merchant_velocity", _MERCHANT, _S.ATTEMPTS, *Window),
    *_distinct("merchant_velocity", _MERCHANT, _CARD, _H1, _H24),
    _ratio(
        "merchant_velocity",
        "merchant_attempts_1h_over_usual",
        "ratio",
        "Attempts in 1h over the hourly mean of 30d.",
        _ring(_MERCHANT, _S.ATTEMPTS, _H1),
        _ring(_MERCHANT, _S.ATTEMPTS, _D30),
        scale=720.0,
    ),
    *_count("merchant_velocity", _MERCHANT, _S.SPEND, _H24),
    _ratio(
        "merchant_velocity",
        "merchant_amount_over_mean_30d",
        "ratio",
        "This amount over the merchant's mean approved amount in 30d.",
        Value.AMOUNT,
        _ring(_MERCHANT, _S.SPEND, _D30),
        _ring(_MERCHANT, _S.APPROVED, _D30),
    ),
    _share(
        "merchant_velocity",
        "merchant_refunds_over_attempts_7d",
        _MERCHANT,
        _S.REFUNDS,
        _D7,
        "Refunds over attempts in 7d.",
    ),
    _share(
        "merchant_declines",
        "merchant_approval_rate_1h",
        _MERCHANT,
        _S.APPROVED,
        _H1,
        "Share of attempts in 1h approved.",
    ),
    _share(
        "merchant_declines",
        "merchant_approval_rate_24h",
        _MERCHANT,
        _S.APPROVED,
        _H24,
        "Share of attempts in 24h approved.",
    ),
    _share(
        "merchant_declines",
        "merchant_risk_rate_24h",
        _MERCHANT,
        _S.RISK,
        _H24,
        "Share of attempts in 24h declined as risky.",
    ),
    _share(
        "merchant_declines",
        "merchant_cred_rate_1h",
        _MERCHANT,
        _S.CRED,
        _H1,
        "Share of attempts in 1h declined for card data.",
    ),
    _share(
        "small_amounts",
        "merchant_small_rate_1h",
        _MERCHANT,
        _S.SMALL,
        _H1,
        "Share of attempts in 1h of at most 500 yen.",
    ),
    _share(
        "small_amounts",
        "merchant_small_rate_30d",
        _MERCHANT,
        _S.SMALL,
        _D30,
        "Share of attempts in 30d of at most 500 yen.",
    ),
    _share(
        "threeds_failures",
        "merchant_threeds_failed_rate_24h",
        _MERCHANT,
        _S.TDS_FAILED,
        _H24,
        "Share of attempts in 24h whose EMV 3-D Secure failed or was cancelled.",
    ),
    *_count("fraud_reports", _MERCHANT, _S.REPORTS, _H24, _D7, _D30),
    *_count("fraud_reports", _MERCHANT, _S.REPORTED, _D30),
    _report_rate(_D7),
    _report_rate(_D30),
)

_ENUMERATION_RECIPES: Final = (
    *_distinct("enumeration", _MERCHANT, _CARD, _M10),
    *_count("enumeration", _MERCHANT_BIN, _S.ATTEMPTS, _M10),
    *_count("enumeration", _MERCHANT_BIN, _S.CRED, _M10),
    *_distinct("enumeration", _MERCHANT_BIN, _CARD, _M10, _H1),
    *_distinct("enumeration", _MERCHANT_BIN, _IP, _H1),
    _share(
        "enumeration",
        "merchant_bin_cred_rate_1h",
        _MERCHANT_BIN,
        _S.CRED,
        _H1,
        "Share of attempts in 1h declined for card data.",
    ),
    _share(
        "enumeration",
        "merchant_bin_approval_rate_1h",
        _MERCHANT_BIN,
        _S.APPROVED,
        _H1,
        "Share of attempts in 1h approved.",
    ),
    *_count("enumeration", _BIN, _S.CRED, _M10),
    _share(
        "enumeration",
        "bin_cred_rate_1h",
        _BIN,
        _S.CRED,
        _H1,
        "Share of this BIN's attempts in 1h declined for card data.",
    ),
    *_distinct("enumeration", _BIN, _CARD, _H1),
    *_distinct("enumeration", _BIN, _MERCHANT, _H1),
)

_PARTY_RECIPES: Final = (
    *_count("device_velocity", _DEVICE, _S.ATTEMPTS, _H1, _H24),
    *_count("device_velocity", _DEVICE, _S.CRED, _H24),
    *_distinct("device_velocity", _DEVICE, _CARD, _H1, _H24, _D7),
    *_distinct("device_velocity", _DEVICE, _MERCHANT, _H1),
    *_distinct("device_velocity", _DEVICE, _ACCOUNT, _H24),
    _age("device_velocity", _DEVICE),
    *_count("threeds_failures", _DEVICE, _S.TDS_FAILED, _H24),
    *_count("ip_velocity", _IP, _S.ATTEMPTS, _M10, _H1),
    *_count("ip_velocity", _IP, _S.CRED, _H1),
    *_distinct("ip_velocity", _IP, _CARD, _H1, _H24),
    *_distinct("ip_velocity", _IP, _MERCHANT, _H1),
    *_distinct("ip_velocity", _IP, _ACCOUNT, _H24),
    *_count("account_velocity", _ACCOUNT, _S.ATTEMPTS, _H24),
    *_count("account_velocity", _ACCOUNT, _S.SPEND, _H24),
    *_distinct("account_velocity", _ACCOUNT, _CARD, _H24, _D30),
    *_distinct("account_velocity", _ACCOUNT, _DEVICE, _D30),
    *(
        _read(
            "account",
            f"account_new_{_low(element)}",
            "flag",
            f"1 where this {_low(element)} was not met in the account for 30d, NaN where the account is new.",
            TABLES.novelty_of[_ACCOUNT, element],
        )
        for element in (_CARD, _DEVICE, _ADDRESS)
    ),
    _age("account", _ACCOUNT),
    *_count("address_velocity", _ADDRESS, _S.ATTEMPTS, _H24),
    *_count("address_velocity", _ADDRESS, _S.SPEND, _D7),
    *_distinct("address_velocity", _ADDRESS, _CARD, _H24, _D7, _D30),
    *_distinct("address_velocity", _ADDRESS, _ACCOUNT, _D7),
    _age("address_velocity", _ADDRESS),
)

_RECIPES: Final = (*_CARD_RECIPES, *_MERCHANT_RECIPES, *_ENUMERATION_RECIPES, *_PARTY_RECIPES)

PROFILE_FEATURES: Final[tuple[Feature, ...]] = tuple(recipe.feature for recipe in _RECIPES)
"""The profile's columns, in the order in which the kernel writes them."""

PROGRAM: Final[NDArray[np.int64]] = np.array([(r.a, r.b, r.c) for r in _RECIPES], dtype=np.int64)
"""int64[P, 3]: scratch positions a, b, c of each feature."""

TERMS: Final[NDArray[np.float64]] = np.array([(r.scale, r.plus, r.prior) for r in _RECIPES])
"""float64[P, 3]: scale, plus and prior of each feature."""
