"""Every figure of a backtest against a plain recomputation, over policies and payments drawn at random."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import to_builtins

from models.backtest.compare import EXAMPLES_MAX, changes, examples, merchants
from models.backtest.figures import cells, figures, months
from models.backtest.judged import judge
from scoring.policy import policy_from
from tests.backtest.made import BANDS, Row, Told, alerts_in, arrays, band_of, drawn
from tests.examples import examples as few
from tests.policy.drawn import documents

FATES = ("FRAUD", "DECLINED", "REFUNDED", "GOOD")
MINUTES = 7.5
SMALL = settings(
    max_examples=few(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # each example writes its own ids

minimum = st.sampled_from(BANDS[1:]).map(lambda band: {"alerts": {"minimum_band": band}})
policies = st.builds(lambda document, alerts: document | alerts, documents(), minimum)


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def day(row: Row) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=row.ms, hours=9)).date().isoformat()


def plain(rows: list[Row], document: dict[str, Any]) -> dict[str, Any]:
    """Count in plain Python."""
    flagged = [row for row in rows if alerts_in(document, row)]
    frauds = [row for row in rows if row.fate == "FRAUD"]
    hits = [row for row in flagged if row.fate == "FRAUD"]
    days, work = len({day(row) for row in rows}), len(flagged) * MINUTES / 60

    def yen(some: list[Row]) -> int:
        return sum(row.jpy for row in some if row.jpy > 0)

    return {
        "payments": len(rows),
        "days": days,
        "alerts": len(flagged),
        "frauds": len(frauds),
        "frauds_alerted": len(hits),
        "fraud_jpy": yen(frauds),
        "fraud_alerted_jpy": yen(hits),
        "saved_jpy": yen([row for row in hits if not row.declined]),
        "alerts_a_day": ratio(len(flagged), days),
        "alert_rate_bps": ratio(10_000 * len(flagged), len(rows)),
        "precision": ratio(len(hits), len(flagged)),
        "recall": ratio(len(hits), len(frauds)),
        "value_recall": ratio(yen(hits), yen(frauds)),
        "false_positives_per_fraud": ratio(len(flagged) - len(hits), len(hits)),
        "hours": work,
        "hours_a_day": ratio(work, days),
    }


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found == {k: v if v is None else pytest.approx(v, abs=1e-6) for k, v in expected.items()}


@SMALL
@given(policies, st.integers(0, 10**9))
def test_the_figures_of_a_policy_are_plain_counts(tmp_path: Path, document: dict[str, Any], seed: int) -> None:
    rows = drawn(seed)
    found = arrays(rows, tmp_path)
    judged = judge(found, policy_from(document), Told(rows))
    assert judged.alerts.tolist() == [alerts_in(document, row) for row in rows]
    assert judged.bands.tolist() == [band_of(document, row) for row in rows]
    counted = [row for row in rows if row.counted]
    same(to_builtins(figures(found, judged.alerts, found.is_counted, MINUTES)), plain(counted, document))
    told = list(months(found, judged.alerts, MINUTES))
    names = sorted({day(row)[:7] for row in rows if row.within})
    assert [month.month for month in told] == names
    for month in told:
        own = [row for row in rows if row.within and day(row)[:7] == month.month]
        same(to_builtins(month.figures), plain(own, document))
        assert month.is_mature == all(row.counted for row in own)
    table = {(cell.band, cell.fate): to_builtins(cell) for cell in cells(found, judged)}
    expected: dict[tuple[str, str], dict[str, Any]] = {}
    for row in counted:
        key = (BANDS[band_of(document, row)], row.fate)
        cell = expected.setdefault(
            key, {"band": key[0], "fate": key[1], "payments": 0, "jpy": 0, "alerts": 0, "alerted_jpy": 0}
        )
        cell["payments"] += 1
        cell["jpy"] += max(row.jpy, 0)
        if alerts_in(document, row):
            cell["alerts"] += 1
            cell["alerted_jpy"] += max(row.jpy, 0)
    assert table == expected


@SMALL
@given(policies, policies, st.integers(0, 10**9))
def test_what_changes_between_two_policies_is_plain_counts(
    tmp_path: Path, old: dict[str, Any], new: dict[str, Any], seed: int
) -> None:
    rows = drawn(seed)
    found = arrays(rows, tmp_path)
    before, after = (judge(found, policy_from(document), Told(rows)) for document in (old, new))
    counted = [row for row in rows if row.counted]
    for change in changes(found, before.alerts, after.alerts):
        own = [row for row in counted if row.fate == change.fate]
        gained = [row for row in own if alerts_in(new, row) and not alerts_in(old, row)]
        lost = [row for row in own if alerts_in(old, row) and not alerts_in(new, row)]
        assert (change.gained, change.lost) == (len(gained), len(lost))
        assert change.gained_jpy == sum(max(row.jpy, 0) for row in gained)
        assert change.lost_jpy == sum(max(row.jpy, 0) for row in lost)
    more, fewer = merchants(found, before.alerts, after.alerts)
    by_name: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in counted:
        by_name[row.names[:2]].append(row)
    steps = {
        name: sum(alerts_in(new, row) for row in own) - sum(alerts_in(old, row) for row in own)
        for name, own in by_name.items()
    }
    rank = sorted(by_name, key=lambda name: (-steps[name], -len(by_name[name]), name))
    assert [(one.acquirer, one.merchant) for one in more] == [name for name in rank if steps[name] > 0][:3]
    rank.sort(key=lambda name: (steps[name], -len(by_name[name]), name))
    assert [(one.acquirer, one.merchant) for one in fewer] == [name for name in rank if steps[name] < 0][:3]
    for one in (*more, *fewer):
        own = by_name[one.acquirer, one.merchant]
        assert (one.payments, one.frauds) == (len(own), sum(row.fate == "FRAUD" for row in own))
        for word, document in (("current", old), ("candidate", new)):
            flagged = [row for row in own if alerts_in(document, row)]
            hits = [row for row in flagged if row.fate == "FRAUD"]
            told = to_builtins(one)
            assert told[f"alerts_{word}"] == len(flagged)
            assert told[f"frauds_alerted_{word}"] == len(hits)
            assert told[f"other_{word}"] == len(flagged) - len(hits)
            assert told[f"fraud_alerted_jpy_{word}"] == sum(max(row.jpy, 0) for row in hits)


@SMALL
@given(policies, policies, st.integers(0, 10**9))
def test_examples_are_the_largest_payments_of_their_cell_with_score_and_reasons(
    tmp_path: Path, old: dict[str, Any], new: dict[str, Any], seed: int
) -> None:
    rows = drawn(seed)
    found = arrays(rows, tmp_path)
    before, after = (judge(found, policy_from(document), Told(rows)) for document in (old, new))
    expected: dict[tuple[str, str], list[int]] = defaultdict(list)
    for k, row in enumerate(rows):
        is_new, is_old = alerts_in(new, row), alerts_in(old, row)
        kinds = [("ALERTED", is_new), ("MISSED", not is_new and row.fate == "FRAUD")]
        kinds += [("GAINED", is_new and not is_old), ("LOST", is_old and not is_new)]
        for what, is_so in kinds if row.counted else ():
            if is_so:
                expected[what, row.fate].append(k)
    told = {(one.what, one.fate): one for one in examples(found, after, Told(rows), before)}
    assert {key: one.count for key, one in told.items()} == {key: len(own) for key, own in expected.items()}
    level = new["alerts"]["minimum_band"].lower()
    for key, own in expected.items():
        best = sorted(own, key=lambda k: (-max(rows[k].jpy, 0), k))[:EXAMPLES_MAX]
        assert [one.event_id for one in told[key].examples] == [f"p-{k}" for k in best]
        for k, one in zip(best, told[key].examples, strict=True):
            row = rows[k]
            assert (one.acquirer, one.merchant, one.score, one.fate) == (*row.names[:2], row.score, row.fate)
            assert one.amount_jpy == (None if row.jpy < 0 else row.jpy)
            assert one.band == BANDS[band_of(new, row)]
            assert datetime.fromisoformat(one.time) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=row.ms)
            is_limited = band_of(new, row) > band_of(new | {"limits": []}, row)
            assert [reason.id for reason in one.reasons] == ["LIMIT_AMOUNT"] * is_limited + [row.reason]
            plain_policy = new | {"limits": [], "suppressions": []}
            for score in (one.alerts_from - 1, one.alerts_from):
                flips = Row(**{**vars(row), "score": score})
                assert alerts_in(plain_policy, flips) == (score >= one.alerts_from), level
