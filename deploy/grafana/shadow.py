"""Rows for those who compare: a challenger with the model, and a candidate with the policy. Empty without them."""

from deploy.grafana.panels import Panel, Query, Row
from deploy.grafana.queries import WORKERS, quantile, rate, ratio

_BANDS = "sekisho_challenger_bands_total"
_SCORE = "sekisho_challenger_score"
_OF_ARMS = "sekisho_experiment_decisions_total"


def _moved(band: str) -> str:
    """Return the rate of decisions with a band whose challenger's band is another, by the latter."""
    moved = rate(_BANDS, f'champion="{band}"', f'challenger!="{band}"')
    return f"sum by (challenger) ({moved})"


def _reported(arm: str) -> str:
    """Return the frauds of an arm for 1,000 of its payments, by band."""
    of = f'{WORKERS}, age="30d", arm="{arm}"'
    frauds = f'sum by (band) (sekisho_experiment_payments{{{of}, label="FRAUD"}})'
    return f"1000 * {frauds} / scalar(sum(sekisho_experiment_payments{{{of}}}) > 0) >= 0"


SHADOW = Row(
    title="Challenger in shadow",
    panels=(
        Panel(
            title="Bands of both models",
            description="Decisions per second by the band of the model in use, then that of the challenger, by the "
            "same thresholds and limits, before rules and lists. Equal bands are left out.",
            unit="ops",
            queries=(
                *(
                    Query(_moved(band), f"{band} to {{{{challenger}}}}")
                    for band in ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")
                ),
            ),
        ),
        Panel(
            title="Scores of both models",
            description="Median and 99th percentile of the scores of the same decisions, from bands of 50 points.",
            unit="short",
            queries=(
                Query(f"{quantile(0.5, _SCORE, 'model')} >= 0", "{{model}} median"),
                Query(f"{quantile(0.99, _SCORE, 'model')} >= 0", "{{model}} 99%"),
            ),
        ),
        Panel(
            title="Challenger by worker",
            description="Bundle that scores in shadow: it is in every decision as well.",
            kind="table",
            unit="short",
            queries=(Query(f"sum by (instance, version) (sekisho_challenger_info{{{WORKERS}}})"),),
        ),
        Panel(
            title="Challengers left out",
            description="1: the configured bundle is missing or refused, and the worker decides as without it. "
            "SekishoChallengerLeftOut fires after five minutes.",
            unit="short",
            queries=(Query(f"sum by (instance) (sekisho_challenger_refused{{{WORKERS}}})", "{{instance}}"),),
        ),
    ),
)

EXPERIMENT = Row(
    title="Two policies side by side",
    panels=(
        Panel(
            title="Decisions above ALLOW by arm",
            description="Share of the decisions of an arm with this band. A: the published policy. B: its candidate.",
            unit="percentunit",
            queries=(
                *(
                    Query(
                        ratio(
                            rate(_OF_ARMS, f'arm="{arm}"', 'band!="ALLOW"'), rate(_OF_ARMS, f'arm="{arm}"'), by="band"
                        ),
                        f"{arm} {{{{band}}}}",
                    )
                    for arm in ("A", "B")
                ),
            ),
        ),
        Panel(
            title="Share of decisions in arm B",
            description="Near the declared share of cards. A jump is one card, or one attack, with many payments.",
            unit="percentunit",
            queries=(Query(ratio(rate(_OF_ARMS, 'arm="B"'), rate(_OF_ARMS)), "arm B"),),
            maximum=1,
        ),
        Panel(
            title="Alerts by arm",
            description="Alerts per second. Both arms have the same cases: do not compare the arms by this.",
            unit="ops",
            queries=(Query(f"sum by (arm) ({rate('sekisho_experiment_alerts_total')})", "{{arm}}"),),
        ),
        Panel(
            title="Frauds for 1,000 payments by arm (30 days)",
            description="Of payments of the experiment at least 30 days old: those reported as fraud, by arm and band. "
            "ALLOW is what an arm missed, an estimate. Differences need hundreds of frauds.",
            unit="short",
            queries=(Query(_reported("A"), "A {{band}}"), Query(_reported("B"), "B {{band}}")),
        ),
        Panel(
            title="Yen of frauds by arm and band (30 days)",
            description="Of the same payments. The arms have other shares of cards: divide by the share.",
            unit="short",
            queries=(
                Query(
                    f'sum by (arm, band) (sekisho_experiment_yen{{{WORKERS}, age="30d", label="FRAUD"}})',
                    "{{arm}} {{band}}",
                ),
            ),
        ),
        Panel(
            title="Experiment by worker",
            description="Experiment of the policy in use, also before and after its time.",
            kind="table",
            unit="short",
            queries=(Query(f"sum by (instance, experiment) (sekisho_experiment_info{{{WORKERS}}})"),),
        ),
    ),
)
