"""Figures of the model in use become series; those without a figure have none."""

import math
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from scoring.watching.bins import Bins
from scoring.watching.figures import Figures, figures_of
from streams.telemetry.facts import Inventory, Telemetry
from tests.telemetry.test_metrics import telemetry


def figures() -> Figures:
    """Return figures of a model of which nothing is known yet."""
    return figures_of(Bins(None, ()), [], ["kept", "gone"])


def show(of: Telemetry, shown: Figures) -> dict[tuple[str, ...], float]:
    """Show figures; return all series of the model and of rules by name and label values."""
    nothing = Inventory(
        merchants=0, profile_rows={}, profile_bytes=0, standings={}, overdue={}, evictions={}, incidents={},
        digests=0, list_entries=0, model=shown,
    )  # fmt: skip
    of.take_inventory(lambda: nothing)
    families = text_string_to_metric_families(of.exposition().decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_a_bundle_without_a_baseline_says_so_and_has_no_series_of_features() -> None:
    series = show(telemetry(), figures())
    assert series["sekisho_model_baseline",] == 0
    assert math.isnan(series["sekisho_model_score_psi", "7d"])
    assert not [name for name in series if name[0].startswith(("sekisho_model_feature", "sekisho_model_unseen"))]
    assert series["sekisho_rule_payments", "kept"] == 0
    assert series["sekisho_model_payments", "30d", "BLOCK", "FRAUD"] == 0


def test_figures_are_shown_and_series_without_a_figure_are_dropped() -> None:
    of = telemetry()
    known = replace(
        figures(),
        has_baseline=True,
        counted={"1d": 600, "7d": 700, "28d": 800},
        score_psi={"1d": 0.01, "7d": 0.02, "28d": 0.03},
        input_psi={"amount_log": 0.3},
        missing={"amount_log": 0.4},
        missing_before={"amount_log": 0.5},
        unseen={"network": 0.06},
        rules={"kept": (7, 3), "gone": (1, 1)},
        labelled={("7d", "REVIEW", "FRAUD"): 5},
        calibration={("60d", "900-999", "expected"): 2.5},
        remembered=11,
        remembered_days=12,
    )
    series = show(of, known)
    assert series["sekisho_model_baseline",] == 1
    assert [series["sekisho_model_counted_events", window] for window in ("1d", "7d", "28d")] == [600, 700, 800]
    assert [series["sekisho_model_score_psi", window] for window in ("1d", "7d", "28d")] == [0.01, 0.02, 0.03]
    assert series["sekisho_model_feature_psi", "amount_log"] == 0.3
    assert series["sekisho_model_feature_missing_ratio", "amount_log"] == 0.4
    assert series["sekisho_model_feature_missing_training_ratio", "amount_log"] == 0.5
    assert series["sekisho_model_unseen_category_ratio", "network"] == 0.06
    assert (series["sekisho_rule_payments", "kept"], series["sekisho_rule_reported_payments", "kept"]) == (7, 3)
    assert series["sekisho_model_payments", "7d", "REVIEW", "FRAUD"] == 5
    assert series["sekisho_model_calibration_payments", "60d", "900-999", "expected"] == 2.5
    assert (series["sekisho_model_remembered_payments",], series["sekisho_model_remembered_days",]) == (11, 12)
    later = show(of, replace(known, input_psi={}, unseen={}, rules={"kept": (8, 3)}, score_psi={}))
    assert ("sekisho_model_feature_psi", "amount_log") not in later
    assert ("sekisho_model_unseen_category_ratio", "network") not in later
    assert ("sekisho_rule_payments", "gone") not in later
    assert later["sekisho_rule_payments", "kept"] == 8
    assert math.isnan(later["sekisho_model_score_psi", "1d"])
