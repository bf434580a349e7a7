"""A policy with all that decides by it, made once and used between two batches."""

from dataclasses import dataclass, field

from msgspec.structs import replace

from scoring.contract.decision import Versions
from scoring.decide.decisions import DecisionEncoder
from scoring.lists import ListTable
from scoring.policy import ListJudge, Policy, PolicyTable
from scoring.policy.policy import digest_of
from scoring.policy.record import PolicyRecord, record_of


@dataclass(frozen=True, slots=True)
class ListFiles:
    """The entries of the lists of a policy that are in files. `digest`: of their content, "" without one."""

    table: ListTable = field(default_factory=ListTable)
    digest: str = ""


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy with what decides by it, and with the rows by which it is recorded.

    `list_files`: where the entries of its lists come from.
    """

    policy: Policy
    table: PolicyTable
    lists: ListJudge
    list_files: ListFiles
    versions: Versions
    encoder: DecisionEncoder
    record: PolicyRecord

    @property
    def identity(self) -> str:
        """What its decisions name."""
        return self.record.identity


def compile_policy(
    policy: Policy, list_files: ListFiles, others: Versions, joined: frozenset[int], identity: str | None = None
) -> CompiledPolicy:
    """Compile a policy. `others`: versions of everything else. `joined` as in `PolicyTable`.

    `identity`: that of a policy that was recorded, whose rows are on a log already. Seconds if the policy is large. It
    reads nothing that changes, so it may run in another thread.
    """
    record = PolicyRecord(identity, {}) if identity is not None else _recorded(policy)
    versions = replace(others, policy=record.identity, lists=list_files.digest or None)
    return CompiledPolicy(
        policy=policy,
        table=PolicyTable(policy, joined),
        lists=ListJudge(policy.lists, list_files.table),
        list_files=list_files,
        versions=versions,
        encoder=DecisionEncoder(versions, policy.actions),
        record=record,
    )


def _recorded(policy: Policy) -> PolicyRecord:
    content = policy.content
    return record_of(f"{policy.version}+{digest_of(content)}", content)
