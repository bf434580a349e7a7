"""Examples by case against a plain recount: which cases, what joined them, and why frauds are in none."""

from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import to_builtins

from models.backtest.cases.examples import PAYMENTS_MAX, CaseExample, case_examples
from models.backtest.judged import Join
from tests.backtest.cases.made import POLICY, Made, fate_of, yen_of
from tests.backtest.made import band_of
from tests.examples import is_quick

SEEDS = range(2 if is_quick() else 8)


def stamp(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def same(one: CaseExample, made: Made, k: int, own: list[int]) -> None:
    rows, times = made.rows, sorted(made.rows[place].ms for place in own)
    frauds = [place for place in own if rows[place].fate == "FRAUD"]
    assert (one.begins, one.ends) == (stamp(times[0]), stamp(times[-1]))
    assert (one.payments, one.frauds) == (len(own), len(frauds))
    assert (one.jpy, one.fraud_jpy) == (yen_of(rows, own), yen_of(rows, frauds))
    assert one.joined_by == Join(made.joins[k][own[0]]).name
    assert [each.event_id for each in one.shown] == [f"p-{place}" for place in own[:PAYMENTS_MAX]]
    for each, place in zip(one.shown, own, strict=False):
        assert ([reason.id for reason in each.reasons], each.score) == ([rows[place].reason], rows[place].score)


@pytest.mark.parametrize("seed", SEEDS)
def test_examples_of_cases_are_those_with_most_yen_of_each_kind_and_fate(tmp_path: Path, seed: int) -> None:
    made = Made(tmp_path, seed)
    before, now = made.cases(0), made.cases(1)
    expected: dict[tuple[str, str], list[tuple[int, list[int]]]] = defaultdict(list)
    for k, cases in ((1, now), (0, before)):
        for own in cases.values():
            is_in_other = any(made.numbers[1 - k][place] for place in own)
            kinds = ["CASE"] * k + ([] if is_in_other else ["GAINED" if k else "LOST"])
            for what in kinds:
                expected[what, fate_of(made.rows, own)].append((k, own))
    found = {(cell.what, cell.fate): cell for cell in case_examples(made.found, made.now, made.told, made.before).cells}
    assert {key: cell.count for key, cell in found.items()} == {key: len(own) for key, own in expected.items()}
    assert {what for what, _ in found} == {"CASE", "GAINED", "LOST"}
    for key, own in expected.items():
        best = sorted(own, key=lambda one: (-yen_of(made.rows, one[1]), one[1][0]))[:3]
        assert len(found[key].examples) == len(best)
        for one, (k, places) in zip(found[key].examples, best, strict=True):
            same(one, made, k, places)
    assert max(len(own) for cell in expected.values() for _, own in cell) > PAYMENTS_MAX
    alone = case_examples(made.found, made.now, made.told).cells
    assert {cell.what for cell in alone} == {"CASE"}


@pytest.mark.parametrize("seed", SEEDS)
def test_frauds_in_no_case_are_told_with_what_kept_them_out(tmp_path: Path, seed: int) -> None:
    made = Made(tmp_path, seed)
    expected: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(made.rows):
        if row.counted and row.fate == "FRAUD" and not made.numbers[1][place]:
            would = band_of(to_builtins(POLICY), row) >= 1
            why = "SUPPRESSED" if would else "ALLOWED" if place in made.lowered else "BELOW"
            expected[why].append(place)
    assert len(expected) == 3
    found = {one.why: one for one in case_examples(made.found, made.now, made.told).missed}
    assert {why: one.count for why, one in found.items()} == {why: len(own) for why, own in expected.items()}
    for why, own in expected.items():
        best = sorted(own, key=lambda place: (-max(made.rows[place].jpy, 0), place))[:3]
        assert found[why].jpy == yen_of(made.rows, own)
        assert [one.event_id for one in found[why].examples] == [f"p-{place}" for place in best]
