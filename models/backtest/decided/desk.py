"""One policy over a history: bands, alerts and cases of its rows, and what its rules and lists hit."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.backtest.decided.batch import Batch
from models.backtest.decided.contender import Contender
from models.backtest.figures import DIGITS
from models.backtest.judged import Join, Judged, may_be_suppressed
from models.backtest.scored import Fate, Scored
from scoring.alerting import Alerting
from scoring.compiled import CompiledPolicy, compile_policy
from scoring.contract.codes import Band
from scoring.contract.decision import RuleHit, Versions
from scoring.decide.threeds import ThreeDsEncoder
from scoring.features.all import FEATURES_VERSION
from scoring.judging import Added, Banded, Judge
from scoring.lists import DatedEntries, DatedLimits
from scoring.model.bundle import Bundle
from scoring.observer import Settings
from scoring.policy import Policy, PolicyTable
from scoring.policy.experiment import Arm
from scoring.policy.rules import BlockCounts
from scoring.reference.threeds import reference

_CASE_BYTES: Final = 8
_hits_of: Final = msgspec.json.Decoder(list[RuleHit]).decode


class Hits(Struct, frozen=True, kw_only=True):
    """Counted payments that a rule or a list hit, and their yen. `kind`: RULE or LIST; `id`: its id in the policy.

    `effect` of a rule: ON, SHADOW, or CAPPED where it asked for REVIEW because it reached a cap. That of a list is as
    in the decision: RAISED, LOWERED, NO_CHANGE, SHADOW, DENIED, CRITICAL_RULE, LIMIT. `precision`: share of frauds.
    """

    kind: str
    id: str
    effect: str
    payments: int
    jpy: int
    frauds: int
    fraud_jpy: int
    precision: float


class Desk:
    """A policy at work on a history of n rows, in the order of receipt. One partition has all events.

    Where a worker would halt because its model is too old, the event is scored.
    """

    def __init__(self, contender: Contender, bundle: Bundle, settings: Settings, rows: Scored) -> None:
        self._compiled = compiled(contender, bundle, settings)
        policy = contender.policy
        self._policy, self._minimum = policy, int(Band[policy.alerts.minimum_band])
        self._judge = Judge(bundle, ThreeDsEncoder(reference(), settings.threeds), BlockCounts())
        self._alerting = Alerting(policy.alerts, self._compiled.encoder, self._compiled.tables)
        self._rows, n = rows, len(rows.scores)
        self._bands, self._alerts, self._cases = np.zeros(n, np.int8), np.zeros(n, np.bool_), np.zeros(n, np.int64)
        self._joins, self._arms = np.zeros(n, np.int8), np.zeros(n, np.int8)
        self._added: dict[int, Added] = {}
        self._lowered: set[int] = set()
        self._hits: dict[tuple[str, str, str], NDArray[np.int64]] = {}

    def take(self, batch: Batch) -> Mapping[int, bytes]:
        """Decide a batch. Return the incident of each position that is an attempt of one."""
        observer, observed = batch.observer, batch.observed
        found = self._judge.banded(observer, observed, batch.margins, observed.passed_over, self._compiled, 0)
        bands = found.listed.bands
        incidents = self._alerting.incidents.take(observed, bands, 0).rows
        alerts, cases = np.zeros(len(bands), np.bool_), np.zeros(len(bands), np.int64)
        joins, arms = np.zeros(len(bands), np.int8), arms_of(found)
        alerts[list(incidents)] = bands[list(incidents)] >= self._minimum
        for row, incident in incidents.items():
            cases[row], joins[row] = _number(incident), Join.ATTACK
        at_ms = observed.trusted_ms
        for row in np.flatnonzero((bands >= self._minimum) & ~observed.passed_over).tolist():
            if row in incidents:
                continue
            reasons = found.reasons(row, self._judge.reasons_by_model(observed, found, row))
            about = int(at_ms[row]), int(bands[row]), reasons, int(arms[row])
            joined = self._alerting.join(observed.decoded, row, *about)
            if joined is not None:
                name = f"{joined.subject.dedup_key}\x1f{joined.case.first_ms}".encode()
                alerts[row], cases[row] = True, _number(blake2b(name, digest_size=_CASE_BYTES).digest())
                joins[row] = Join[joined.subject.entity]
        kept, rows = batch.kept, batch.rows
        self._bands[rows], self._alerts[rows], self._cases[rows] = bands[kept], alerts[kept], cases[kept]
        self._joins[rows], self._arms[rows] = joins[kept], arms[kept]
        self._keep(batch, found)
        return incidents

    def _keep(self, batch: Batch, found: Banded) -> None:
        """Keep what limits, rules and lists say of the rows of a batch."""
        if not (found.limited or found.closed or found.ruled.hits or found.listed.hits):
            return
        for row, position in enumerate(batch.kept.tolist(), start=batch.first):
            added = found.added(position)
            if added is not None:
                self._added[row] = added
            for hit in _hits_of(found.ruled.hits[position]) if position in found.ruled.hits else ():
                self._hit("RULE", hit.id, "CAPPED" if hit.capped else hit.mode.upper(), row)
            for listed in found.listed.hits.get(position, ()):
                self._hit("LIST", listed.list, listed.effect, row)
                if listed.effect == "LOWERED":
                    self._lowered.add(row)

    def _hit(self, kind: str, name: str, effect: str, row: int) -> None:
        if self._rows.is_counted[row]:
            yen, is_fraud = int(self._rows.yen[row]), self._rows.fates[row] == Fate.FRAUD
            sums = self._hits.setdefault((kind, name, effect), np.zeros(4, np.int64))
            sums += (1, yen, is_fraud, yen * is_fraud)

    def judged(self) -> Judged:
        """Return what became of the rows."""
        return Judged(
            policy=self._policy,
            bands=self._bands,
            alerts=self._alerts,
            cases=self._cases,
            joins=self._joins,
            arms=self._arms,
            added=self._added,
            lowered=self._lowered,
        )

    def hits(self) -> list[Hits]:
        """Return what rules and lists hit, in the order of their kinds, ids and effects."""
        return [
            Hits(
                kind=kind,
                id=name,
                effect=effect,
                payments=payments,
                jpy=jpy,
                frauds=frauds,
                fraud_jpy=fraud_jpy,
                precision=round(frauds / payments, DIGITS),
            )
            for (kind, name, effect), sums in sorted(self._hits.items(), key=lambda one: one[0])
            for payments, jpy, frauds, fraud_jpy in (sums.tolist(),)
        ]


class Edge:
    """The alerts of a policy with another threshold of all events: bool[n] in `alerts`. No cases."""

    def __init__(self, contender: Contender, bundle: Bundle, settings: Settings, rows: Scored) -> None:
        self._compiled = compiled(contender, bundle, settings)
        self._minimum = int(Band[contender.policy.alerts.minimum_band])
        self._of_any_reason = [_of_any_reason(each) for each in self._compiled.policies]
        self._judge = Judge(bundle, ThreeDsEncoder(reference(), settings.threeds), BlockCounts())
        self.alerts = np.zeros(len(rows.scores), np.bool_)

    def take(self, batch: Batch, incidents: Mapping[int, bytes]) -> None:
        """Decide a batch. `incidents`: those of the policy in use, whose attempts no suppression covers."""
        observed = batch.observed
        found = self._judge.banded(batch.observer, observed, batch.margins, observed.passed_over, self._compiled, 0)
        bands, at_ms, decoded = found.listed.bands, observed.trusted_ms, observed.decoded
        alerts, arms = bands >= self._minimum, arms_of(found)
        may_be = np.logical_or.reduce([may_be_suppressed(each, at_ms, bands) for each in self._compiled.policies])
        for row in np.flatnonzero(alerts & may_be).tolist():
            about = decoded.ints[row], decoded.hashes[row], int(at_ms[row]), int(bands[row])
            if row in incidents or not self._of_any_reason[int(arms[row] == Arm.B)].is_suppressed(*about, ""):
                continue
            reasons = found.reasons(row, self._judge.reasons_by_model(observed, found, row))
            heaviest = reasons[0].id if reasons else ""
            alerts[row] = not self._compiled.tables[arms[row]].is_suppressed(*about, heaviest)
        self.alerts[batch.rows] = alerts[batch.kept]


def compiled(contender: Contender, bundle: Bundle, settings: Settings) -> CompiledPolicy:
    """Compile a policy with its experiment as one that was recorded: it halts nothing.

    No entries of the topic of lists are there: those that count are among the entries of files.
    """
    versions = Versions(model=bundle.version, features=FEATURES_VERSION, policy="", code="", reference="")
    joined, identity = settings.decode.joined, contender.policy.identity
    dated = DatedEntries(DatedLimits(), joined)
    return compile_policy(contender.policy, contender.list_files, versions, dated, joined, identity)


def arms_of(found: Banded) -> NDArray[np.int8]:
    """Return who decides each event of a batch, int8[n] of `Arm`."""
    return np.zeros(len(found.scores), np.int8) if found.arms is None else found.arms.of


def _of_any_reason(policy: Policy) -> PolicyTable:
    """Return the table of a policy whose suppressions cover every reason: reasons take time."""
    without = [msgspec.structs.replace(each, reasons=[]) for each in policy.suppressions]
    return PolicyTable(msgspec.structs.replace(policy, suppressions=without, rules=[], experiment=None))


def _number(name: bytes) -> int:
    """Return a number for a name, never 0: of 8 bytes of a hash, so two of a billion cases may be one."""
    return int.from_bytes(name[:_CASE_BYTES], "big", signed=True) or 1
