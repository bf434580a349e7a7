"""Metrics of the durable state: restores, flushes, and what other workers own. Part of the catalogue."""

from streams.kafka.settings import OUTPUT_ROLES, label_of
from streams.telemetry.metric import Metric

FLUSH_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)
"""Time of a flush of one partition. Beyond emit.ack_timeout_s the worker halts."""

OUTPUTS = tuple(map(label_of, OUTPUT_ROLES))

DURABLE: tuple[Metric, ...] = (
    Metric(
        name="sekisho_replayed_total",
        kind="counter",
        unit="events",
        stage="profile",
        help="Events applied again after a takeover whose decisions were published before: not published again.",
    ),
    Metric(
        name="sekisho_restore_ratio",
        kind="gauge",
        unit="1",
        stage="profile",
        help="Share of the changelog that the restore of a partition has read; 1 if no restore runs.",
    ),
    Metric(
        name="sekisho_restored_records_total",
        kind="counter",
        unit="records",
        stage="profile",
        help="Changelog records read to restore assigned partitions.",
    ),
    Metric(
        name="sekisho_foreign_records_total",
        kind="counter",
        unit="records",
        stage="profile",
        help="Records on outputs that no worker wrote. A restore found and skipped them.",
        labels={"topic": OUTPUTS},
    ),
    Metric(
        name="sekisho_restore_seconds_total",
        kind="counter",
        unit="seconds",
        stage="profile",
        help="Time of restores of assigned partitions. Their events wait meanwhile.",
    ),
    Metric(
        name="sekisho_flush_seconds",
        kind="histogram",
        unit="seconds",
        stage="profile",
        help="Time of a flush of one partition, until its marker is acknowledged or its transaction committed.",
        buckets=FLUSH_BUCKETS_S,
    ),
    Metric(
        name="sekisho_flushed_rows_total",
        kind="counter",
        unit="rows",
        stage="profile",
        help="Profile rows written to the changelogs, tombstones included.",
    ),
    Metric(
        name="sekisho_flushed_bytes_total",
        kind="counter",
        unit="bytes",
        stage="profile",
        help="Bytes of profile rows written to the changelogs.",
    ),
    Metric(
        name="sekisho_follow_lag_seconds",
        kind="gauge",
        unit="seconds",
        stage="profile",
        help="Age of the oldest row of another worker that this worker has not applied yet.",
        labels={"partition": ()},
        bound="partitions assigned to other workers",
    ),
    Metric(
        name="sekisho_card_conflicts_total",
        kind="counter",
        unit="cards",
        stage="profile",
        help="Sampled cards seen on a second partition: a producer keys events by something other than the card.",
    ),
)
