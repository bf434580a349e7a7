"""Values of features in words, by hand."""

from math import inf, log1p, nan

import pytest

from scoring.contract.codes import Expectation, FraudStatusCode, ThreeDsStatus
from scoring.explanation.values import WORDS_OF, in_words
from scoring.features import Feature
from scoring.features.all import FEATURES
from scoring.merchants.goods import MCC_GROUPS
from tests.examples import sample

BY_NAME = {feature.name: feature for feature in FEATURES}


@pytest.mark.parametrize(
    ("name", "value", "en", "ja"),
    [
        ("amount_log", log1p(12_800), "12,800 yen", "12,800円"),
        ("amount_round", 1.0, "yes", "はい"),
        ("card_new_device", 0.0, "no", "いいえ"),
        ("hour_jst", 3.0, "03:00 to 03:59", "03時台"),
        ("weekday_jst", 0.0, "Monday", "月曜日"),
        ("weekday_jst", 6.0, "Sunday", "日曜日"),
        ("network", 1.0, "Visa", "Visa"),
        ("network", 0.0, "unknown", "不明"),
        ("network", 77.0, "77", "77"),
        ("mcc_group", 1.0, "other", "その他"),
        ("merchant_fraud_status", 0.0, "normal", "通常"),
        ("merchant_fraud_status", 3.0, "fraud actualised", "不正顕在化"),
        ("merchant_integration", 0.0, "redirect", "リダイレクト型"),
        ("tds_expected", 1.0, "due", "必要"),
        ("tds_expected", 2.0, "not due", "不要"),
        ("entry_mode", 81.0, "81", "81"),
        ("account_age", 5.0, "5", "5"),
        ("tds_age_s", 90.0, "90 s", "90秒"),
        ("merchant_age_days", 10.0, "10 d", "10日"),
        ("card_age_days", 0.5, "12 h", "12時間"),
        ("card_approval_rate_24h", 0.25, "25%", "25%"),
        ("merchant_refunds_over_attempts_7d", 0.05, "5%", "5%"),
        ("card_amount_over_mean_30d", 3.5, "3.5 times", "3.5倍"),
        ("tds_amount_over", 1.0, "1 times", "1倍"),
        ("merchant_attempts_1h_over_usual", 12.0, "12 times", "12倍"),
        ("card_spend_1h_over_daily", 4.0, "4 times", "4倍"),
        ("card_amount_zscore", -2.5, "-2.5 standard deviations", "-2.5標準偏差"),
        ("card_attempts_1h", 14.0, "14 attempts", "14回"),
        ("card_merchants_1h", 8.0, "8 or more merchants", "少なくとも8店"),
        ("card_merchants_1h", 2.0, "2 merchants", "2店"),
        ("device_cards_1h", 14.0, "about 14 cards", "約14枚"),
        ("merchant_bin_ips_1h", 3.0, "about 3 IP addresses", "約3件のIPアドレス"),
        ("chk_gaps", 2.0, "2 items", "2項目"),
        ("card_reports_ever", 1.0, "1 reports", "1件"),
        ("card_spend_24h", 5_000.0, "5,000 yen", "5,000円"),
        ("card_reversals_24h", 3.0, "3 events", "3件"),
        ("account_devices_30d", 2.0, "about 2 devices", "約2台"),
        ("device_accounts_24h", 2.0, "about 2 accounts", "約2件のアカウント"),
    ],
)
def test_a_value_reads_as_it_is(name: str, value: float, en: str, ja: str) -> None:
    assert in_words(BY_NAME[name], value) == (en, ja)


@pytest.mark.parametrize("feature", sample(FEATURES), ids=lambda feature: feature.name)
def test_every_feature_has_words_for_every_value_and_for_none(feature: Feature) -> None:
    assert in_words(feature, nan) == ("unknown", "不明")
    for value in (0.0, 1.0, 4.0, 6.0):
        en, ja = in_words(feature, value)
        assert en
        assert ja


def test_codes_are_the_ones_that_the_features_write() -> None:
    assert in_words(BY_NAME["tds_status"], float(ThreeDsStatus.AUTHENTICATED))[0] == "authenticated"
    assert in_words(BY_NAME["tds_expected"], float(Expectation.REQUIRED))[0] == "due"
    assert in_words(BY_NAME["merchant_fraud_status"], float(FraudStatusCode.NORMAL))[0] == "normal"
    assert in_words(BY_NAME["mcc_group"], float(MCC_GROUPS.index("other")))[0] == "other"
    assert set(WORDS_OF) <= set(BY_NAME)


def test_a_unit_that_has_no_words_is_a_number() -> None:
    odd = Feature(name="x", unit="parsecs", family="time", doc="")
    assert in_words(odd, 1234.5) == ("1,234", "1,234")
    assert in_words(odd, inf)[0] == "inf"
