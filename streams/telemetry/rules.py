"""Counters of the policy's rules: a series for each rule of the policy in use."""

from collections.abc import Mapping
from typing import Final

from scoring.outputs import Tally
from streams.telemetry.series import Cell, Series

_HITS: Final = "sekisho_rule_hits_total"
_ERRORS: Final = "sekisho_rule_errors_total"


class RuleCounters:
    """The series of the rules in use. Those of rules that are gone or have another mode are dropped."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._hits: dict[tuple[str, str], Cell] = {}
        self._errors: dict[str, Cell] = {}

    def follow(self, modes: Mapping[str, str]) -> None:
        """Count the rules of another policy from now on. `modes`: the mode of each rule that is not off."""
        for rule, mode in self._hits.keys() - modes.items():
            self._series.forget(_HITS, rule, mode)
        for rule in self._errors.keys() - modes.keys():
            self._series.forget(_ERRORS, rule)
        self._hits = {(rule, mode): self._series.cell(_HITS, rule, mode) for rule, mode in modes.items()}
        self._errors = {rule: self._series.cell(_ERRORS, rule) for rule in modes}

    def add(self, tally: Tally) -> None:
        """Count the hits and errors of a batch."""
        for hit, count in tally.rule_hits.items():
            self._hits[hit].add(count)
        for rule, count in tally.rule_errors.items():
            self._errors[rule].add(count)
