"""A row for those who run Sekisho: what would a crash cost, and how does a worker come back?

Limits are those of the rules in ../prometheus/rules.
"""

from deploy.grafana.panels import Panel, Query, Row
from deploy.grafana.queries import WORKERS, quantile, rate

DURABLE = Row(
    title="Durable profiles",
    panels=(
        Panel(
            title="Time of a flush",
            description="Time of a flush of one partition, until it is complete. After a crash the input since the "
            "last marker is replayed. SekishoFlushSlow warns above 5 s (dashed); at emit.ack_timeout_s, 60 s, the "
            "worker halts.",
            unit="s",
            queries=(
                Query(quantile(0.5, "sekisho_flush_seconds"), "p50"),
                Query(quantile(0.99, "sekisho_flush_seconds"), "p99"),
            ),
            thresholds=((5, "red"),),
        ),
        Panel(
            title="Rows flushed per second",
            description="Changed profile rows written, with tombstones of evicted ones: "
            "each row once per flush, for any number of changes.",
            unit="ops",
            queries=(Query(f"sum by (instance) ({rate('sekisho_flushed_rows_total')})", "{{instance}}"),),
        ),
        Panel(
            title="Bytes flushed per second",
            description="Bytes of those rows in card-profiles and shared-profiles, before replication and without "
            "the 20 bytes of key and frame of each.",
            unit="Bps",
            queries=(Query(f"sum by (instance) ({rate('sekisho_flushed_bytes_total')})", "{{instance}}"),),
        ),
        Panel(
            title="Restore progress",
            description="Share of the changelog that the restore of a partition has read; 1 if no restore runs. "
            "Its events wait meanwhile. SekishoRestoreSlow warns after 10 minutes.",
            unit="percentunit",
            queries=(Query(f"min by (instance) (sekisho_restore_ratio{{{WORKERS}}})", "{{instance}}"),),
            maximum=1,
        ),
        Panel(
            title="Records restored",
            description="Changelog records read by restores in the chosen time: workers started or partitions moved.",
            kind="stat",
            unit="short",
            queries=(Query(f"sum(increase(sekisho_restored_records_total{{{WORKERS}}}[$__range]))", "records"),),
            decimals=0,
            width=4,
        ),
        Panel(
            title="Time in restores",
            description="Seconds of restores in the chosen time. "
            "Records divided by it is the speed on these machines: size the profile topics by it.",
            kind="stat",
            unit="s",
            queries=(Query(f"sum(increase(sekisho_restore_seconds_total{{{WORKERS}}}[$__range]))", "seconds"),),
            width=4,
        ),
        Panel(
            title="Foreign records on outputs",
            description="Records on decisions, alerts and dead-letters that no worker wrote, found and skipped when "
            "partitions were restored in the chosen time. SekishoForeignRecords warns of any.",
            kind="stat",
            unit="short",
            queries=(
                Query(f"sum by (topic) (increase(sekisho_foreign_records_total{{{WORKERS}}}[$__range]))", "{{topic}}"),
            ),
            decimals=0,
            width=4,
        ),
        Panel(
            title="Follow lag by partition",
            description="Age of the oldest row of another worker (merchants, BINs, devices, addresses ...) that is "
            "not applied yet; the worst worker of each partition. Empty with one worker. SekishoFollowLagHigh warns "
            "above 5 s (dashed).",
            unit="s",
            queries=(
                Query(f"max by (partition) (sekisho_follow_lag_seconds{{{WORKERS}}})", "partition {{partition}}"),
            ),
            thresholds=((5, "red"),),
        ),
        Panel(
            title="Replayed events",
            description="Events per second whose decision was published before a takeover: they are applied again "
            "and not published again. There is a burst after each crash, and none otherwise.",
            unit="ops",
            queries=(Query(f"sum by (instance) ({rate('sekisho_replayed_total')})", "{{instance}}"),),
            width=16,
        ),
        Panel(
            title="Cards in two partitions",
            description="Sampled cards that were seen on a second partition in the chosen time: a producer keys by "
            "something other than the card, and splits profiles (SekishoCardConflicts).",
            kind="stat",
            unit="short",
            queries=(Query(f"sum(increase(sekisho_card_conflicts_total{{{WORKERS}}}[$__range]))", "cards"),),
            thresholds=((0.5, "red"),),
        ),
    ),
)
