"""A policy compiled for the engine."""

from dataclasses import dataclass

from msgspec.structs import replace

from scoring.contract.decision import Versions
from scoring.decide.decisions import DecisionEncoder
from scoring.policy import Policy, PolicyTable
from scoring.policy.policy import digest_of
from scoring.policy.record import PolicyRecord, record_of


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy with what decides by it, and with the rows by which it is recorded."""

    policy: Policy
    table: PolicyTable
    versions: Versions
    encoder: DecisionEncoder
    record: PolicyRecord

    @property
    def identity(self) -> str:
        """What its decisions name."""
        return self.record.identity


def compile_policy(
    policy: Policy, others: Versions, joined: frozenset[int], identity: str | None = None
) -> CompiledPolicy:
    """Compile a policy. `others`: versions of everything else. `joined` as in `PolicyTable`.

    `identity`: that of a policy that was recorded, whose rows are on a log already.
    """
    record = PolicyRecord(identity, {}) if identity is not None else _recorded(policy)
    versions = replace(others, policy=record.identity)
    encoder = DecisionEncoder(versions, policy.actions)
    return CompiledPolicy(policy, PolicyTable(policy, joined), versions, encoder, record)


def _recorded(policy: Policy) -> PolicyRecord:
    content = policy.content
    return record_of(f"{policy.version}+{digest_of(content)}", content)
