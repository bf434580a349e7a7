"""One method for each fact that the worker counts. Nothing else updates metrics.

Agents call them once per batch, and the watchdog's thread about once a second. The server's thread only reads.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic_ns, time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from scoring.outputs import Outputs, Tally
from scoring.watching.figures import Figures
from scoring.watching.outcomes import ArmFigures
from streams.kafka.settings import Topics
from streams.telemetry.catalogue import CATALOGUE, STAGES
from streams.telemetry.model.gauges import ModelGauges
from streams.telemetry.model.in_use import InUse
from streams.telemetry.series import Series

if TYPE_CHECKING:
    from faust.types import TP

    from streams.transport.batch import Batch

OF_THREEDS = ("results", "result_times", "claims")
"""Counters of results of 3-D Secure and of claims, by the middle of their names."""

IN_FLIGHT_MAX = 4_096
"""Most batches in flight whose start time is kept. The transport allows far fewer."""

PER_PARTITION = ("sekisho_lag_events", "sekisho_lag_seconds", "sekisho_committed_offset")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Sizes of the worker's state: merchants, profile rows by entity, bytes of profiles.

    `standings`: merchants by standing, `overdue` by what is overdue at them. `evictions`: rows of merchants that were
    evicted so far, by kind. `incidents`: open incidents by entity, `digests`: open ones. `list_entries`: entries of
    lists.
    `model`: figures of the model in use, `arms`: of the payments of the policy's experiment, empty without one.
    """

    merchants: int
    profile_rows: Mapping[str, int]
    profile_bytes: int
    standings: Mapping[str, int]
    overdue: Mapping[str, int]
    evictions: Mapping[str, int]
    incidents: Mapping[str, int]
    digests: int
    list_entries: int
    model: Figures
    arms: ArmFigures = field(default_factory=dict)


class Telemetry(InUse):
    """Counters and health of a worker."""

    def __init__(self, topics: Topics, *, clock_s: Callable[[], float] = time) -> None:
        self._clock_s = clock_s
        self._authorizations = topics.authorizations
        self._series = series = Series(CATALOGUE)
        super().__init__(series)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(series)
        ProcessCollector(registry=self._registry)
        self._events = series.cell("sekisho_events_total")
        self._bands = series.cells("sekisho_decisions_total")
        self._repeats = series.cell("sekisho_repeats_total")
        self._answers, self._outcomes = map(series.cells, ("sekisho_answers_total", "sekisho_outcomes_total"))
        self._clocks = series.cells("sekisho_event_times_total")
        self._alerts, self._list_hits, self._fallen = (
            series.cells(f"sekisho_{name}_total") for name in ("alerts", "list_hits", "model_fallback_decisions")
        )
        self._suppressed, self._suppressed_by_policy, self._incident_attempts, self._in_digests = (
            series.cell(f"sekisho_{name}_total")
            for name in ("alerts_suppressed", "alerts_suppressed_by_policy", "incident_attempts", "alerts_in_digests")
        )
        self._incidents, self._digests, self._dead_letters = (
            series.cells(f"sekisho_{name}_total") for name in ("incident_alerts", "digest_alerts", "dead_letters")
        )
        self._beyond_limit = series.cell("sekisho_merchants_refused_total")
        self._guard_hits = series.cell("sekisho_pan_guard_hits_total")
        self._sensitive = series.cells("sekisho_sensitive_records_total")
        self._threeds, self._near_keys = map(series.cells, ("sekisho_threeds_total", "sekisho_near_keys_total"))
        self._repeated_keys = series.cell("sekisho_repeated_keys_total")
        self._unknown_exemptions = series.cell("sekisho_unknown_exemptions_total")
        self._unknown_codes = series.cells("sekisho_unknown_response_codes_total")
        self._gaps = series.cells("sekisho_checklist_gaps_total")
        self._of_threeds = {name: series.cells(f"sekisho_threeds_{name}_total") for name in OF_THREEDS}
        of_reports = ("sekisho_fraud_reports_total", "sekisho_fraud_report_times_total")
        self._reports, self._report_clocks = map(series.cells, of_reports)
        self._batch_events = series.buckets("sekisho_batch_events")
        self._latency = series.buckets("sekisho_decision_latency_seconds")
        self._stages = {stage: series.buckets("sekisho_stage_seconds", stage) for stage in STAGES}
        self._replayed = series.cell("sekisho_replayed_total")
        self._restore_ratio = series.cell("sekisho_restore_ratio")
        self._restore_ratio.set(1.0)
        self._foreign = series.cells("sekisho_foreign_records_total")
        of_restores = ("sekisho_restored_records_total", "sekisho_restore_seconds_total")
        self._restored_records, self._restore_seconds = map(series.cell, of_restores)
        self._flushes = series.buckets("sekisho_flush_seconds")
        of_flushes = ("sekisho_flushed_rows_total", "sekisho_flushed_bytes_total")
        self._flushed_rows, self._flushed_bytes = map(series.cell, of_flushes)
        self._card_conflicts = series.cell("sekisho_card_conflicts_total")
        self._model = ModelGauges(series)
        self._followed: set[int] = set()
        self._ready = series.cell("sekisho_ready")
        of_commits = ("sekisho_commits_total", "sekisho_last_commit_timestamp_seconds")
        self._commits, self._last_commit = map(series.cell, of_commits)
        self._not_ready_because = "starting"
        self._in_flight: dict[tuple[int, int], int] = {}  # (partition, first offset) -> monotonic ns
        self._done_ms: dict[int, int] = {}  # partition -> broker timestamp of the newest delivered event
        self._looked_at, self._shown = set[int](), set[int]()
        self._inventory: Callable[[], Inventory] | None = None

    # -- once per batch -------------------------------------------------------------------------------------------

    def stage(self, name: str, seconds: float) -> None:
        """Count the seconds of a stage of one batch."""
        self._stages[name].observe(seconds)

    def scored(self, batch: "Batch", outputs: Outputs) -> None:
        """Count a batch of authorizations; nothing of it is durable yet."""
        tally = outputs.tally
        self._events.add(tally.events)
        self._repeats.add(tally.repeats)
        for result, count in tally.answers.items():
            self._answers[result,].add(count)
        self._replayed.add(tally.replayed)
        self._card_conflicts.add(tally.card_conflicts)
        self._batch_events.observe(tally.events)
        for band, count in tally.bands.items():
            self._bands[band,].add(count)
        for clock, count in tally.clocks.items():
            self._clocks[clock,].add(count)
        for alert, count in tally.alerts.items():
            self._alerts[alert].add(count)
        self._suppressed.add(tally.alerts_suppressed)
        self._suppressed_by_policy.add(tally.alerts_suppressed_by_policy)
        self._incident_attempts.add(tally.incident_attempts)
        self._in_digests.add(tally.alerts_in_digests)
        for state, count in tally.digests.items():
            self._digests[state,].add(count)
        for hit, count in tally.list_hits.items():
            self._list_hits[hit].add(count)
        for fallen, count in tally.fallen.items():
            self._fallen[fallen].add(count)
        for incident, count in tally.incidents.items():
            self._incidents[incident].add(count)
        for status, count in tally.threeds.items():
            self._threeds[status,].add(count)
        self._count_threeds(tally)
        for path, count in tally.near_keys.items():
            self._near_keys[path,].add(count)
        self._repeated_keys.add(tally.repeated_keys)
        self._unknown_exemptions.add(tally.unknown_exemptions)
        self._count_unknown_codes(tally)
        for item, count in tally.gaps.items():
            self._gaps[item,].add(count)
        self._rules.add(tally)
        self._challenger.add(tally)
        self._arms.add(tally)
        self._count_dead_letters("authorizations", tally)
        self._count_stripped(tally)
        if len(self._in_flight) >= IN_FLIGHT_MAX:  # batches of revoked partitions are never removed
            self._in_flight.clear()
        self._in_flight[batch.partition, batch.offsets[0]] = monotonic_ns()

    def taken(self, source: str, outputs: Outputs) -> None:
        """Count a batch of a side input. `source`: its name, such as `fraud-reports`."""
        tally = outputs.tally
        for label, count in tally.reports.items():
            self._reports[label,].add(count)
        for clock, count in tally.report_clocks.items():
            self._report_clocks[clock,].add(count)
        for result, count in tally.outcomes.items():
            self._outcomes[result,].add(count)
        self._count_threeds(tally)
        self._count_unknown_codes(tally)
        self._card_conflicts.add(tally.card_conflicts)
        self._count_dead_letters(source, tally)
        self._count_stripped(tally)

    def delivered(self, batch: "Batch", outputs: Outputs, acked_at_ms: int) -> None:
        """Count the latency of a batch of authorizations, all of whose outputs are acknowledged.

        If the broker's clock is ahead of this machine's, a latency counts as 0 s. An event without a timestamp is not
        counted.
        """
        if batch.topic != self._authorizations or not batch.timestamps_ms:
            return
        sent = [sent_ms for sent_ms in batch.timestamps_ms if sent_ms >= 0]
        self._latency.observe_all([max(acked_at_ms - sent_ms, 0) / 1e3 for sent_ms in sent])
        if sent:
            self._done_ms[batch.partition] = sent[-1]
        began_ns = self._in_flight.pop((batch.partition, batch.offsets[0]), None)
        if began_ns is not None:
            self._stages["emit"].observe((monotonic_ns() - began_ns) / 1e9)

    def merchants(self, applied: int, outputs: Sequence[Outputs]) -> None:
        """Count new merchants beyond the limit. `Inventory` has the size of the merchant store."""
        for output in outputs:
            self._beyond_limit.add(output.tally.merchants_beyond_limit)
            self._count_stripped(output.tally)

    def list_records(self, results: Mapping[str, int]) -> None:
        """Count records of the topic of lists by result."""
        for result, count in results.items():
            self._series.cell("sekisho_list_records_total", result).add(count)

    def lists_read(self, at_s: float) -> None:
        """Record the time at which the topic of lists had been read to its end."""
        self._series.cell("sekisho_lists_read_timestamp_seconds").set(at_s)

    def lists_delayed(self, delay_s: float) -> None:
        """Record the time after which records of the topic of lists count."""
        self._series.cell("sekisho_lists_delay_seconds").set(delay_s)

    def letters_written(self, outputs: Sequence[Outputs]) -> None:
        """Count the dead letters of merchants that this worker wrote: all workers refuse the records, one writes."""
        for output in outputs:
            self._count_dead_letters("merchants", output.tally)

    def _count_dead_letters(self, source: str, tally: Tally) -> None:
        for reason, count in tally.dead_letters.items():
            self._dead_letters[source, reason].add(count)
            if reason.startswith("SENSITIVE_"):
                self._guard_hits.add(count)
                self._sensitive[reason.removeprefix("SENSITIVE_"), "refused"].add(count)

    def _count_threeds(self, tally: Tally) -> None:
        """Count results of 3-D Secure and what became of claims."""
        for name, counts in zip(OF_THREEDS, (tally.results, tally.result_clocks, tally.claims), strict=True):
            for label, count in counts.items():
                self._of_threeds[name][label,].add(count)

    def _count_unknown_codes(self, tally: Tally) -> None:
        for network, count in tally.unknown_codes.items():
            self._unknown_codes[network,].add(count)

    def _count_stripped(self, tally: Tally) -> None:
        for kind, count in tally.stripped.items():
            self._sensitive[kind.removeprefix("SENSITIVE_"), "stripped"].add(count)

    # -- about once a second --------------------------------------------------------------------------------------

    def merchant_alerts(self, alerts: Mapping[tuple[str, str], int]) -> None:
        """Count durable alerts about merchants, by type and severity."""
        for alert, count in alerts.items():
            self._alerts[alert].add(count)

    def committed(self, offsets: Mapping["TP", int]) -> None:
        """Record an accepted commit: the next offset to read, by partition."""
        self._commits.add(1)
        self._last_commit.set(self._clock_s())
        for tp, offset in offsets.items():
            if tp.topic == self._authorizations:
                self._series.cell("sekisho_committed_offset", str(tp.partition)).set(offset)

    def lagging(self, tp: "TP", events: int, seconds: float = 0.0) -> None:
        """Record the lag of a partition of the authorizations.

        In seconds, it is the age of the newest delivered event while others wait, and at least `seconds`.
        """
        if tp.topic != self._authorizations:
            return
        done_ms = self._done_ms.get(tp.partition)
        if events and done_ms is not None:
            seconds = max(seconds, self._clock_s() - done_ms / 1e3)
        self._series.cell("sekisho_lag_events", str(tp.partition)).set(events)
        self._series.cell("sekisho_lag_seconds", str(tp.partition)).set(seconds if events else 0.0)
        self._looked_at.add(tp.partition)

    def ready(self, is_ready: bool) -> None:
        """Record whether events flow. Called before each round of `lagging`; partitions not in the last are dropped."""
        self._forget(self._shown - self._looked_at)
        self._shown, self._looked_at = self._looked_at, set()
        self._ready.set(1 if is_ready else 0)
        if is_ready:
            self._not_ready_because = ""
            self._restore_ratio.set(1.0)  # a restore that a rebalance ended does not report its end
        elif not self._not_ready_because:
            self._not_ready_because = "rebalancing or draining"

    def _forget(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._done_ms.pop(partition, None)
            for name in PER_PARTITION:
                self._series.forget(name, str(partition))

    # -- profiles -------------------------------------------------------------------------------------------------

    def restoring(self, done: int, total: int) -> None:
        """Record the progress of the restore of a partition."""
        self._restore_ratio.set(done / total if total else 1.0)
        self._not_ready_because = f"restoring profiles: {done} of {total} records"

    def restored(self, records: int, published: int, seconds: float) -> None:
        """Count a finished restore."""
        self._restore_ratio.set(1.0)
        self._restored_records.add(records)
        self._restore_seconds.add(seconds)
        self._not_ready_because = "rebalancing or draining"

    def foreign(self, records: Mapping[str, int]) -> None:
        """Count records on outputs that no worker wrote."""
        for output, count in records.items():
            self._foreign[output,].add(count)

    def flushed(self, partition: int, rows: int, size_bytes: int, seconds: float) -> None:
        """Count a flush."""
        self._flushes.observe(seconds)
        self._flushed_rows.add(rows)
        self._flushed_bytes.add(size_bytes)

    def followed(self, lags_s: Mapping[int, float]) -> None:
        """Record the lag of the followed partitions, in seconds."""
        for partition in self._followed.difference(lags_s):
            self._series.forget("sekisho_follow_lag_seconds", str(partition))
        for partition, lag_s in lags_s.items():
            self._series.cell("sekisho_follow_lag_seconds", str(partition)).set(lag_s)
        self._followed = set(lags_s)

    # -- at start-up ----------------------------------------------------------------------------------------------

    def starting(self, phase: str) -> None:
        """Record the phase of the start, as text for `/readyz`."""
        self._not_ready_because = phase

    def take_inventory(self, inventory: Callable[[], Inventory]) -> None:
        """Call `inventory` at every scrape, from the server's thread. It may only read."""
        self._inventory = inventory

    # -- for the server -------------------------------------------------------------------------------------------

    @property
    def not_ready_because(self) -> str:
        """Why no events flow; empty when they do."""
        return self._not_ready_because

    def exposition(self) -> bytes:
        """Render all metrics in Prometheus's text format."""
        if self._inventory is not None:
            held = self._inventory()
            self._series.cell("sekisho_merchants").set(held.merchants)
            self._series.cell("sekisho_profile_bytes").set(held.profile_bytes)
            self._series.cell("sekisho_list_entries").set(held.list_entries)
            for entity, rows in held.profile_rows.items():
                self._series.cell("sekisho_profile_rows", entity).set(rows)
            for standing, merchants in held.standings.items():
                self._series.cell("sekisho_merchants_by_standing", standing).set(merchants)
            for what, merchants in held.overdue.items():
                self._series.cell("sekisho_merchants_overdue", what).set(merchants)
            for kind, rows in held.evictions.items():
                self._series.cell("sekisho_merchant_rows_evicted_total", kind).set(rows)
            for entity, incidents in held.incidents.items():
                self._series.cell("sekisho_incidents_open", entity).set(incidents)
            self._series.cell("sekisho_digests_open").set(held.digests)
            self._model.show(held.model)
            self._arms.show(held.arms)
        return generate_latest(self._registry)
