"""Counters whose series come and go: a series for each rule of the policy in use, and those of a challenger."""

from collections.abc import Set as AbstractSet
from typing import Final

from scoring.decide.shadow import CHALLENGER, CHAMPION
from scoring.outputs import Tally
from scoring.watching.outcomes import ArmFigures
from streams.telemetry.series import Cell, Series

_HITS: Final = "sekisho_rule_hits_total"
_ERRORS: Final = "sekisho_rule_errors_total"
_CAPPED: Final = "sekisho_rule_capped_total"
_EXPERIMENT: Final = "sekisho_experiment_info"
_CHALLENGER: Final = "sekisho_challenger_info"


class RuleCounters:
    """The series of the rules in use. Those of rules that are gone or have another mode are dropped."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._hits: dict[tuple[str, str], Cell] = {}
        self._errors: dict[str, Cell] = {}
        self._capped: dict[str, Cell] = {}

    def follow(self, modes: AbstractSet[tuple[str, str]], blocking: AbstractSet[str]) -> None:
        """Count the rules of another policy from now on.

        `modes`: id and mode of each rule that is not off, in any arm. `blocking`: the rules that are on and block.
        """
        rules = {rule for rule, _ in modes}
        for rule, mode in self._hits.keys() - modes:
            self._series.forget(_HITS, rule, mode)
        for rule in self._errors.keys() - rules:
            self._series.forget(_ERRORS, rule)
        for rule in self._capped.keys() - blocking:
            self._series.forget(_CAPPED, rule)
        self._hits = {(rule, mode): self._series.cell(_HITS, rule, mode) for rule, mode in modes}
        self._errors = {rule: self._series.cell(_ERRORS, rule) for rule in rules}
        self._capped = {rule: self._series.cell(_CAPPED, rule) for rule in blocking}

    def add(self, tally: Tally) -> None:
        """Count the hits and errors of a batch, and what caps changed."""
        for hit, count in tally.rule_hits.items():
            _add(self._hits.get(hit), count)
        for rule, count in tally.rule_errors.items():
            _add(self._errors.get(rule), count)
        for rule, count in tally.rules_capped.items():
            _add(self._capped.get(rule), count)


class ChallengerCounters:
    """The series of the challenger: which one scores, its scores beside the champion's, and both bands."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._scores = {model: series.buckets("sekisho_challenger_score", model) for model in (CHAMPION, CHALLENGER)}
        self._bands = series.cells("sekisho_challenger_bands_total")
        self._refused = series.cell("sekisho_challenger_refused")

    def follow(self, version: str | None, *, is_refused: bool) -> None:
        """Record which challenger scores from now on, None for none, and whether a configured one is refused."""
        for (known,) in self._series.cells(_CHALLENGER):
            self._series.forget(_CHALLENGER, known)
        if version is not None:
            self._series.cell(_CHALLENGER, version).set(1)
        self._refused.set(is_refused)

    def add(self, tally: Tally) -> None:
        """Count the scores and bands of a batch."""
        for (model, score), count in tally.challenger_scores.items():
            self._scores[model].observe_many(score, count)
        for bands, count in tally.challenger_bands.items():
            self._bands[bands].add(count)


class ArmCounters:
    """The series of an experiment: which one, decisions by arm and band, and alerts by arm."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._decisions = series.cells("sekisho_experiment_decisions_total")
        self._alerts = series.cells("sekisho_experiment_alerts_total")
        self._payments = series.cells("sekisho_experiment_payments")
        self._yen = series.cells("sekisho_experiment_yen")

    def follow(self, experiment: str) -> None:
        """Record the experiment of the policy in use, "" for none."""
        for (known,) in self._series.cells(_EXPERIMENT):
            self._series.forget(_EXPERIMENT, known)
        if experiment:
            self._series.cell(_EXPERIMENT, experiment).set(1)

    def show(self, figures: ArmFigures) -> None:
        """Show what became of the payments of the experiment; empty without one."""
        for cell in self._payments:
            payments, yen = figures.get(cell, (0, 0))
            self._payments[cell].set(payments)
            self._yen[cell].set(yen)

    def add(self, tally: Tally) -> None:
        """Count the decisions and alerts of a batch."""
        for arm_and_band, count in tally.arm_bands.items():
            self._decisions[arm_and_band].add(count)
        for arm, count in tally.arm_alerts.items():
            self._alerts[arm,].add(count)


def _add(cell: Cell | None, count: int) -> None:
    """Count, unless the rule is of a recorded policy that decides input again, and not of the policy in use."""
    if cell is not None:
        cell.add(count)
