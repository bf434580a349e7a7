"""Tables of a backtest in a spreadsheet: no text is a formula, and a share without a denominator is blank."""

import csv
import io
from pathlib import Path

import pytest

from models.backtest.decided.run import Decided
from models.backtest.effects.effects import Effects
from models.backtest.fairness import Fairness
from models.backtest.intervals import Resampled
from models.backtest.judged import judge
from models.backtest.lines import lines
from models.backtest.report import Backtest, day_after, files, moment, of_policy
from models.backtest.scored import Scored
from scoring.policy import policy_from
from tests.backtest.made import DAY_MS, TOKYO_MS, Row, Told, arrays

NO_EFFECTS = Effects(
    blocked=0,
    blocked_frauds=0,
    blocked_fraud_jpy=0,
    blocked_other=0,
    frequent=0,
    changed=0,
    standings=[],
    programmes=[],
)
HOSTILE = ("=1+1", "+1", "-1", "@x", "\tx", "\rx", "fine")


def report_of(rows: Scored, plain: list[Row]) -> Backtest:
    told = Told(plain)
    off, on = (
        policy_from({"version": "t", "global": dict.fromkeys(("review", "step_up", "block"), level)})
        for level in (1000, 1)
    )
    fairness = Fairness(rows)
    base, other = judge(rows, off, told), judge(rows, on, told)
    resampled = Resampled(rows)
    policies = [
        of_policy(
            name,
            rows,
            Decided(own, []),
            told,
            effects=NO_EFFECTS,
            fairness=fairness.groups(own),
            resampled=resampled,
            minutes=10,
            target=None,
            current=current,
        )
        for name, own, current in (("current", base, None), ("on", other, base))
    ]
    return Backtest(
        history="a test",
        model="m",
        payments=len(plain),
        counted=len(plain),
        young=0,
        before=0,
        learnt=0,
        learnt_until="2026-01-01",
        mature_until=None,
        minutes_per_alert=10,
        without="",
        fairness=fairness.terms,
        resampling=resampled.terms,
        left_out={},
        policies=policies,
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_a_merchant_is_a_formula(tmp_path: Path, name: str) -> None:
    plain = [Row(("a", "m", "5732"), 0, 5, 500, "GOOD", False, True, True, "NIGHT")]
    rows = arrays(plain, tmp_path)
    rows.particulars.names[int(rows.particulars.merchant[0])] = ("a", name)
    found = files(report_of(rows, plain))
    lines_of = list(csv.reader(io.StringIO(found["merchants.csv"].decode(), newline="")))
    assert [line[2] for line in lines_of[1:]] == [name if name == "fine" else f"'{name}"]


def test_a_share_without_a_denominator_is_blank_and_none(tmp_path: Path) -> None:
    plain = [Row(("a", "m", "5732"), 0, 5, 500, "GOOD", False, True, True, "NIGHT")]
    report = report_of(arrays(plain, tmp_path), plain)
    current, on = csv.DictReader(files(report)["figures.csv"].decode().splitlines())
    assert (current["precision"], current["recall"], current["alert_rate_bps"]) == ("", "", "0.0")
    assert (on["precision"], on["false_positives_per_fraud"], on["alert_rate_bps"]) == ("0.0", "", "10000.0")
    told = {line[:28].strip(): line[28:].split() for line in lines(report)}
    assert told["precision"] == ["none", "0.0000"]
    assert told["payments that alert"] == ["0", "1"]


def test_a_day_begins_in_tokyo_and_a_moment_is_in_utc() -> None:
    midnight = 365 * DAY_MS - TOKYO_MS
    assert [day_after(midnight + step) for step in (-1, 0, 1)] == ["1971-01-01", "1971-01-01", "1971-01-02"]
    assert moment(midnight) == "1970-12-31T15:00:00.000+00:00"
