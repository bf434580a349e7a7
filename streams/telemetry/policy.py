"""Metrics of the policy, the model and the challenger. Part of the catalogue."""

from typing import get_args

from scoring.contract.codes import Band
from scoring.contract.decision import ListEffect, ModelStateName
from scoring.contract.merchant import ListKind
from scoring.decide.shadow import CHALLENGER, CHAMPION
from scoring.lists.dated import RESULTS
from scoring.model.absent import NoModel
from scoring.policy.experiment import Arm
from scoring.policy.fallback import Fallback
from scoring.watching.figures import AGE_NAMES, LABELS
from streams.telemetry.metric import Metric

LIST_KINDS, LIST_EFFECTS = get_args(ListKind), get_args(ListEffect)
LIST_RESULTS = (*RESULTS, "UNREADABLE")
SCORE_BUCKETS = tuple(float(last) for last in range(49, 1000, 50))
"""Twenty bands of 50 points, as the promotion gate has them for the stability of scores."""
_BANDS = tuple(band.name for band in Band)

SHADOW: tuple[Metric, ...] = (
    Metric(
        name="sekisho_challenger_info",
        kind="gauge",
        unit="1",
        stage="challenger",
        help="The challenger that scores in shadow: always 1. No series without one.",
        labels={"version": ()},
        bound="one",
    ),
    Metric(
        name="sekisho_challenger_refused",
        kind="gauge",
        unit="1",
        stage="challenger",
        help="1 while the configured challenger is missing or refused. One that was loaded before a refusal goes on.",
    ),
    Metric(
        name="sekisho_challenger_score",
        kind="histogram",
        unit="points",
        stage="challenger",
        help="Scores of the decisions that a challenger scored too, by model: its own, and those of the model in use.",
        labels={"model": (CHAMPION, CHALLENGER)},
        buckets=SCORE_BUCKETS,
    ),
    Metric(
        name="sekisho_challenger_bands_total",
        kind="counter",
        unit="decisions",
        stage="challenger",
        help="Decisions by the band of the model in use and that of the challenger, both by the same thresholds and "
        "limits, before rules and lists.",
        labels={"champion": _BANDS, "challenger": _BANDS},
    ),
)

ARMS = (Arm.A.name, Arm.B.name)

_OF_OUTCOMES = {"age": AGE_NAMES, "arm": ARMS, "band": _BANDS, "label": LABELS}

EXPERIMENT: tuple[Metric, ...] = (
    Metric(
        name="sekisho_experiment_info",
        kind="gauge",
        unit="1",
        stage="decide",
        help="The experiment of the policy in use: always 1, also before and after its time. No series without one.",
        labels={"experiment": ()},
        bound="one",
    ),
    Metric(
        name="sekisho_experiment_decisions_total",
        kind="counter",
        unit="decisions",
        stage="decide",
        help="Decisions of payments in the time of an experiment, by arm and band. A: the published policy decided. B: "
        "its candidate.",
        labels={"arm": ARMS, "band": _BANDS},
    ),
    Metric(
        name="sekisho_experiment_alerts_total",
        kind="counter",
        unit="alerts",
        stage="decide",
        help="Alerts of these decisions, by arm. Both arms have the same cases, so a payment of one arm may keep back "
        "the alert of a payment of the other: compare bands.",
        labels={"arm": ARMS},
    ),
    Metric(
        name="sekisho_experiment_payments",
        kind="gauge",
        unit="payments",
        stage="decide",
        help="Payments of the experiment of the policy in use that are at least this old, at most 88 days, by arm and "
        "band, and whether they are reported as FRAUD now. An estimate: of quiet ones one in 64 is remembered.",
        labels=_OF_OUTCOMES,
    ),
    Metric(
        name="sekisho_experiment_yen",
        kind="gauge",
        unit="yen",
        stage="decide",
        help="Yen of the payments of sekisho_experiment_payments; without those whose amount in yen is not known.",
        labels=_OF_OUTCOMES,
    ),
)

MODEL: tuple[Metric, ...] = (
    Metric(
        name="sekisho_model_fallback_decisions_total",
        kind="counter",
        unit="decisions",
        stage="decide",
        help="Decisions without a sound model, by its state. SERVE: with the score of a model that is too old. "
        "RULES_ONLY: without a score (status DEGRADED).",
        labels={
            "state": get_args(ModelStateName),
            "action": (Fallback.SERVE.name, Fallback.RULES_ONLY.name),
        },
        never=frozenset((state.value, Fallback.SERVE.name) for state in NoModel),
    ),
    Metric(
        name="sekisho_model_lacking",
        kind="gauge",
        unit="1",
        stage="score",
        help="1 while this worker has no model, because its files are MISSING or REFUSED.",
        labels={"state": tuple(state.value for state in NoModel)},
    ),
    Metric(
        name="sekisho_model_trained_until_seconds",
        kind="gauge",
        unit="seconds",
        stage="score",
        help="End of the training of the model in use, in seconds since the epoch; 0 without a model.",
    ),
    Metric(
        name="sekisho_model_reloads_total",
        kind="counter",
        unit="reloads",
        stage="score",
        help="Changes of the model's files: APPLIED between two batches, or REFUSED, so that the model in use stays.",
        labels={"result": ("APPLIED", "REFUSED")},
    ),
    Metric(
        name="sekisho_model_refused",
        kind="gauge",
        unit="1",
        stage="score",
        help="1 while the files of the model are missing or refused and a running worker goes on as before.",
    ),
)

POLICY: tuple[Metric, ...] = (
    Metric(
        name="sekisho_alerts_suppressed_by_policy_total",
        kind="counter",
        unit="alerts",
        stage="decide",
        help="Alerts that a suppression of the policy held back. Their decisions are published as always.",
    ),
    Metric(
        name="sekisho_rule_hits_total",
        kind="counter",
        unit="decisions",
        stage="decide",
        help="Decisions for which the condition of a rule is true. A rule in shadow changed nothing.",
        labels={"rule": (), "mode": ("shadow", "on")},
        bound="rules of the policy in use, at most 1,000",
    ),
    Metric(
        name="sekisho_rule_errors_total",
        kind="counter",
        unit="decisions",
        stage="decide",
        help="Decisions that a rule could not judge: its condition depends on a missing value or a failed operation.",
        labels={"rule": ()},
        bound="rules of the policy in use, at most 1,000",
    ),
    Metric(
        name="sekisho_rule_capped_total",
        kind="counter",
        unit="decisions",
        stage="decide",
        help="Decisions for which a rule asked for REVIEW instead of BLOCK, because it reached a cap. The decision "
        "says which one.",
        labels={"rule": ()},
        bound="rules of the policy in use that are on and block, at most 1,000",
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
        name="sekisho_policy_reloads_total",
        kind="counter",
        unit="reloads",
        stage="decide",
        help="Changes of the policy's files: APPLIED between two batches, or REFUSED, so that the policy in use stays.",
        labels={"result": ("APPLIED", "REFUSED")},
    ),
    Metric(
        name="sekisho_policy_recalled_events_total",
        kind="counter",
        unit="events",
        stage="decide",
        help="Events that a predecessor had decided by another policy and that were applied again after a takeover: by "
        "that policy (RECORDED), or by the policy in use because its content is MISSING.",
        labels={"content": ("RECORDED", "MISSING")},
    ),
    Metric(
        name="sekisho_policy_refused",
        kind="gauge",
        unit="1",
        stage="decide",
        help="1 while the policy's files are refused and an earlier policy is in use.",
    ),
    Metric(
        name="sekisho_list_hits_total",
        kind="counter",
        unit="hits",
        stage="decide",
        help="Lists that named a decided event, by what they name and what followed: see the page on lists.",
        labels={"kind": LIST_KINDS, "effect": LIST_EFFECTS},
    ),
    Metric(
        name="sekisho_list_entries",
        kind="gauge",
        unit="entries",
        stage="decide",
        help="Entries of all lists of the policy and of the topic of lists, also those that have ended.",
    ),
    Metric(
        name="sekisho_list_records_total",
        kind="counter",
        unit="records",
        stage="decide",
        help="Records of the topic of lists that this worker has read, at its start too. All results but ADDED and "
        "REMOVED are refusals: see the page on lists.",
        labels={"result": LIST_RESULTS},
    ),
    Metric(
        name="sekisho_lists_read_timestamp_seconds",
        kind="gauge",
        unit="seconds",
        stage="decide",
        help="Time at which all records of the topic of lists had been read; 0 without such a topic.",
    ),
    Metric(
        name="sekisho_lists_delay_seconds",
        kind="gauge",
        unit="seconds",
        stage="decide",
        help="Time from a record of the topic of lists until it counts, lists.delay_s; 0 without such a topic.",
    ),
)
