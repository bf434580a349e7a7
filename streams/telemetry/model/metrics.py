"""Metrics of the model in use: its inputs and scores beside those of training, and what became of its decisions.

Part of the catalogue.
"""

from typing import Final

from scoring.watching.figures import AGE_NAMES, BAND_NAMES, LABELS, SCORE_NAMES, SIDES, WINDOWS
from streams.telemetry.metric import Metric

_FEATURE: Final[dict[str, tuple[str, ...]]] = {"feature": ()}
_FEATURES: Final = "features of the model, at most 1,024"
_RULES: Final = "rules of the policy in use, at most 1,000"

WATCHED: tuple[Metric, ...] = (
    Metric(
        name="sekisho_model_baseline",
        kind="gauge",
        unit="1",
        stage="score",
        help="1 if the bundle says what training saw, 0 if not: then features and scores are not compared.",
    ),
    Metric(
        name="sekisho_model_counted_events",
        kind="gauge",
        unit="events",
        stage="score",
        help="Decided events whose features and score are compared with training: one in 16, by id. Today (UTC) and "
        "1, 7 or 27 days before it.",
        labels={"window": tuple(WINDOWS)},
    ),
    Metric(
        name="sekisho_model_score_psi",
        kind="gauge",
        unit="1",
        stage="score",
        help="Population stability index of the score against training. NaN below 500 counted events.",
        labels={"window": tuple(WINDOWS)},
    ),
    Metric(
        name="sekisho_model_feature_psi",
        kind="gauge",
        unit="1",
        stage="score",
        help="Population stability index of a feature against training, over 7 days. None below 500 counted events.",
        labels=_FEATURE,
        bound=_FEATURES,
    ),
    Metric(
        name="sekisho_model_feature_missing_ratio",
        kind="gauge",
        unit="1",
        stage="score",
        help="Share of events in which a feature is missing, today and yesterday. None below 500 counted events.",
        labels=_FEATURE,
        bound=_FEATURES,
    ),
    Metric(
        name="sekisho_model_feature_missing_training_ratio",
        kind="gauge",
        unit="1",
        stage="score",
        help="Share of rows of training in which a feature is missing.",
        labels=_FEATURE,
        bound=_FEATURES,
    ),
    Metric(
        name="sekisho_model_unseen_category_ratio",
        kind="gauge",
        unit="1",
        stage="score",
        help="Share of events with a category that training never saw, today and yesterday. None below 500 counted "
        "events.",
        labels=_FEATURE,
        bound="features of the model that are categories",
    ),
    Metric(
        name="sekisho_model_payments",
        kind="gauge",
        unit="payments",
        stage="profile",
        help="Payments by the band of their decision and by what is reported of them, estimated from those that are "
        "remembered: 28 days, the last of which is `age` days ago.",
        labels={"age": AGE_NAMES, "band": BAND_NAMES, "label": LABELS},
    ),
    Metric(
        name="sekisho_model_calibration_payments",
        kind="gauge",
        unit="payments",
        stage="profile",
        help="Frauds among the same payments by their score: as many as the model expected, and those reported.",
        labels={"age": AGE_NAMES, "scores": SCORE_NAMES, "side": SIDES},
    ),
    Metric(
        name="sekisho_rule_payments",
        kind="gauge",
        unit="payments",
        stage="profile",
        help="Payments of 28 days, the last of which is 30 days ago, that a rule hit.",
        labels={"rule": ()},
        bound=_RULES,
    ),
    Metric(
        name="sekisho_rule_reported_payments",
        kind="gauge",
        unit="payments",
        stage="profile",
        help="Those of `sekisho_rule_payments` that are reported as fraud.",
        labels={"rule": ()},
        bound=_RULES,
    ),
    Metric(
        name="sekisho_model_remembered_payments",
        kind="gauge",
        unit="payments",
        stage="profile",
        help="Payments that are remembered until their reports come. At most 524,288 of a worker.",
    ),
    Metric(
        name="sekisho_model_remembered_days",
        kind="gauge",
        unit="days",
        stage="profile",
        help="Days since the oldest remembered payment, at most 88. Cohorts before it are empty.",
    ),
)
