"""A policy with all that decides by it, made once and used between two batches."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from scoring.contract.decision import InExperiment, Versions
from scoring.decide.decisions import DecisionEncoder
from scoring.decode import Col
from scoring.decode.hashing import KEYS
from scoring.features.all import FEATURES
from scoring.lists import DatedEntries, ListTable
from scoring.merchants.store import MerchantStore
from scoring.policy import ListJudge, Policy, PolicyTable
from scoring.policy.experiment import Arms, Assignment, assignment_of
from scoring.policy.fallback import FallbackTable
from scoring.policy.policy import digest_of
from scoring.policy.record import PolicyRecord, record_of
from scoring.policy.rules import Batch
from scoring.policy.scopes import Scope
from scoring.policy.table import keys_of
from scoring.threeds import VERDICT_COLUMNS


@dataclass(frozen=True, slots=True)
class ListFiles:
    """The entries of the lists of a policy that are in files. `digest`: of their content, "" without one."""

    table: ListTable = field(default_factory=ListTable)
    digest: str = ""


@dataclass(frozen=True, slots=True)
class CompiledExperiment:
    """The experiment of a policy. `table`: of its candidate. `identity`: that of the candidate, which arm B names."""

    id: str
    assignment: Assignment
    candidate: Policy
    table: PolicyTable
    identity: str

    def encoder(self, versions: Versions, policy: Policy) -> DecisionEncoder:
        """Return the encoder of both arms. `versions`: those that decisions name outside the experiment."""
        a, b = (InExperiment(id=self.id, arm=arm, policy=versions.policy) for arm in ("A", "B"))
        of_candidate = structs.replace(versions, policy=self.identity)
        return DecisionEncoder(versions, policy.actions, [(versions, a), (of_candidate, b)])


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy with what decides by it, and with the rows by which it is recorded.

    `list_files`: where the entries of its lists come from. `fallback`: what becomes of events without a sound model.
    `experiment`: its candidate beside it. Both are of one policy, so a change of it changes both at once.
    """

    policy: Policy
    table: PolicyTable
    lists: ListJudge
    list_files: ListFiles
    versions: Versions
    encoder: DecisionEncoder
    record: PolicyRecord
    fallback: FallbackTable
    experiment: CompiledExperiment | None = None

    @property
    def experiment_id(self) -> str:
        """The id of the experiment, "" for none."""
        return "" if self.experiment is None else self.experiment.id

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies that decide: the published one, and the candidate of its experiment."""
        return (self.policy,) if self.experiment is None else (self.policy, self.experiment.candidate)

    @property
    def rule_modes(self) -> AbstractSet[tuple[str, str]]:
        """Id and mode of each rule that is not off, of either policy."""
        return {pair for policy in self.policies for pair in policy.rule_modes.items()}

    @property
    def blocking_rules(self) -> AbstractSet[str]:
        """The ids of the rules that are on and block, of either policy."""
        return {rule for policy in self.policies for rule in policy.blocking_rules}

    @property
    def tables(self) -> tuple[PolicyTable, ...]:
        """The tables by `Arm`."""
        return (self.table,) if self.experiment is None else (self.table, self.table, self.experiment.table)

    def arms(self, cards: NDArray[np.uint64], at_ms: NDArray[np.int64]) -> Arms | None:
        """Return who decides each event of a batch; None if no event is in an experiment. As `Assignment.arms`."""
        return None if self.experiment is None else self.experiment.assignment.arms(cards, at_ms)

    @property
    def identity(self) -> str:
        """What its decisions name."""
        return self.record.identity

    @property
    def model(self) -> str:
        """The version of the model that its decisions name."""
        return self.versions.model

    def with_model(self, version: str) -> "CompiledPolicy":
        """Return the same for decisions that name another model. Takes microseconds."""
        versions = structs.replace(self.versions, model=version)
        return replace(self, versions=versions, encoder=_encoder(versions, self.policy, self.experiment))


def compile_policy(
    policy: Policy,
    list_files: ListFiles,
    others: Versions,
    dated: DatedEntries,
    joined: frozenset[int],
    identity: str | None = None,
) -> CompiledPolicy:
    """Compile a policy. `others`: versions of everything else. `dated`: entries of the topic of lists.
    `joined` as in `PolicyTable`.

    `identity`: that of a policy that was recorded, whose rows are on a log already. Takes seconds if the policy is
    large, or the first with rules or lists on this machine. It reads nothing that changes, so any thread may run it.
    """
    record = PolicyRecord(identity, {}) if identity is not None else _recorded(policy)
    versions = structs.replace(others, policy=record.identity, lists=_lists_of(policy, list_files, dated))
    table = PolicyTable(policy, joined)
    experiment = _experiment(policy, joined)
    for each in (table,) if experiment is None else (table, experiment.table):
        if each.has_rules:
            _ask_about_nothing(each)
    if policy.lists:
        list_files.table.find(_NO_EVENTS, _NO_HASHES, _NO_NUMBERS)
        dated.find(_NO_EVENTS, _NO_HASHES, _NO_NUMBERS)
    scopes = (Scope(acquirer=entry.acquirer) for entry in policy.model_failure.acquirers)
    return CompiledPolicy(
        policy=policy,
        table=table,
        lists=ListJudge(policy.lists, list_files.table, dated),
        list_files=list_files,
        versions=versions,
        encoder=_encoder(versions, policy, experiment),
        record=record,
        fallback=FallbackTable(policy.model_failure, keys_of(scopes, joined), can_stop=identity is None),
        experiment=experiment,
    )


def _lists_of(policy: Policy, list_files: ListFiles, dated: DatedEntries) -> str | None:
    """Return what decisions say of the entries: the digest of files, and the delay of those of the topic.

    What the topic says at a time is a function of its records and the delay.
    """
    said = [list_files.digest] if list_files.digest else []
    if any(rule.source == "topic" for rule in policy.lists):
        said.append(f"topic/{dated.limits.delay_ms}ms")
    return "+".join(said) or None


def _experiment(policy: Policy, joined: frozenset[int]) -> CompiledExperiment | None:
    experiment, candidate = policy.experiment, policy.candidate
    if experiment is None or candidate is None:
        return None
    return CompiledExperiment(
        id=experiment.id,
        assignment=assignment_of(experiment),
        candidate=candidate,
        table=PolicyTable(candidate, joined, experiment.share_per_mille),
        identity=candidate.identity,
    )


def _encoder(versions: Versions, policy: Policy, experiment: CompiledExperiment | None) -> DecisionEncoder:
    if experiment is None:
        return DecisionEncoder(versions, policy.actions)
    return experiment.encoder(versions, policy)


_NO_EVENTS: Final = np.empty((0, len(Col)), dtype=np.int64)
_NO_HASHES: Final = np.empty((0, KEYS), dtype=np.uint64)
_NO_NUMBERS: Final = np.empty(0, dtype=np.int64)
_NO_FLAGS: Final = np.empty(0, dtype=np.bool_)


def _ask_about_nothing(table: PolicyTable) -> None:
    """Ask rules about no event: their kernels compile here, and not when a payment waits.

    Most policies have no rules and no lists, so the kernels of these are no part of the warm-up.
    """
    merchants = MerchantStore(1)
    batch = Batch(
        features=np.empty((0, len(FEATURES)), dtype=np.float64),
        events=_NO_EVENTS,
        verdicts=np.empty((0, VERDICT_COLUMNS), dtype=np.int64),
        merchants=merchants.table,
        rows=_NO_NUMBERS,
        scores=np.empty(0, dtype=np.int16),
        at_ms=_NO_NUMBERS,
        decided=_NO_FLAGS,
        counted=_NO_FLAGS,
    )
    table.ask(batch, _NO_HASHES, lambda: merchants.standings_of(_NO_NUMBERS))


def _recorded(policy: Policy) -> PolicyRecord:
    content = policy.content
    return record_of(f"{policy.version}+{digest_of(content)}", content)
