"""Which policy decides a batch, and which policies are recorded.

Every decision and alert names its policy. So what a predecessor published after its last marker says, event by event,
by which policy the event was decided, and the same policy decides it when it is applied again. The contents of these
policies are rows of `card-profiles` (`scoring.policy.record`): a policy is used only after a flush has made its content
durable in every owned partition. An event without a published output is decided by the policy in use.

Each marker names the policies that held last in its partition, each with the input offset from which it held.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from scoring.compiled import CompiledPolicy
from scoring.contract.faults import FAULTS
from scoring.outputs import Outputs, joined
from scoring.policy import Policy
from scoring.policy.record import PolicyRows
from streams.state.log.marker import Held
from streams.state.published import NONE_PUBLISHED, Published
from streams.transport.batch import Batch

log = logging.getLogger(__name__)

HELD_MAX: Final = 16
"""Most policies that a marker names: the last ones that held in its partition."""

COMPILED_MAX: Final = 8
"""Most recorded policies that are kept compiled for the next partitions of a takeover."""


@dataclass(slots=True)
class PartitionPolicies:
    """Policies of an owned partition.

    `held`: the last ones that held, oldest first. `recorded`: those whose content is durable. `named`: the policies
    that published outputs name, by event id, of events that were not applied again yet. `recalled`: these policies
    compiled; None for one whose content is missing.
    """

    held: list[Held] = field(default_factory=list)
    recorded: frozenset[str] = frozenset()
    named: dict[bytes, str] = field(default_factory=dict)
    recalled: dict[str, CompiledPolicy | None] = field(default_factory=dict)


class Owned(Protocol):
    """An owned partition, as its policies need it."""

    partition: int
    published: Published
    policies: PartitionPolicies


class Engine(Protocol):
    """The engine's policies."""

    policies: PolicyRows

    @property
    def in_use(self) -> CompiledPolicy:
        """The policy in use."""
        ...

    def compile(self, policy: Policy, identity: str | None = None) -> CompiledPolicy:
        """Compile a policy; `identity` of one that was recorded. May run in another thread."""
        ...

    def use(self, compiled: CompiledPolicy) -> None:
        """Decide the next batches by a policy."""
        ...


class Telemetry(Protocol):
    """Record by which policies input is applied again."""

    def policy_recalled(self, recorded: int, missing: int) -> None:
        """Record events that were applied again by a recorded policy, or whose policy was missing."""


class _Run(NamedTuple):
    """Consecutive events of a batch, [begin, end), and the policy that published outputs name; None for no outputs."""

    begin: int
    end: int
    policy: str | None


class Policies:
    """The policies of one worker. `owned`: the partitions that it owns, by number."""

    def __init__(self, engine: Engine, owned: Mapping[int, Owned], telemetry: Telemetry) -> None:
        self._engine = engine
        self._owned = owned
        self._telemetry = telemetry
        self._next: CompiledPolicy | None = None
        self._flushed = asyncio.Event()
        self._compiled: dict[str, CompiledPolicy | None] = {}

    # -- for the reload

    async def use(self, compiled: CompiledPolicy) -> None:
        """Take a policy into use as soon as its content is durable in every owned partition."""
        self._next = compiled
        try:
            while any(compiled.identity not in owned.policies.recorded for owned in self._owned.values()):
                self._flushed.clear()
                await self._flushed.wait()
            self._engine.use(compiled)  # nothing may be awaited since the check
        finally:
            self._next = None

    # -- for the agents

    def score(self, batch: Batch, score: Callable[[Batch], Outputs]) -> Outputs:
        """Score a batch by the policy in use, and what a predecessor decided by the policies that it named."""
        owned = self._owned.get(batch.partition)
        if owned is None:  # profiles are not durable
            return score(batch)
        mine, policies = self._engine.in_use, owned.policies
        if policies.named and owned.published is NONE_PUBLISHED:
            policies.named, policies.recalled = {}, {}  # all of it is applied again
        if policies.recalled.keys() <= {mine.identity}:
            self._note(owned, batch, mine.identity)
            return score(batch)
        try:
            return joined([self._score(owned, batch, run, score, mine) for run in _runs(batch.values, policies.named)])
        finally:
            self._engine.use(mine)

    def _score(
        self, owned: Owned, batch: Batch, run: _Run, score: Callable[[Batch], Outputs], mine: CompiledPolicy
    ) -> Outputs:
        """Score a run of events by its policy."""
        recalled = mine if run.policy is None else owned.policies.recalled[run.policy]
        used = mine if recalled is None else recalled
        if self._engine.in_use is not used:
            self._engine.use(used)
        piece = _cut(batch, run)
        outputs = score(piece)
        if outputs.decisions or outputs.tally.replayed:  # repeats alone are decided by no policy
            self._note(owned, piece, used.identity)
        if used is not mine or recalled is None:
            self._telemetry.policy_recalled(*((0, len(piece)) if recalled is None else (len(piece), 0)))
        return outputs

    def _note(self, owned: Owned, batch: Batch, policy: str) -> None:
        held = owned.policies.held
        if held and held[-1].policy == policy:
            return
        held.append(Held(policy=policy, offset=batch.offsets[0]))
        del held[:-HELD_MAX]
        log.info("policy_held policy=%s partition=%d from=%d", policy, owned.partition, batch.offsets[0])

    # -- for flushes

    def keep(self, owned: Owned) -> frozenset[str]:
        """Have the next flush of a partition write and delete contents. Return the policies that are recorded then."""
        records = [one.record for one in (self._engine.in_use, self._next) if one is not None]
        others: list[str] = []
        if owned.published is not NONE_PUBLISHED:
            others = [name for name, compiled in owned.policies.recalled.items() if compiled is not None]
        self._engine.policies.keep(owned.partition, records, others)
        return frozenset(record.identity for record in records)

    def flushed(self, owned: Owned, recorded: frozenset[str]) -> None:
        """Record that a flush of a partition is durable."""
        owned.policies.recorded = recorded
        self._flushed.set()

    # -- for the restore

    async def recall(self, owned: Owned) -> None:
        """Compile the policies that a predecessor named in outputs of input that is about to be applied again."""
        policies, mine = owned.policies, self._engine.in_use
        policies.named = dict(owned.published.policies)
        for name in sorted(set(policies.named.values())):
            content = self._engine.policies.content(owned.partition, name)
            if name == mine.identity:
                policies.recalled[name] = mine
            elif content is None:
                policies.recalled[name] = None
            else:
                policies.recalled[name] = await asyncio.to_thread(self._recalled, name, content, mine)
            if policies.recalled[name] is None:
                events = sum(named == name for named in policies.named.values())
                log.error("policy_missing policy=%s partition=%d events=%d", name, owned.partition, events)

    def _recalled(self, name: str, content: bytes, mine: CompiledPolicy) -> CompiledPolicy | None:
        """Compile a recorded policy; None if this version cannot read it. Runs in a thread."""
        if name not in self._compiled:
            if len(self._compiled) >= COMPILED_MAX:
                self._compiled.clear()
            self._compiled[name] = None
            try:
                policy = msgspec.json.decode(content, type=Policy)
            except FAULTS:
                return None
            quiet = mine.policy.alerts.incident_quiet_minutes  # it is that of the process: ids of incidents contain it
            alerts = msgspec.structs.replace(policy.alerts, incident_quiet_minutes=quiet)
            self._compiled[name] = self._engine.compile(msgspec.structs.replace(policy, alerts=alerts), name)
        return self._compiled[name]


def _runs(values: Sequence[bytes], named: dict[bytes, str]) -> Iterator[_Run]:
    """Cut a batch where the policy changes, and take the ids of its events out of `named`.

    An event that no output names (a repeat, say) goes with the next one in the batch that has a name. Behind the last
    one the policy is that in use.
    """
    found = [named.pop(name, None) if (name := _event_id(value)) is not None else None for value in values]
    resolved = list[str | None](found)
    for number in reversed(range(len(found) - 1)):
        if resolved[number] is None:
            resolved[number] = resolved[number + 1]
    begin = 0
    for policy, group in groupby(resolved):
        end = begin + len(list(group))
        yield _Run(begin, end, policy)
        begin = end


def _cut(batch: Batch, run: _Run) -> Batch:
    part = slice(run.begin, run.end)
    return replace(
        batch, offsets=batch.offsets[part], timestamps_ms=batch.timestamps_ms[part], values=batch.values[part]
    )


class _Event(Struct):
    event_id: str


_EVENT: Final = msgspec.json.Decoder(_Event)


def _event_id(value: bytes) -> bytes | None:
    """Return the id of an authorization; None if it cannot be read: then it becomes a dead letter."""
    try:
        return _EVENT.decode(value).event_id.encode()
    except FAULTS:
        return None
