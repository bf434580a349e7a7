"""Rates of groups against a plain recount, intervals against the equations that define them, alarms at their edges."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import to_builtins

from models.backtest.fairness import Fairness, Verdict, _rate, alarms, ratio_interval
from models.backtest.judged import judge
from scoring.policy import policy_from
from tests.backtest.made import DAY_MS, Row, Told, alerts_in, arrays, band_of, drawn
from tests.examples import examples as few
from tests.policy.drawn import EVENTS, SECTIONS, documents

LIMIT, GENUINE_MIN, NEW_DAYS = 1.25, 15, 20
Z = NormalDist().inv_cdf(0.995)
GROUPS = {
    "card": ("UNKNOWN", "DOMESTIC", "FOREIGN"),
    "network": ("UNKNOWN", "VISA", "JCB"),
    "merchant_size": ("UNKNOWN", "SMALL", "MEDIUM", "LARGE"),
    "merchant_age": ("UNKNOWN", "NEW", "ESTABLISHED"),
}


@pytest.fixture(autouse=True, scope="module")
def young() -> Iterator[None]:
    """Let a merchant be new for so short a time that drawn histories reach beyond it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.backtest.fairness.NEW_DAYS", NEW_DAYS)
        yield


def root(f: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function crosses 0."""
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return (low + high) / 2


def wilson(count: int, of: int) -> tuple[float, float]:
    """Return the shares whose distance from the observed one is Z standard errors of their own."""
    share = count / of

    def beyond(p: float) -> float:
        return (share - p) ** 2 - Z * Z * p * (1 - p) / of

    low = 0.0 if count == 0 else root(lambda p: -beyond(p), 0.0, share)
    return low, 1.0 if count == of else root(beyond, share, 1.0)


def ratios(own: tuple[int, int], other: tuple[int, int]) -> tuple[float, float | None]:
    """Return the ratios R at which the interval of `own - R * other` touches 0."""
    (a, b), (c, d) = wilson(*own), wilson(*other)
    p, q = own[0] / own[1], other[0] / other[1]
    low = root(lambda r: -(p - r * q - math.sqrt((p - a) ** 2 + (r * (d - q)) ** 2)), 0.0, 1e5)
    if other[0] == 0:
        return low, None
    return low, root(lambda r: -(p - r * q + math.sqrt((b - p) ** 2 + (r * (q - c)) ** 2)), 0.0, 1e7)


def groups_of(rows: list[Row]) -> dict[str, list[str]]:
    """Name the group of each row, by dimension."""
    merchants = [row.names[:2] for row in rows]
    counts = Counter(merchants)
    ranked = sorted(counts.values())
    small, medium = (ranked[math.ceil(len(ranked) * part / 3) - 1] for part in (1, 2))
    start = min(row.ms for row in rows)
    first = {name: min(row.ms for row in rows if row.names[:2] == name) for name in counts}
    found: dict[str, list[str]] = {name: [] for name in GROUPS}
    for row, merchant in zip(rows, merchants, strict=True):
        is_known = row.issuer and row.country
        found["card"].append("UNKNOWN" if not is_known else ("DOMESTIC" if row.issuer == row.country else "FOREIGN"))
        found["network"].append(row.network)
        count = counts[merchant]
        found["merchant_size"].append("SMALL" if count <= small else "MEDIUM" if count <= medium else "LARGE")
        if not math.isnan(row.age_days):
            age = "NEW" if row.age_days < NEW_DAYS else "ESTABLISHED"
        elif row.ms - start < NEW_DAYS * DAY_MS:
            age = "UNKNOWN"
        else:
            age = "NEW" if row.ms - first[merchant] < NEW_DAYS * DAY_MS else "ESTABLISHED"
        found["merchant_age"].append(age)
    return found


def verdict(name: str, own: tuple[int, int], reference: tuple[int, int], is_reference: bool) -> str:
    if name == "UNKNOWN":
        return "UNKNOWN"
    if own[1] < GENUINE_MIN or reference[1] < GENUINE_MIN:
        return "TOO_SMALL"
    if is_reference:
        return "REFERENCE"
    low, high = ratios(own, reference)
    share, other = own[0] / own[1], reference[0] / reference[1]
    if share > LIMIT * other and low > 1:
        return "HIGHER"
    return "LOWER" if share < other / LIMIT and high is not None and high < 1 else "LIKE"


def bps(part: float, whole: float) -> float | None:
    return 10_000 * part / whole if whole else None


def expected(rows: list[Row], document: dict[str, Any]) -> list[dict[str, Any]]:
    """Count in plain Python."""
    found = []
    named = groups_of(rows)
    for dimension, names in GROUPS.items():
        parts = {
            name: [row for row, own in zip(rows, named[dimension], strict=True) if own == name and row.counted]
            for name in names
        }
        good = {name: [row for row in own if row.fate in ("GOOD", "REFUNDED")] for name, own in parts.items()}
        reference = max(names[1:], key=lambda name: len(good[name]))
        for name in names:
            if not parts[name]:
                continue
            own = parts[name]
            line: dict[str, Any] = {"dimension": dimension, "group": name, "payments": len(own)}
            hits = sum(alerts_in(document, row) for row in own)
            blocked = sum(band_of(document, row) == 3 for row in own)
            frauds = sum(row.fate == "FRAUD" for row in own)
            line |= {"frauds": frauds, "genuine": len(good[name]), "alerts": hits, "blocked": blocked}
            line |= {"fraud_rate_bps": bps(frauds, len(own)), "alert_rate_bps": bps(hits, len(own))}
            line["block_rate_bps"] = bps(blocked, len(own))
            for rate, is_hit in (
                ("false_positives", lambda row: alerts_in(document, row)),
                ("genuine_blocked", lambda row: band_of(document, row) == 3),
            ):
                count, whole = sum(map(is_hit, good[name])), len(good[name])
                its, all_of = sum(map(is_hit, good[reference])), len(good[reference])
                low, high = wilson(count, whole) if whole else (None, None)
                is_compared = whole and all_of and name != "UNKNOWN"
                below, above = ratios((count, whole), (its, all_of)) if is_compared else (None, None)
                line[rate] = {
                    "count": count,
                    "rate_bps": bps(count, whole),
                    "low_bps": None if low is None else 10_000 * low,
                    "high_bps": None if high is None else 10_000 * high,
                    "ratio": (count / whole) / (its / all_of) if is_compared and its else None,
                    "ratio_low": below,
                    "ratio_high": above,
                    "verdict": verdict(name, (count, whole), (its, all_of), name == reference),
                }
            found.append(line)
    return found


def near(value: object) -> object:
    return pytest.approx(value, rel=1e-6, abs=2e-6) if isinstance(value, float) else value


def same(found: list[dict[str, Any]], plain: list[dict[str, Any]]) -> None:
    assert [(one["dimension"], one["group"]) for one in found] == [(one["dimension"], one["group"]) for one in plain]
    for one, other in zip(found, plain, strict=True):
        for name, value in other.items():
            if isinstance(value, dict):
                assert one[name] == {field: near(own) for field, own in value.items()}, (other["group"], name)
            else:
                assert one[name] == near(value), (other["group"], name)
        assert one.keys() == other.keys()


def biased(seed: int) -> list[Row]:
    """Draw payments of which foreign cards, JCB and new merchants have higher scores, or lower ones."""
    rows = drawn(seed, 500)
    for place, row in enumerate(rows):
        if place % 3 and row.issuer != row.country:
            row.score = 999 if seed % 2 else 0
        elif place % 2 and row.network == "JCB":
            row.score = 0 if seed % 2 else 999
    return rows


@settings(max_examples=few(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents(), st.integers(0, 10**9), st.sampled_from([3, 500]))
def test_the_rates_of_every_group_are_plain_counts(
    tmp_path: Path, document: dict[str, Any], seed: int, count: int
) -> None:
    document |= {"alerts": {"minimum_band": "REVIEW"}}
    rows = biased(seed) if count == 500 else drawn(seed, count)
    found = arrays(rows, tmp_path)
    fairness = Fairness(found, limit=LIMIT, genuine_min=GENUINE_MIN)
    same(to_builtins(fairness.groups(judge(found, policy_from(document), Told(rows)))), expected(rows, document))


def test_every_verdict_is_met(tmp_path: Path) -> None:
    document: dict[str, Any] = {"version": "t", "global": {"review": 600, "step_up": 700, "block": 900}}
    document |= {"alerts": {"minimum_band": "REVIEW"}}
    document |= {name: [] for name in (*SECTIONS, "overrides", "limits", "suppressions")}
    met: set[str] = set()
    for seed in (1, 2):
        rows = biased(seed)
        found = arrays(rows, tmp_path)
        fairness = Fairness(found, genuine_min=GENUINE_MIN)
        groups = fairness.groups(judge(found, policy_from(document), Told(rows)))
        same(to_builtins(groups), expected(rows, document))
        met |= {rate.verdict for group in groups for rate in (group.false_positives, group.genuine_blocked)}
        rung = [(group.group, name) for group, name, _ in alarms(groups)]
        assert ("FOREIGN", "false_positives") in rung
        assert len(rung) == sum(
            rate.verdict in ("HIGHER", "LOWER")
            for group in groups
            for rate in (group.false_positives, group.genuine_blocked)
        )
    assert met == {"REFERENCE", "LIKE", "HIGHER", "LOWER", "UNKNOWN"}


@pytest.mark.parametrize(
    ("counts", "edges"), [((1, 2), (1, 2)), ((1, 2, 3, 4), (2, 3)), ((1, 2, 3, 4, 5), (2, 4)), ((3, 3, 3, 7), (3, 3))]
)
def test_a_third_of_the_merchants_is_small_rounded_up(
    tmp_path: Path, counts: tuple[int, ...], edges: tuple[int, int]
) -> None:
    names = [EVENTS[4 * place] for place, count in enumerate(counts) for _ in range(count)]
    rows = [Row(name, 0, 5, 500, "GOOD", False, True, True, "NIGHT") for name in names]
    terms = Fairness(arrays(rows, tmp_path)).terms
    assert (terms.small_until, terms.medium_until) == edges


@pytest.mark.parametrize(
    ("own", "reference", "limit", "told"),
    [
        ((1_250, 10_000), (1_000, 10_000), 1.25, "LIKE"),  # the limit itself is allowed
        ((1_251, 10_000), (1_000, 10_000), 1.25, "HIGHER"),
        ((1_251, 10_000), (1_000, 10_000), 1.5, "LIKE"),
        ((800, 10_000), (1_000, 10_000), 1.25, "LIKE"),
        ((799, 10_000), (1_000, 10_000), 1.25, "LOWER"),
        ((4, 1_000), (2, 1_000), 1.25, "LIKE"),  # twice as many, which chance explains
        ((2, 1_000), (4, 1_000), 1.25, "LIKE"),
        ((50, 1_000), (0, 1_000), 1.25, "HIGHER"),  # a ratio without a number rings too
        ((0, 1_000), (50, 1_000), 1.25, "LOWER"),
        ((0, 1_000), (0, 1_000), 1.25, "LIKE"),
        ((1, 1_000), (0, 1_000), 1.25, "LIKE"),
    ],
)
def test_an_alarm_needs_a_ratio_beyond_the_limit_and_an_interval_without_1(
    own: tuple[int, int], reference: tuple[int, int], limit: float, told: Verdict
) -> None:
    found = _rate(own, reference, None, limit)
    assert found.verdict == told
    assert (found.ratio is None, found.ratio_high is None) == (reference[0] == 0, reference[0] == 0)


@settings(max_examples=few(200), deadline=None)
@given(st.integers(1, 5_000), st.integers(1, 5_000), st.data())
def test_the_interval_of_a_ratio_is_that_of_the_difference_that_touches_0(
    of: int, other_of: int, data: st.DataObject
) -> None:
    own, other = (data.draw(st.integers(0, of)), of), (data.draw(st.integers(0, other_of)), other_of)
    low, high = ratio_interval(own, other)
    below, above = ratios(own, other)
    assert low == pytest.approx(below, rel=1e-6, abs=1e-7)
    assert high == (None if above is None else pytest.approx(above, rel=1e-6, abs=1e-7))
