"""The engine: the whole path of an event, from bytes to bytes.

    bytes -> decode and guard -> enrich -> profile -> score -> decide -> encode -> bytes

The unit is a batch of one partition. Its events are processed in order, and each uses the profiles that include the
events before it. So the cut into batches changes no decision, and neither does the number of partitions.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from itertools import chain

import numpy as np

from scoring.alerting import Alerting
from scoring.compiled import CompiledPolicy, ListFiles, compile_policy
from scoring.contract.codes import Band
from scoring.contract.decision import Versions
from scoring.decide.decisions import CLOCK_NAMES, Decided
from scoring.decide.merchants import merchant_alerts, overdue_about, standing_about
from scoring.decide.shadow import shadow
from scoring.decide.threeds import ThreeDsEncoder
from scoring.decode import Col, parse_merchants
from scoring.decode.hashing import CARD_KEY
from scoring.features.all import FEATURES_VERSION
from scoring.judged import JudgedBatch, by_name, silent_rows, tally_of
from scoring.judging import Judge
from scoring.lists.dated import Result
from scoring.merchants.duties import is_bound
from scoring.model.absent import NoModel
from scoring.model.bundle import Bundle
from scoring.model.challenger import Challenger
from scoring.observer import BATCH_MAX, Observed, Observer, Settings, ignore
from scoring.outputs import (
    NOTHING,
    OUTCOMES,
    RESULTS,
    Emitted,
    Outputs,
    Source,
    Tally,
)
from scoring.policy import Policy
from scoring.policy.record import PolicyRows
from scoring.policy.rules import BlockCounts
from scoring.profile import Changelog
from scoring.reference.threeds import reference
from scoring.refused import dead_letters_of, kinds_of, reasons_of, runs_of, unburied
from scoring.watching.watch import Watch, last_day

STAGES = ("decode", "enrich", "profile", "score", "decide", "encode")
SHADOW_STAGE = "challenger"
"""The stage after the others of a batch that a challenger scores too."""


class Engine:
    """Decide authorizations. One engine serves every partition of a worker, from one thread.

    `challenger` may be set between two batches: it scores the next ones in shadow.
    """

    challenger: Challenger | None = None

    def __init__(
        self,
        model: Bundle | NoModel,
        policy: Policy,
        settings: Settings,
        code_version: str,
        list_files: ListFiles | None = None,
    ) -> None:
        self.observer = Observer(settings)
        self._threeds = ThreeDsEncoder(reference(), settings.threeds)
        self._blocks = BlockCounts()
        self._judge = self.judge_by(model)
        self._versions = Versions(
            model=self._judge.version,
            features=FEATURES_VERSION,
            policy="",  # of each policy that is compiled
            code=code_version,
            reference=reference().identity,
        )
        self._in_use = self.compile(policy, list_files)
        self._alerting = Alerting(policy.alerts, self._in_use.encoder, self._in_use.tables)
        self.policies = PolicyRows()
        self._attach(1)
        self._margins = np.empty(BATCH_MAX, dtype=np.float64)

    @property
    def model(self) -> Bundle | NoModel:
        """The model in use, or why there is none."""
        return self._judge.model

    @property
    def policy(self) -> Policy:
        """The policy in use."""
        return self._in_use.policy

    @property
    def in_use(self) -> CompiledPolicy:
        """The policy in use, compiled."""
        return self._in_use

    @property
    def versions(self) -> Versions:
        """The versions that the decisions name."""
        return self._in_use.versions

    @property
    def list_files(self) -> ListFiles:
        """The entries of lists in files that are in use."""
        return self._in_use.list_files

    def compile(
        self, policy: Policy, list_files: ListFiles | None = None, identity: str | None = None
    ) -> CompiledPolicy:
        """Compile a policy for `use`, with the entries of its lists in files. For any thread. Seconds if large.

        `identity`: that of a policy that was recorded.
        """
        observer = self.observer
        joined = observer.settings.decode.joined
        return compile_policy(policy, list_files or ListFiles(), self._versions, observer.dated, joined, identity)

    def use(self, compiled: CompiledPolicy) -> None:
        """Decide the next batches by a policy. Open cases and incidents stay.

        `alerts.incident_quiet_minutes` must be that of the policy before: ids of incidents contain it.
        """
        before = self._in_use.policy.alerts
        assert compiled.policy.alerts.incident_quiet_minutes == before.incident_quiet_minutes, "changes at a restart"
        if compiled.versions.model != self._judge.version:  # compiled before the model changed
            compiled = compiled.with_model(self._judge.version)
        self._in_use = compiled
        self._alerting.use(compiled.policy.alerts, compiled.encoder, compiled.tables)

    def judge_by(self, model: Bundle | NoModel) -> Judge:
        """Prepare a model for `use_model`. For any thread."""
        return Judge(model, self._threeds, self._blocks)

    def use_model(self, judge: Judge) -> None:
        """Decide the next batches by another model. Profiles, open cases and incidents stay."""
        self._judge = judge
        self.watch.use(judge.model)
        self.use(self._in_use)

    def score(
        self,
        values: Sequence[bytes],
        source: Source,
        *,
        received_at_ms: int,
        decided_at_ms: Callable[[], int],
        mark: Callable[[str], None] = ignore,
        emitted: Emitted = NOTHING,
    ) -> Outputs:
        """Decide a batch of authorizations: one decision for each value except refused ones, repeats and answers.

        Events in `emitted` are applied to the profiles, and their outputs are left out.
        """
        self._tick(source, received_at_ms)
        observed = self.observer.observe(values, source.timestamps_ms, mark, source.partition)
        conflicts = self.changelog.sightings.observe(observed.decoded.hashes[:, CARD_KEY], source.partition)
        margins = self._margins[: len(observed.matrix)]
        self._judge.score(observed.matrix, margins)
        mark("score")
        judged = self._judge.judge(
            self.observer,
            observed,
            margins,
            silent_rows(observed, emitted),
            self._in_use,
            self._alerting,
            source.partition,
        )
        self.watch.decided(observed, judged, source.partition, last_day(received_at_ms))
        mark("decide")
        outputs = self._encode(values, source, observed, judged, emitted, received_at_ms, decided_at_ms())
        outputs.tally.card_conflicts = conflicts
        mark("encode")
        if self.challenger is not None:
            shadow(self.challenger, observed, judged, self._in_use.table, outputs)
            mark(SHADOW_STAGE)
        return outputs

    def outcomes(
        self, values: Sequence[bytes], source: Source, *, received_at_ms: int, emitted: Emitted = NOTHING
    ) -> Outputs:
        """Apply a batch of outcomes; nothing is decided. Refused ones become dead letters, as in `report`."""
        decoded, results = self.observer.outcomes(values, source.timestamps_ms, source.partition)
        conflicts = self.changelog.sightings.observe(decoded.hashes[:, CARD_KEY], source.partition)
        self._alerting.incidents.answer(decoded, results, source.partition)
        rejects = unburied(decoded.rejects, source, emitted)
        tally = Tally(
            events=len(values),
            replayed=len(decoded.rejects) - len(rejects),
            outcomes=by_name(OUTCOMES, results),
            card_conflicts=conflicts,
            unknown_codes=dict(decoded.unlisted),
            stripped=kinds_of(decoded.findings.values()),
            dead_letters=reasons_of(rejects),
            letter_runs=runs_of(len(values), decoded.rejects),
        )
        return Outputs(dead_letters=dead_letters_of(rejects, values, source, received_at_ms), tally=tally)

    def report(
        self, values: Sequence[bytes], source: Source, *, received_at_ms: int, emitted: Emitted = NOTHING
    ) -> Outputs:
        """Apply a batch of fraud reports. Refused ones become dead letters, without those in `emitted`.

        A report from the future, by its record's timestamp, is counted as EARLY and changes no profile.
        """
        self._tick(source, received_at_ms)
        labels, clocks, refused, findings, events = self.observer.report(values, source.timestamps_ms, source.partition)
        self.watch.reported(source.partition, events)
        rejects = unburied(refused, source, emitted)
        letters = dead_letters_of(rejects, values, source, received_at_ms)
        tally = Tally(
            events=len(values),
            replayed=len(refused) - len(rejects),
            reports=dict(Counter(labels)),
            report_clocks=by_name(CLOCK_NAMES, clocks),
            stripped=kinds_of(findings.values()),
            dead_letters=reasons_of(rejects),
            letter_runs=runs_of(len(values), refused),
        )
        return Outputs(dead_letters=letters, tally=tally)

    def threeds_results(
        self, values: Sequence[bytes], source: Source, *, received_at_ms: int, emitted: Emitted = NOTHING
    ) -> Outputs:
        """Remember a batch of results of 3-D Secure. Refused ones become dead letters, as in `report`."""
        taken = self.observer.results(values, source.timestamps_ms, source.partition)
        rejects = unburied(taken.rejects, source, emitted)
        settled = {"SETTLED_MATCHED": taken.settled.late, "SETTLED_MISSING": taken.settled.missing}
        letters = map(chr, taken.statuses.tolist())
        tally = Tally(
            events=len(values),
            replayed=len(taken.rejects) - len(rejects),
            results=dict(Counter(letter if letter in RESULTS else "OTHER" for letter in letters)),
            result_clocks=by_name(CLOCK_NAMES, taken.clocks),
            claims={name: count for name, count in settled.items() if count},
            stripped=kinds_of(taken.findings.values()),
            dead_letters=reasons_of(rejects),
            letter_runs=runs_of(len(values), taken.rejects),
        )
        return Outputs(dead_letters=dead_letters_of(rejects, values, source, received_at_ms), tally=tally)

    def merchant(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], source: Source, *, received_at_ms: int
    ) -> Outputs:
        """Apply a batch of merchant records and tombstones. Refused ones become dead letters.

        A new merchant beyond `merchants_max` is only counted: its record is valid, and stays on its compacted topic.
        """
        rejects, beyond_limit, findings = self.observer.merchant(keys, values)
        letters = dead_letters_of(rejects, values, source, received_at_ms)
        tally = Tally(
            events=len(values),
            dead_letters=reasons_of(rejects),
            merchants_beyond_limit=beyond_limit,
            stripped=kinds_of(findings.values()),
        )
        return Outputs(dead_letters=letters, tally=tally)

    def refused_merchants(
        self,
        keys: Sequence[bytes],
        values: Sequence[bytes | None],
        source: Source,
        *,
        received_at_ms: int,
        emitted: Emitted = NOTHING,
    ) -> Outputs:
        """Check merchant records without applying them. Return the dead letters that are not in `emitted`."""
        refused = parse_merchants(keys, values, self.observer.settings.decode).rejects
        rejects = unburied(refused, source, emitted)
        letters = dead_letters_of(rejects, values, source, received_at_ms)
        return Outputs(dead_letters=letters, tally=Tally(events=len(values), dead_letters=reasons_of(rejects)))

    def list_entries(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], stamps_ms: Sequence[int]
    ) -> Mapping[Result, int]:
        """Apply records of the topic of lists, as `DatedEntries.take` does."""
        return self.observer.dated.take(keys, values, stamps_ms)

    def set_partitions(self, partitions: int) -> None:
        """Set the number of input partitions, whose rows are kept apart. Before the first event only."""
        self.observer.set_partitions(partitions)
        self._alerting.set_partitions(partitions)
        self._blocks.set_partitions(partitions)
        self._attach(partitions)

    def _attach(self, partitions: int) -> None:
        self.watch = Watch(self.model, self.observer.months, partitions)
        """The model in use, watched."""
        self.watch.attach_to(self.changelog)
        for rows in (*self._alerting.rows, self.policies, self._blocks):
            self.changelog.attach(rows)

    @property
    def changelog(self) -> Changelog:
        """The changed rows of the profiles since their last flush, and their restore."""
        return self.observer.profiles.changelog

    @property
    def reach_of_cases_ms(self) -> int:
        """Largest age in ms, before an input record's timestamp, of an alert whose case is open to its event."""
        return self._alerting.reach_of_cases_ms

    @property
    def alerting(self) -> Alerting:
        """What raises alerts: it knows the open incidents and digests."""
        return self._alerting

    def restore_cases(self, alerts: Sequence[bytes]) -> int:
        """Open the cases of alerts that were published before, so that they do not fire again.

        Return the number of values that are no alerts.
        """
        return self._alerting.restore_cases(alerts)

    def _tick(self, source: Source, received_at_ms: int) -> None:
        """Move the clock of merchants to the last record; one that is dated ahead of its receipt counts as that."""
        if source.timestamps_ms:
            now_ms = min(source.timestamps_ms[-1], received_at_ms)
            self.observer.standings.tick(now_ms)
            self.observer.overdue.tick(now_ms)

    def is_due(self, partition: int) -> bool:
        """Say whether merchants whose home is a partition await a judgement, or rows that no event changed a flush."""
        beside = (self.observer.standings, self.observer.overdue, self.policies)
        return any(rows.is_due(partition) for rows in beside)

    def judge_merchants(self, partition: int, published: Set[str] = frozenset()) -> Outputs:
        """Judge where merchants of a home partition stand, and what is overdue at them; return alerts.

        Those whose ids are in `published` are left out.
        """
        observer = self.observer
        told = chain(
            map(standing_about, observer.standings.judge(partition)),
            map(overdue_about, observer.overdue.judge(partition)),
        )
        return merchant_alerts(
            told, published, observer.merchants, self.versions, self._in_use.encoder.actions[int(Band.ALLOW)]
        )

    def _encode(
        self,
        values: Sequence[bytes],
        source: Source,
        observed: Observed,
        judged: JudgedBatch,
        emitted: Emitted,
        received_at_ms: int,
        decided_at_ms: int,
    ) -> Outputs:
        decoded = observed.decoded
        event_ms = decoded.ints[:, Col.EVENT_MS]
        decided = Decided(
            names=decoded.names,
            spelt=decoded.spelt,
            scores=judged.scores,
            probabilities=judged.probabilities,
            bands=judged.bands,
            reasons=judged.reasons,
            rule_hits=judged.ruled.hits,
            list_hits=judged.listed.hits,
            tds=self._threeds.encode(
                decoded.ints, decoded.names, observed.verdicts, self.observer.merchants.table, observed.rows
            ),
            compliance=self.observer.merchants.summaries(
                observed.rows, event_ms, decoded.ints[:, Col.MCC], is_bound(decoded.ints)
            ),
            clocks=observed.clocks,
            event_ms=event_ms,
            record_ms=np.maximum(observed.record_ms, 0),
            fallen=judged.fallen.by_row() if judged.fallen is not None else {},
            arms=None if judged.arms is None else judged.arms.of,
        )
        decisions = self._in_use.encoder.encode(decided, received_at_ms, decided_at_ms)
        if np.count_nonzero(judged.silent):
            decisions = [made for made, not_so in zip(decisions, judged.silent.tolist(), strict=True) if not not_so]
        rejects = unburied(decoded.rejects, source, emitted)
        tally = tally_of(len(values), observed, judged, rejects, self.observer.merchants)
        letters = dead_letters_of(rejects, values, source, received_at_ms) if rejects else []
        merchants = self.observer.merchants
        alerts = self._alerting.raise_all(
            observed, decided, merchants, judged.incidents, emitted, tally, source.partition
        )
        if decoded.findings:
            alerts += self._alerting.raise_leaks(observed, decided, judged.silent, emitted, tally)
        return Outputs(
            decisions=decisions,
            alerts=alerts,
            dead_letters=letters,
            repeats=tally.repeats,
            tally=tally,
        )
