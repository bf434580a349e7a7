"""Gauges of the model in use, set at every scrape."""

from collections.abc import Iterable, Mapping
from math import nan

from scoring.watching.figures import WINDOWS, Figures
from streams.telemetry.series import Series


class ModelGauges:
    """The series of the model in use. Those of features and rules that have no figure now are dropped."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._shown: dict[str, set[str]] = {}

    def show(self, figures: Figures) -> None:
        """Show the figures."""
        self._series.cell("sekisho_model_baseline").set(figures.has_baseline)
        self._series.cell("sekisho_model_remembered_payments").set(figures.remembered)
        self._series.cell("sekisho_model_remembered_days").set(figures.remembered_days)
        for window in WINDOWS:
            self._series.cell("sekisho_model_counted_events", window).set(figures.counted[window])
            self._series.cell("sekisho_model_score_psi", window).set(figures.score_psi.get(window, nan))
        self._show("sekisho_model_feature_psi", figures.input_psi)
        self._show("sekisho_model_feature_missing_ratio", figures.missing)
        self._show("sekisho_model_feature_missing_training_ratio", figures.missing_before)
        self._show("sekisho_model_unseen_category_ratio", figures.unseen)
        self._show_all("sekisho_model_payments", figures.labelled.items())
        self._show_all("sekisho_model_calibration_payments", figures.calibration.items())
        self._show("sekisho_rule_payments", {rule: hits for rule, (hits, _) in figures.rules.items()})
        self._show("sekisho_rule_reported_payments", {rule: count for rule, (_, count) in figures.rules.items()})

    def _show(self, name: str, values: Mapping[str, float]) -> None:
        for label in self._shown.get(name, set()) - values.keys():
            self._series.forget(name, label)
        for label, value in values.items():
            self._series.cell(name, label).set(value)
        self._shown[name] = set(values)

    def _show_all(self, name: str, values: Iterable[tuple[tuple[str, str, str], float]]) -> None:
        for labels, value in values:
            self._series.cell(name, *labels).set(value)
