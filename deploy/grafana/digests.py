"""The panel of digests: merchants whose alerts became one."""

from deploy.grafana.panels import Panel, Query
from deploy.grafana.queries import rate

DIGESTS = Panel(
    title="Digests",
    description="Merchants with so many alerts that a digest takes them: alerts taken, and alerts of digests.",
    unit="ops",
    queries=(
        Query(f"sum ({rate('sekisho_alerts_in_digests_total')})", "taken"),
        Query(f"sum by (state) ({rate('sekisho_digest_alerts_total')})", "{{state}}"),
    ),
)
