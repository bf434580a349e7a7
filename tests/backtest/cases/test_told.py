"""What a report says by case: its parts, its lines on the screen and its page, of two drawn policies."""

import re
from html import unescape

import pytest
from msgspec.structs import replace

from models.backtest import lines as module
from models.backtest.cases.examples import case_examples
from models.backtest.cases.figures import case_months
from models.backtest.decided.run import Decided
from models.backtest.fairness import Fairness
from models.backtest.intervals import Estimate, Resampled, named
from models.backtest.lines import lines
from models.backtest.pages.sections import sections
from models.backtest.report import Backtest, of_policy
from tests.backtest.cases.made import Made
from tests.backtest.test_report import NO_EFFECTS, report_of

MINUTES = 12
WORDS = {
    "case_precision": "precision, by case",
    "case_recall": "share of frauds in a case",
    "cases_a_day": "cases a day",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made"), 3)


@pytest.fixture(scope="module")
def report(made: Made) -> Backtest:
    resampled, fairness = Resampled(made.found), Fairness(made.found)
    policies = [
        of_policy(
            name,
            made.found,
            Decided(judged, [], ("from-file",), ("no-file",)),
            made.told,
            effects=NO_EFFECTS,
            fairness=fairness.groups(judged),
            resampled=resampled,
            minutes=MINUTES,
            target=None,
            current=current,
        )
        for name, judged, current in (("current", made.before, None), ("draft", made.now, made.before))
    ]
    return replace(report_of(made.found, made.rows), policies=policies)


def test_a_candidate_is_measured_beside_the_current_policy(made: Made, report: Backtest) -> None:
    current, draft = report.policies
    resampled = Resampled(made.found)
    assert (current.case_difference, draft.case_difference) == (
        None,
        resampled.case_difference(made.before.cases, made.now.cases),
    )
    assert draft.case_intervals == resampled.case_estimates(made.now.cases)
    assert draft.case_examples == case_examples(made.found, made.now, made.told, made.before)
    assert current.case_examples == case_examples(made.found, made.before, made.told)
    assert draft.case_months == list(case_months(made.found, made.now, MINUTES))
    assert [one.why for one in draft.left_out] == ["NO_FILE"]
    assert draft.lists_from_files == ["from-file"]


def test_the_screen_says_the_last_months_examples_and_differences(
    report: Backtest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MONTHS_MAX", 2)
    said = list(lines(report))
    for one in report.policies:
        months = []
        for month in one.case_months[-2:]:
            found = month.figures
            text = f"{one.name}: {month.month}: {found.cases:,} cases, precision {found.precision:.4f}, "
            text += f"{found.cases * MINUTES / 60:,.1f} hours"
            months.append(text + ("" if month.is_mature else "; labels are not all known yet"))
        assert [line for line in said if re.match(rf"{one.name}: \d{{4}}-\d\d: ", line)] == months
        assert len(one.case_months) > 2
        kinds = {"CASE": "cases", "GAINED": "cases more", "LOST": "cases fewer"}
        expected = [
            f"{one.name}: {cell.count:,} {kinds[cell.what]}, {cell.fate}; one, joined by {best.joined_by}: "
            f"{best.payments:,} payments, {best.jpy:,} yen, from {best.begins}: {best.shown[0].reasons[0].id}"
            for cell in one.case_examples.cells
            for best in cell.examples[:1]
        ]
        assert [line for line in said if line.startswith(f"{one.name}: ") and "; one, joined by" in line] == expected
        missed = [
            f"{one.name}: {each.count:,} frauds in no case, {each.why}, {each.jpy:,} yen; one: score "
            f"{each.examples[0].score}, alerts from {each.examples[0].alerts_from}: {each.examples[0].reasons[0].id}"
            for each in one.case_examples.missed
        ]
        assert [line for line in said if line.startswith(f"{one.name}: ") and "in no case" in line] == missed
        assert len(missed) == 3
    assert len([line for line in said if "cases more" in line and line.startswith("current")]) == 0
    for name, one in named(report.policies[1].case_difference):
        start = f"draft: {WORDS[name]}: {one.value:+.4f} (95% by days: {one.low:+.4f} to {one.high:+.4f}"
        is_weak = one.low is not None and one.high is not None and one.low <= 0 <= one.high
        assert f"{start}{', may be chance' if is_weak else ''})" in said


def test_the_page_has_the_differences_by_case(report: Backtest) -> None:
    text = re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", sections(report))))
    draft = report.policies[1]
    by_name = dict(named(draft.difference, draft.case_difference))

    def told(one: Estimate, sign: str) -> str:
        assert None not in (one.value, one.low, one.high)
        return f"{one.value:{sign}.4f} {one.low:{sign}.4f} – {one.high:{sign}.4f}"

    words = {"case_precision": "precision by case 適合率（案件）", "cases_a_day": "cases a day 1日あたり案件数"}
    words["case_recall"] = "share of frauds in a case 案件に含まれる不正の割合"
    for name, one in named(draft.case_intervals):
        assert f"draft {words[name]} {told(one, '')} {told(by_name[name], '+')}" in text
    assert "current list リスト from-file a worker reads its entries from the topic" in text
    assert "draft list リスト no-file left out: its entries come from the topic" in text
