"""Rows for those who run Sekisho: does it keep up, and is it fast?

Objectives and limits are those of the rules in ../prometheus/rules; where a rule records a ratio, the panel shows
that record, so that picture and alert cannot disagree.
"""

from deploy.grafana.panels import Panel, Query, Row
from deploy.grafana.queries import WORKERS, quantile, rate, ratio, share

AUTHORIZATIONS = 'topic="authorizations"'

FLOW = Row(
    title="Flow and lag",
    panels=(
        Panel(
            title="Workers ready",
            description="Workers that process events. A worker is not ready while it loads, rebalances or drains.",
            kind="stat",
            unit="short",
            queries=(Query(f"sum(sekisho_ready{{{WORKERS}}})", "ready"),),
            thresholds=((0, "red"), (1, "green")),
            width=4,
            height=4,
        ),
        Panel(
            title="Events in",
            description="Authorizations processed per second, over all chosen workers.",
            kind="stat",
            unit="reqps",
            queries=(Query(f"sum({rate('sekisho_events_total')})", "events/s"),),
            width=5,
            height=4,
        ),
        Panel(
            title="Worst lag",
            description="Lag of the worst partition. The alert SekishoLagHigh warns above 5 s.",
            kind="stat",
            unit="s",
            queries=(Query(f"max(sekisho_lag_seconds{{{WORKERS}}})", "lag"),),
            thresholds=((1, "yellow"), (5, "red")),
            width=5,
            height=4,
        ),
        Panel(
            title="Events unaccounted for",
            description="Events in minus decisions, repeats, answers, replayed events and dead letters. It may flicker "
            "for one scrape; a value that stays is a bug (alert SekishoEventsUnaccounted).",
            kind="stat",
            unit="short",
            queries=(Query(f"sum(abs(instance:sekisho_unaccounted_events:difference{{{WORKERS}}}))", "events"),),
            thresholds=((1, "red"),),
            width=5,
            height=4,
        ),
        Panel(
            title="Firing alerts",
            description="Sekisho's own alerts that fire now, of any deployment; "
            "deploy/docs/runbook.md has a section on each.",
            kind="stat",
            unit="short",
            queries=(Query('count(ALERTS{alertname=~"Sekisho.+", alertstate="firing"}) or vector(0)', "alerts"),),
            thresholds=((1, "red"),),
            width=5,
            height=4,
        ),
        Panel(
            title="Events in, and what became of them",
            description="Every event becomes exactly one of: a decision, a repeat, an answer, a dead letter; or it is "
            "replayed after a restart, having had its decision. The first line is the sum of the others.",
            unit="reqps",
            queries=(
                Query(f"sum({rate('sekisho_events_total')})", "events in"),
                Query(f"sum({rate('sekisho_decisions_total')})", "decisions"),
                Query(f"sum({rate('sekisho_repeats_total')})", "repeats"),
                Query(f"sum({rate('sekisho_answers_total')})", "answers"),
                Query(f"sum({rate('sekisho_replayed_total')})", "replayed"),
                Query(f"sum({rate('sekisho_dead_letters_total', AUTHORIZATIONS)})", "dead letters"),
            ),
        ),
        Panel(
            title="Outcomes of authorizations",
            description="Outcomes applied, by result. UNMATCHED: the card's row does not have the request. Many of "
            "them mean that outcomes come late, before their requests, or under another key.",
            unit="reqps",
            queries=(Query(f"sum by (result) ({rate('sekisho_outcomes_total')})", "{{result}}"),),
        ),
        Panel(
            title="Lag in seconds, by partition",
            description="Age of the newest processed authorization while others wait; 0 if none waits. "
            "One partition alone: a hot card or a stuck worker. All of them: not enough workers.",
            unit="s",
            queries=(Query(f"max by (partition) (sekisho_lag_seconds{{{WORKERS}}})", "partition {{partition}}"),),
            thresholds=((5, "red"),),
        ),
        Panel(
            title="Lag in events, by partition",
            description="Authorizations on the broker that are not yet decided and acknowledged.",
            unit="short",
            queries=(Query(f"max by (partition) (sekisho_lag_events{{{WORKERS}}})", "partition {{partition}}"),),
        ),
        Panel(
            title="Events per batch",
            description="Events of one poll and one partition. Larger batches mean that the worker is busy: "
            "more events share the cost of a step, and wait for each other.",
            unit="short",
            queries=(
                Query(quantile(0.5, "sekisho_batch_events"), "p50"),
                Query(quantile(0.99, "sekisho_batch_events"), "p99"),
            ),
        ),
        Panel(
            title="Commits per second",
            description="Offset commits that the broker accepted, by worker: about one a second under traffic.",
            unit="ops",
            queries=(Query(f"sum by (instance) ({rate('sekisho_commits_total')})", "{{instance}}"),),
        ),
        Panel(
            title="Progress by partition",
            description="Committed offsets per second. Zero with lag above is the alert SekishoNoCommitProgress.",
            unit="ops",
            queries=(
                Query(
                    f"max by (partition) (deriv(sekisho_committed_offset{{{WORKERS}}}[$__rate_interval]))",
                    "partition {{partition}}",
                ),
            ),
            minimum=None,  # a rewound group shows below zero, and should
        ),
    ),
)

LATENCY = Row(
    title="Latency",
    panels=(
        Panel(
            title="Decision latency",
            description="From the broker's timestamp of an authorization to the acknowledgement of its decision. "
            "The objective is 99 % within 100 ms (dashed).",
            unit="s",
            queries=(
                Query(quantile(0.5, "sekisho_decision_latency_seconds"), "p50"),
                Query(quantile(0.95, "sekisho_decision_latency_seconds"), "p95"),
                Query(quantile(0.99, "sekisho_decision_latency_seconds"), "p99"),
            ),
            thresholds=((0.1, "red"),),
        ),
        Panel(
            title="Decisions slower than the objective",
            description="Share that took over 100 ms, exact by a bucket bound. 1 % may (dashed yellow); "
            "above 14.4 % in the last hour the alert SekishoLatencyBudgetBurn is critical (dashed red). "
            "Whole deployment.",
            unit="percentunit",
            queries=(
                Query('job:sekisho_slow_decisions:ratio_rate5m{job="$job"}', "last 5 minutes"),
                Query('job:sekisho_slow_decisions:ratio_rate1h{job="$job"}', "last hour"),
                Query('job:sekisho_slow_decisions:ratio_rate6h{job="$job"}', "last 6 hours"),
            ),
            thresholds=((0.01, "yellow"), (0.144, "red")),
        ),
        Panel(
            title="Distribution of decision latency",
            description="Decisions per bucket of latency: two bands mean two causes, "
            "such as a rebalance or a slow broker.",
            kind="heatmap",
            unit="short",
            queries=(
                Query(
                    f"sum by (le) (increase(sekisho_decision_latency_seconds_bucket{{{WORKERS}}}[$__rate_interval]))",
                    "{{le}}",
                ),
            ),
        ),
        Panel(
            title="Share of time by stage",
            description="Where a batch's time goes. `emit` waits for the broker and costs no CPU; the rest does.",
            unit="percentunit",
            queries=(Query(share("sekisho_stage_seconds_sum", "stage"), "{{stage}}"),),
            stacked="percent",
        ),
        Panel(
            title="Time per event by stage",
            description="Time of each stage divided by events in. It falls as batches grow; "
            "a rise at equal load is a regression.",
            unit="s",
            queries=(
                Query(ratio(rate("sekisho_stage_seconds_sum"), rate("sekisho_events_total"), by="stage"), "{{stage}}"),
            ),
            stacked="normal",
        ),
        Panel(
            title="Slow batches by stage (p99)",
            description="99th percentile of the time one batch spends in a stage: the stage that makes the tail.",
            unit="s",
            queries=(Query(quantile(0.99, "sekisho_stage_seconds", "stage"), "{{stage}}"),),
        ),
    ),
)
