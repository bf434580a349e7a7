"""Every metric of a worker, once: name, kind, help, labels and what bounds them. `page` writes the documentation."""

from scoring.contract.authorization import NEAR_LABELS
from scoring.contract.codes import CHECKLIST_ITEMS, Band, Clock, ThreeDsStatus
from scoring.contract.dead_letter import REASONS
from scoring.outputs import ANSWERS, OUTCOMES
from streams.kafka.settings import OUTPUT_ROLES, READ_ROLES, label_of
from streams.telemetry.metric import Metric

LATENCY_BUCKETS_S = (
    *(0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02),
    *(0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
"""Latency as a client sees it; 5, 10, 20, 100 and 500 ms, 2 s and 5 s are objectives and stand exactly."""

FLUSH_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)
"""Time of making one partition's profiles durable; emit.ack_timeout_s is where the worker halts."""

STAGE_BUCKETS_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0)
"""Time of one stage over one batch of 1 to 2,048 events."""

BATCH_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0)

PARTITIONS_MAX = 1024
"""Series of one partition label; the worker's assignment bounds them long before."""

STAGES = ("decode", "enrich", "profile", "score", "decide", "encode", "emit")
INPUTS = tuple(map(label_of, READ_ROLES))
OUTPUTS = tuple(map(label_of, OUTPUT_ROLES))
BANDS = tuple(band.name for band in Band)
CLOCKS = tuple(clock.name for clock in Clock)
REPORT_CLOCKS = tuple(clock.name for clock in Clock if clock != Clock.OUT_OF_ORDER)  # their order tells nothing
THREEDS = tuple(status.name for status in ThreeDsStatus)
ALERT_TYPES = ("TXN", "CARD", "MERCHANT", "INCIDENT", "SYSTEM")
SENSITIVE = tuple(reason.removeprefix("SENSITIVE_") for reason in REASONS if reason.startswith("SENSITIVE_"))
SEVERITIES = ("MEDIUM", "HIGH", "CRITICAL")
LABELS = ("FRAUD", "LEGIT", "FIRST_PARTY", "MERCHANT_FRAUD", "UNKNOWN")
ENTITIES = ("CARD", "MERCHANT", "MERCHANT_BIN", "BIN", "DEVICE", "IP", "ACCOUNT", "ADDRESS")

_NEVER_REFUSED = frozenset(
    {(topic, "KEY_MISMATCH") for topic in INPUTS if topic != "merchants"}
    | {(topic, "WRONG_EXPONENT") for topic in ("fraud-reports", "merchants")}
)
"""Only a merchant's record has a key that must fit, and only events and outcomes have an amount with an exponent."""

_PARTITION: dict[str, tuple[str, ...]] = {"partition": ()}
_PARTITION_BOUND = "partitions assigned to this worker"

CATALOGUE: tuple[Metric, ...] = (
    Metric(
        name="sekisho_events_total",
        kind="counter",
        unit="events",
        stage="decode",
        help="Authorization events taken in: decisions + dead letters of these + repeats + answers + replayed.",
    ),
    Metric(
        name="sekisho_decisions_total",
        kind="counter",
        unit="decisions",
        stage="decide",
        help="Decisions made, by band.",
        labels={"band": BANDS},
    ),
    Metric(
        name="sekisho_repeats_total",
        kind="counter",
        unit="events",
        stage="profile",
        help="Events whose id had been decided already: they change nothing and emit nothing.",
    ),
    Metric(
        name="sekisho_answers_total",
        kind="counter",
        unit="events",
        stage="profile",
        help="Answers to attempts that were decided before them; UNTIMED ones, LATE or EARLY, changed no profile.",
        labels={"result": ANSWERS},
    ),
    Metric(
        name="sekisho_outcomes_total",
        kind="counter",
        unit="outcomes",
        stage="profile",
        help="Records of outcomes taken in. COUNTED: added to their attempts. UNMATCHED: no such attempt is known, "
        "they count as attempts too. REPEAT, UNTIMED (LATE or EARLY), UNKNOWN (do not say how): changed no profile.",
        labels={"result": OUTCOMES},
    ),
    Metric(
        name="sekisho_event_times_total",
        kind="counter",
        unit="decisions",
        stage="profile",
        help="Decisions by how the event's time stood to its record's; LATE and EARLY ones changed no profile.",
        labels={"clock": CLOCKS},
    ),
    Metric(
        name="sekisho_alerts_total",
        kind="counter",
        unit="alerts",
        stage="decide",
        help="Alerts raised, by what they are about and how grave it is.",
        labels={"type": ALERT_TYPES, "severity": SEVERITIES},
    ),
    Metric(
        name="sekisho_alerts_suppressed_total",
        kind="counter",
        unit="alerts",
        stage="decide",
        help="Alerts that joined an open case instead of being raised again.",
    ),
    Metric(
        name="sekisho_dead_letters_total",
        kind="counter",
        unit="records",
        stage="decode",
        help="Records refused, by input and reason. Nothing else is ever lost.",
        labels={"topic": INPUTS, "reason": REASONS},
        never=_NEVER_REFUSED,
    ),
    Metric(
        name="sekisho_pan_guard_hits_total",
        kind="counter",
        unit="records",
        stage="decode",
        help="Records refused because they held a card number, security code, track or PIN data.",
    ),
    Metric(
        name="sekisho_near_keys_total",
        kind="counter",
        unit="keys",
        stage="decode",
        help="Unknown keys of authorizations that are near a field of the contract (`transStatus`), by that field: "
        "its value is not read. `sekisho score --explain` names them. A batch notes 48 different keys.",
        labels={"field": NEAR_LABELS},
    ),
    Metric(
        name="sekisho_repeated_keys_total",
        kind="counter",
        unit="events",
        stage="decode",
        help="Authorizations in which an object of the contract has a key twice: the last one counts.",
    ),
    Metric(
        name="sekisho_sensitive_records_total",
        kind="counter",
        unit="records",
        stage="decode",
        help="Records in which the guard found such data, by kind: taken without it (stripped), or refused.",
        labels={"kind": SENSITIVE, "action": ("stripped", "refused")},
    ),
    Metric(
        name="sekisho_batch_events",
        kind="histogram",
        unit="events",
        stage="transport",
        help="Events that one poll brought for one partition.",
        buckets=BATCH_BUCKETS,
    ),
    Metric(
        name="sekisho_stage_seconds",
        kind="histogram",
        unit="seconds",
        stage="all",
        help="Time that one batch spent in one stage; emit runs from the produce to its acknowledgement.",
        labels={"stage": STAGES},
        buckets=STAGE_BUCKETS_S,
    ),
    Metric(
        name="sekisho_decision_latency_seconds",
        kind="histogram",
        unit="seconds",
        stage="emit",
        help="From the broker's timestamp of an event to the acknowledgement of its decision.",
        buckets=LATENCY_BUCKETS_S,
    ),
    Metric(
        name="sekisho_lag_events",
        kind="gauge",
        unit="events",
        stage="transport",
        help="Authorizations on the broker that are not yet processed and acknowledged.",
        labels=_PARTITION,
        bound=_PARTITION_BOUND,
    ),
    Metric(
        name="sekisho_lag_seconds",
        kind="gauge",
        unit="seconds",
        stage="transport",
        help="Age of the newest processed authorization where more are waiting; 0 where none is.",
        labels=_PARTITION,
        bound=_PARTITION_BOUND,
    ),
    Metric(
        name="sekisho_threeds_total",
        kind="counter",
        unit="events",
        stage="enrich",
        help="Authorizations by normalised EMV 3-D Secure status.",
        labels={"status": THREEDS},
    ),
    Metric(
        name="sekisho_unknown_exemptions_total",
        kind="counter",
        unit="events",
        stage="enrich",
        help="Authorizations whose exemption from 3-D Secure (`tds.exempt_reason`) is in no list: it exempts nothing.",
    ),
    Metric(
        name="sekisho_checklist_gaps_total",
        kind="counter",
        unit="events",
        stage="enrich",
        help="Authorizations at merchants that declare this Security Checklist item as not implemented.",
        labels={"item": CHECKLIST_ITEMS},
    ),
    Metric(
        name="sekisho_fraud_reports_total",
        kind="counter",
        unit="reports",
        stage="profile",
        help="Fraud reports taken in, by label.",
        labels={"label": LABELS},
    ),
    Metric(
        name="sekisho_fraud_report_times_total",
        kind="counter",
        unit="reports",
        stage="profile",
        help="Fraud reports by how their time of receipt stood to their record's; EARLY ones changed no profile.",
        labels={"clock": REPORT_CLOCKS},
    ),
    Metric(
        name="sekisho_merchants",
        kind="gauge",
        unit="merchants",
        stage="enrich",
        help="Merchants in the merchant store that this worker holds.",
    ),
    Metric(
        name="sekisho_merchants_refused_total",
        kind="counter",
        unit="records",
        stage="enrich",
        help="Records of new merchants beyond merchants.merchants_max: those merchants stay unknown.",
    ),
    Metric(
        name="sekisho_profile_rows",
        kind="gauge",
        unit="rows",
        stage="profile",
        help="Profiles held, by entity.",
        labels={"entity": ENTITIES},
    ),
    Metric(
        name="sekisho_profile_bytes",
        kind="gauge",
        unit="bytes",
        stage="profile",
        help="Memory of the profiles held, with their share of the index; profiles.rows bounds it.",
    ),
    Metric(
        name="sekisho_replayed_total",
        kind="counter",
        unit="events",
        stage="profile",
        help="Events taken into the profiles after a restart that had been answered before it.",
    ),
    Metric(
        name="sekisho_restore_ratio",
        kind="gauge",
        unit="1",
        stage="profile",
        help="How much of the profiles of the partition that is being restored has been read; 1 when none is.",
    ),
    Metric(
        name="sekisho_restored_records_total",
        kind="counter",
        unit="records",
        stage="profile",
        help="Records of the logs of profiles read back when partitions were assigned.",
    ),
    Metric(
        name="sekisho_foreign_records_total",
        kind="counter",
        unit="records",
        stage="profile",
        help="Records found on outputs, while partitions were restored, that no worker wrote; skipped.",
        labels={"topic": OUTPUTS},
    ),
    Metric(
        name="sekisho_restore_seconds_total",
        kind="counter",
        unit="seconds",
        stage="profile",
        help="Time spent in restoring partitions; their events wait meanwhile.",
    ),
    Metric(
        name="sekisho_flush_seconds",
        kind="histogram",
        unit="seconds",
        stage="profile",
        help="Time to make one partition's changed profiles durable, up to the acknowledgement of the marker.",
        buckets=FLUSH_BUCKETS_S,
    ),
    Metric(
        name="sekisho_flushed_rows_total",
        kind="counter",
        unit="rows",
        stage="profile",
        help="Rows of profiles written, tombstones included.",
    ),
    Metric(
        name="sekisho_flushed_bytes_total",
        kind="counter",
        unit="bytes",
        stage="profile",
        help="Bytes of rows of profiles written.",
    ),
    Metric(
        name="sekisho_follow_lag_seconds",
        kind="gauge",
        unit="seconds",
        stage="profile",
        help="How long another worker's rows have been waiting to count in this worker's features.",
        labels=_PARTITION,
        bound="partitions assigned to other workers",
    ),
    Metric(
        name="sekisho_card_conflicts_total",
        kind="counter",
        unit="cards",
        stage="profile",
        help="Sampled cards seen on a second partition: a producer keys events by something other than the card.",
    ),
    Metric(
        name="sekisho_model_info",
        kind="gauge",
        unit="1",
        stage="score",
        help="The model in use: always 1.",
        labels={"version": (), "features": ()},
        bound="one",
    ),
    Metric(
        name="sekisho_policy_info",
        kind="gauge",
        unit="1",
        stage="decide",
        help="The policy in use: always 1.",
        labels={"version": ()},
        bound="one",
    ),
    Metric(
        name="sekisho_ready",
        kind="gauge",
        unit="1",
        stage="transport",
        help="1 when the worker takes events, 0 while it starts, rebalances or drains.",
    ),
    Metric(
        name="sekisho_commits_total",
        kind="counter",
        unit="commits",
        stage="transport",
        help="Offset commits that the broker accepted.",
    ),
    Metric(
        name="sekisho_committed_offset",
        kind="gauge",
        unit="offset",
        stage="transport",
        help="Next authorization to be read after a restart.",
        labels=_PARTITION,
        bound=_PARTITION_BOUND,
    ),
    Metric(
        name="sekisho_last_commit_timestamp_seconds",
        kind="gauge",
        unit="seconds since the epoch",
        stage="transport",
        help="When the broker last accepted a commit of this worker; 0 before the first.",
    ),
    Metric(
        name="sekisho_build_info",
        kind="gauge",
        unit="1",
        stage="all",
        help="The version of Sekisho: always 1.",
        labels={"version": ()},
        bound="one",
    ),
)
