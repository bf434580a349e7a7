"""Usual values beside the figures of a reason, texts for merchants, and how far path contributions agree with SHAP."""

import re
from functools import cache
from importlib import resources
from itertools import groupby
from math import log1p, nan

import lightgbm
import numpy as np
import pytest
from numpy.typing import NDArray

from models.simulator import Simulator, SimulatorConfig
from scoring.contract.decision import Reason
from scoring.features.all import FEATURES
from scoring.model.bundle import MODEL_FILE
from scoring.observer import Observer
from scoring.policy.reasons import REASON_IDS, Reasons
from scoring.policy.reasons.merchant import FOR_MERCHANTS
from streams.config.settings import Settings
from streams.config.wiring import engine_settings, load_bundle
from tests.examples import is_quick, sample

NAMES = [feature.name for feature in FEATURES]
FAMILIES = [feature.family for feature in FEATURES]


def reason(added: dict[str, float], seen: dict[str, float], usual: dict[str, float]) -> Reason:
    """Return the heaviest reason of an event with these contributions and values."""
    contributions = np.array([*(added.get(name, 0.0) for name in NAMES), 0.0])
    row = np.array([seen.get(name, nan) for name in NAMES])
    return Reasons(FEATURES, usual).top(contributions, row)[0]


ADDED, SEEN = {"device_cards_1h": 2.0}, {"device_cards_1h": 14.0}


def test_a_text_with_one_figure_ends_with_the_usual_one() -> None:
    told = reason(ADDED, SEEN, {"device_cards_1h": 1.0, "ip_cards_1h": 3.0})
    assert told.en == "About 14 cards with this device in 1 h, usually about 1"
    assert told.ja.endswith("（通常約1）")
    assert told.evidence == {"device_cards_1h": 14.0}
    assert told.usual == {"device_cards_1h": 1.0}


def test_without_a_usual_value_only_the_figure_is_told() -> None:
    for usual in ({}, {"ip_cards_1h": 3.0}, {"no_feature": 1.0}):
        told = reason(ADDED, SEEN, usual)
        assert told.en == "About 14 cards with this device in 1 h"
        assert told.usual is None


def test_an_amount_is_told_in_yen() -> None:
    told = reason({"amount_log": 1.0}, {"amount_log": log1p(120_000)}, {"amount_log": log1p(3_500)})
    assert (told.en, told.usual) == ("High amount: 120,000 yen, usually 3,500 yen", {"amount_log": log1p(3_500)})


def test_an_hour_and_a_code_have_no_usual_one_in_the_text() -> None:
    told = reason({"hour_jst": 1.0}, {"hour_jst": 3.0}, {"hour_jst": 14.0})
    assert (told.en, told.usual) == ("Night in Tokyo: 03:00 to 03:59", {"hour_jst": 14.0})
    told = reason({"funding": 1.0}, {"funding": 3.0}, {"funding": 1.0})
    assert told.en == "Kind of card: prepaid"


def test_a_text_with_two_figures_shows_usual_ones_as_evidence_only() -> None:
    seen = {"card_amount_over_mean_30d": 6.0, "card_mean_amount_30d": 2_000.0}
    told = reason({"card_amount_over_mean_30d": 1.0}, seen, {"card_amount_over_mean_30d": 1.0})
    assert "usually" not in told.en
    assert told.usual == {"card_amount_over_mean_30d": 1.0}
    both = {"card_amount_over_mean_30d": 1.0, "card_mean_amount_30d": 3_000.0}
    assert reason({"card_amount_over_mean_30d": 1.0}, seen, both).usual == both


def test_every_reason_has_a_text_for_merchants_that_helps_no_attacker() -> None:
    assert set(FOR_MERCHANTS) == set(REASON_IDS)
    for en, ja in FOR_MERCHANTS.values():
        assert not re.search(r"[0-9]", en.replace("3-D Secure", "")), "a figure"
        assert not re.search(r"[0-9０-９]", ja.replace("3-Dセキュア", "")), "a figure"
        assert not re.search(r"score|model|threshold|limit|list|rule|block|fraud report", en, re.IGNORECASE)
        assert not re.search(r"スコア|モデル|閾値|限度|上限|リスト|規則|ブロック|不正報告", ja)
        assert en.endswith(".")
        assert ja.endswith("。")


@pytest.mark.parametrize(
    ("id_", "words"),
    [
        *((id_, "amount") for id_ in ("AMT_HIGH", "AMT_SMALL", "AMT_ZSCORE", "SPEND_CARD", "LIMIT_AMOUNT")),
        *((id_, "time") for id_ in ("NIGHT", "VEL_CARD", "VEL_MERCHANT", "VEL_ADDR_CARDS")),
        *((id_, "3-D Secure") for id_ in ("TDS_STATUS", "TDS_CAVV_FAIL", "TDS_OTP_RELAY")),
        *((id_, "tests of cards") for id_ in ("ENUM_BIN_BURST", "TEST_REVERSAL", "PRIOR_DECLINES")),
        *((id_, "security measures") for id_ in ("CHK_GAP", "MERCHANT_STATUS")),
        *((id_, "differs from earlier") for id_ in ("CARD_NEW", "ATO_CHANGE", "DEVICE_NEW")),
        *((id_, "closer look") for id_ in ("FRAUD_REPORTED", "COMBINATION", "BIN_RISK")),
        ("HR_GOODS", "Goods"),
        ("GEO_MISMATCH", "Country"),
        ("DATA_MISSING", "missing"),
        ("CVV_FAIL", "check of the card"),
    ],
)
def test_a_text_for_merchants_is_about_its_reason(id_: str, words: str) -> None:
    assert words in FOR_MERCHANTS[id_][0]


def test_several_reasons_share_a_text_for_merchants_so_that_it_tells_none_of_them() -> None:
    assert len(set(FOR_MERCHANTS.values())) <= 13
    told = reason(ADDED, SEEN, {})
    assert (told.merchant_en, told.merchant_ja) == FOR_MERCHANTS["VEL_DEVICE_CARDS"]
    assert told.merchant_en == "The payment is one of many in a short time."


@cache
def day() -> NDArray[np.float64]:
    """Return the rows of a simulated day."""
    observer, rows = Observer(engine_settings(Settings())), []
    events_per_day = 5_000 if is_quick() else 14_000
    config = SimulatorConfig(seed=11, days=1, events_per_day=events_per_day, cards=4_000, merchants=200)
    for topic, run in groupby(Simulator(config), key=lambda item: item.topic):
        items = list(run)
        for low in range(0, len(items), 2_000):
            part = items[low : low + 2_000]
            values, at_ms = [item.value for item in part], [item.at_ms for item in part]
            if topic == "merchants":
                observer.merchant([item.key for item in part], values)
            elif topic == "fraud-reports":
                observer.report(values, at_ms)
            else:
                observed = observer.observe(values, at_ms)
                rows.append(observed.matrix[~observed.passed_over].copy())
    return np.concatenate(rows)


@pytest.mark.parametrize("least", sample([500, 700]))
def test_path_contributions_agree_with_exact_shap_about_the_heaviest_groups(least: int) -> None:
    """The figures of `deploy/docs/reasons.md`: of 200 payments at most, evenly spread over those of a score or more."""
    bundle = load_bundle(Settings())
    matrix = day()
    margins = np.empty(len(matrix))
    bundle.trees.margins(matrix, margins)
    _, scores = bundle.calibration.apply(margins)
    high = np.flatnonzero(scores >= least)
    chosen = matrix[high[np.linspace(0, len(high) - 1, min(200, len(high))).astype(int)]]
    booster = lightgbm.Booster(model_str=(resources.files("models") / "bundles" / "demo" / MODEL_FILE).read_text())
    exact = np.asarray(booster.predict(chosen, pred_contrib=True))
    paths = np.empty_like(exact)
    for row, contributions in zip(chosen, paths, strict=True):
        bundle.trees.contributions(np.ascontiguousarray(row), contributions)
    assert exact.sum(axis=1) == pytest.approx(paths.sum(axis=1), abs=1e-9)
    names = sorted(set(FAMILIES))
    member = np.array([[family == name for name in names] for family in FAMILIES], dtype=np.float64)
    by_shap, by_paths = (-each[:, :-1] @ member for each in (exact, paths))
    first, ranked = by_paths.argmin(axis=1), by_shap.argsort(axis=1)
    five = by_paths.argsort(axis=1)[:, :5]
    same = np.mean(first == ranked[:, 0])
    among_three = np.mean([one in order[:3] for one, order in zip(first, ranked, strict=True)])
    shared = np.mean([len(set(mine) & set(order[:5])) for mine, order in zip(five, ranked, strict=True)])
    print(f"{least}: {len(chosen)} payments, {same:.2f} same, {among_three:.2f} among three, {shared:.2f} of five")
    assert same >= 0.6
    assert among_three >= 0.85
    assert shared >= 3.4
