"""Counters whose series come and go: a series for each rule of the policy in use, and those of a challenger."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from scoring.decide.shadow import CHALLENGER, CHAMPION
from scoring.outputs import Tally
from streams.telemetry.series import Cell, Series

_HITS: Final = "sekisho_rule_hits_total"
_ERRORS: Final = "sekisho_rule_errors_total"
_CAPPED: Final = "sekisho_rule_capped_total"
_CHALLENGER: Final = "sekisho_challenger_info"


class RuleCounters:
    """The series of the rules in use. Those of rules that are gone or have another mode are dropped."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._hits: dict[tuple[str, str], Cell] = {}
        self._errors: dict[str, Cell] = {}
        self._capped: dict[str, Cell] = {}

    def follow(self, modes: Mapping[str, str], blocking: AbstractSet[str]) -> None:
        """Count the rules of another policy from now on.

        `modes`: the mode of each rule that is not off. `blocking`: the rules that are on and block.
        """
        for rule, mode in self._hits.keys() - modes.items():
            self._series.forget(_HITS, rule, mode)
        for rule in self._errors.keys() - modes.keys():
            self._series.forget(_ERRORS, rule)
        for rule in self._capped.keys() - blocking:
            self._series.forget(_CAPPED, rule)
        self._hits = {(rule, mode): self._series.cell(_HITS, rule, mode) for rule, mode in modes.items()}
        self._errors = {rule: self._series.cell(_ERRORS, rule) for rule in modes}
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


def _add(cell: Cell | None, count: int) -> None:
    """Count, unless the rule is of a recorded policy that decides input again, and not of the policy in use."""
    if cell is not None:
        cell.add(count)
