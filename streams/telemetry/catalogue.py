"""The catalogue of metrics: name, kind, help, labels and their bound. `page` generates the documentation from it."""

from typing import get_args

from scoring.contract.authorization import NEAR_LABELS, Network
from scoring.contract.codes import CHECKLIST_ITEMS, Band, Clock, ThreeDsStatus
from scoring.contract.dead_letter import REASONS
from scoring.incidents.part import Scope, State
from scoring.outputs import ANSWERS, CLAIMS, OUTCOMES, RESULTS
from streams.kafka.settings import READ_ROLES, label_of
from streams.telemetry.durable import DURABLE
from streams.telemetry.merchants import MERCHANTS
from streams.telemetry.metric import Metric
from streams.telemetry.model.metrics import WATCHED
from streams.telemetry.policy import EXPERIMENT, MODEL, POLICY, SHADOW

LATENCY_BUCKETS_S = (
    *(0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02),
    *(0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
)
"""Decision latency. The objectives 5, 10, 20, 100 and 500 ms, 2 s and 5 s are exact bounds."""

STAGE_BUCKETS_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0)
"""Time of one stage for one batch of 1 to 2,048 events."""

BATCH_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0)

PARTITIONS_MAX = 1024
"""Most series of a partition label. The worker's assignment is smaller."""

STAGES = ("decode", "enrich", "profile", "score", "decide", "encode", "challenger", "emit")
INPUTS = tuple(map(label_of, READ_ROLES))
BANDS = tuple(band.name for band in Band)
CLOCKS = tuple(clock.name for clock in Clock)
REPORT_CLOCKS = tuple(clock.name for clock in Clock if clock != Clock.OUT_OF_ORDER)  # reports have no order
THREEDS = tuple(status.name for status in ThreeDsStatus)
ALERT_TYPES = ("TXN", "CARD", "MERCHANT", "INCIDENT", "SYSTEM")
INCIDENT_ENTITIES = tuple(scope.name for scope in Scope)
INCIDENT_STATES = get_args(State)
SENSITIVE = tuple(reason.removeprefix("SENSITIVE_") for reason in REASONS if reason.startswith("SENSITIVE_"))
SEVERITIES = ("MEDIUM", "HIGH", "CRITICAL")
LABELS = ("FRAUD", "LEGIT", "FIRST_PARTY", "MERCHANT_FRAUD", "UNKNOWN")
ENTITIES = ("CARD", "MERCHANT", "MERCHANT_BIN", "BIN", "DEVICE", "IP", "ACCOUNT", "ADDRESS")

_NEVER_REFUSED = frozenset(
    {(topic, "KEY_MISMATCH") for topic in INPUTS if topic != "merchants"}
    | {(topic, "WRONG_EXPONENT") for topic in ("fraud-reports", "threeds-results", "merchants")}
)
"""Only merchant records have a key that is checked. Only events and outcomes have an amount with an exponent."""

_PARTITION: dict[str, tuple[str, ...]] = {"partition": ()}
_PARTITION_BOUND = "partitions assigned to this worker"

CATALOGUE: tuple[Metric, ...] = (
    Metric(
        name="sekisho_events_total",
        kind="counter",
        unit="events",
        stage="decode",
        help="Authorizations processed: decisions + their dead letters + repeats + answers + replayed.",
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
        help="Events whose id was decided before: they change nothing and emit nothing.",
    ),
    Metric(
        name="sekisho_answers_total",
        kind="counter",
        unit="events",
        stage="profile",
        help="Issuers' answers to attempts that were decided before. UNTIMED (LATE or EARLY): changed no profile.",
        labels={"result": ANSWERS},
    ),
    Metric(
        name="sekisho_outcomes_total",
        kind="counter",
        unit="outcomes",
        stage="profile",
        help="Outcomes applied, by result. COUNTED: added to its attempt. UNMATCHED: its attempt is not known, so it "
        "counts as an attempt too. REPEAT, UNTIMED (LATE or EARLY), UNKNOWN (no result in it): changed no profile.",
        labels={"result": OUTCOMES},
    ),
    Metric(
        name="sekisho_event_times_total",
        kind="counter",
        unit="decisions",
        stage="profile",
        help="Decisions by the event's time relative to its record's. LATE and EARLY events changed no profile.",
        labels={"clock": CLOCKS},
    ),
    Metric(
        name="sekisho_alerts_total",
        kind="counter",
        unit="alerts",
        stage="decide",
        help="Alerts raised, by type and severity.",
        labels={"type": ALERT_TYPES, "severity": SEVERITIES},
    ),
    Metric(
        name="sekisho_alerts_suppressed_total",
        kind="counter",
        unit="alerts",
        stage="decide",
        help="Alerts that were added to an open case or incident instead of being raised again.",
    ),
    Metric(
        name="sekisho_incidents_open",
        kind="gauge",
        unit="incidents",
        stage="decide",
        help="Open incidents of enumeration that the partitions of this worker lead, by what they are about.",
        labels={"entity": INCIDENT_ENTITIES},
    ),
    Metric(
        name="sekisho_incident_alerts_total",
        kind="counter",
        unit="alerts",
        stage="decide",
        help="Alerts of incidents raised, by what they are about: opened, grown tenfold or in severity, closed.",
        labels={"entity": INCIDENT_ENTITIES, "state": INCIDENT_STATES},
    ),
    Metric(
        name="sekisho_incident_attempts_total",
        kind="counter",
        unit="attempts",
        stage="decide",
        help="Attempts that an incident took: each is decided, and raises no alert of its own.",
    ),
    Metric(
        name="sekisho_digests_open",
        kind="gauge",
        unit="digests",
        stage="decide",
        help="Merchants that flood: open digests that the partitions of this worker lead.",
    ),
    Metric(
        name="sekisho_digest_alerts_total",
        kind="counter",
        unit="alerts",
        stage="decide",
        help="Alerts of digests raised: a merchant began to flood, has ten times the alerts, is quiet again.",
        labels={"state": INCIDENT_STATES},
    ),
    Metric(
        name="sekisho_alerts_in_digests_total",
        kind="counter",
        unit="alerts",
        stage="decide",
        help="Alerts that a digest of their merchant took, so that they were not raised.",
    ),
    Metric(
        name="sekisho_dead_letters_total",
        kind="counter",
        unit="records",
        stage="decode",
        help="Records refused, by input and reason. Every other record is processed.",
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
        help="Unknown keys of authorizations that resemble a field of the contract (`transStatus`), by that field. "
        "Their values are not read. `sekisho score --explain` lists them. At most 48 different keys of a batch count.",
        labels={"field": NEAR_LABELS},
    ),
    Metric(
        name="sekisho_repeated_keys_total",
        kind="counter",
        unit="events",
        stage="decode",
        help="Authorizations in which an object of the contract has the same key twice: the last value counts.",
    ),
    Metric(
        name="sekisho_unknown_response_codes_total",
        kind="counter",
        unit="records",
        stage="decode",
        help="Authorizations and outcomes, repeats too, by network, whose response code is in no list of that network "
        "on that day, and whose class (`outcome.normalised`) is not given: only `outcome.approved` counts. "
        "`sekisho score --explain` names them.",
        labels={"network": get_args(Network)},
    ),
    Metric(
        name="sekisho_sensitive_records_total",
        kind="counter",
        unit="records",
        stage="decode",
        help="Records in which the guard found sensitive data, by kind: processed without it (stripped), or refused.",
        labels={"kind": SENSITIVE, "action": ("stripped", "refused")},
    ),
    Metric(
        name="sekisho_batch_events",
        kind="histogram",
        unit="events",
        stage="transport",
        help="Events of one batch: of one poll and one partition.",
        buckets=BATCH_BUCKETS,
    ),
    Metric(
        name="sekisho_stage_seconds",
        kind="histogram",
        unit="seconds",
        stage="all",
        help="Time of one stage for one batch. Stage emit ends when all outputs are acknowledged.",
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
        help="Age of the newest processed authorization while others wait; 0 if none waits.",
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
        help="Authorizations with an unknown exemption from 3-D Secure (`tds.exempt_reason`): it exempts nothing.",
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
        help="Fraud reports applied, by label.",
        labels={"label": LABELS},
    ),
    Metric(
        name="sekisho_fraud_report_times_total",
        kind="counter",
        unit="reports",
        stage="profile",
        help="Fraud reports by their time of receipt relative to their record's. EARLY reports changed no profile.",
        labels={"clock": REPORT_CLOCKS},
    ),
    Metric(
        name="sekisho_threeds_results_total",
        kind="counter",
        unit="results",
        stage="profile",
        help="Results of 3-D Secure read from `threeds-results`, by transStatus.",
        labels={"status": RESULTS},
    ),
    Metric(
        name="sekisho_threeds_result_times_total",
        kind="counter",
        unit="results",
        stage="profile",
        help="Results of 3-D Secure by their time relative to their record's. EARLY results are not remembered.",
        labels={"clock": REPORT_CLOCKS},
    ),
    Metric(
        name="sekisho_threeds_claims_total",
        kind="counter",
        unit="claims",
        stage="profile",
        help="Payments that claim 3-D Secure, by what `threeds-results` said at their decision; SETTLED_: what it said "
        "later of those that were PENDING.",
        labels={"result": CLAIMS},
    ),
    *MERCHANTS,
    Metric(
        name="sekisho_profile_rows",
        kind="gauge",
        unit="rows",
        stage="profile",
        help="Rows in the profile stores, by entity.",
        labels={"entity": ENTITIES},
    ),
    Metric(
        name="sekisho_profile_bytes",
        kind="gauge",
        unit="bytes",
        stage="profile",
        help="Memory of profiles, with their indexes. profiles.rows bounds it.",
    ),
    *DURABLE,
    Metric(
        name="sekisho_model_info",
        kind="gauge",
        unit="1",
        stage="score",
        help="The model in use: always 1.",
        labels={"version": (), "features": ()},
        bound="one",
    ),
    *MODEL,
    *WATCHED,
    *SHADOW,
    *EXPERIMENT,
    *POLICY,
    Metric(
        name="sekisho_ready",
        kind="gauge",
        unit="1",
        stage="transport",
        help="1 while events flow, 0 while the worker starts, rebalances or drains.",
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
        help="Committed offset: the next authorization to read.",
        labels=_PARTITION,
        bound=_PARTITION_BOUND,
    ),
    Metric(
        name="sekisho_last_commit_timestamp_seconds",
        kind="gauge",
        unit="seconds since the epoch",
        stage="transport",
        help="Time of the last accepted commit of this worker; 0 before the first.",
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
