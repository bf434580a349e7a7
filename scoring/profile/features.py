"""The features of the profiles: their names, their descriptions for analysts, and how each is computed."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.features import Feature
from scoring.profile.entities import Entity, Statistic, Window
from scoring.profile.layout import TABLES, Value
from scoring.profile.recipes import age, count, distinct, low, mature, ratio, read, report_rate, ring, share
from scoring.profile.row_plans import AMOUNT_MEMORIES

_M1, _M10, _H1, _H24, _D7, _D30 = Window
_CARD, _MERCHANT, _MERCHANT_BIN, _BIN, _DEVICE, _IP, _ACCOUNT, _ADDRESS = Entity

_LONGEST: Final = len(AMOUNT_MEMORIES) - 1
_S = Statistic
_CARD_RECIPES: Final = (
    *count("card_velocity", _CARD, _S.ATTEMPTS, *Window),
    *count("card_velocity", _CARD, _S.APPROVED, _H1),
    read(
        "card_velocity",
        "card_merchants_1h",
        "merchants",
        "Distinct merchants of this card in 1h, at most 8.",
        Value.MERCHANTS_1H,
    ),
    read(
        "card_velocity",
        "card_merchants_24h",
        "merchants",
        "Distinct merchants of this card in 24h, at most 8.",
        Value.MERCHANTS_24H,
    ),
    read("card_velocity", "card_since_last_s", "s", "Seconds since this card's last event.", Value.SINCE + _CARD),
    age("card_velocity", _CARD),
    *count("card_amount", _CARD, _S.SPEND, _H1, _H24, _D7, _D30),
    ratio(
        "card_amount",
        "card_mean_amount_30d",
        "JPY",
        "Mean approved amount of this card in 30d.",
        ring(_CARD, _S.GROSS, _D30),
        ring(_CARD, _S.PRICED, _D30),
    ),
    ratio(
        "card_amount",
        "card_amount_over_mean_30d",
        "ratio",
        "This amount over the card's mean approved amount in 30d.",
        Value.AMOUNT,
        ring(_CARD, _S.GROSS, _D30),
        ring(_CARD, _S.PRICED, _D30),
    ),
    read(
        "card_amount",
        "card_amount_zscore",
        "deviations",
        "This amount against the running mean and spread of the card's undeclined ones.",
        Value.ZSCORE,
    ),
    read(
        "card_amount",
        "card_mean_amount_long",
        "JPY",
        "Running mean of the card's undeclined amounts, over about 255 of them.",
        Value.MEAN_AMOUNT + _LONGEST,
    ),
    read(
        "card_amount",
        "card_amount_zscore_long",
        "deviations",
        "This amount against the running mean and spread of about 255 of the card's undeclined ones.",
        Value.ZSCORE + _LONGEST,
    ),
    read(
        "card_amount",
        "card_amount_surprise",
        "deviations",
        "Running mean of how far the card's last amounts, about 8, were from its usual ones, each from -5 to 10.",
        Value.SURPRISE,
    ),
    read(
        "card_amount",
        "card_amount_outlier_rate",
        "ratio",
        "Running share of the card's last amounts, about 16, that were more than 3 deviations above its usual ones.",
        Value.OUTLIERS,
    ),
    ratio(
        "card_amount",
        "card_spend_1h_over_daily",
        "ratio",
        "Spend in 1h over the daily mean of 30d.",
        ring(_CARD, _S.SPEND, _H1),
        ring(_CARD, _S.SPEND, _D30),
        scale=30.0,
    ),
    *count("prior_declines", _CARD, _S.CRED, _H1, _H24),
    *count("prior_declines", _CARD, _S.FUNDS, _H1, _H24),
    *count("prior_declines", _CARD, _S.RISK, _H24, _D7),
    share(
        "prior_declines",
        "card_approval_rate_24h",
        _CARD,
        _S.APPROVED,
        _H24,
        "Share of this card's answered attempts in 24h approved.",
    ),
    read(
        "prior_declines",
        "card_funds_ladder",
        "attempts",
        "Length of the running series of funds declines at falling amounts.",
        Value.LADDER,
    ),
    *count("small_amounts", _CARD, _S.SMALL, _H1, _H24),
    *count("small_amounts", _CARD, _S.REVERSALS, _H24),
    *count("threeds_failures", _CARD, _S.TDS_FAILED, _H24),
    *(
        read(
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
    read(
        "fraud_reports",
        "card_reports_24h",
        "reports",
        "Fraud reports received on this card in 24h.",
        Value.CARD_REPORTS_24H,
    ),
    read(
        "fraud_reports",
        "card_reports_30d",
        "reports",
        "Fraud reports received on this card in 30d.",
        Value.CARD_REPORTS_30D,
    ),
    read(
        "fraud_reports",
        "card_reports_ever",
        "reports",
        "Fraud reports received on this card.",
        Value.CARD_REPORTS_EVER,
    ),
    read(
        "fraud_reports",
        "card_reported_30d",
        "JPY",
        "Amounts of fraud reports received on this card in 30d.",
        Value.CARD_REPORTED_30D,
    ),
)

_MERCHANT_RECIPES: Final = (
    *count("merchant_velocity", _MERCHANT, _S.ATTEMPTS, *Window),
    *distinct("merchant_velocity", _MERCHANT, _CARD, _H1, _H24),
    ratio(
        "merchant_velocity",
        "merchant_attempts_1h_over_usual",
        "ratio",
        "Attempts in 1h over the hourly mean of 30d.",
        ring(_MERCHANT, _S.ATTEMPTS, _H1),
        ring(_MERCHANT, _S.ATTEMPTS, _D30),
        scale=720.0,
    ),
    *count("merchant_velocity", _MERCHANT, _S.SPEND, _H24),
    ratio(
        "merchant_velocity",
        "merchant_amount_over_mean_30d",
        "ratio",
        "This amount over the merchant's mean approved amount in 30d.",
        Value.AMOUNT,
        ring(_MERCHANT, _S.GROSS, _D30),
        ring(_MERCHANT, _S.PRICED, _D30),
    ),
    share(
        "merchant_velocity",
        "merchant_refunds_over_attempts_7d",
        _MERCHANT,
        _S.REFUNDS,
        _D7,
        "Refunds over attempts in 7d.",
    ),
    share(
        "merchant_declines",
        "merchant_approval_rate_1h",
        _MERCHANT,
        _S.APPROVED,
        _H1,
        "Share of answered attempts in 1h approved.",
    ),
    share(
        "merchant_declines",
        "merchant_approval_rate_24h",
        _MERCHANT,
        _S.APPROVED,
        _H24,
        "Share of answered attempts in 24h approved.",
    ),
    share(
        "merchant_declines",
        "merchant_risk_rate_24h",
        _MERCHANT,
        _S.RISK,
        _H24,
        "Share of answered attempts in 24h declined as risky.",
    ),
    share(
        "merchant_declines",
        "merchant_cred_rate_1h",
        _MERCHANT,
        _S.CRED,
        _H1,
        "Share of answered attempts in 1h declined for card data.",
    ),
    share(
        "small_amounts",
        "merchant_small_rate_1h",
        _MERCHANT,
        _S.SMALL,
        _H1,
        "Share of attempts in 1h of at most 500 yen.",
    ),
    share(
        "small_amounts",
        "merchant_small_rate_30d",
        _MERCHANT,
        _S.SMALL,
        _D30,
        "Share of attempts in 30d of at most 500 yen.",
    ),
    share(
        "threeds_failures",
        "merchant_threeds_failed_rate_24h",
        _MERCHANT,
        _S.TDS_FAILED,
        _H24,
        "Share of attempts in 24h whose EMV 3-D Secure failed or was cancelled.",
    ),
    *(
        read(
            "fraud_reports",
            f"merchant_reports_{window}",
            "reports",
            f"Fraud reports received of this merchant in {window}.",
            scratch,
        )
        for window, scratch in (
            ("24h", Value.MERCHANT_REPORTS_24H),
            ("7d", Value.MERCHANT_REPORTS_7D),
            ("30d", Value.MERCHANT_REPORTS_30D),
        )
    ),
    read(
        "fraud_reports",
        "merchant_reported_30d",
        "JPY",
        "Amounts of fraud reports received of this merchant in 30d.",
        Value.MERCHANT_REPORTED_30D,
    ),
    report_rate(_D7),
    report_rate(_D30),
    *mature(),
)

_ENUMERATION_RECIPES: Final = (
    *distinct("enumeration", _MERCHANT, _CARD, _M10),
    *count("enumeration", _MERCHANT_BIN, _S.ATTEMPTS, _M10),
    *count("enumeration", _MERCHANT_BIN, _S.CRED, _M10),
    *distinct("enumeration", _MERCHANT_BIN, _CARD, _M10, _H1),
    *distinct("enumeration", _MERCHANT_BIN, _IP, _H1),
    share(
        "enumeration",
        "merchant_bin_cred_rate_1h",
        _MERCHANT_BIN,
        _S.CRED,
        _H1,
        "Share of answered attempts in 1h declined for card data.",
    ),
    share(
        "enumeration",
        "merchant_bin_approval_rate_1h",
        _MERCHANT_BIN,
        _S.APPROVED,
        _H1,
        "Share of answered attempts in 1h approved.",
    ),
    *count("enumeration", _BIN, _S.CRED, _M10),
    share(
        "enumeration",
        "bin_cred_rate_1h",
        _BIN,
        _S.CRED,
        _H1,
        "Share of this BIN's answered attempts in 1h declined for card data.",
    ),
    *distinct("enumeration", _BIN, _CARD, _H1),
    *distinct("enumeration", _BIN, _MERCHANT, _H1),
)

_PARTY_RECIPES: Final = (
    *count("device_velocity", _DEVICE, _S.ATTEMPTS, _H1, _H24),
    *count("device_velocity", _DEVICE, _S.CRED, _H24),
    *distinct("device_velocity", _DEVICE, _CARD, _H1, _H24, _D7),
    *distinct("device_velocity", _DEVICE, _MERCHANT, _H1),
    *distinct("device_velocity", _DEVICE, _ACCOUNT, _H24),
    age("device_velocity", _DEVICE),
    *count("threeds_failures", _DEVICE, _S.TDS_FAILED, _H24),
    *count("ip_velocity", _IP, _S.ATTEMPTS, _M10, _H1),
    *count("ip_velocity", _IP, _S.CRED, _H1),
    *distinct("ip_velocity", _IP, _CARD, _H1, _H24),
    *distinct("ip_velocity", _IP, _MERCHANT, _H1),
    *distinct("ip_velocity", _IP, _ACCOUNT, _H24),
    age("ip_velocity", _IP),
    *count("account_velocity", _ACCOUNT, _S.ATTEMPTS, _H24),
    *count("account_velocity", _ACCOUNT, _S.SPEND, _H24),
    *distinct("account_velocity", _ACCOUNT, _CARD, _H24, _D30),
    *distinct("account_velocity", _ACCOUNT, _DEVICE, _D30),
    *(
        read(
            "account",
            f"account_new_{low(element)}",
            "flag",
            f"1 where this {low(element)} was not met in the account for 30d, NaN where the account is new.",
            TABLES.novelty_of[_ACCOUNT, element],
        )
        for element in (_CARD, _DEVICE, _ADDRESS)
    ),
    age("account", _ACCOUNT),
    read(
        "account",
        "parties_new_24h",
        "parties",
        "How many of device, network address and delivery address were first seen within 24h, NaN where the event "
        "names none.",
        Value.PARTIES_NEW,
    ),
    *count("address_velocity", _ADDRESS, _S.ATTEMPTS, _H24),
    *count("address_velocity", _ADDRESS, _S.SPEND, _D7),
    *distinct("address_velocity", _ADDRESS, _CARD, _H24, _D7, _D30),
    *distinct("address_velocity", _ADDRESS, _ACCOUNT, _D7),
    age("address_velocity", _ADDRESS),
)

_RECIPES: Final = (*_CARD_RECIPES, *_MERCHANT_RECIPES, *_ENUMERATION_RECIPES, *_PARTY_RECIPES)

PROFILE_FEATURES: Final[tuple[Feature, ...]] = tuple(recipe.feature for recipe in _RECIPES)
"""The profile's columns, in the order in which the kernel writes them."""

PROGRAM: Final[NDArray[np.int64]] = np.array([(r.a, r.b, r.c) for r in _RECIPES], dtype=np.int64)
"""int64[P, 3]: scratch positions a, b, c of each feature."""

TERMS: Final[NDArray[np.float64]] = np.array([(r.scale, r.plus, r.prior) for r in _RECIPES])
"""float64[P, 3]: scale, plus and prior of each feature."""
