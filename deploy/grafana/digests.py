"""The panels of digests: merchants whose alerts became one."""

from deploy.grafana.panels import Panel, Query
from deploy.grafana.queries import WORKERS, rate

FLOODING = Panel(
    title="Merchants that flood",
    description="Merchants with an open digest. One is an attack on it. Many are a threshold, a rule or a model. "
    "The alerts with `digest` name them. SekishoManyDigests fires at more than ten openings in an hour.",
    unit="short",
    queries=(Query(f"sum (sekisho_digests_open{{{WORKERS}}})", "open digests"),),
)

DIGESTS = Panel(
    title="Digests",
    description="Merchants with so many alerts that a digest takes them: alerts taken, and alerts of digests.",
    unit="ops",
    queries=(
        Query(f"sum ({rate('sekisho_alerts_in_digests_total')})", "taken"),
        Query(f"sum by (state) ({rate('sekisho_digest_alerts_total')})", "{{state}}"),
    ),
)
