"""The row of the challenger, for those who compare models. Empty without a challenger."""

from deploy.grafana.panels import Panel, Query, Row
from deploy.grafana.queries import WORKERS, quantile, rate

_BANDS = "sekisho_challenger_bands_total"
_SCORE = "sekisho_challenger_score"


def _moved(band: str) -> str:
    """Return the rate of decisions with a band whose challenger's band is another, by the latter."""
    moved = rate(_BANDS, f'champion="{band}"', f'challenger!="{band}"')
    return f"sum by (challenger) ({moved})"


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
