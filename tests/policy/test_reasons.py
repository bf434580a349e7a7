"""A reason is a family of features that raises the score, with a text that is true of the event's own features."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from math import isnan, log1p, nan
from pathlib import Path

import msgspec
import numpy as np
import pytest

from scoring.contract.decision import EVIDENCE_MAX, Reason
from scoring.decide.alerts import ENTITY_OF_REASON
from scoring.features.all import FEATURES
from scoring.policy.reasons import NEUTRAL, WEIGHT_MIN, WORDINGS, Reasons
from scoring.policy.reasons.page import markdown
from scoring.policy.reasons.wording import parts_of
from scoring.policy.reasons.words import WORDS
from tests.examples import is_quick, sample
from tests.policy.claims import Row
from tests.policy.expected import FAMILY, MEMBERS, NAMES, expected
from tests.policy.history_claims import CLAIMS

ROOT = Path(__file__).resolve().parents[2]
REASONS = Reasons(FEATURES)
NOTHING = dict.fromkeys(NAMES, nan)

FIRST_IDS = (
    *("VEL_CARD", "AMT_ZSCORE", "CARD_NEW_BEHAVIOUR", "ENUM_BIN_BURST", "VEL_DEVICE_CARDS", "VEL_IP_CARDS"),
    *("VEL_ADDR_CARDS", "VEL_ACCOUNT_CARDS", "VEL_MERCHANT", "MERCHANT_APPROVAL_DROP", "FRAUD_REPORTED"),
    *("TEST_SMALL_AMT", "TDS_OTP_RELAY", "PRIOR_DECLINES", "AMT_HIGH", "NIGHT", "HR_GOODS", "GEO_MISMATCH"),
    *("TDS_STATUS", "TDS_ABSENT_REQUIRED", "TDS_INCONSISTENT", "CHK_GAP", "MERCHANT_STATUS", "CVV_FAIL"),
    *("BIN_RISK", "ATO_CHANGE", "DATA_MISSING"),
)
"""The ids of the first release, one for each family: they do not change."""


def top(added: dict[str, float], seen: Row, bias: float = 9.9) -> list[Reason]:
    """Give the reasons of an event with the features `seen`, where features add `added` to its score."""
    row = NOTHING | seen
    contributions = np.array([added.get(name, 0.0) for name in NAMES] + [bias])
    return REASONS.top(contributions, np.array([row[name] for name in NAMES]))


def pool(unit: str) -> list[float]:
    """List values of a unit, on both sides of every possible bound."""
    counts = [float(n) for n in range(13)] + [19, 20, 29, 30, 31, 39, 40, 41, 119, 120, 121]
    flags = [nan, 0.0, 1.0]
    pools: dict[str, list[float]] = {
        "ln(1 + yen)": [log1p(n) for n in (0, 500, 501, 1_000, 9_999, 10_000, 29_999, 30_000, 10**12)],
        "0/1": flags,
        "flag": flags,
        "h": [float(n) for n in range(24)],
        "code": [float(n) for n in range(21)] + [ord("M"), ord("N"), ord("P"), ord("Y")],
        "JPY": [0, 1, 99_999, 100_000, 199_999, 200_000, 399_999, 400_000, 799_999, 800_000, 12_345_678],
        "ratio": [
            *(0, 0.0004, 0.05, 0.0999, 0.1, 0.25, 0.299, 0.3, 0.301, 0.499, 0.5, 0.501, 0.7, 0.701, 1, 1.009, 1.01),
            *(2.99, 3, 4.99, 5, 29.9, 29.95, 30, 99.7, 999.6, 1_234),
        ],
        "deviations": [-10, -3.01, -3, -2.99, 0, 2.99, 3, 41.5],
        "s": [-90_000, -61, -60, -59, 0, 0.5, 1, 59, 60, 61, 119, 121, 3_599, 3_600, 7_300, 200_000],
    }
    days = [-0.5, -0.001, 0, 0.0001, 0.01, 0.5, 1, 1.001, 2, 179, 180, 181, 900]
    pools |= {"d": days, "days": days}
    estimates = [n * 1.01 for n in range(13)] + [133.084, 133.085, 310.529936, 310.529937, 709.7, 709.8, 1597.2, 1597.3]
    shared = {f"{entity}s" for entity in ("card", "merchant", "account", "device", "ip")}
    return pools.get(unit, counts + estimates if unit in shared else counts)


POOLS = {feature.name: [*pool(feature.unit), nan] for feature in FEATURES}


def rows_of(family: str, number: int) -> Iterator[tuple[dict[str, float], Row]]:
    """Draw rows in which only one family adds to the score, with few missing values and many edges."""
    rng = np.random.default_rng(sum(map(ord, family)))
    members = MEMBERS[family]
    for n in range(number):
        row = {name: values[int(rng.integers(len(values)))] for name, values in POOLS.items()}
        added = dict.fromkeys(NAMES, 0.0)
        share = rng.normal(0.1, 1.0, len(members)) if n % 2 else np.eye(len(members))[rng.integers(len(members))]
        yield added | dict(zip(members, share.tolist(), strict=True)), row


def edges_of(family: str) -> Iterator[tuple[dict[str, float], Row]]:
    """Yield rows in which one feature of a text goes through its pool, the others fit the text, and all else is
    missing.
    """
    for wording in WORDINGS[family]:
        bounds = [*wording.when, *(item.bound for item in wording.named)]
        holds = {b.feature: next(value for value in POOLS[b.feature] if b.low <= value <= b.high) for b in bounds}
        added = dict.fromkeys(NAMES, 0.0) | {name: 1.0 for name in holds if FAMILY[name] == family}
        for name in holds:
            for value in POOLS[name]:
                yield added, NOTHING | holds | {name: value}


def plain(reasons: list[Reason]) -> list[tuple[str, float, str, dict[str, float] | None]]:
    return [(reason.id, reason.weight, reason.en, reason.evidence) for reason in reasons]


def rounded(told: list[tuple[str, float, str, dict[str, float]]]) -> list[tuple[str, float, str, dict[str, float]]]:
    return [(id_, pytest.approx(weight, abs=0.0011), en, evidence) for id_, weight, en, evidence in told]


def wordings_of(family: str, reason: Reason) -> list[int]:
    """Find the wordings of a family that may give a reason, by its evidence."""
    evidence = reason.evidence
    assert evidence
    found = []
    for k, wording in enumerate(WORDINGS[family]):
        bounds = [*wording.when, *(item.bound for item in wording.named if item.bound.feature in evidence)]
        holds = all(bound.low <= evidence.get(bound.feature, nan) <= bound.high for bound in bounds)
        if wording.id == reason.id and holds and {bound.feature for bound in bounds} == set(evidence):
            found.append(k)
    return found


@pytest.mark.parametrize("family", sample(list(MEMBERS)))
def test_a_text_is_shown_exactly_where_its_claim_holds(family: str) -> None:
    shown = Counter[int]()
    neutral = 0
    for added, row in chain(edges_of(family), rows_of(family, 30 * (4 + len(WORDINGS[family])))):
        reasons = top(added, row)
        told = expected(added, row)
        assert plain(reasons) == rounded(told), {name: row[name] for name in MEMBERS[family]}
        if reasons[0].id == NEUTRAL.id:
            neutral += 1
        else:
            shown.update(wordings_of(family, reasons[0]))
    assert neutral, "some row must have no text"
    assert set(shown) == set(range(len(WORDINGS[family]))), "some row must show each text"


def test_reasons_are_listed_by_weight_and_families_without_a_true_text_are_skipped() -> None:
    rng = np.random.default_rng(3)
    sizes = Counter[int]()
    for _ in range(250 if is_quick() else 1_000):
        row = {name: values[int(rng.integers(len(values)))] for name, values in POOLS.items()}
        if rng.random() < 0.5:
            row |= {name: nan for name in NAMES if rng.random() < 0.9}
        added = dict(zip(NAMES, rng.normal(-0.1, 0.3, len(NAMES)).tolist(), strict=True))
        reasons = top(added, row)
        assert plain(reasons) == rounded(expected(added, row))
        sizes[len(reasons)] += 1
        for reason in reasons:
            assert "nan" not in reason.en + reason.ja
            assert not any(isnan(value) for value in (reason.evidence or {}).values())
            assert max(len(reason.en), len(reason.ja)) <= 256
    assert set(sizes) == {1, 2, 3, 4, 5}


def test_an_event_without_features_has_only_the_neutral_text() -> None:
    added = dict.fromkeys(NAMES, 0.25)
    weight = sum(0.25 for _ in NAMES)
    en, ja = "The payment needs a closer look.", "取引の確認が必要です。"
    told = {"en": NEUTRAL.en, "ja": NEUTRAL.ja, "merchant_en": en, "merchant_ja": ja}
    neutral = Reason(id=NEUTRAL.id, weight=weight, evidence={}, **told)
    assert top(added, NOTHING) == [neutral]
    assert top({}, NOTHING) == [msgspec.structs.replace(neutral, weight=0.0)]


def test_contributions_of_one_family_are_one_reason() -> None:
    seen = {"goods_high_risk": 1.0, "amount_log": log1p(48_900)}
    reasons = top({"goods_high_risk": 0.4, "mcc_group": 0.3, "amount_log": 0.5}, seen)
    assert [(reason.id, reason.weight) for reason in reasons] == [("HR_GOODS", 0.7), ("AMT_HIGH", 0.5)]
    assert reasons[1].en == "High amount: 48,900 yen"
    assert reasons[1].ja == "高額：48,900円"


def test_features_that_lower_the_score_noise_and_the_bias_are_no_reasons() -> None:
    seen = {"goods_high_risk": 1.0, "amount_foreign": 1.0, "hour_jst": 3.0}
    added = {"goods_high_risk": -2.0, "amount_foreign": WEIGHT_MIN / 2, "hour_jst": WEIGHT_MIN}
    assert [reason.id for reason in top(added, seen)] == ["NIGHT"]


def test_a_true_text_that_lowers_the_score_is_no_reason() -> None:
    seen = {"card_attempts_10m": 5.0, "card_merchants_1h": 4.0}
    assert [reason.en for reason in top({"card_attempts_10m": 1.0, "card_merchants_1h": -0.2}, seen)] == [
        "5 attempts with this card in 10 min"
    ]
    assert [reason.id for reason in top({"card_attempts_10m": -0.2, "card_age_days": 1.0}, seen)] == [NEUTRAL.id]


WINDOWS = {"1 min": "1分", "10 min": "10分", "1 h": "1時間", "24 h": "24時間", "7 d": "7日", "30 d": "30日"}


def test_both_languages_show_the_same_figures_and_windows() -> None:
    for wordings in WORDINGS.values():
        for wording in wordings:
            en, ja = ({part[1:] for part in parts_of(text) if part[1]} for text in (wording.en, wording.ja))
            assert en == ja, wording.id
            for window, window_ja in WINDOWS.items():
                found = [
                    bool(re.search(rf"(?<!\d){word}", text))
                    for word, text in ((window, wording.en), (window_ja, wording.ja))
                ]
                assert found[0] == found[1], (wording.en, wording.ja)


@pytest.mark.parametrize(
    ("feature", "value", "en", "ja"),
    [
        ("device_cards_24h", 14.016, "About 14 cards with this device in 24 h", "この端末のカードが24時間に約14枚"),
        (
            "device_cards_24h",
            310.529939,
            "At least 311 cards with this device in 24 h",
            "この端末のカードが24時間に少なくとも311枚",
        ),
        (
            "card_merchants_24h",
            8.0,
            "8 or more merchants with this card in 24 h",
            "このカードの利用加盟店が24時間に少なくとも8店",
        ),
        (
            "account_spend_24h",
            1_234_567.0,
            "1,234,567 yen spent with this account in 24 h",
            "この会員の利用額が24時間に1,234,567円",
        ),
        ("device_age_days", 0.25, "Device first seen 6 h ago", "この端末の初回観測から6時間"),
        ("device_age_days", 0.001, "Device first seen 86 s ago", "この端末の初回観測から86秒"),
        ("device_age_days", 0.02, "Device first seen 29 min ago", "この端末の初回観測から29分"),
        ("merchant_age_days", 42.4, "Merchant under contract for 42 d", "契約から42日の加盟店"),
        ("hour_jst", 3.0, "Night in Tokyo: 03:00 to 03:59", "深夜・早朝の取引（日本時間03時台）"),
        ("tds_amount_over", 1.504, "Amount 1.5 times the authenticated amount", "金額が認証時の1.5倍"),
        (
            "card_new_device",
            1.0,
            "Not among the last ones of this card: device",
            "このカードの直近の利用にない項目：端末",
        ),
        ("cvv2_result", 78.0, "Security code failed", "セキュリティコードの不一致"),
    ],
)
def test_figures_are_written_as_people_read_them(feature: str, value: float, en: str, ja: str) -> None:
    (reason,) = top({feature: 1.0}, {feature: value})
    assert (reason.en, reason.ja, reason.evidence) == (en, ja, {feature: value})


def test_every_family_of_features_has_texts_and_each_text_a_feature() -> None:
    assert set(WORDINGS) == set(MEMBERS) == set(CLAIMS)
    for family, wordings in WORDINGS.items():
        for wording in wordings:
            bounds = [*wording.when, *(item.bound for item in wording.named)]
            assert bounds, f"{wording.id}: it must not be true of every event"
            assert len(bounds) <= EVIDENCE_MAX
            assert any(FAMILY[bound.feature] == family for bound in bounds), (
                f"{wording.id}: it must ask for a feature of its family"
            )
            assert wording.en.isascii()
            assert not wording.ja.isascii()


def test_ids_are_stable_and_each_belongs_to_one_family() -> None:
    family_of = {(wording.id, family) for family, wordings in WORDINGS.items() for wording in wordings}
    ids = [id_ for id_, _ in family_of]
    assert len(set(ids)) == len(ids)
    assert set(FIRST_IDS) <= set(ids)
    assert NEUTRAL.id not in ids
    assert set(ENTITY_OF_REASON) <= set(ids)


def test_words_of_codes_follow_the_lists_of_the_codes() -> None:
    from scoring.contract.codes import EciClass, Liability, ThreeDsStatus
    from scoring.merchants.goods import MCC_GROUPS
    from scoring.merchants.store import FRAUD_STATUSES, TDS_MODES
    from scoring.threeds.tables import NETWORKS

    sizes = {name: (min(words), max(words), len(words)) for name, words in WORDS.items()}
    assert sizes["mcc_group"] == (2, len(MCC_GROUPS) - 1, len(MCC_GROUPS) - 2)
    assert sizes["network"] == (1, len(NETWORKS) - 2, len(NETWORKS) - 2)
    assert sizes["tds_status"] == (1, max(ThreeDsStatus), len(ThreeDsStatus) - 1)
    assert sizes["eci"] == (1, max(EciClass), len(EciClass) - 1)
    assert sizes["liability"] == (1, max(Liability), len(Liability) - 1)
    assert sizes["fraud_status"] == (1, len(FRAUD_STATUSES) - 1, len(FRAUD_STATUSES) - 1)
    assert sizes["tds_mode"] == (1, len(TDS_MODES), len(TDS_MODES))
    for words in WORDS.values():
        assert all(len(set(spoken)) == len(words) for spoken in zip(*words.values(), strict=True))
    assert WORDS["fraud_status"][FRAUD_STATUSES.index("ACTUALISED")][0] == "fraud actualised"
    assert WORDS["tds_mode"][1 + TDS_MODES.index("NONE")][0] == "never"


def test_the_page_of_reasons_has_the_wordings() -> None:
    assert (ROOT / "deploy" / "docs" / "reasons.md").read_text(encoding="utf-8") == markdown()
