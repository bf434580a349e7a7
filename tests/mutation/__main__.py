"""Run `python -m tests.mutation PATH...`: exit status 1 if a mutant survives that is not explained."""

import argparse
import os
import random
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a thread pool does not survive in a child process
os.environ["SEKISHO_HYPOTHESIS"] = "mutation"

from hypothesis import HealthCheck, Phase, settings

from tests.mutation.equivalent import explained
from tests.mutation.record import EXPLAINED, File, Record, table
from tests.mutation.run import ROOT, SURVIVED, Trial, module_of, package_of

_OF_FAMILIES = "tests/policy/test_reasons.py::test_every_family_of_features_has_texts_and_each_text_a_feature"
_NO_PAGE = "--deselect=tests/policy/test_reasons.py::test_the_page_of_reasons_has_the_wordings"
"""Options that leave out the comparison of a page with the code that makes it: every change of the code changes the
page.
"""
_LINES = [f"tests/training/test_{name}.py" for name in ("inputs", "bounds")]
_PLAN = [f"tests/training/test_{name}.py" for name in ("training", "labels", "plan")]
_ROWS = [
    "tests/training/test_matrix.py",
    "tests/training/test_labels.py::test_a_fraud_is_known_from_the_date_of_its_truth_or_its_first_report_or_the_delay",
    *(
        f"tests/training/test_bounds.py::test_{name}"
        for name in (
            "merchants_beyond_the_limit_are_counted_and_a_delay_that_nothing_needs_is_none",
            "events_dated_too_far_from_their_record_are_counted_and_are_no_rows",
        )
    ),
    "tests/training/test_inputs.py::test_reasons_of_several_topics_are_counted_separately",
    "tests/training/test_inputs.py::test_a_fraud_of_no_known_episode_is_one_of_its_own",
    "tests/training/test_training.py::test_every_event_is_a_row_or_counted_as_skipped",
]
_REPORTS = [f"tests/profile/{name}.py" for name in ("rows/test_report_rows", "test_reports", "test_report_streams")]
_ENRICHMENT = [
    *("tests/features", "tests/threeds", "tests/merchants/test_store.py", "tests/merchants/test_summaries.py"),
    *("tests/training/test_demo_bundle.py", _OF_FAMILIES),
]
_MONTHS = [
    f"tests/merchants/months/test_{name}.py" for name in ("labels", "months", "rows", "standing", "dated_limits")
]
_COMPLIANCE = [f"tests/merchants/test_{name}.py" for name in ("checklist", "store", "summaries")]
_REPORT = ["tests/compliance"]
TESTS = {
    "scoring/features": _ENRICHMENT,
    "scoring/watching": ["tests/watching"],
    "models/watching": ["tests/watching"],
    "scoring/merchants": _ENRICHMENT,
    **dict.fromkeys((f"scoring/merchants/{name}.py" for name in ("checklist", "duties", "summaries")), _COMPLIANCE),
    "scoring/merchants/months": _MONTHS,
    "scoring/merchants/standing.py": _MONTHS,
    "scoring/merchants/overdue.py": ["tests/merchants/test_overdue.py"],
    **dict.fromkeys((f"scoring/reference/{name}.py" for name in ("limits", "report_codes")), _MONTHS),
    **dict.fromkeys(("scoring/merchants/programmes", "scoring/issuers", "scoring/compliance"), _REPORT),
    "scoring/reference/monitoring.py": ["tests/reference/test_monitoring.py", *_REPORT],
    "scoring/reference/compliance.py": ["tests/merchants/test_checklist.py"],
    "scoring/reference": ["tests/reference", "tests/threeds"],
    "scoring/threeds": ["tests/threeds"],
    "scoring/decide/threeds.py": ["tests/threeds"],
    "scoring/policy": ["tests/policy"],
    "scoring/policy/rules": ["tests/policy/rules"],
    "scoring/policy/reasons": ["tests/policy", _NO_PAGE],
    "scoring/policy/reasons/page.py": ["tests/policy"],
    "scoring/decide": ["tests/decide"],
    "scoring/decide/leaks.py": ["tests/decide", "tests/engine/test_leaks.py"],
    "scoring/incidents": ["tests/incidents"],
    "scoring/explanation": ["tests/explain"],
    "streams/explain": ["tests/explain"],
    "scoring/profile/kernels/reports.py": [*_REPORTS, "tests/profile/test_mature.py"],
    "scoring/profile/kernels/days.py": ["tests/profile/test_mature.py"],
    "scoring/profile/kernels/card.py": ["tests/profile/test_card.py", "tests/profile/test_derived.py"],
    "scoring/profile/siblings.py": ["tests/profile/rows/test_siblings.py", "tests/threeds/replays"],
    "scoring/profile/proofs.py": ["tests/profile/rows/test_proofs.py", "tests/threeds/replays"],
    "models/training": [*_PLAN, *_LINES, "tests/training/test_cli.py", "tests/training/test_matrix.py"],
    "models/training/matrix.py": _ROWS,
    "models/training/records.py": [*_LINES, "tests/training/test_training.py"],
    "models/training/truth.py": _LINES,
    "models/training/train.py": _PLAN,
    "models/training/calibrate.py": ["tests/training/test_calibrate.py"],
    "models/training/particulars.py": ["tests/training/history/test_particulars.py"],
    "models/training/search.py": ["tests/training/test_search.py"],
    "models/training/report": ["tests/training/report"],
    "models/pages": ["tests/training/report", "tests/backtest/test_page.py"],
    "models/backtest": ["tests/backtest", "tests/cli/test_backtest.py"],
    "models/backtest/cases": ["tests/backtest/cases"],
    "models/backtest/decided": ["tests/backtest/decided"],
    "models/backtest/effects": ["tests/backtest/decided/test_effects.py"],
    "models/backtest/intervals.py": ["tests/backtest/test_intervals.py", "tests/backtest/cases/test_cases.py"],
    "models/backtest/pages/intervals.py": ["tests/backtest/test_intervals.py"],
    "models/training/metrics.py": ["tests/training/test_metrics.py", "tests/training/test_bounds.py"],
}
"""Tests by path of the code that they must check; an entry that begins with `--` is an option of pytest."""
_RUN = 12
"""Number of mutants that are tried one after the other."""


def tests_of(path: Path) -> tuple[str, ...]:
    """Find the tests of a file: those of the longest path in TESTS."""
    name = path.relative_to(ROOT).as_posix()
    known = [part for part in TESTS if name == part or name.startswith(part + "/")]
    if not known:
        raise SystemExit(f"{name}: TESTS in tests/mutation/__main__.py names no tests for it")
    return tuple(TESTS[max(known, key=len)])


def main() -> int:
    """Run the mutants of all files; with a time limit, as many of each as fit, drawn at random."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, help="files or folders")
    parser.add_argument("--minutes", type=float, default=20.0, help="at most so long in all (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the order in which mutants are tried")
    parser.add_argument(
        "--record", type=Path, help="JSON file of what was found: a mutant that is killed there is not tried again"
    )
    options = parser.parse_args()
    settings.register_profile(
        "mutation",
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("mutation")
    paths = sorted(
        path.resolve() for given in options.paths for path in ([given] if given.is_file() else given.rglob("*.py"))
    )
    record = Record(options.record)
    files = [found for path in paths if len(found := record.of(path))]
    files.sort(key=lambda file: tests_of(file.path))
    trials: dict[tuple[str, tuple[str, ...]], Trial] = {}
    ends, left = time.monotonic() + 60 * options.minutes, sum(len(file.left()) for file in files)
    for file in files:
        here = len(file.left())
        if here:
            key = package_of(file.path), tests_of(file.path)
            trial = trials.get(key) or trials.setdefault(key, Trial(*key))
            try:
                _try(trial, file, time.monotonic() + (ends - time.monotonic()) * here / left, options.seed)
            finally:
                record.write()
            left -= here
    print(table(files))
    return int(any(file.count(SURVIVED) for file in files))


def _try(trial: Trial, file: File, ends: float, seed: int) -> None:
    """Try mutants of one file until a time; print survivors without an explanation."""
    lines = file.path.read_text().splitlines()
    for place in _order(file, seed):
        if time.monotonic() > ends:
            break
        function = file.mutants.function_of(place)
        with file.mutants.mutated(place) as (line, what):
            known = explained(file.name, lines[line - 1] if line else "", what)
            fate, _ = trial.run(module_of(file.path), str(file.path), file.mutants.tree, function)
        if fate == SURVIVED and known:
            fate = EXPLAINED
        file.found(place, fate)
        if fate == SURVIVED:
            print(f"{file.name}:{line}: {what}", flush=True)


def _order(file: File, seed: int) -> list[int]:
    """Draw runs of mutants at random, survivors first. Neighbours are killed by the same test, which is tried first."""
    left = file.left()
    runs = [left[start : start + _RUN] for start in range(0, len(left), _RUN)]
    random.Random(seed).shuffle(runs)  # noqa: S311 - no secret
    return sorted((place for run in runs for place in run), key=file.has_survived, reverse=True)


if __name__ == "__main__":
    sys.exit(main())
