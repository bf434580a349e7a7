"""The row of the model: is it there, how old is it, and what is decided without it?"""

from deploy.grafana.panels import Panel, Query, Row
from deploy.grafana.queries import WORKERS, rate

MODEL = Row(
    title="Model",
    panels=(
        Panel(
            title="Decisions without a sound model",
            description="Decisions per second by the state of the model. RULES_ONLY: no score, status DEGRADED "
            "(SekishoDegraded). SERVE: the score of a model that is too old for the event (SekishoModelTooOld).",
            unit="ops",
            queries=(
                Query(
                    f"sum by (state, action) ({rate('sekisho_model_fallback_decisions_total')})", "{{state}} {{action}}"
                ),
            ),
            stacked="normal",
        ),
        Panel(
            title="Workers without a model",
            description="1: the files of the bundle were MISSING or REFUSED when the worker started, and no bundle has "
            "been taken since.",
            unit="short",
            queries=(
                Query(f"sum by (instance, state) (sekisho_model_lacking{{{WORKERS}}}) > 0", "{{instance}} {{state}}"),
            ),
            thresholds=((1, "red"),),
        ),
        Panel(
            title="Age of the model",
            description="Time since the end of the model's training. Too old is judged by the time of each event, "
            "against model_failure.max_age_days of the policy.",
            unit="s",
            queries=(
                Query(
                    f"time() - (max by (instance) (sekisho_model_trained_until_seconds{{{WORKERS}}}) > 0)",
                    "{{instance}}",
                ),
            ),
        ),
        Panel(
            title="Changes of the model",
            description="Bundles that were taken into use, and bundles that were refused, in the last hour. "
            "SekishoModelRefused: the worker goes on as before.",
            unit="short",
            queries=(Query(f"sum by (result) (increase(sekisho_model_reloads_total{{{WORKERS}}}[1h]))", "{{result}}"),),
        ),
    ),
)
