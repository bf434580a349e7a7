"""What a worker reports is counted under the metrics of the catalogue."""

from math import prod
from pathlib import Path

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from scoring.outputs import CLAIMS, Outputs, Tally
from scoring.watching.bins import Bins
from scoring.watching.figures import figures_of
from streams.kafka.settings import Topics
from streams.telemetry import catalogue
from streams.telemetry.catalogue import CATALOGUE, PARTITIONS_MAX
from streams.telemetry.facts import Inventory, Telemetry
from streams.telemetry.metric import Metric
from streams.telemetry.series import Buckets, Series
from streams.transport.batch import Batch

ROOT = Path(__file__).parents[2]
NOW_S = 1_800_000_000.0
NOW_MS = int(NOW_S * 1000)


def telemetry() -> Telemetry:
    return Telemetry(Topics(), clock_s=lambda: NOW_S)


def batch(topic: str = "authorizations", partition: int = 0, ages_ms: tuple[int, ...] = (3, 2, 1)) -> Batch:
    return Batch(
        topic=topic,
        partition=partition,
        offsets=range(10, 10 + len(ages_ms)),
        timestamps_ms=[NOW_MS - age for age in ages_ms],
        values=[b"{}"] * len(ages_ms),
        polled_at_ms=NOW_MS,
        polled_ns=0,
    )


def shown(of: Telemetry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Scrape, and parse as Prometheus does."""
    return parsed(of.exposition().decode())


def parsed(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(of: Telemetry, name: str, **labels: str) -> float:
    """Scrape, and parse the samples of one name."""
    lines = of.exposition().decode().splitlines(keepends=True)
    found = parsed("".join(line for line in lines if line.startswith((f"{name} ", f"{name}{{"))))
    return found[name, frozenset(labels.items())]


def series_max(metric: Metric) -> int | None:
    """Count the possible label combinations; None if the worker's assignment or versions decide."""
    values = metric.labels.values()
    return prod(map(len, values)) - len(metric.never) if all(values) else None


def test_a_worker_that_did_nothing_shows_every_closed_series_at_zero() -> None:
    samples = shown(telemetry())
    assert samples["sekisho_decisions_total", frozenset({("band", "BLOCK")})] == 0
    reject = frozenset({("topic", "merchants"), ("reason", "SENSITIVE_PAN")})
    assert samples["sekisho_dead_letters_total", reject] == 0
    assert samples["sekisho_ready", frozenset()] == 0
    assert any(name == "process_resident_memory_bytes" for name, _ in samples)
    closed = [metric for metric in CATALOGUE if series_max(metric) is not None]
    assert {metric.name for metric in closed} <= {name.removesuffix("_bucket") for name, _ in samples}


def test_two_workers_in_one_process_share_no_number() -> None:
    one, other = telemetry(), telemetry()
    one.scored(batch(), Outputs(tally=Tally(events=3)))
    assert value(one, "sekisho_events_total") == 3
    assert value(other, "sekisho_events_total") == 0


def test_a_scored_batch_is_counted_by_results() -> None:
    of = telemetry()
    tally = Tally(
        events=10,
        repeats=2,
        answers={"COUNTED": 3, "UNTIMED": 1},
        clocks={"ON_TIME": 3, "OUT_OF_ORDER": 1, "EARLY": 1},
        bands={"ALLOW": 4, "BLOCK": 1},
        alerts={("INCIDENT", "CRITICAL"): 1},
        alerts_suppressed=3,
        incidents={("MERCHANT_BIN", "GREW"): 2},
        incident_attempts=7,
        alerts_in_digests=5,
        digests={"OPENED": 1, "CLOSED": 3},
        dead_letters={"SENSITIVE_PAN": 2, "MALFORMED_JSON": 1},
        threeds={"AUTHENTICATED": 5},
        near_keys={"tds": 2, "tds.trans_status": 3},
        repeated_keys=4,
        stripped={"SENSITIVE_PAN": 3, "SENSITIVE_CVV": 1},
        unknown_exemptions=1,
        unknown_codes={"jcb": 2},
        gaps={"SC5_CREDMASTER": 4},
    )
    for _ in range(2):
        of.scored(batch(), Outputs(tally=tally))
    assert value(of, "sekisho_events_total") == 20
    assert value(of, "sekisho_repeats_total") == 4
    assert value(of, "sekisho_answers_total", result="COUNTED") == 6
    assert value(of, "sekisho_answers_total", result="UNTIMED") == 2
    assert value(of, "sekisho_event_times_total", clock="ON_TIME") == 6
    assert value(of, "sekisho_event_times_total", clock="EARLY") == 2
    assert value(of, "sekisho_event_times_total", clock="LATE") == 0
    assert value(of, "sekisho_decisions_total", band="ALLOW") == 8
    assert value(of, "sekisho_alerts_total", type="INCIDENT", severity="CRITICAL") == 2
    assert value(of, "sekisho_alerts_suppressed_total") == 6
    assert value(of, "sekisho_incident_alerts_total", entity="MERCHANT_BIN", state="GREW") == 4
    assert value(of, "sekisho_incident_alerts_total", entity="MERCHANT", state="GREW") == 0
    assert value(of, "sekisho_incident_attempts_total") == 14
    assert value(of, "sekisho_alerts_in_digests_total") == 10
    assert value(of, "sekisho_digest_alerts_total", state="CLOSED") == 6
    assert value(of, "sekisho_digest_alerts_total", state="GREW") == 0
    assert value(of, "sekisho_dead_letters_total", topic="authorizations", reason="SENSITIVE_PAN") == 4
    assert value(of, "sekisho_dead_letters_total", topic="merchants", reason="SENSITIVE_PAN") == 0
    assert value(of, "sekisho_pan_guard_hits_total") == 4
    assert value(of, "sekisho_sensitive_records_total", kind="PAN", action="refused") == 4
    assert value(of, "sekisho_sensitive_records_total", kind="PAN", action="stripped") == 6
    assert value(of, "sekisho_sensitive_records_total", kind="CVV", action="stripped") == 2
    assert value(of, "sekisho_sensitive_records_total", kind="PIN", action="stripped") == 0
    assert value(of, "sekisho_threeds_total", status="AUTHENTICATED") == 10
    assert value(of, "sekisho_unknown_exemptions_total") == 2
    assert value(of, "sekisho_unknown_response_codes_total", network="jcb") == 4
    assert value(of, "sekisho_unknown_response_codes_total", network="visa") == 0
    assert value(of, "sekisho_near_keys_total", field="tds") == 4
    assert value(of, "sekisho_near_keys_total", field="tds.trans_status") == 6
    assert value(of, "sekisho_repeated_keys_total") == 8
    assert value(of, "sekisho_checklist_gaps_total", item="SC5_CREDMASTER") == 8
    assert value(of, "sekisho_batch_events_count") == 2
    assert value(of, "sekisho_batch_events_bucket", le="16.0") == 2
    assert value(of, "sekisho_batch_events_bucket", le="8.0") == 0


def test_reports_and_merchants_count_under_their_own_topic() -> None:
    of = telemetry()
    refused = Tally(
        events=1,
        reports={"FRAUD": 5},
        report_clocks={"ON_TIME": 3, "EARLY": 2},
        dead_letters={"WRONG_TYPE": 1},
        stripped={"SENSITIVE_PIN": 2},
    )
    of.taken("fraud-reports", Outputs(tally=refused))
    of.merchants(
        7, [Outputs(tally=Tally(dead_letters={"EMPTY": 2}, merchants_beyond_limit=3, stripped={"SENSITIVE_PIN": 1}))]
    )
    assert value(of, "sekisho_dead_letters_total", topic="merchants", reason="EMPTY") == 0, "one worker writes them"
    of.letters_written([Outputs(tally=Tally(dead_letters={"EMPTY": 2}))])
    assert value(of, "sekisho_fraud_reports_total", label="FRAUD") == 5
    assert value(of, "sekisho_fraud_report_times_total", clock="ON_TIME") == 3
    assert value(of, "sekisho_fraud_report_times_total", clock="EARLY") == 2
    assert value(of, "sekisho_fraud_report_times_total", clock="LATE") == 0
    assert value(of, "sekisho_dead_letters_total", topic="fraud-reports", reason="WRONG_TYPE") == 1
    assert value(of, "sekisho_dead_letters_total", topic="merchants", reason="EMPTY") == 2
    assert value(of, "sekisho_merchants_refused_total") == 3
    assert value(of, "sekisho_sensitive_records_total", kind="PIN", action="stripped") == 3
    assert value(of, "sekisho_events_total") == 0


def test_outcomes_count_under_their_own_topic() -> None:
    of = telemetry()
    tally = Tally(
        events=9,
        outcomes={"COUNTED": 4, "UNMATCHED": 2, "REPEAT": 1},
        unknown_codes={"visa": 3},
        card_conflicts=1,
        dead_letters={"SENSITIVE_PAN": 2},
        stripped={"SENSITIVE_PIN": 1},
    )
    of.taken("authorization-outcomes", Outputs(tally=tally))
    assert value(of, "sekisho_outcomes_total", result="COUNTED") == 4
    assert value(of, "sekisho_outcomes_total", result="UNMATCHED") == 2
    assert value(of, "sekisho_unknown_response_codes_total", network="visa") == 3
    assert value(of, "sekisho_outcomes_total", result="UNTIMED") == 0
    assert value(of, "sekisho_card_conflicts_total") == 1
    assert value(of, "sekisho_dead_letters_total", topic="authorization-outcomes", reason="SENSITIVE_PAN") == 2
    assert value(of, "sekisho_pan_guard_hits_total") == 2
    assert value(of, "sekisho_sensitive_records_total", kind="PIN", action="stripped") == 1
    assert value(of, "sekisho_events_total") == value(of, "sekisho_answers_total", result="COUNTED") == 0


def test_results_of_3d_secure_count_under_their_own_topic_and_claims_wherever_they_are_settled() -> None:
    of = telemetry()
    tally = Tally(
        events=9,
        results={"Y": 4, "OTHER": 2},
        result_clocks={"ON_TIME": 5, "EARLY": 1},
        claims={"SETTLED_MISSING": 3},
        dead_letters={"SENSITIVE_PAN": 2},
    )
    of.taken("threeds-results", Outputs(tally=tally))
    of.scored(batch(), Outputs(tally=Tally(events=4, claims={"MATCHED": 3, "PENDING": 1})))
    assert value(of, "sekisho_threeds_results_total", status="Y") == 4
    assert value(of, "sekisho_threeds_results_total", status="OTHER") == 2
    assert value(of, "sekisho_threeds_result_times_total", clock="EARLY") == 1
    assert value(of, "sekisho_dead_letters_total", topic="threeds-results", reason="SENSITIVE_PAN") == 2
    known = {name: value(of, "sekisho_threeds_claims_total", result=name) for name in CLAIMS}
    assert known == {"MATCHED": 3, "PENDING": 1, "MISSING": 0, "SETTLED_MATCHED": 0, "SETTLED_MISSING": 3}


def test_latency_runs_from_the_brokers_timestamp_to_the_acknowledgement() -> None:
    of = telemetry()
    given_batch = batch(ages_ms=(20, 5, 0, -4))
    of.scored(given_batch, Outputs(tally=Tally(events=4)))
    of.delivered(given_batch, Outputs(), NOW_MS)
    assert value(of, "sekisho_decision_latency_seconds_count") == 4
    assert value(of, "sekisho_decision_latency_seconds_bucket", le="0.00025") == 2  # a clock ahead counts as 0
    assert value(of, "sekisho_decision_latency_seconds_bucket", le="0.005") == 3
    assert value(of, "sekisho_decision_latency_seconds_bucket", le="0.02") == 4
    assert value(of, "sekisho_decision_latency_seconds_sum") == pytest.approx(0.025)
    assert value(of, "sekisho_stage_seconds_count", stage="emit") == 1


def test_a_record_without_a_timestamp_has_no_latency_and_no_age() -> None:
    of = telemetry()
    undated = batch(ages_ms=(5, NOW_MS + 1))
    assert undated.timestamps_ms[1] == -1
    of.delivered(undated, Outputs(), NOW_MS)
    assert value(of, "sekisho_decision_latency_seconds_count") == 1
    of.delivered(batch(partition=1, ages_ms=(NOW_MS + 1,)), Outputs(), NOW_MS)
    of.lagging(TP("authorizations", 0), 1)
    of.lagging(TP("authorizations", 1), 1, 0.5)
    assert value(of, "sekisho_lag_seconds", partition="0") == pytest.approx(0.005, abs=1e-5)
    assert value(of, "sekisho_lag_seconds", partition="1") == 0.5


def test_fraud_reports_have_no_decision_latency() -> None:
    of = telemetry()
    of.delivered(batch("fraud-reports"), Outputs(), NOW_MS)
    assert value(of, "sekisho_decision_latency_seconds_count") == 0


def test_a_stage_the_catalogue_does_not_know_is_a_bug() -> None:
    with pytest.raises(KeyError):
        telemetry().stage("dekode", 0.1)


def test_lag_in_seconds_is_the_age_of_the_newest_delivered_event_while_others_wait() -> None:
    of = telemetry()
    of.delivered(batch(partition=2, ages_ms=(9_000, 7_000)), Outputs(), NOW_MS)
    of.lagging(TP("authorizations", 2), 5)
    assert value(of, "sekisho_lag_events", partition="2") == 5
    assert value(of, "sekisho_lag_seconds", partition="2") == 7
    of.lagging(TP("authorizations", 2), 0)
    assert value(of, "sekisho_lag_seconds", partition="2") == 0


def test_revoked_partitions_are_no_longer_shown() -> None:
    of = telemetry()

    def look(*partitions: int) -> None:
        of.ready(True)
        for partition in partitions:
            of.lagging(TP("authorizations", partition), 1)
            of.lagging(TP("fraud-reports", partition), 1)

    look(0, 1)
    of.committed({TP("authorizations", 0): 5, TP("authorizations", 1): 6, TP("fraud-reports", 1): 9})
    look(0, 1)
    assert value(of, "sekisho_committed_offset", partition="1") == 6
    look(0)
    look(0)
    lagging = {labels for name, labels in shown(of) if name in {"sekisho_lag_events", "sekisho_committed_offset"}}
    assert lagging == {frozenset({("partition", "0")})}


def test_commits_are_counted_and_dated() -> None:
    of = telemetry()
    of.committed({TP("authorizations", 0): 5})
    assert value(of, "sekisho_commits_total") == 1
    assert value(of, "sekisho_last_commit_timestamp_seconds") == NOW_S


def test_versions_and_inventory_are_shown() -> None:
    of = telemetry()
    of.decides_with(model="demo-1", features="abc", policy="1+def")
    of.take_inventory(
        lambda: Inventory(
            merchants=7,
            profile_rows={"CARD": 5},
            profile_bytes=99,
            standings={"WARNING": 4},
            overdue={"ATTESTATION_STALE": 7},
            evictions={"CLAIM": 3},
            incidents={"MERCHANT": 3},
            digests=2,
            list_entries=12,
            model=figures_of(Bins(None, ()), [], []),
        )
    )
    assert value(of, "sekisho_model_info", version="demo-1", features="abc") == 1
    assert value(of, "sekisho_policy_info", version="1+def") == 1
    assert value(of, "sekisho_merchants") == 7
    assert value(of, "sekisho_profile_rows", entity="CARD") == 5
    assert value(of, "sekisho_profile_bytes") == 99
    assert value(of, "sekisho_list_entries") == 12
    assert value(of, "sekisho_merchants_by_standing", standing="WARNING") == 4
    assert value(of, "sekisho_merchants_overdue", what="ATTESTATION_STALE") == 7
    assert value(of, "sekisho_merchant_rows_evicted_total", rows="CLAIM") == 3
    assert value(of, "sekisho_incidents_open", entity="MERCHANT") == 3
    assert value(of, "sekisho_digests_open") == 2
    assert set(of.versions) == {"code", "model", "features", "policy"}


def test_a_restore_that_a_rebalance_ended_is_forgotten_once_events_flow() -> None:
    of = telemetry()
    of.restoring(30, 100)
    of.ready(False)
    assert value(of, "sekisho_restore_ratio") == 0.3
    of.ready(True)
    assert value(of, "sekisho_restore_ratio") == 1.0


def test_a_worker_is_unready_for_a_reason_until_it_is_ready() -> None:
    of = telemetry()
    assert of.not_ready_because == "starting"
    of.starting("loading")
    of.ready(False)
    assert of.not_ready_because == "loading"
    of.ready(True)
    assert of.not_ready_because == ""
    assert value(of, "sekisho_ready") == 1
    of.ready(False)
    assert of.not_ready_because == "rebalancing or draining"
    assert value(of, "sekisho_ready") == 0


def test_a_label_value_outside_the_catalogue_is_refused() -> None:
    series = Series(CATALOGUE)
    with pytest.raises(KeyError):
        series.cell("sekisho_decisions_total", "MAYBE")
    with pytest.raises(KeyError):
        series.cell("sekisho_lag_events")
    for partition in range(PARTITIONS_MAX):
        series.cell("sekisho_lag_events", str(partition))
    with pytest.raises(KeyError):
        series.cell("sekisho_lag_events", str(PARTITIONS_MAX))


@given(st.lists(st.one_of(st.sampled_from([0.0, 0.005, 0.01, 30.0]), st.floats(0, 100)), max_size=50))
def test_counting_many_at_once_equals_counting_each(values: list[float]) -> None:
    together, each = Buckets(catalogue.LATENCY_BUCKETS_S), Buckets(catalogue.LATENCY_BUCKETS_S)
    together.observe_all(values)
    for one in values:
        each.observe(one)
    assert together.counts == each.counts
    assert together.total == pytest.approx(each.total)
    for position, bound in enumerate(catalogue.LATENCY_BUCKETS_S):  # the oracle: at most the bound
        assert sum(each.counts[: position + 1]) == sum(one <= bound for one in values)


def test_records_of_others_are_counted_by_output() -> None:
    of = telemetry()
    of.foreign({"alerts": 2, "decisions": 1})
    of.foreign({"alerts": 3})
    assert value(of, "sekisho_foreign_records_total", topic="alerts") == 5
    assert value(of, "sekisho_foreign_records_total", topic="decisions") == 1
    assert value(of, "sekisho_foreign_records_total", topic="dead-letters") == 0
