"""The row of the model: does it see what it was trained on, and was it right?"""

from deploy.grafana.panels import Panel, Query, Row
from deploy.grafana.queries import WORKERS

WATCHING = Row(
    title="Model against its training",
    panels=(
        Panel(
            title="Score against training (PSI)",
            description="Population stability index of the score, the worst worker. Below 0.1 nothing changed, from "
            "0.25 (dashed) the model sees other payments than it was trained on: SekishoScoreDrift.",
            unit="short",
            queries=(Query(f"max by (window) (sekisho_model_score_psi{{{WORKERS}}} >= 0)", "{{window}}"),),
            thresholds=((0.1, "yellow"), (0.25, "red")),
        ),
        Panel(
            title="Features that changed most (PSI, 7 days)",
            description="The ten features with the highest index, the worst worker. A single feature at 0.25 or more "
            "is often a field that broke upstream: look at its missing values first.",
            unit="short",
            queries=(Query(f"topk(10, max by (feature) (sekisho_model_feature_psi{{{WORKERS}}}))", "{{feature}}"),),
            thresholds=((0.1, "yellow"), (0.25, "red")),
        ),
        Panel(
            title="Missing more often than at training",
            description="Share of events without the feature, today and yesterday, less that of training: the ten "
            "highest. Above 20 % (dashed): SekishoFeatureMissing.",
            unit="percentunit",
            queries=(
                Query(
                    f"topk(10, max by (feature) (sekisho_model_feature_missing_ratio{{{WORKERS}}} - "
                    f"sekisho_model_feature_missing_training_ratio{{{WORKERS}}}))",
                    "{{feature}}",
                ),
            ),
            thresholds=((0.2, "red"),),
            minimum=None,
        ),
        Panel(
            title="Categories that training never saw",
            description="Share of events whose category is unknown to the model, today and yesterday.",
            unit="percentunit",
            queries=(Query(f"max by (feature) (sekisho_model_unseen_category_ratio{{{WORKERS}}}) > 0", "{{feature}}"),),
            thresholds=((0.01, "red"),),
        ),
        Panel(
            title="Recall: reported frauds that were raised",
            description="Of the payments of 28 days that are reported as fraud, the share with a band above ALLOW, "
            "for three ages. The youngest age is the newest and the least complete.",
            unit="percentunit",
            queries=(Query('job:sekisho_model_recall:ratio{job="$job"}', "{{age}} old"),),
            maximum=1,
        ),
        Panel(
            title="Precision: raised payments that were reported",
            description="Of the payments with this band, the share that is reported as fraud, 30 days later. "
            "Payments that were stopped are never reported: expect BLOCK to be too low.",
            unit="percentunit",
            queries=(Query('job:sekisho_model_precision:ratio{job="$job", age="30d"}', "{{band}}"),),
            maximum=1,
        ),
        Panel(
            title="Frauds reported for each fraud expected",
            description="By band of scores, 60 days later: 1 is a right probability, 2 twice as many frauds as the "
            "model said. Fewer reports than expected may be payments that were stopped, or reports that are not sent.",
            unit="short",
            queries=(
                Query(
                    f'sum by (scores) (sekisho_model_calibration_payments{{{WORKERS}, age="60d", side="reported"}}) '
                    f'/ (sum by (scores) (sekisho_model_calibration_payments{{{WORKERS}, age="60d", side="expected"}}) '
                    "> 5)",
                    "{{scores}}",
                ),
            ),
        ),
        Panel(
            title="Precision of rules",
            description="Of the payments that a rule hit, the share reported as fraud, 30 days later. Rules in shadow "
            "too: compare before you turn one on.",
            unit="percentunit",
            queries=(
                Query(
                    f"sum by (rule) (sekisho_rule_reported_payments{{{WORKERS}}}) "
                    f"/ (sum by (rule) (sekisho_rule_payments{{{WORKERS}}}) > 0)",
                    "{{rule}}",
                ),
            ),
            maximum=1,
        ),
        Panel(
            title="What the figures rest on",
            description="Counted events by window: the index is not shown below 500. Remembered payments and days: "
            "under 88 days, the cohort of 60 days is not whole. Baseline 0: the bundle does not say what training saw.",
            unit="short",
            queries=(
                Query(f"sum by (window) (sekisho_model_counted_events{{{WORKERS}}})", "counted {{window}}"),
                Query(f"sum (sekisho_model_remembered_payments{{{WORKERS}}})", "remembered payments"),
                Query(f"min (sekisho_model_remembered_days{{{WORKERS}}})", "remembered days"),
                Query(f"min (sekisho_model_baseline{{{WORKERS}}})", "baseline"),
            ),
        ),
    ),
)
